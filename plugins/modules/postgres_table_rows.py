#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_table_rows
short_description: Compare a table with how it was, and put rows back in one transaction
version_added: 1.0.0
description:
  - Copies a table's rows from another server, a copy that was restored from a backup, for example, into a temporary table beside the live one, and
    tells by primary key which rows were deleted, changed or added since.
  - Puts back those that were chosen in one transaction, under a lock that lets others read. The table itself stays, and with it foreign keys,
    triggers, privileges, views and indexes. No trigger fires for what is put back (but for those that are set to fire always), and foreign keys are checked
    before the transaction ends, in both directions.
  - The rows that were there before are kept in the schema C(ai_micro), as is the key of each that was put there, so that O(state=returned) can undo it.
  - Only names of columns are shown, never what is in them, but for the key.
requirements:
  - psycopg2 on the host that runs the module, and the docker command where a table is made again
attributes:
  check_mode:
    support: full
    description: Compares, and puts nothing back.
  diff_mode:
    support: none
    description: What differs is in the result.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  state:
    description:
      - V(compared) says which rows differ.
      - V(restored) puts rows back. A table that is not there any more is made again, as it was.
      - V(returned) undoes the newest that is kept of O(table).
      - V(cleaned) drops what is kept, of every table of the database.
    type: str
    choices: [compared, restored, returned, cleaned]
    required: true
  login_db:
    description:
      - Database that holds the table.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  table:
    description: The table, with its schema where that is not C(public).
    type: str
  container:
    description: Name of the live server's container, needed to make a table again.
    type: str
  source_container:
    description: Name of the other server's container, needed to make a table again.
    type: str
  source_socket:
    description: Directory of the other server's socket as the host sees it.
    type: path
  kinds:
    description: What is put back with O(state=restored); V(added) takes away what was added since.
    type: list
    elements: str
    choices: [deleted, changed, added]
    default: [deleted, changed, added]
  keys:
    description: Keys of the rows to put back, as C(key) of RV(rows) shows them, instead of O(kinds).
    type: list
    elements: str
    default: []
  stamp:
    description: What the name of the kept rows begins with, of the form V(20261125t140000), with O(state=restored).
    type: str
  limit:
    description: How many rows that differ are returned.
    type: int
    default: 50
seealso:
  - module: ai_micro.postgres.postgres_database_copy
"""

EXAMPLES = r"""
- name: See who is missing
  ai_micro.postgres.postgres_table_rows:
    login_unix_socket: /var/run/postgresql
    login_db: authdb
    state: compared
    table: users
    source_socket: /proc/4711/root/run/postgresql
  register: users

- name: Bring back the deleted ones
  ai_micro.postgres.postgres_table_rows:
    login_unix_socket: /var/run/postgresql
    login_db: authdb
    state: restored
    table: users
    source_socket: /proc/4711/root/run/postgresql
    kinds: [deleted]
    stamp: 20261125t140000
"""

RETURN = r"""
counts:
  description: How many rows were deleted, changed and added since.
  returned: with O(state=compared) and O(state=restored)
  type: dict
  sample: {deleted: 2, changed: 1, added: 0}
rows:
  description: The first of them, with the columns that changed.
  returned: with O(state=compared) and O(state=restored)
  type: list
  elements: dict
  sample: [{what: deleted, key: 0b6ae0ac-2f5b-4a4f-9f0a-5d6d0a3c2f11, columns: []}]
written:
  description: How many rows were put back.
  returned: with O(state=restored) and O(state=returned), out of check mode
  type: int
  sample: 2
kept:
  description: Where the rows that were replaced are kept, or what of it was used or dropped.
  returned: always
  type: list
  elements: str
  sample: [kept_20261125t140000_users]
"""

from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils import _table_rows as rows
from ansible_collections.ai_micro.postgres.plugins.module_utils._fingerprint import closing
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Elsewhere,
    Session,
    argument_spec,
    open_session,
    session,
    sql,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._stream import StreamError, inside, pump


def then(module: AnsibleModule, source: Session, label: str) -> rows.Table:
    """Find the table as it was."""
    found = rows.find(source, label)
    if found is None:
        raise rows.TableError(f"there was no table {label} in {module.params['login_db']} at that moment")
    return found


def compared(module: AnsibleModule, live: Session) -> dict[str, Any]:
    """Say what differs, and put back nothing."""
    return differing(module, live, None)


def restored(module: AnsibleModule, live: Session) -> dict[str, Any]:
    """Put back what was chosen."""
    if rows.find(live, module.params["table"]) is None:
        return made_again(module, live)
    return differing(module, live, module.params["stamp"])


def differing(module: AnsibleModule, live: Session, stamp: Optional[str]) -> dict[str, Any]:
    """Compare, and with a stamp put back, in one transaction."""
    given = module.params
    now = rows.find(live, given["table"])
    if now is None:
        raise rows.TableError(f"there is no table {given['table']} in {given['login_db']}; restore.yml makes it again")
    with closing(open_session(Elsewhere(module, given["source_socket"]), given["login_db"], autocommit=True)) as source:
        rows.same_shape(then(module, source, given["table"]), now)
        rows.fetch(source, live, now)
    result: dict[str, Any] = {"changed": False, "kept": []}
    with live.transaction():
        if stamp and not module.check_mode:
            rows.lock(live, now)
        rows.pick(live, now)
        result["counts"] = rows.counted(live)
        result["rows"] = rows.shown(live, given["limit"])
        if stamp:
            rows.choose(live, given["kinds"], given["keys"])
            result["changed"] = any(rows.counted(live).values())
        if result["changed"] and not module.check_mode:
            result["kept"] = [rows.keep(live, now, str(stamp))]
            result["written"] = rows.put_back(live, now)
    return result


def made_again(module: AnsibleModule, live: Session) -> dict[str, Any]:
    """Make a table that was dropped, with everything that was its own."""
    given = module.params
    counts = {"deleted": 0, "changed": 0, "added": 0}
    with closing(open_session(Elsewhere(module, given["source_socket"]), given["login_db"], autocommit=True)) as source:
        table = then(module, source, given["table"])
        count = sql.SQL("SELECT pg_catalog.count(*) AS rows FROM ONLY {}").format(table.identifier)
        counts["deleted"] = source.query(count)[0]["rows"]
        if not module.check_mode:
            pattern = source.render(table.identifier)
            pump(
                inside(
                    given["source_container"],
                    "pg_dump",
                    "-U",
                    "postgres",
                    "-Fc",
                    "-d",
                    given["login_db"],
                    "-t",
                    pattern,
                ),
                inside(
                    given["container"],
                    "pg_restore",
                    "-U",
                    "postgres",
                    "--single-transaction",
                    "--exit-on-error",
                    "-d",
                    given["login_db"],
                ),
            )
    result = {"changed": True, "kept": [], "counts": counts, "rows": []}
    if not module.check_mode:
        result["written"] = live.query(count)[0]["rows"]
    return result


def returned(module: AnsibleModule, live: Session) -> dict[str, Any]:
    """Undo what a restore of rows has done."""
    table = rows.find(live, module.params["table"])
    if table is None:
        raise rows.TableError(f"there is no table {module.params['table']} in {module.params['login_db']}")
    kept = rows.kept_tables(live, table.label)
    if not kept:
        raise rows.TableError(f"nothing is kept of {table.label}")
    result: dict[str, Any] = {"changed": True, "kept": kept[:1]}
    if not module.check_mode:
        with live.transaction():
            rows.lock(live, table)
            result["written"] = rows.return_kept(live, table, kept[0])
    return result


def cleaned(module: AnsibleModule, live: Session) -> dict[str, Any]:
    """Drop what was kept."""
    kept = rows.kept_tables(live, None)
    for name in kept:
        if not module.check_mode:
            live.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(rows.SCHEMA, name)))
    return {"changed": bool(kept), "kept": kept}


STATES = {"compared": compared, "restored": restored, "returned": returned, "cleaned": cleaned}


def main() -> None:
    """Run the module."""
    spec = argument_spec(login_db=True)
    spec.update(
        state={"type": "str", "choices": list(STATES), "required": True},
        table={"type": "str"},
        container={"type": "str"},
        source_container={"type": "str"},
        source_socket={"type": "path"},
        kinds={
            "type": "list",
            "elements": "str",
            "choices": ["deleted", "changed", "added"],
            "default": ["deleted", "changed", "added"],
        },
        keys={"type": "list", "elements": "str", "default": [], "no_log": False},
        stamp={"type": "str"},
        limit={"type": "int", "default": 50},
    )
    module = AnsibleModule(
        argument_spec=spec,
        required_if=[
            ("state", "compared", ["table", "source_socket"]),
            ("state", "restored", ["table", "source_socket", "container", "source_container", "stamp"]),
            ("state", "returned", ["table"]),
        ],
        supports_check_mode=True,
    )
    given = module.params
    problem = rows.stamp_problem(given["stamp"]) if given["stamp"] is not None else ""
    if problem:
        module.fail_json(msg=f"{problem}.")
    try:
        with session(module, given["login_db"], autocommit=True) as live:
            result = STATES[given["state"]](module, live)
    except (rows.TableError, StreamError) as error:
        module.fail_json(msg=f"The rows of {given['table']} are as they were: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
