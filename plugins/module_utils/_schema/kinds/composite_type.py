# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Composite types that are not a table's row."""

from __future__ import annotations

from typing import Optional

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

# An attribute is its quoted name, its type and its collation; their order is that of row literals, so it counts.
QUERY = f"""
SELECT ARRAY[n.nspname, t.typname]::text[] AS id, t.oid AS _oid,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
                    || CASE WHEN a.attcollation <> y.typcollation THEN (
                        SELECT pg_catalog.format(' COLLATE %I.%I', cn.nspname, co.collname)
                        FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
                        WHERE co.oid = a.attcollation) ELSE '' END
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname)
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS _names,
       (SELECT pg_catalog.json_object_agg(pg_catalog.quote_ident(a.attname), o.description)
        FROM pg_catalog.pg_description o
        JOIN pg_catalog.pg_attribute a ON a.attrelid = o.objoid AND a.attnum = o.objsubid AND NOT a.attisdropped
        WHERE o.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objoid = t.typrelid) AS attribute_comments,
       pg_catalog.pg_get_userbyid(t.typowner) AS owner, {acl("t.typacl", "t.typowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
{comment_join("pg_type", "t.oid")}
WHERE t.typtype = 'c' AND c.relkind = 'c' AND {USER_SCHEMA} AND NOT {extension_member("pg_type", "t.oid")}
"""


def _create(creation: Creation) -> list[Step]:
    attributes = ", ".join(creation.thing.attributes["attributes"])
    return [Step(f"CREATE TYPE {dotted(creation.thing.identity)} AS ({attributes})")]


def _attributes(change: Change) -> Optional[list[Step]]:
    """Attributes can be appended and dropped while columns of the type exist; the rest needs another type."""
    old, new = list(change.old), list(change.new)
    kept = [entry for entry in old if entry in new]
    if new[: len(kept)] != kept:
        return None
    old_names = dict(zip(old, change.found.facts["names"]))
    new_names = dict(zip(new, change.wanted.facts["names"]))
    head = f"ALTER {_address(change.wanted)} "
    steps = []
    for entry in old:
        if entry not in new:
            if old_names[entry] in new_names.values():
                return None
            steps.append(Step(f"{head}DROP ATTRIBUTE {old_names[entry]} CASCADE", hazard="drop_attribute"))
    steps += [Step(f"{head}ADD ATTRIBUTE {entry} CASCADE") for entry in new[len(kept) :]]
    return steps


def _attribute_comments(change: Change) -> list[Step]:
    old, new = change.old or {}, change.new or {}
    return [
        Step(f"COMMENT ON COLUMN {dotted(change.wanted.identity)}.{name} IS {literal(new.get(name))}", late=True)
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and name in change.wanted.facts["names"]
    ]


KIND = Kind(
    name="composite type",
    catalog="pg_type",
    rank=31,
    query=QUERY,
    attributes={
        "attributes": Attribute(_attributes),
        "attribute_comments": Attribute(_attribute_comments, initial=None),
        **common(_address, _address),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    drops_first=False,
    relation=True,
    acl="T",
    remake_hazard=lambda _change: "rebuild_type",
)
