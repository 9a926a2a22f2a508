# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Constraints of tables; the index of a key belongs to its constraint."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    RELATION,
    USER_SCHEMA,
    comment,
    comment_join,
    extension_member,
    on_table,
    table_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.options import normal_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    ident,
    idents,
    names_clause,
    options_clause,
)

_address = on_table("CONSTRAINT")
_TYPES = {"p": "primary key", "u": "unique", "c": "check", "f": "foreign key", "x": "exclusion"}
_ACTIONS = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


def _columns(numbers: str, relation: str) -> str:
    return f"""CASE WHEN {numbers} IS NOT NULL THEN ARRAY(
           SELECT a.attname::text FROM pg_catalog.unnest({numbers}) WITH ORDINALITY u(number, place)
           JOIN pg_catalog.pg_attribute a ON a.attrelid = {relation} AND a.attnum = u.number ORDER BY u.place) END"""


# A partition's copy of a foreign key comes and goes with the one of its parent.
QUERY = f"""
SELECT ARRAY[n.nspname, c.relname, k.conname]::text[] AS id, k.oid AS _oid, {RELATION} AS _relation,
       k.coninhcount > 0 AS _inherited, k.conindid AS _index, c.relkind = 'p' AS _partitioned,
       k.contype::text AS type, k.condeferrable AS deferrable, k.condeferred AS initially_deferred,
       k.convalidated AS validated, k.contype = 'c' AND k.connoinherit AS no_inherit,
       CASE WHEN k.contype = 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid) END AS expression,
       CASE WHEN k.contype IN ('p', 'u', 'f') THEN {_columns("k.conkey", "k.conrelid")} END AS columns,
       CASE WHEN k.contype IN ('p', 'u') AND x.indnatts > x.indnkeyatts THEN
           {_columns("x.indkey[x.indnkeyatts:]::int2[]", "k.conrelid")} END AS include,
       COALESCE(k.contype = 'u' AND x.indnullsnotdistinct, false) AS nulls_not_distinct,
       CASE WHEN k.contype = 'f' THEN (
           SELECT pg_catalog.format('%I.%I', rn.nspname, r.relname) FROM pg_catalog.pg_class r
           JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace WHERE r.oid = k.confrelid) END AS "references",
       CASE WHEN k.contype = 'f' THEN {_columns("k.confkey", "k.confrelid")} END AS referenced_columns,
       CASE WHEN k.contype = 'f' THEN k.confmatchtype::text END AS match,
       CASE WHEN k.contype = 'f' THEN k.confupdtype::text END AS on_update,
       CASE WHEN k.contype = 'f' THEN k.confdeltype::text END AS on_delete,
       CASE WHEN k.contype = 'f' THEN {_columns("k.confdelsetcols", "k.conrelid")} END AS on_delete_columns,
       CASE WHEN k.contype = 'x' THEN pg_catalog.pg_get_constraintdef(k.oid) END AS definition,
       ic.reloptions AS options, ts.spcname::text AS tablespace, COALESCE(x.indisclustered, false) AS clustered,
       CASE WHEN k.conparentid <> 0 AND k.contype IN ('p', 'u') THEN (
           SELECT pg_catalog.format('%I.%I', pn.nspname, pc.relname) FROM pg_catalog.pg_inherits i
           JOIN pg_catalog.pg_class pc ON pc.oid = i.inhparent JOIN pg_catalog.pg_namespace pn
           ON pn.oid = pc.relnamespace WHERE i.inhrelid = k.conindid) END AS attached_to,
       am.amname::text AS _method, d.description AS comment
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_class ic ON ic.oid = x.indexrelid LEFT JOIN pg_catalog.pg_am am ON am.oid = ic.relam
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = ic.reltablespace
{comment_join("pg_constraint", "k.oid")}
WHERE c.relkind IN ('r', 'p') AND k.contype IN ('p', 'u', 'c', 'f', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0) AND {USER_SCHEMA}
  AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], facts: dict[str, Any]) -> None:
    attributes["type"] = _TYPES[attributes["type"]]
    attributes["options"] = normal_options(attributes["options"], facts["method"] or "")
    for name in ("on_update", "on_delete"):
        attributes[name] = _ACTIONS.get(attributes[name])


def _deferring(has: dict[str, Any]) -> str:
    text = " DEFERRABLE" if has["deferrable"] else ""
    return text + (" INITIALLY DEFERRED" if has["initially_deferred"] else "")


def _parameters(has: dict[str, Any]) -> str:
    text = f" WITH ({options_clause(has['options'])})" if has["options"] else ""
    return text + (f" USING INDEX TABLESPACE {ident(has['tablespace'])}" if has["tablespace"] else "")


def definition(thing: Thing) -> str:
    """Write the constraint as ADD CONSTRAINT takes it, but for NOT VALID."""
    has = thing.attributes
    kind = has["type"]
    if kind == "check":
        return f"CHECK ({has['expression']})" + (" NO INHERIT" if has["no_inherit"] else "")
    if kind == "exclusion":
        return str(has["definition"])
    if kind == "foreign key":
        text = f"FOREIGN KEY ({idents(has['columns'])}) REFERENCES {has['references']}"
        text += f" ({idents(has['referenced_columns'])})" + (" MATCH FULL" if has["match"] == "f" else "")
        text += f" ON UPDATE {has['on_update'].upper()} ON DELETE {has['on_delete'].upper()}"
        text += f" ({idents(has['on_delete_columns'])})" if has["on_delete_columns"] else ""
        return text + _deferring(has)
    text = kind.upper() + (" NULLS NOT DISTINCT" if has["nulls_not_distinct"] else "") + f" ({idents(has['columns'])})"
    text += f" INCLUDE ({idents(has['include'])})" if has["include"] else ""
    return text + _parameters(has) + _deferring(has)


def _key_by_index(thing: Thing) -> list[Step]:
    """Build the index while others go on writing, then make it the constraint's."""
    has = thing.attributes
    table, index = dotted(thing.identity[:2]), ident(thing.identity[2])
    text = f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table} ({idents(has['columns'])})"
    text += f" INCLUDE ({idents(has['include'])})" if has["include"] else ""
    text += " NULLS NOT DISTINCT" if has["nulls_not_distinct"] else ""
    text += f" WITH ({options_clause(has['options'])})" if has["options"] else ""
    text += f" TABLESPACE {ident(has['tablespace'])}" if has["tablespace"] else ""
    add = f"ALTER TABLE {table} ADD CONSTRAINT {index} {has['type'].upper()} USING INDEX {index}{_deferring(has)}"
    undo = f"DROP INDEX CONCURRENTLY IF EXISTS {dotted((thing.identity[0], thing.identity[2]))}"
    return [
        Step(text, alone=True, replay=text.replace(" CONCURRENTLY", "", 1), undo=undo),
        Step(add, alone=True, replay=add),
    ]


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    has = thing.attributes
    keyed = has["type"] in ("primary key", "unique")
    if thing.facts["inherited"] and not keyed:
        return []
    table, name = dotted(thing.identity[:2]), ident(thing.identity[2])
    only = "ONLY " if thing.facts["partitioned"] and keyed else ""
    quiet = creation.fresh or not creation.data.has_rows(thing.identity[:2])
    if creation.data.violates(thing.key):
        add = f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition(thing)}"
        return [Step(add).violated()]
    if keyed and not quiet and not thing.facts["partitioned"]:
        return _key_by_index(thing)
    add = f"ALTER TABLE {only}{table} ADD CONSTRAINT {name} {definition(thing)}"
    if has["type"] not in ("check", "foreign key") or (thing.facts["partitioned"] and has["type"] == "foreign key"):
        return [Step(add)]
    if not has["validated"]:
        return [Step(f"{add} NOT VALID")]
    if quiet:
        return [Step(add)]
    return [Step(f"{add} NOT VALID"), Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", alone=True)]


def _validated(change: Change) -> Any:
    if not change.new:
        return None
    table, name = dotted(change.wanted.identity[:2]), ident(change.wanted.identity[2])
    step = Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", alone=True)
    if change.data.violates(change.wanted.key):
        step = step.violated()
    return [step]


def _deferrable(change: Change) -> Any:
    has = change.wanted.attributes
    if has["type"] != "foreign key":
        return None
    if change.attribute == "initially_deferred" and has["deferrable"] != change.found.attributes["deferrable"]:
        return []
    text = "DEFERRABLE" if has["deferrable"] else "NOT DEFERRABLE"
    text += " INITIALLY DEFERRED" if has["initially_deferred"] else " INITIALLY IMMEDIATE"
    table, name = dotted(change.wanted.identity[:2]), ident(change.wanted.identity[2])
    return [Step(f"ALTER TABLE {table} ALTER CONSTRAINT {name} {text}")]


def _index(thing: Thing) -> str:
    return f"INDEX {dotted((thing.identity[0], thing.identity[2]))}"


def _options(change: Change) -> list[Step]:
    names = {option.partition("=")[0] for option in change.new}
    gone = [option for option in change.old if option.partition("=")[0] not in names]
    steps = [Step(f"ALTER {_index(change.wanted)} RESET ({names_clause(gone)})")] if gone else []
    if change.new:
        steps.append(Step(f"ALTER {_index(change.wanted)} SET ({options_clause(change.new)})"))
    return steps


def _tablespace(change: Change) -> list[Step]:
    hazard = "rewrite_table" if change.data.has_rows(change.wanted.identity[:2]) else ""
    space = ident(change.new or "pg_default")
    return [Step(f"ALTER {_index(change.wanted)} SET TABLESPACE {space}", hazard=hazard)]


def _clustered(change: Change) -> list[Step]:
    table = dotted(change.wanted.identity[:2])
    action = f"CLUSTER ON {ident(change.wanted.identity[2])}" if change.new else "SET WITHOUT CLUSTER"
    return [Step(f"ALTER TABLE {table} {action}", late=bool(change.new))]


def _attached_to(change: Change) -> Any:
    if change.new is None:
        return None
    return [Step(f"ALTER INDEX {change.new} ATTACH PARTITION {_index(change.wanted)[6:]}", late=True)]


def violation(thing: Thing) -> str:
    """Write the query that finds a row which the constraint would refuse; empty where only trying tells."""
    has = thing.attributes
    table = dotted(thing.identity[:2])
    if not has["validated"]:
        return ""
    if has["type"] == "check":
        return f"SELECT FROM {table} WHERE NOT ({has['expression']})"
    if has["type"] == "foreign key":
        pairs = list(zip(has["columns"], has["referenced_columns"]))
        joined = " AND ".join(f"r.{ident(theirs)} = t.{ident(own)}" for own, theirs in pairs)
        given = " AND ".join(f"t.{ident(own)} IS NOT NULL" for own, _theirs in pairs)
        missing = f"NOT EXISTS (SELECT FROM {has['references']} r WHERE {joined})"
        return f"SELECT FROM {table} t WHERE {given} AND {missing}"
    if has["type"] in ("primary key", "unique"):
        columns = idents(has["columns"])
        given = " AND ".join(f"{ident(name)} IS NOT NULL" for name in has["columns"])
        where = "" if has["nulls_not_distinct"] else f" WHERE {given}"
        return f"SELECT FROM {table}{where} GROUP BY {columns} HAVING pg_catalog.count(*) > 1"
    return ""


def _drop(thing: Thing) -> list[Step]:
    return [Step(f"ALTER TABLE {dotted(thing.identity[:2])} DROP CONSTRAINT {ident(thing.identity[2])}")]


def _probe(thing: Thing, attribute: str, text: str) -> Optional[str]:
    return f"SELECT ({text}) AS x FROM {dotted(thing.identity[:2])}" if attribute == "expression" else None


KIND = Kind(
    name="constraint",
    catalog="pg_constraint",
    rank=60,
    query=QUERY,
    attributes={
        "type": Attribute(),
        "columns": Attribute(),
        "include": Attribute(),
        "nulls_not_distinct": Attribute(),
        "expression": Attribute(deparsed=True),
        "no_inherit": Attribute(),
        "references": Attribute(),
        "referenced_columns": Attribute(),
        "match": Attribute(),
        "on_update": Attribute(),
        "on_delete": Attribute(),
        "on_delete_columns": Attribute(),
        "definition": Attribute(deparsed=True),
        "deferrable": Attribute(_deferrable),
        "initially_deferred": Attribute(_deferrable),
        "validated": Attribute(_validated),
        "options": Attribute(_options),
        "tablespace": Attribute(_tablespace),
        "clustered": Attribute(_clustered, initial=False),
        "attached_to": Attribute(_attached_to, initial=None),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    drop=_drop,
    parent=table_of,
    refine=_refine,
    probe=_probe,
)
