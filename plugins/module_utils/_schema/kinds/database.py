# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database itself: who may enter and, where the declaration says so, its owner, settings and comment."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    acl,
    comment,
    grants,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    DATABASE,
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident, literal

QUERY = f"""
SELECT ARRAY['']::text[] AS id, d.oid AS _oid, pg_catalog.pg_get_userbyid(d.datdba) AS owner,
       {acl("d.datacl", "d.datdba")} AS privileges,
       (SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s WHERE s.setdatabase = d.oid AND s.setrole = 0)
           AS settings,
       pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["settings"] = sorted(attributes["settings"] or ())


def _address(_thing: Thing) -> str:
    return f"DATABASE {DATABASE}"


def _create(_creation: Creation) -> list[Step]:
    """A plan is made for a database that is there."""
    return []


def _owner(change: Change) -> list[Step]:
    return [Step(f"ALTER DATABASE {DATABASE} OWNER TO {ident(change.new)}")]


def _privileges(change: Change) -> list[Step]:
    whom = ident(change.found.attributes["owner"])
    return [Step(text) for text in grants(change.old, change.new, f"DATABASE {DATABASE}", whom)]


def _settings(change: Change) -> list[Step]:
    names = {entry.partition("=")[0] for entry in change.new}
    steps = [
        Step(f"ALTER DATABASE {DATABASE} RESET {ident(entry.partition('=')[0])}")
        for entry in change.old
        if entry.partition("=")[0] not in names
    ]
    for entry in change.new:
        if entry not in change.old:
            name, _equals, value = entry.partition("=")
            steps.append(Step(f"ALTER DATABASE {DATABASE} SET {ident(name)} TO {setting(name, value)}"))
    return steps


# Their values are lists of names, which a quoted whole would make one.
_LISTS = {"search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries", "datestyle"}


def setting(name: str, value: str) -> str:
    """Write a setting's value as SET takes it."""
    return value if name.lower() in _LISTS and value else literal(value)


KIND = Kind(
    name="database",
    catalog="pg_database",
    rank=5,
    query=QUERY,
    attributes={
        "owner": Attribute(_owner, access=True),
        "privileges": Attribute(_privileges, access=True),
        "settings": Attribute(_settings),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    refine=_refine,
    drops_first=False,
    acl="d",
)
