#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_collations
short_description: Build indexes again after the operating system's collations changed
version_added: 1.0.0
description:
  - When a cluster is served with another version of the C library or ICU than before, text may sort in another way, and indexes on text are wrong
    without a word. PostgreSQL 15 and newer notes the version with each database and collation and warns when it differs.
  - This module finds what differs, runs C(REINDEX) on the indexes that depend on it and on no other, and then notes the new version
    (C(ALTER DATABASE … REFRESH COLLATION VERSION), C(ALTER COLLATION … REFRESH VERSION)).
  - All of a database is one transaction, so that its indexes and its notes always belong together. One that is cut short leaves both as they were, and
    is made good by the next, or by the old system that serves the cluster again. Until its end the old indexes keep their space on the disk.
  - C(REINDEX) locks an index's table against writing, so this belongs where no client is connected.
  - A table that is partitioned by ranges of text, and a check constraint that compares text, are not looked at.
extends_documentation_fragment:
  - ai_micro.postgres.postgres
requirements:
  - psycopg2 on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Returns the same keys and changes nothing.
  diff_mode:
    support: none
    description: The result names what differs.
  idempotent:
    support: full
    description: Where all versions are as noted, nothing is done.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  login_db:
    description:
      - Database to connect to for the list of databases.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
"""

EXAMPLES = r"""
- name: Build the indexes again that another version of the C library makes wrong
  ai_micro.postgres.postgres_collations:
    login_unix_socket: /var/run/postgresql
    login_user: postgres
  register: collations

- name: Say what was done
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.indexes | join(', ') }}"
  loop: "{{ collations.databases }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
databases:
  description: >-
    The databases in which something differs, with the version that was noted and the one that the system has, the collations of other versions,
    and the indexes that depend on them.
  returned: success
  type: list
  elements: dict
  sample:
    - actual: "2.36"
      collations: [pg_catalog."en_US"]
      indexes: [public.idx_users_email, public.users_email_key]
      name: authdb
      recorded: "2.31"
queries:
  description: The statements that were run, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample:
    - REINDEX INDEX public.idx_users_email
    - ALTER DATABASE "authdb" REFRESH COLLATION VERSION
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._collations import (
    COLLATIONS_SQL,
    DATABASES_SQL,
    INDEXES_SQL,
    affected_collations,
    differs,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Session,
    argument_spec,
    session,
    sql,
)

UNIQUE_VIOLATION = "23505"


def look(module: AnsibleModule, database: dict[str, Any]) -> dict[str, Any]:
    """Find what differs in one database."""
    with session(module, database["name"], readonly=True) as opened:
        collations = opened.query(COLLATIONS_SQL)
        affected = affected_collations(database, collations)
        indexes = opened.query(INDEXES_SQL, {"affected": affected}) if affected else []
    return {
        **database,
        "collations": [collation["name"] for collation in collations],
        "indexes": [index["name"] for index in indexes],
    }


def statements(opened: Session, found: dict[str, Any]) -> list[str]:
    """Return what one database needs, in order; names of indexes and collations come quoted by the server."""
    needed = [f"REINDEX INDEX {index}" for index in found["indexes"]]
    needed += [f"ALTER COLLATION {collation} REFRESH VERSION" for collation in found["collations"]]
    if differs(found):
        refresh = sql.SQL("ALTER DATABASE {} REFRESH COLLATION VERSION")
        needed.append(opened.render(refresh.format(sql.Identifier(found["name"]))))
    return needed


def refresh(module: AnsibleModule, found: dict[str, Any]) -> list[str]:
    """Bring one database in order, or say what that would take.

    All or nothing: where only some indexes were built again, the noted version would be wrong of them or of the others.
    """
    with session(module, found["name"]) as opened:
        needed = statements(opened, found)
        for statement in [] if module.check_mode else needed:
            run(module, opened, statement)
    return needed


def run(module: AnsibleModule, opened: Session, statement: str) -> None:
    """Run a statement; rows that became equal are the one error that people have to mend."""
    try:
        opened.execute(statement)
    except Exception as error:
        if getattr(error, "pgcode", None) != UNIQUE_VIOLATION:
            raise
        module.fail_json(
            msg=f"{statement} in database {opened.database} found rows that are equal under the new version of the collation: delete or change "
            "one of them, and run again."
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(login_db=True), supports_check_mode=True)
    with session(module, module.params["login_db"] or "postgres", readonly=True) as server:
        if server.version < 15:
            module.fail_json(
                msg=f"PostgreSQL {server.version} notes no version of a database's collation: use this module from 15 on."
            )
        databases = server.query(DATABASES_SQL)
    looked = [look(module, database) for database in databases]
    found = [database for database in looked if differs(database) or database["collations"]]
    queries = [query for database in found for query in refresh(module, database)]
    module.exit_json(changed=bool(queries), databases=found, queries=queries)


if __name__ == "__main__":
    main()
