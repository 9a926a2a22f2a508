# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enumerations; values can be added in their places, and nothing else."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    acl,
    comment_join,
    common,
    extension_member,
    named,
    schema_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, literal

_address = named("TYPE")

QUERY = f"""
SELECT ARRAY[n.nspname, t.typname]::text[] AS id, t.oid AS _oid,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
           AS values,
       pg_catalog.pg_get_userbyid(t.typowner) AS owner, {acl("t.typacl", "t.typowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
{comment_join("pg_type", "t.oid")}
WHERE t.typtype = 'e' AND {USER_SCHEMA} AND NOT {extension_member("pg_type", "t.oid")}
"""


def _create(creation: Creation) -> list[Step]:
    values = ", ".join(literal(value) for value in creation.thing.attributes["values"])
    return [Step(f"CREATE TYPE {dotted(creation.thing.identity)} AS ENUM ({values})")]


def _values(change: Change) -> Optional[list[Step]]:
    """Insert values where they belong; what was taken away or moved needs another type."""
    old: list[Any] = list(change.old)
    new: list[Any] = list(change.new)
    if [value for value in new if value in old] != old:
        return None
    steps = []
    for place, value in enumerate(new):
        if value in change.old:
            continue
        first = f" BEFORE {literal(old[0])}" if old else ""
        where = f" AFTER {literal(new[place - 1])}" if place else first
        steps.append(Step(f"ALTER {_address(change.wanted)} ADD VALUE IF NOT EXISTS {literal(value)}{where}"))
    return [step._replace(alone=True, early=True) for step in steps]


KIND = Kind(
    name="enum",
    catalog="pg_type",
    rank=30,
    query=QUERY,
    attributes={"values": Attribute(_values), **common(_address, _address)},
    create=_create,
    address=_address,
    parent=schema_of,
    drops_first=False,
    relation=True,
    acl="T",
    remake_hazard=lambda _change: "remove_enum_value",
)
