#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_fingerprint
short_description: Say what a PostgreSQL server holds at one moment, and how a restored copy differs
version_added: 1.0.0
description:
  - Counts and hashes the rows of every table, and hashes schemas, roles, privileges, extensions and collations of each database.
  - With O(restore_point) all of it is of one moment, which is named in the WAL, so that a copy can be recovered to it. For that moment every table is
    locked against writing, for some milliseconds; who writes is waited for as long as O(lock_timeout) says, O(attempts) times.
  - While the rows are read afterwards, others write; what would empty, drop or write a table anew waits, as for C(pg_dump).
  - Of a table larger than O(sample_above) whole pages are read by C(TABLESAMPLE SYSTEM), the same ones on source and copy; its rows are all counted.
  - With O(expected), what another server held, the differences are returned.
  - Unlogged and temporary tables are left out, since no backup holds their rows.
requirements:
  - psycopg2 on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Reads in check mode too, but names no restore point.
  diff_mode:
    support: none
    description: There is nothing to change.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  databases:
    description: Databases to read.
    type: list
    elements: str
    required: true
  restore_point:
    description: Name of the moment; without it the databases are read one after the other and nothing is locked.
    type: str
  lock_timeout:
    description:
      - How long writers are waited for, all tables of all databases together, in PostgreSQL's units, before the locks are given back.
      - Other writers wait as long. V(0) sets no limit.
    type: str
    default: 2s
  attempts:
    description: How often the locks are tried.
    type: int
    default: 5
  sample_above:
    description: Size in bytes above which a table is sampled.
    type: int
    default: 1073741824
  sample_percent:
    description: Share of the pages that is read of such a table, in per cent.
    type: float
    default: 5.0
  expected:
    description: RV(fingerprint) of another server.
    type: dict
seealso:
  - module: ai_micro.postgres.postgres_backup
"""

EXAMPLES = r"""
- name: Name a moment and remember what the server holds at it
  ai_micro.postgres.postgres_fingerprint:
    login_unix_socket: /var/run/postgresql
    login_user: postgres
    databases: [authdb, apidb, admindb]
    restore_point: verified_20261125
  register: source

- name: Compare a restored copy with it
  ai_micro.postgres.postgres_fingerprint:
    login_unix_socket: /srv/copy/run
    login_user: postgres
    databases: [authdb, apidb, admindb]
    expected: "{{ source.fingerprint }}"
"""

RETURN = r"""
fingerprint:
  description: What the server holds.
  returned: always
  type: dict
  contains:
    roles:
      description: Hash of the roles, their memberships and settings.
      type: str
    databases:
      description: By its name, what each database holds; of each table its rows, their hash, and whether it was sampled.
      type: dict
  sample:
    roles: 0cc175b9c0f1b6a831c399e269772661
    databases:
      authdb:
        encoding: UTF8
        schema: sha256:0f343b0931126a20f133d67c2b018a3b5e8b1a4a7c0ad2f6a8b0a2f5d1c3e4f5
        tables:
          public.users: {rows: 3, hash: "8213705501925", sampled: false}
differences:
  description: What is not as O(expected) says, in words; empty without it.
  returned: always
  type: list
  elements: str
  sample: ["authdb: table public.users has 2 rows, had 3"]
busy:
  description: That no moment was found in which nobody writes, which says nothing of what the server holds.
  returned: where O(attempts) were in vain
  type: bool
  sample: true
moment:
  description: The restore point's place in the WAL, the WAL file that holds it, and how long tables were locked, from the first lock on, in milliseconds.
  returned: with O(restore_point), out of check mode
  type: dict
  sample: {lsn: 0/50160D8, wal: "000000010000000000000005", held_ms: 4}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._fingerprint import (
    Busy,
    closing,
    differences,
    moment,
    read_database,
    read_roles,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Session,
    argument_spec,
    explained,
    open_session,
)

# A server that is not told of its client's end otherwise goes on to the end of the statement, and holds locks for nobody.
CHECKS_CLIENT = 14
WATCH_SQL = "SELECT pg_catalog.set_config('client_connection_check_interval', '1s', false)"


def main() -> None:
    """Run the module."""
    spec = argument_spec()
    spec.update(
        databases={"type": "list", "elements": "str", "required": True},
        restore_point={"type": "str"},
        lock_timeout={"type": "str", "default": "2s"},
        attempts={"type": "int", "default": 5},
        sample_above={"type": "int", "default": 1073741824},
        sample_percent={"type": "float", "default": 5.0},
        expected={"type": "dict"},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given = module.params

    def opened(database: str) -> Session:
        session = open_session(module, database, autocommit=True)
        if session.version >= CHECKS_CLIENT:
            session.query(WATCH_SQL)
        return session

    if given["attempts"] < 1:
        module.fail_json(msg=f"attempts is {given['attempts']}: give 1 or more, since a moment without locks is none.")
    known = (given["expected"] or {}).get("databases", {})
    first = given["databases"][0]

    def read(name: str, session: Session) -> dict[str, Any]:
        return read_database(session, given["sample_above"], given["sample_percent"], known.get(name))

    result: dict[str, Any] = {"changed": False}
    with explained(module, first):
        if given["restore_point"] and not module.check_mode:
            try:
                with moment(
                    opened, given["databases"], given["restore_point"], given["lock_timeout"], given["attempts"]
                ) as found:
                    sessions = found.pop("sessions")
                    # Of the same moment as the rows: a role that is made while they are read is in no copy.
                    roles = read_roles(sessions[first])
                    databases = {name: read(name, session) for name, session in sessions.items()}
                    result["moment"] = found
            except Busy as error:
                module.fail_json(
                    msg=f"No moment was found in {given['attempts']} attempts in which nobody writes ({error}): end the transaction that holds the table, or "
                    "raise lock_timeout.",
                    busy=True,
                )
        else:
            databases = {}
            for name in given["databases"]:
                with closing(opened(name)) as session:
                    databases[name] = read(name, session)
            with closing(opened(first)) as session:
                roles = read_roles(session)
    result["fingerprint"] = {"roles": roles, "databases": databases}
    result["differences"] = differences(given["expected"], result["fingerprint"]) if given["expected"] else []
    module.exit_json(**result)


if __name__ == "__main__":
    main()
