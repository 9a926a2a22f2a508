#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_database_copy
short_description: Copy a database from another server to a new one beside the live one, and compare
version_added: 1.0.0
description:
  - Feeds C(pg_restore) in the container of one server with what C(pg_dump) writes in the container of another one, a copy that was restored from a
    backup, for example. The end of both is seen.
  - The new database has the encoding, locale, owner, privileges, settings and comment of the copied one. It admits superusers only, and keeps so until
    M(ai_micro.postgres.postgres_database_exchange) opens it under its final name.
  - Rows, sequences and schema are compared, and a database that is not the same is dropped again. Nobody may write to the copied one meanwhile.
requirements:
  - psycopg2 and the docker command on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Says that a database would be made, and makes none.
  diff_mode:
    support: none
    description: The database was not there before.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  container:
    description: Name of the container of the server that gets the database.
    type: str
    required: true
  source_container:
    description: Name of the container of the server that has the database.
    type: str
    required: true
  source_socket:
    description: Directory of that server's socket as the host sees it.
    type: path
    required: true
  database:
    description: Database to copy.
    type: str
    required: true
  stamp:
    description: What the new database's name ends in, of the form V(20261125t140000). It is called C(<database>_restoring_<stamp>); others of that form
      are left by runs that were cut short, and are dropped.
    type: str
    required: true
  hash_up_to:
    description: Size in bytes of a table up to which rows are compared; of a larger one they are counted.
    type: int
    default: 1073741824
  disk:
    description: Directory of the host that the data of the server that gets it lies below; without it nobody looks whether the database fits there.
    type: path
  reserve_mb:
    description: Megabytes that have to stay free on O(disk) beside the database.
    type: int
    default: 1024
seealso:
  - module: ai_micro.postgres.postgres_database_exchange
"""

EXAMPLES = r"""
- name: Have the authdb of yesterday beside the one of today
  ai_micro.postgres.postgres_database_copy:
    login_unix_socket: /var/run/postgresql
    container: ai-micro-postgres
    source_container: ai-micro-postgres-restore
    source_socket: /proc/4711/root/run/postgresql
    database: authdb
    stamp: 20261125t140000
"""

RETURN = r"""
name:
  description: The new database.
  returned: always
  type: str
  sample: authdb_restoring_20261125t140000
tables:
  description: How many tables it has.
  returned: out of check mode
  type: int
  sample: 1
rows:
  description: How many rows they have.
  returned: out of check mode
  type: int
  sample: 4711
seconds:
  description: How long it took to copy and to compare.
  returned: out of check mode
  type: int
  sample: 3
"""

import re
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils import _beside
from ansible_collections.ai_micro.postgres.plugins.module_utils._database_exchange import (
    LONGEST,
    bring_properties,
    named,
    restoring_name,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._fingerprint import closing
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Elsewhere,
    Session,
    argument_spec,
    open_session,
    session,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._stream import StreamError, inside, pump


def copy(module: AnsibleModule, server: Session, name: str) -> dict[str, Any]:
    """Make the database and compare it; what is not the same is no use."""
    given, begun = module.params, time.monotonic()
    for left in named(server, given["database"], "restoring"):
        _beside.drop(server, left)
    source_server = Elsewhere(module, given["source_socket"])
    with closing(open_session(source_server, given["database"], autocommit=True)) as source:
        lack = _beside.lack_of_roles(server, source, given["database"]) or _beside.lack_of_room(
            source, given["database"], given["disk"], given["reserve_mb"]
        )
        if lack:
            raise StreamError(lack)
        memory = _beside.building(server, source)
        _beside.create(server, source, name)
        try:
            pump(
                inside(given["source_container"], "pg_dump", "-U", "postgres", "-Fc", "-d", given["database"]),
                inside(given["container"], *memory, "pg_restore", "-U", "postgres", "--exit-on-error", "-d", name),
            )
            bring_properties(server, source, name)
            tables = compared(module, source, name)
        except BaseException:
            _beside.drop(server, name)
            raise
    return {"tables": len(tables), "rows": _beside.total(tables), "seconds": round(time.monotonic() - begun)}


def compared(module: AnsibleModule, source: Session, name: str) -> dict[str, Any]:
    """Refuse a copy that is not what was copied; return the tables."""
    with closing(open_session(module, name, autocommit=True)) as made:
        found, tables = _beside.differences(source, made, module.params["hash_up_to"])
    if found:
        raise StreamError(f"the copy is not what was copied: {_beside.listed(found)}")
    return tables


def main() -> None:
    """Run the module."""
    spec = argument_spec()
    spec.update(
        container={"type": "str", "required": True},
        source_container={"type": "str", "required": True},
        source_socket={"type": "path", "required": True},
        database={"type": "str", "required": True},
        stamp={"type": "str", "required": True},
        hash_up_to={"type": "int", "default": 1073741824},
        disk={"type": "path"},
        reserve_mb={"type": "int", "default": 1024},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    database, stamp = module.params["database"], module.params["stamp"]
    name = restoring_name(database, stamp)
    if not re.fullmatch(r"\d{8}t\d{6}", stamp):
        module.fail_json(msg=f"stamp has to be of the form 20261125t140000, and is {stamp}.")
    if len(name.encode()) > LONGEST:
        module.fail_json(
            msg=f"{name} is longer than the {LONGEST} bytes that a name may have: rename {database} first."
        )
    result: dict[str, Any] = {"changed": True, "name": name}
    if not module.check_mode:
        try:
            with session(module, "postgres", autocommit=True) as server:
                result.update(copy(module, server, name))
        except StreamError as error:
            module.fail_json(msg=f"Database {database} could not be copied, and the live one is as it was: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
