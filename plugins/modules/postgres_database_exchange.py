#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_database_exchange
short_description: Let a restored database take the place of the live one, or go back
version_added: 1.0.0
description:
  - Renames two databases in one transaction, so that at each moment there is one of the wanted name, and either all of it has happened or nothing.
    Sessions in them are ended; for that moment, a fraction of a second, nobody can connect to the server.
  - The database that had the name is kept as C(<database>_kept_<stamp>), closed to everybody.
  - What M(ai_micro.postgres.postgres_database_copy) has made admits superusers only until O(state=opened) is asked for, after
    M(ai_micro.postgres.postgres_access) has brought its privileges in order.
attributes:
  check_mode:
    support: full
    description: Says what would be done and does nothing.
  diff_mode:
    support: none
    description: What is done is in the result.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  state:
    description:
      - V(restored) gives O(database)'s name to the copy of O(stamp), and keeps what had the name.
      - V(returned) exchanges O(database) with the newest that is kept of it. Done once more, it brings back the restored one.
      - V(opened) opens those of O(databases) that a restore has left closed.
      - V(cleaned) drops everything that is kept of O(databases), and what runs that were cut short have left of them.
    type: str
    choices: [restored, returned, opened, cleaned]
    required: true
  database:
    description: The database, with O(state=restored) and O(state=returned).
    type: str
  stamp:
    description: What the copy's name ends in, with O(state=restored).
    type: str
  databases:
    description: Databases to look at, with O(state=opened) and O(state=cleaned).
    type: list
    elements: str
seealso:
  - module: ai_micro.postgres.postgres_database_copy
"""

EXAMPLES = r"""
- name: Let the copy take authdb's place
  ai_micro.postgres.postgres_database_exchange:
    login_unix_socket: /var/run/postgresql
    state: restored
    database: authdb
    stamp: 20261125t140000

- name: Open it, now that its privileges are in order
  ai_micro.postgres.postgres_database_exchange:
    login_unix_socket: /var/run/postgresql
    state: opened
    databases: [authdb, apidb, admindb]

- name: Go back to what was there before
  ai_micro.postgres.postgres_database_exchange:
    login_unix_socket: /var/run/postgresql
    state: returned
    database: authdb
"""

RETURN = r"""
databases:
  description: The databases that were opened or dropped, or the kept one; none where the database had been dropped before.
  returned: always
  type: list
  elements: str
  sample: [authdb_kept_20261125t140000]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._beside import drop
from ansible_collections.ai_micro.postgres.plugins.module_utils._database_exchange import (
    ExchangeError,
    closed,
    exchange,
    kept_name,
    named,
    open_again,
    restoring_name,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, argument_spec, session


def restored(module: AnsibleModule, server: Session) -> list[str]:
    """Let the copy have the name."""
    database, stamp = module.params["database"], module.params["stamp"]
    kept = kept_name(database, stamp)
    present = module.check_mode or exchange(server, database, restoring_name(database, stamp), kept)
    return [kept] if present else []


def returned(module: AnsibleModule, server: Session) -> list[str]:
    """Let the newest that is kept have the name again."""
    database = module.params["database"]
    kept = named(server, database, "kept")
    if not kept:
        raise ExchangeError(f"nothing is kept of {database}")
    present = module.check_mode or exchange(server, database, kept[0], kept[0])
    return [kept[0]] if present else []


def opened(module: AnsibleModule, server: Session) -> list[str]:
    """Open what a restore has left closed."""
    found = closed(server, module.params["databases"])
    for name, limit in found.items():
        if not module.check_mode:
            open_again(server, name, limit)
    return sorted(found)


def cleaned(module: AnsibleModule, server: Session) -> list[str]:
    """Drop what restores have kept or left."""
    found = [
        name
        for database in module.params["databases"]
        for kind in ("kept", "restoring")
        for name in named(server, database, kind)
    ]
    for name in found:
        if not module.check_mode:
            drop(server, name)
    return found


STATES = {"restored": restored, "returned": returned, "opened": opened, "cleaned": cleaned}


def main() -> None:
    """Run the module."""
    spec = argument_spec()
    spec.update(
        state={"type": "str", "choices": list(STATES), "required": True},
        database={"type": "str"},
        stamp={"type": "str"},
        databases={"type": "list", "elements": "str"},
    )
    module = AnsibleModule(
        argument_spec=spec,
        required_if=[
            ("state", "restored", ["database", "stamp"]),
            ("state", "returned", ["database"]),
            ("state", "opened", ["databases"]),
            ("state", "cleaned", ["databases"]),
        ],
        supports_check_mode=True,
    )
    try:
        with session(module, "postgres", autocommit=True) as server:
            found = STATES[module.params["state"]](module, server)
    except ExchangeError as error:
        module.fail_json(msg=f"The databases are as they were: {error}.")
    # One that was not there any more is kept nowhere.
    renamed = module.params["state"] in ("restored", "returned")
    module.exit_json(changed=renamed or bool(found), databases=found)


if __name__ == "__main__":
    main()
