# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Indexes that no constraint owns, their validity among what is compared."""

from __future__ import annotations

import re
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    RELATION,
    USER_SCHEMA,
    comment,
    comment_join,
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
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.options import normal_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    ident,
    literal,
    names_clause,
    options_clause,
)

_address = named("INDEX")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')

# One deparsing tells keys with collations, operator classes and order, and what is included.
QUERY = f"""
SELECT ARRAY[n.nspname, i.relname]::text[] AS id, i.oid AS _oid, {RELATION} AS _relation,
       ARRAY[tn.nspname, c.relname]::text[] AS _table_path, c.relkind = 'p' AS _partitioned,
       pg_catalog.format('%I.%I', tn.nspname, c.relname) AS "table", am.amname::text AS method,
       x.indisunique AS unique, x.indnullsnotdistinct AS nulls_not_distinct, pg_catalog.pg_get_indexdef(i.oid) AS _definition,
       CASE WHEN x.indpred IS NOT NULL THEN pg_catalog.pg_get_expr(x.indpred, x.indrelid) END AS predicate,
       i.reloptions AS options, ts.spcname::text AS tablespace, x.indisvalid AND x.indisready AS valid,
       x.indisclustered AS clustered,
       (SELECT pg_catalog.array_agg(ia.attnum || '=' || ia.attstattarget ORDER BY ia.attnum)
        FROM pg_catalog.pg_attribute ia WHERE ia.attrelid = i.oid AND ia.attstattarget >= 0) AS statistics,
       CASE WHEN i.relispartition THEN (
           SELECT pg_catalog.format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits h
           JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
           WHERE h.inhrelid = i.oid) END AS attached_to,
       d.description AS comment
FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace JOIN pg_catalog.pg_am am ON am.oid = i.relam
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = i.reltablespace
{comment_join("pg_class", "i.oid")}
WHERE {USER_SCHEMA.replace("n.", "tn.")} AND c.relkind IN ('r', 'p', 'm') AND NOT {extension_member("pg_class", "c.oid")}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
"""


def _refine(attributes: dict[str, Any], facts: dict[str, Any]) -> None:
    attributes["options"] = normal_options(attributes["options"], attributes["method"])
    attributes["columns"], rest = listed(facts.pop("definition"), " USING ")
    attributes["include"] = listed(rest, " INCLUDE ")[0] if rest.startswith(" INCLUDE ") else None


def listed(text: str, after: str) -> tuple[list[str], str]:
    """Split the first parenthesised list behind a word, quotes and inner parentheses respected; give the rest too."""
    # A name may hold anything, the word that is looked for too.
    plain = _QUOTED.sub(lambda found: '"' * len(found.group()), text)
    start = plain.index("(", plain.index(after) + len(after) - 1) + 1
    entries, depth, quote, begin = [], 0, "", start
    for place in range(start, len(text)):
        letter = text[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif letter in ",)" and not depth:
            entries.append(text[begin:place].strip())
            begin = place + 1
            if letter == ")":
                return entries, text[place + 1 :]
    return entries, ""


def _column_name(entry: str) -> str:
    """The column of a key entry; empty for an expression."""
    if entry.startswith('"'):
        return entry[1 : entry.replace('""', "  ").index('"', 1)].replace('""', '"')
    name = entry.split(" ", 1)[0]
    return "" if "(" in name else name


def _text(thing: Thing, concurrently: bool) -> str:
    has = thing.attributes
    text = "CREATE " + ("UNIQUE " if has["unique"] else "") + "INDEX " + ("CONCURRENTLY " if concurrently else "")
    text += f"{ident(thing.identity[1])} ON {'ONLY ' if thing.facts['partitioned'] else ''}{has['table']}"
    text += f" USING {ident(has['method'])} ({', '.join(has['columns'])})"
    text += f" INCLUDE ({', '.join(has['include'])})" if has["include"] else ""
    text += " NULLS NOT DISTINCT" if has["nulls_not_distinct"] else ""
    text += f" WITH ({options_clause(has['options'])})" if has["options"] else ""
    text += f" TABLESPACE {ident(has['tablespace'])}" if has["tablespace"] else ""
    return text + (f" WHERE {has['predicate']}" if has["predicate"] is not None else "")


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    plain = creation.fresh or thing.facts["partitioned"] or thing.facts["relation"] != "table"
    if creation.data.violates(thing.key):
        text = _text(thing, concurrently=not plain)
        return [Step(text).violated()]
    undo = "" if plain else f"DROP INDEX CONCURRENTLY IF EXISTS {dotted(thing.identity)}"
    make = Step(_text(thing, concurrently=not plain), alone=not plain, replay=_text(thing, concurrently=False))
    steps = [make._replace(undo=undo)]
    if not thing.attributes["valid"] and not thing.facts["partitioned"]:
        # Only the copy of a live schema holds such an index.
        name = literal(dotted(thing.identity))
        steps.append(
            Step(f"UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = {name}::pg_catalog.regclass")
        )
    return steps


def _options(change: Change) -> Optional[list[Step]]:
    """Parameters that a build used up need another build."""
    if change.wanted.attributes["method"] in ("hnsw", "ivfflat", "bloom"):
        return None
    names = {option.partition("=")[0] for option in change.new}
    gone = [option for option in change.old if option.partition("=")[0] not in names]
    steps = [Step(f"ALTER {_address(change.wanted)} RESET ({names_clause(gone)})")] if gone else []
    if change.new:
        steps.append(Step(f"ALTER {_address(change.wanted)} SET ({options_clause(change.new)})"))
    return steps


def _tablespace(change: Change) -> list[Step]:
    hazard = "rewrite_table" if change.data.has_rows(change.wanted.facts["table_path"]) else ""
    return [Step(f"ALTER {_address(change.wanted)} SET TABLESPACE {ident(change.new or 'pg_default')}", hazard=hazard)]


def _clustered(change: Change) -> list[Step]:
    has = change.wanted.attributes
    action = f"CLUSTER ON {ident(change.wanted.identity[1])}" if change.new else "SET WITHOUT CLUSTER"
    noun = "MATERIALIZED VIEW" if change.wanted.facts["relation"] == "materialized view" else "TABLE"
    return [Step(f"ALTER {noun} {has['table']} {action}", late=bool(change.new))]


def _statistics(change: Change) -> list[Step]:
    before, after = (dict(entry.split("=") for entry in some or ()) for some in (change.old, change.new))
    return [
        Step(f"ALTER {_address(change.wanted)} ALTER COLUMN {number} SET STATISTICS {after.get(number, '-1')}")
        for number in sorted({*before, *after}, key=int)
        if before.get(number) != after.get(number)
    ]


def _attached_to(change: Change) -> Optional[list[Step]]:
    if change.new is None or change.old is not None:
        return None
    return [Step(f"ALTER INDEX {change.new} ATTACH PARTITION {dotted(change.wanted.identity)}", late=True)]


def _valid(change: Change) -> Optional[list[Step]]:
    """The index of a partitioned table becomes valid when the last partition has its own, and never loses that again."""
    return [] if change.wanted.facts["partitioned"] and change.new else None


def _remake_hazard(change: Change) -> str:
    return "rebuild_index" if change.found.attributes["valid"] else ""


def violation(thing: Thing) -> str:
    """Write the query that finds what a unique index would refuse; expressions are left to the build."""
    has = thing.attributes
    names = [_column_name(entry) for entry in has["columns"]]
    if not has["unique"] or not all(names):
        return ""
    given = [f"{ident(name)} IS NOT NULL" for name in names if not has["nulls_not_distinct"]]
    given += [f"({has['predicate']})"] if has["predicate"] is not None else []
    where = f" WHERE {' AND '.join(given)}" if given else ""
    columns = ", ".join(ident(name) for name in names)
    return f"SELECT FROM {has['table']}{where} GROUP BY {columns} HAVING pg_catalog.count(*) > 1"


def _drop(thing: Thing) -> list[Step]:
    busy = thing.facts["relation"] == "table" and not thing.facts["partitioned"]
    busy = busy and not thing.attributes["attached_to"]
    name = dotted(thing.identity)
    if busy:
        return [Step(f"DROP INDEX CONCURRENTLY {name}", alone=True, replay=f"DROP INDEX {name}")]
    return [Step(f"DROP INDEX {name}")]


def _parent(thing: Thing) -> Optional[Key]:
    return str(thing.facts["relation"]), tuple(thing.facts["table_path"])


def _probe(thing: Thing, attribute: str, text: str) -> Optional[str]:
    return f"SELECT ({text}) AS x FROM {thing.attributes['table']}" if attribute == "predicate" else None


KIND = Kind(
    name="index",
    catalog="pg_class",
    rank=61,
    query=QUERY,
    attributes={
        "table": Attribute(),
        "method": Attribute(),
        "unique": Attribute(),
        "nulls_not_distinct": Attribute(),
        "columns": Attribute(deparsed=True),
        "include": Attribute(),
        "predicate": Attribute(deparsed=True),
        "valid": Attribute(_valid),
        "options": Attribute(_options),
        "tablespace": Attribute(_tablespace),
        "clustered": Attribute(_clustered, initial=False),
        "statistics": Attribute(_statistics, initial=None),
        "attached_to": Attribute(_attached_to, initial=None),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    drop=_drop,
    parent=_parent,
    refine=_refine,
    remake_hazard=_remake_hazard,
    relation=True,
    probe=_probe,
)
