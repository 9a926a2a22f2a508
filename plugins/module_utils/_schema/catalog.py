# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read one database: a query per kind, however many objects it has, and one more for what depends on what."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import normal_privileges
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import Key, Kind, Snapshot, Thing
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

# What deparsed SQL depends on.
_SETTINGS = {
    "search_path": "",
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "xmloption": "content",
    "jit": "off",
    "enable_nestloop": "on",
}

ALIASES_SQL = """
SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::oid AS class, oid, 0 AS sub,
       'pg_catalog.pg_class'::pg_catalog.regclass::oid AS to_class, adrelid AS to_oid, adnum::int AS to_sub
FROM pg_catalog.pg_attrdef
UNION ALL
SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::oid, oid, 0, 'pg_catalog.pg_class'::pg_catalog.regclass::oid,
       ev_class, 0
FROM pg_catalog.pg_rewrite WHERE rulename = '_RETURN' AND oid >= 16384
UNION ALL
SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, t.oid, 0, 'pg_catalog.pg_class'::pg_catalog.regclass::oid,
       t.typrelid, 0
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE t.oid >= 16384 AND c.relkind <> 'c'
UNION ALL
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, t.typrelid, 0, 'pg_catalog.pg_type'::pg_catalog.regclass::oid,
       t.oid, 0
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE t.oid >= 16384 AND c.relkind = 'c'
UNION ALL
SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, t.typarray, 0, 'pg_catalog.pg_type'::pg_catalog.regclass::oid,
       t.oid, 0
FROM pg_catalog.pg_type t WHERE t.typarray <> 0 AND t.oid >= 16384
UNION ALL
SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, r.rngmultitypid, 0,
       'pg_catalog.pg_type'::pg_catalog.regclass::oid, r.rngtypid, 0
FROM pg_catalog.pg_range r WHERE r.rngtypid >= 16384
UNION ALL
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, k.conindid, 0,
       'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid, 0
FROM pg_catalog.pg_constraint k WHERE k.contype IN ('p', 'u', 'x') AND k.conindid >= 16384
"""
# A sequence that a column owns is made before it all the same.
EDGES_SQL = """
SELECT d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype = 'e' AS member
FROM pg_catalog.pg_depend d
WHERE d.objid >= 16384 AND (d.refobjid >= 16384 OR d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                            OR d.deptype = 'e')
  AND NOT (d.deptype = 'a' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0
           AND EXISTS (SELECT FROM pg_catalog.pg_sequence s WHERE s.seqrelid = d.objid))
"""
CLASSES_SQL = "SELECT oid, relname FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace"


def settle(session: Session) -> None:
    """Give the session what makes two databases deparse alike."""
    names, values = list(_SETTINGS), list(_SETTINGS.values())
    session.query(
        "SELECT pg_catalog.set_config(s.name, s.value, false) FROM ROWS FROM (pg_catalog.unnest(%s::text[]), "
        "pg_catalog.unnest(%s::text[])) s(name, value)",
        (names, values),
    )


def take_snapshot(session: Session) -> Snapshot:
    """Read every object of a database."""
    things: dict[Key, Thing] = {}
    for kind in KINDS.values():
        for thing in read_kind(session, kind):
            things[thing.key] = thing
    return Snapshot(things, version=session.version, user=session.user)


def read_kind(session: Session, kind: Kind) -> list[Thing]:
    names, rows = session.rows(kind.sql(session.version))
    facts_at = [(place, name[1:]) for place, name in enumerate(names) if name.startswith("_")]
    attributes_at = [(place, name) for place, name in enumerate(names) if name != "id" and not name.startswith("_")]
    path = names.index("id")
    has_acl = "privileges" in names
    found = []
    for row in rows:
        attributes = {name: row[place] for place, name in attributes_at}
        facts = {name: row[place] for place, name in facts_at}
        if has_acl:
            if kind.acl == "*":
                facts["version"] = session.version
                attributes["privileges"] = sorted(attributes["privileges"])
            else:
                attributes["privileges"] = normal_privileges(attributes["privileges"], kind.acl, session.version)
        if kind.refine:
            kind.refine(attributes, facts)
        found.append(Thing(kind.name, tuple(row[path]), attributes, facts))
    return found


def read_edges(session: Session, snapshot: Snapshot) -> None:
    """Fill in what depends on what, in terms of the snapshot's own things."""
    classes = {name: oid for oid, name in session.rows(CLASSES_SQL)[1]}
    keys: dict[tuple[int, int, int], Key] = {}
    for thing in snapshot.things.values():
        address = (classes[KINDS[thing.kind].catalog], thing.facts["oid"], thing.facts.get("sub", 0))
        keys[address] = thing.key
    for class_, oid, sub, to_class, to_oid, to_sub in session.rows(ALIASES_SQL)[1]:
        known = keys.get((to_class, to_oid, to_sub)) or keys.get((to_class, to_oid, 0))
        if known:
            keys.setdefault((class_, oid, sub), known)
    edges: dict[Key, set[Key]] = {}

    def key_of(class_: int, oid: int, sub: int) -> Any:
        return keys.get((class_, oid, sub)) or keys.get((class_, oid, 0))

    rows = session.rows(EDGES_SQL)[1]
    for row in rows:
        if row[6]:
            keys.setdefault(row[:3], key_of(*row[3:6]))
    for row in rows:
        dependent, needed = key_of(*row[:3]), key_of(*row[3:6])
        if dependent and needed and dependent != needed:
            edges.setdefault(dependent, set()).add(needed)
    for thing in snapshot.things.values():
        parent = KINDS[thing.kind].parent(thing)
        if parent in snapshot.things and thing.kind != "sequence":
            edges.setdefault(thing.key, set()).add(parent)
    snapshot.edges = {key: frozenset(needed) for key, needed in edges.items()}
