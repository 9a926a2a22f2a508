# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sequences, those behind serial and identity columns among them; their position is data and not compared."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    acl,
    comment_join,
    common,
    extension_member,
    named,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Key,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident

_address = named("SEQUENCE")

QUERY = f"""
SELECT ARRAY[n.nspname, c.relname]::text[] AS id, c.oid AS _oid,
       CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'permanent' END AS persistence,
       pg_catalog.format_type(s.seqtypid, NULL) AS type, s.seqstart::text AS start, s.seqincrement::text AS increment,
       s.seqmin::text AS minimum, s.seqmax::text AS maximum, s.seqcache::text AS cache, s.seqcycle AS cycle,
       CASE WHEN o.deptype = 'a' THEN o.column END AS owned_by,
       COALESCE(o.deptype = 'i', false) AS _identity, o.path AS _owner_column,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner, {acl("c.relacl", "c.relowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT p.deptype, pg_catalog.format('%I.%I.%I', tn.nspname, t.relname, a.attname) AS column,
           ARRAY[tn.nspname, t.relname, a.attname]::text[] AS path
    FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class t ON t.oid = p.refobjid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = p.refobjsubid
    WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.objid = c.oid AND p.objsubid = 0
      AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refobjsubid > 0
      AND p.deptype IN ('a', 'i') LIMIT 1) o ON true
{comment_join("pg_class", "c.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def sequence_clause(thing: Thing) -> str:
    """Write every parameter, as identity columns and ALTER SEQUENCE take them."""
    has = thing.attributes
    return (
        f"INCREMENT BY {has['increment']} MINVALUE {has['minimum']} MAXVALUE {has['maximum']} "
        f"START WITH {has['start']} CACHE {has['cache']} {'' if has['cycle'] else 'NO '}CYCLE"
    )


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    if thing.facts["identity"]:
        return []
    unlogged = "UNLOGGED " if thing.attributes["persistence"] == "unlogged" else ""
    name, kind = dotted(thing.identity), thing.attributes["type"]
    return [Step(f"CREATE {unlogged}SEQUENCE {name} AS {kind} {sequence_clause(thing)}")]


def _word(clause: str) -> Any:
    def alter(change: Change) -> list[Step]:
        return [Step(f"ALTER {_address(change.wanted)} {clause} {change.new}")]

    return alter


def _bounds(change: Change) -> list[Step]:
    """Type and limits depend on each other, so one statement sets all of them."""
    wanted, found = change.wanted.attributes, change.found.attributes
    first = next(name for name in ("type", "minimum", "maximum", "start") if wanted[name] != found[name])
    if change.attribute != first:
        return []
    kind = "" if change.wanted.facts["identity"] else f"AS {wanted['type']} "
    limits = f"MINVALUE {wanted['minimum']} MAXVALUE {wanted['maximum']} START WITH {wanted['start']}"
    hazard = "" if _contains(wanted, found) else "narrow_sequence"
    return [Step(f"ALTER {_address(change.wanted)} {kind}{limits}", hazard=hazard)]


def _contains(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    lower = int(wanted["minimum"]) <= int(found["minimum"])
    return lower and int(wanted["maximum"]) >= int(found["maximum"])


def _cycle(change: Change) -> list[Step]:
    return [Step(f"ALTER {_address(change.wanted)} {'' if change.new else 'NO '}CYCLE")]


def _persistence(change: Change) -> list[Step]:
    word = "UNLOGGED" if change.new == "unlogged" else "LOGGED"
    return [Step(f"ALTER {_address(change.wanted)} SET {word}")]


def _owned_by(change: Change) -> list[Step]:
    if change.wanted.facts["identity"]:
        return []
    return [Step(f"ALTER {_address(change.wanted)} OWNED BY {change.new or 'NONE'}", late=True)]


def _owner(change: Change) -> list[Step]:
    """A sequence of a column goes with its table."""
    if change.found.facts["owner_column"] or change.wanted.facts["identity"]:
        return []
    return [Step(f"ALTER {_address(change.wanted)} OWNER TO {ident(change.new)}")]


def _parent(thing: Thing) -> Optional[Key]:
    path = thing.facts["owner_column"]
    return ("column", tuple(path)) if path else ("schema", thing.identity[:1])


KIND = Kind(
    name="sequence",
    catalog="pg_class",
    rank=40,
    query=QUERY,
    attributes={
        "persistence": Attribute(_persistence),
        "type": Attribute(_bounds),
        "minimum": Attribute(_bounds),
        "maximum": Attribute(_bounds),
        "start": Attribute(_bounds),
        "increment": Attribute(_word("INCREMENT BY")),
        "cache": Attribute(_word("CACHE")),
        "cycle": Attribute(_cycle),
        "owned_by": Attribute(_owned_by, initial=None),
        **common(_address, _address),
        "owner": Attribute(_owner, initial="<user>", access=True),
    },
    create=_create,
    address=_address,
    parent=_parent,
    drops_first=False,
    relation=True,
    acl="S",
    # An identity column has one, always.
    silent=lambda thing: bool(thing.facts["identity"]),
)
