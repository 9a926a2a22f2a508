# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domains; their constraints are a kind of their own."""

from __future__ import annotations

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
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted

_address = named("DOMAIN")

QUERY = f"""
SELECT ARRAY[n.nspname, t.typname]::text[] AS id, t.oid AS _oid,
       pg_catalog.format_type(t.typbasetype, t.typtypmod) AS type, t.typnotnull AS not_null,
       pg_catalog.pg_get_expr(t.typdefaultbin, 0) AS default,
       CASE WHEN t.typcollation <> b.typcollation THEN (
           SELECT pg_catalog.format('%I.%I', cn.nspname, co.collname) FROM pg_catalog.pg_collation co
           JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = t.typcollation) END AS collation,
       pg_catalog.pg_get_userbyid(t.typowner) AS owner, {acl("t.typacl", "t.typowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
{comment_join("pg_type", "t.oid")}
WHERE t.typtype = 'd' AND {USER_SCHEMA} AND NOT {extension_member("pg_type", "t.oid")}
"""


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    text = f"CREATE {_address(creation.thing)} AS {has['type']}"
    text += f" COLLATE {has['collation']}" if has["collation"] else ""
    text += f" DEFAULT {has['default']}" if has["default"] is not None else ""
    return [Step(text + (" NOT NULL" if has["not_null"] else ""))]


def _default(change: Change) -> list[Step]:
    action = "DROP DEFAULT" if change.new is None else f"SET DEFAULT {change.new}"
    return [Step(f"ALTER {_address(change.wanted)} {action}")]


def _not_null(change: Change) -> list[Step]:
    step = Step(f"ALTER {_address(change.wanted)} {'SET' if change.new else 'DROP'} NOT NULL")
    return [step.violated() if change.new and change.data.violates(change.wanted.key) else step]


def _probe(thing: Thing, _attribute: str, text: str) -> str:
    del thing
    return f"SELECT ({text}) AS x"


KIND = Kind(
    name="domain",
    catalog="pg_type",
    rank=32,
    query=QUERY,
    attributes={
        "type": Attribute(),
        "collation": Attribute(),
        "default": Attribute(_default, deparsed=True),
        "not_null": Attribute(_not_null),
        **common(_address, lambda thing: f"DOMAIN {dotted(thing.identity)}"),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    drops_first=False,
    relation=True,
    acl="T",
    remake_hazard=lambda _change: "rebuild_type",
    probe=_probe,
)
