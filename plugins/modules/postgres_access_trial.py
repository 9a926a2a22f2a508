#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_access_trial
short_description: Try what PostgreSQL roles may really do
version_added: "1.0.0"
description:
  - Compares what roles may do with a declaration as M(ai_micro.postgres.postgres_access) takes it. Where that module compares grants, this one
    asks for their effect, whatever it comes from (a group, PUBLIC, ownership, an attribute).
  - Each role is tried in each database, twice. The catalog is asked (C(has_table_privilege) and the like), and statements are sent in the role's
    name (C(SET SESSION AUTHORIZATION)), each in a transaction that is rolled back.
  - Tried are connecting, schemas, reading and writing each table and each column that differs from its table, TRUNCATE, ALTER, making tables, schemas
    and extensions, files and programs of the server, and becoming another role. C(CREATE EXTENSION IF NOT EXISTS) of what is installed must succeed.
  - Logins that are given with their passwords are tried over TCP as well. Each must come in with TLS, the server's certificate verified in full, and
    must be turned away without TLS.
  - It is safe on a server in use. No statement touches a row, and what would take a strong lock or write a file is sent only where the
    catalog says that it is refused; no lock is waited for longer than a second.
extends_documentation_fragment:
  - ai_micro.postgres.postgres
attributes:
  check_mode:
    support: full
    description: Changes nothing, in check mode as well as out of it.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: Nothing is changed.
options:
  login_db:
    description:
      - Database to connect to for what belongs to the whole server.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  roles:
    description: Roles to try. None of them should be a superuser or own anything.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the role.
        type: str
        required: true
      member_of:
        description: Roles that it may become.
        type: list
        elements: str
        default: []
  databases:
    description: The databases as M(ai_micro.postgres.postgres_access) takes them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      owner:
        description: Role that owns the database and all in it.
        type: str
      creators:
        description: Roles whose later objects are covered by default privileges.
        type: list
        elements: str
        default: []
      contents:
        description: With V(false), only the entry to the database is tried.
        type: bool
        default: true
      grants:
        description: What each role may, by role; V(public) stands for PUBLIC.
        type: dict
        default: {}
  hba:
    description:
      - Declared rules of pg_hba.conf, with C(database), C(role), C(source) and C(method). A database that O(databases) does not name counts
        where these rules open it to the role.
    type: list
    elements: dict
    default: []
  logins:
    description:
      - Logins to come in by over TCP, as clients do. Each connects twice, with C(sslmode=verify-full) and with C(sslmode=disable), and is closed
        at once. One whose clients leave no connection to spare is not tried, and said to be so.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the login.
        type: str
        required: true
      password:
        description: Its password.
        type: str
        required: true
      database:
        description: Database that it may connect to.
        type: str
        required: true
      host:
        description: Name by which clients know the server, which its certificate must hold.
        type: str
        required: true
      address:
        description: Address that is connected to, whatever O(logins[].host) leads to here.
        type: str
        required: true
      port:
        description: Port of that address.
        type: int
        default: 5432
      ca_cert:
        description: File with the certificate of the CA that clients trust.
        type: path
        required: true
      ssl_cert:
        description: File with the login's own certificate, where the server asks for one.
        type: path
      ssl_key:
        description: File with the key of that certificate.
        type: path
  fail_on_deviation:
    description: >-
      Whether the module fails when a role may do more or less than declared, or a login is not as it should be. The result is complete in either
      case.
    type: bool
    default: true
notes:
  - The module must connect as a superuser. It keeps the refusals that it provokes out of the server's log.
  - Functions are compared by M(ai_micro.postgres.postgres_access).
seealso:
  - module: ai_micro.postgres.postgres_access
author:
  - ai-micro-service team (@ai-micro-service)
"""

EXAMPLES = r"""
- name: Try what the roles may
  ai_micro.postgres.postgres_access_trial:
    login_unix_socket: /var/run/postgresql
    roles:
      - name: auth_service
      - name: auth_service_2
        member_of: [auth_service]
      - name: readonly_user
    databases:
      - name: authdb
        owner: postgres
        grants:
          auth_service:
            database: [CONNECT]
            schemas:
              public:
                privileges: [USAGE]
                tables: [SELECT, INSERT, UPDATE, DELETE]
          readonly_user:
            database: [CONNECT]
            schemas:
              public:
                privileges: [USAGE]
                tables:
                  users:
                    SELECT:
                      except: [password_hash]
      - name: postgres
        contents: false
"""

RETURN = r"""
deviations:
  description: What a role may and should not, or the other way round.
  returned: always
  type: list
  elements: dict
  sample:
    - database: apidb
      role: auth_service
      verb: SELECT
      name: public.profiles
      allowed: true
      by: [catalog, statement]
      reason: ''
      line: 'apidb: auth_service may SELECT public.profiles, which is not declared (catalog and statement).'
  contains:
    database:
      description: Database of the object; empty for what belongs to the server.
      type: str
    role:
      description: The role that was tried.
      type: str
    verb:
      description: What was tried.
      type: str
    name:
      description: What it was tried on; empty where there is no object.
      type: str
    allowed:
      description: Whether the role may. The declaration says the opposite.
      type: bool
    by:
      description: How it was found, V(catalog) or V(statement) or both.
      type: list
      elements: str
    reason:
      description: What the server said where it refused.
      type: str
    line:
      description: The same as a sentence.
      type: str
undecided:
  description: What could not be tried, as sentences, for example because another session held a lock.
  returned: always
  type: list
  elements: str
  sample: []
came_in:
  description: Which of O(logins) came in with TLS and were turned away without.
  returned: always
  type: list
  elements: str
  sample: [auth_service, readonly_user]
login_problems:
  description: What is wrong with others of O(logins), as sentences.
  returned: always
  type: list
  elements: str
  sample:
    - "authdb: auth_service comes in without TLS: run site.yml --tags instance, which puts the declared pg_hba.conf in force."
statements:
  description: How many statements were sent in a role's name.
  returned: always
  type: int
  sample: 312
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial_run import run


def main() -> None:
    spec = argument_spec(login_db=True)
    spec.update(
        roles={
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "member_of": {"type": "list", "elements": "str", "default": []},
            },
        },
        databases={
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "owner": {"type": "str"},
                "creators": {"type": "list", "elements": "str", "default": []},
                "contents": {"type": "bool", "default": True},
                "grants": {"type": "dict", "default": {}},
            },
        },
        hba={"type": "list", "elements": "dict", "default": []},
        logins={
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "password": {"type": "str", "required": True, "no_log": True},
                "database": {"type": "str", "required": True},
                "host": {"type": "str", "required": True},
                "address": {"type": "str", "required": True},
                "port": {"type": "int", "default": 5432},
                "ca_cert": {"type": "path", "required": True},
                "ssl_cert": {"type": "path"},
                "ssl_key": {"type": "path", "no_log": False},
            },
        },
        fail_on_deviation={"type": "bool", "default": True},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    result = run(module)
    lines = [*(each["line"] for each in result["deviations"]), *result["login_problems"]]
    if module.params["fail_on_deviation"] and lines:
        module.fail_json(msg=" ".join(lines), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
