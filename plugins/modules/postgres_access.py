#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_access
short_description: Give each PostgreSQL role exactly its declared privileges
version_added: "1.0.0"
description:
  - Compares roles and privileges with a declaration, grants what is missing B(and revokes what is not declared),
    V(PUBLIC) included, in the databases and for the roles that it is told to own.
  - One call serves a whole server. It reads each database in three or four catalog queries, however many objects there are.
  - Objects made later are covered by default privileges of O(databases[].creators), PUBLIC's default EXECUTE on
    functions being taken away.
  - Members of extensions, and what C(initdb) made, keep what they come with (C(pg_init_privs)); what somebody granted
    on them beyond that is revoked. PUBLIC keeps USAGE on types and languages, which opens no data.
  - Passwords are turned into SCRAM-SHA-256 verifiers by the module, so no clear text reaches the server. A password
    is left alone when the stored verifier is its own.
  - Everything is read and judged before the first write. Each place (the server, each database) is written in one
    transaction and read again before it is committed.
extends_documentation_fragment:
  - ai_micro.postgres.postgres
attributes:
  check_mode:
    support: full
    description: Returns the same keys, the same RV(queries) included, and writes nothing.
  diff_mode:
    support: full
    description: Shows the entries that go and the entries that come.
  idempotent:
    support: full
    description: A second run with the same declaration changes nothing.
options:
  state:
    description:
      - V(present) makes the server as declared. V(verified) only reports.
    type: str
    choices: [present, verified]
    default: present
  fail_on_drift:
    description:
      - Whether O(state=verified) fails when anything differs. The result is complete in either case.
    type: bool
    default: true
  login_db:
    description:
      - Database to connect to for what belongs to the whole server.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  ignore_roles:
    description:
      - Shell patterns of roles that are not declared and whose privileges in the declared databases, and memberships
        in declared roles, are left alone.
      - A superuser's entries are left alone anyway, because they mean nothing.
    type: list
    elements: str
    default: []
  roles:
    description:
      - Roles to own. Options left out have their safe default (LOGIN, INHERIT and nothing else, no limit, no expiry,
        no setting, no membership), except on the bootstrap superuser, where they are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the role, as it is; it need not be quoted.
        type: str
        required: true
      state:
        description:
          - V(absent) takes the role's privileges away in O(databases), then drops it. A role that owns something in
            another database is refused before anything is changed.
        type: str
        choices: [present, absent]
        default: present
      login:
        description: Whether the role may log in. Left out, it may.
        type: bool
      superuser:
        description: Whether no privilege is checked for the role. Left out, it is no superuser.
        type: bool
      createdb:
        description: Whether the role may create databases. Left out, it may not.
        type: bool
      createrole:
        description: Whether the role may create roles. Left out, it may not.
        type: bool
      replication:
        description: Whether the role may start replication. Left out, it may not.
        type: bool
      bypassrls:
        description: Whether row-level security does not hold for the role. Left out, it does.
        type: bool
      inherit:
        description: Whether the role has the privileges of its groups without SET ROLE. Left out, it has.
        type: bool
      connection_limit:
        description: Connections that the role may have at once; V(-1), as when left out, is no limit.
        type: int
      valid_until:
        description: Time when the password expires, as PostgreSQL reads it. Left out, it does not expire.
        type: str
      settings:
        description:
          - Settings of the role's sessions (ALTER ROLE … SET), by name. A list is given as a list.
          - Settings that are not declared are reset.
        type: dict
      database_settings:
        description: The same for sessions in one database, by database and name.
        type: dict
      password:
        description:
          - Clear password or SCRAM-SHA-256 verifier. Left out, the password is left alone.
        type: str
      member_of:
        description:
          - Roles whose privileges the role has. Other memberships of the role are revoked, and so are memberships of
            undeclared roles in it.
        type: list
        elements: str
  databases:
    description:
      - Databases to own. A database must exist, but in check mode a missing one is compared as C(CREATE DATABASE)
        would make it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      owner:
        description:
          - Role that owns the database and all in it, extensions' members excepted. An extension may belong to a superuser
            too. From anybody else it is taken by C(REASSIGN OWNED), since there is no C(ALTER EXTENSION … OWNER); who
            owns an undeclared database or a tablespace as well is refused before anything is changed.
          - Left out, the database's present owner; then objects of superusers are in order too.
        type: str
      creators:
        description:
          - Roles whose later objects are covered by default privileges. Left out or empty, the owner.
        type: list
        elements: str
        default: []
      contents:
        description:
          - With V(false), only the entry to the database is owned (CONNECT, TEMPORARY, CREATE), and no connection to
            it is made. For C(postgres) and C(template1), which every role may enter by default.
        type: bool
        default: true
      grants:
        description:
          - What each role may, by role; V(public) stands for PUBLIC. What is not here is revoked.
          - C(database) is a list of CONNECT, TEMPORARY, CREATE. C(schemas) is a mapping by schema, with
            C(privileges) (USAGE, CREATE), C(tables) (views and foreign tables too), C(sequences), C(functions) and
            C(types).
          - Each of these four is either a list of privileges on all objects, now and later, or a mapping from names
            to lists, where V(*) stands for all objects that are not named. A function is named as V(name) or
            V(name(integer, text)).
          - A table's privileges may be a mapping too, of each privilege to V(true), to a list of columns, or to a
            mapping with the key C(except) and a list of columns, which means all other columns that the table has
            when the module runs. A table that is named gets nothing of V(*) but by default privileges, in the time
            from its creation to the next run.
          - Where a role may not SELECT all of a named table, V(*) lets it read neither views over that table nor its
            partitions, which would show the rest, unless they are named too; and there is no default SELECT for the
            role in that schema, so that what is made later is closed to it until the next run. What copies rows
            (C(CREATE TABLE AS), a function) is not seen.
          - V(ALL) stands for all privileges that the server knows for the kind of object.
        type: dict
        default: {}
notes:
  - PostgreSQL applies default privileges to the functions of extensions too. After a later C(CREATE EXTENSION) they
    are closed to PUBLIC until the module runs again, which gives them back what the extension's script says.
  - The module must connect as a superuser.
  - Views run with their owner's rights; a view that is named may show a column that is excepted on its table.
author:
  - ai-micro-service team (@ai-micro-service)
"""

EXAMPLES = r"""
- name: Give each service its own database and nothing else
  ai_micro.postgres.postgres_access:
    login_unix_socket: /var/run/postgresql
    roles:
      - name: postgres
        password: "{{ superuser_password }}"
      - name: auth_service
        password: "{{ auth_service_password }}"
        connection_limit: 40
        settings:
          statement_timeout: 30s
          idle_in_transaction_session_timeout: 60s
      - name: user_api_service
        password: "{{ user_api_service_password }}"
      - name: admin_api_service
        password: "{{ admin_api_service_password }}"
      - name: readonly_user
        password: "{{ readonly_user_password }}"
        settings:
          default_transaction_read_only: true
    databases:
      - name: authdb
        owner: postgres
        grants:
          auth_service: &service
            database: [CONNECT]
            schemas:
              public:
                privileges: [USAGE]
                tables: [SELECT, INSERT, UPDATE, DELETE]
                sequences: [USAGE, SELECT]
          readonly_user:
            database: [CONNECT]
            schemas:
              public:
                privileges: [USAGE]
                tables:
                  '*': [SELECT]
                  users:
                    SELECT:
                      except: [password_hash]
      - name: apidb
        owner: postgres
        grants:
          user_api_service: *service
          readonly_user: &reader
            database: [CONNECT]
            schemas:
              public:
                privileges: [USAGE]
                tables: [SELECT]
      - name: admindb
        owner: postgres
        grants:
          admin_api_service: *service
          readonly_user: *reader
      - name: postgres
        contents: false
      - name: template1
        contents: false

- name: See who may do more or less than declared, without failing
  ai_micro.postgres.postgres_access:
    login_unix_socket: /var/run/postgresql
    state: verified
    fail_on_drift: false
    databases:
      - name: authdb
        grants:
          auth_service:
            database: [CONNECT]
  register: access
"""

RETURN = r"""
changed:
  description: Whether anything was changed, or would be in check mode.
  returned: always
  type: bool
  sample: true
in_sync:
  description: Whether the server was as declared when the module looked.
  returned: always
  type: bool
  sample: false
missing:
  description: What was declared and not there, one entry per object and role.
  returned: always
  type: list
  elements: dict
  sample:
    - {database: authdb, kind: table, name: public.users, role: auth_service, privileges: [SELECT, INSERT]}
    - {database: '', kind: role, name: auth_service, role: auth_service, privileges: [PASSWORD]}
  contains:
    database:
      description: Database of the object; empty for what belongs to the server.
      type: str
    kind:
      description:
        - Kind of the object, such as V(role), V(membership), V(setting), V(database), V(schema), V(table), V(column),
          V(sequence), V(routine), V(extension), or V(default tables) for tables made later.
      type: str
    name:
      description: Name of the object; for objects made later, their creator and schema.
      type: str
    role:
      description: Role that lacks or has the privileges; V(public) is PUBLIC.
      type: str
    privileges:
      description: The privileges, attributes or values; V(OWNER) where the object belongs to the wrong role.
      type: list
      elements: str
excess:
  description: What was there and not declared, in entries like those of RV(missing).
  returned: always
  type: list
  elements: dict
  sample:
    - {database: authdb, kind: database, name: authdb, role: public, privileges: [CONNECT, TEMPORARY]}
queries:
  description: Statements that were executed, or would be, in their order. Verifiers are masked.
  returned: always
  type: list
  elements: str
  sample:
    - ALTER ROLE "auth_service" PASSWORD '********'
    - REVOKE CONNECT, TEMPORARY ON DATABASE "authdb" FROM PUBLIC CASCADE
diff:
  description: RV(excess) as the state before, RV(missing) as the state after, a line per object and role.
  returned: always
  type: dict
  sample:
    before: "authdb: database authdb: public: CONNECT, TEMPORARY\n"
    after: "authdb: database authdb: auth_service: CONNECT\n"
undeclared_logins:
  description: Roles that may log in or are superusers, and that O(roles) does not name. They are left alone.
  returned: always
  type: list
  elements: str
  sample: [alice]
undeclared_superusers:
  description: Those of RV(undeclared_logins) that are superusers, whom no privilege keeps from anything.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_run import role_options, run
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec


def main() -> None:
    spec = argument_spec(login_db=True)
    spec.update(
        state={"type": "str", "choices": ["present", "verified"], "default": "present"},
        fail_on_drift={"type": "bool", "default": True},
        ignore_roles={"type": "list", "elements": "str", "default": []},
        roles={"type": "list", "elements": "dict", "default": [], "options": role_options()},
        databases={
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "owner": {"type": "str"},
                "creators": {"type": "list", "elements": "str", "default": []},
                "contents": {"type": "bool", "default": True},
                "grants": {"type": "dict", "default": {}},
            },
        },
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    verified = module.params["state"] == "verified"
    result = run(module, writing=not verified and not module.check_mode)
    result["changed"] = not verified and not result["in_sync"]
    if verified and module.params["fail_on_drift"] and not result["in_sync"]:
        module.fail_json(
            msg=f"The server differs from the declaration: {len(result['missing'])} entries are missing and "
            f"{len(result['excess'])} are too much (see missing and excess); run with state=present to mend it.",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
