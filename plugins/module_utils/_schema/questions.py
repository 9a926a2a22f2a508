# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan has to know about rows, asked in one statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds import constraint, index
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.table import default_partition
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Data,
    Drift,
    Key,
    Snapshot,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.rebuild import way
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident, literal, quoted
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

_OID = re.compile(r"'\d+'::oid")


def ask(session: Session, drift: Sequence[Drift], expected: Snapshot, actual: Snapshot) -> Data:
    """Look which tables hold rows, which columns hold NULL, and which rows a constraint would refuse."""
    tables = sorted({table for item in drift for table in _tables(item, expected, actual)})
    nulls = [
        item.identity
        for item in drift
        if item.kind == "column" and item.attribute == "not_null" and item.expected and _plain(item, actual)
    ]
    asked = [("filled", table, f"SELECT FROM {dotted(table)}") for table in tables]
    asked += [
        ("nulls", path, f"SELECT FROM {dotted(path[:2])} WHERE {ident(path[2])} IS NULL")
        for path in nulls
        if path[:2] in tables
    ]
    answers: dict[str, set[tuple[str, ...]]] = {"filled": set(), "nulls": set()}
    if asked:
        text = ", ".join(f"EXISTS ({query})" for _what, _path, query in asked)
        row = session.rows(f"SELECT ARRAY[{text}]")[1][0][0]
        for (what, path, _query), answer in zip(asked, row):
            if answer:
                answers[what].add(path)
    violated = {
        (item.kind, item.identity)
        for item in drift
        if item.kind in ("constraint", "index") and _violated(session, item, expected, answers["filled"])
    }
    for item in drift:
        violated |= {key for key, query in trials(item, expected, actual) if _found(session, query, unfit=True)}
    return Data(frozenset(answers["filled"]), frozenset(answers["nulls"]), frozenset(violated))


def trials(item: Drift, expected: Snapshot, actual: Snapshot) -> Iterator[tuple[Key, str]]:
    """Queries that fail, or find a row, where rows stand in the way of a change of their type, by what is in the way."""
    key = (item.kind, item.identity)
    wanted, found = expected.things.get(key), actual.things.get(key)
    if item.kind == "column" and item.attribute == "type" and wanted and found:
        if wanted.attributes["generated"] is None:
            yield key, converts(found, wanted.attributes["type"])
    elif item.kind == "table" and wanted and (item.change == "missing" or item.attribute in ("partition_of", "bound")):
        yield from partition_trials(wanted, expected, actual)
    elif item.kind == "domain" and item.attribute == "not_null" and item.expected:
        for column in users(key, actual):
            yield key, f"SELECT FROM {dotted(column.identity[:2])} WHERE {ident(column.identity[2])} IS NULL"
    elif item.kind == "domain constraint" and wanted and wanted.attributes["validated"]:
        for column in users(("domain", item.identity[:2]), actual):
            value = f"(SELECT {ident(column.identity[2])} AS value FROM {dotted(column.identity[:2])}) s"
            yield key, f"SELECT FROM {value} WHERE NOT ({wanted.attributes['expression']})"
    elif item.kind == "domain" and item.attribute == "type" and wanted and found:
        for column in users(key, actual):
            yield column.key, converts(column, wanted.attributes["type"], way(found, wanted))
    elif item.kind == "enum" and item.attribute == "values":
        gone = ", ".join(literal(value) for value in item.actual if value not in item.expected)
        for column in users(key, actual) if gone else ():
            yield (
                column.key,
                f"SELECT FROM {dotted(column.identity[:2])} WHERE {ident(column.identity[2])}::text IN ({gone})",
            )


def partition_trials(wanted: Thing, expected: Snapshot, actual: Snapshot) -> Iterator[tuple[Key, str]]:
    """Queries for rows that a partition, or the default one beside it, may hold no longer."""
    for thing in (wanted, default_partition(wanted, expected)):
        if thing is None or not thing.facts["takes"] or thing.key not in actual.things:
            continue
        key = ("table", expected.tables_by_name().get(thing.attributes["partition_of"], ()))
        parent, there = expected.things.get(key), actual.things.get(key)
        if not (parent and there and parent.attributes["partition_key"] == there.attributes["partition_key"]):
            continue
        # A hash is asked for by the oid of its table, which is another one in the scratch database.
        if not _OID.search(thing.facts["takes"]):
            takes = thing.facts["takes"]
        elif parent.attributes["partition_of"] is None:
            takes = _OID.sub(literal(thing.attributes["partition_of"]) + "::pg_catalog.regclass", thing.facts["takes"])
        else:
            continue
        yield thing.key, f"SELECT FROM {dotted(thing.identity)} WHERE NOT ({takes})"


def users(key: Key, actual: Snapshot) -> list[Thing]:
    """Columns of tables that are of a type itself; what holds it in an array or a row shows when it is converted."""
    name = ".".join(quoted(part) for part in key[1])
    return [
        thing
        for thing in actual.things.values()
        if thing.kind == "column"
        and key in actual.edges.get(thing.key, ())
        and thing.attributes["type"] in (name, key[1][-1])
    ]


def converts(column: Thing, new: str, by: str = "") -> str:
    """Write the query that takes each value of a column to another type, and finds nothing."""
    through = "".join(f"::{each}" for each in (*by.split("::"), new) if each)
    return f"SELECT FROM {dotted(column.identity[:2])} WHERE pg_catalog.length(({ident(column.identity[2])}{through})::text) < 0"


def _found(session: Session, query: str, unfit: bool) -> bool:
    """Whether a query finds a row; C(unfit) is the answer where a value of a row is none for it. What cannot be asked, since it
    speaks of what is not there yet, finds nothing."""
    session.execute("SAVEPOINT ai_micro_question")
    try:
        return bool(session.rows(f"SELECT EXISTS ({query})")[1][0][0])
    except psycopg2.DataError:
        return unfit
    except psycopg2.Error:
        return False
    finally:
        session.execute("ROLLBACK TO SAVEPOINT ai_micro_question")


def _tables(item: Drift, expected: Snapshot, actual: Snapshot) -> list[tuple[str, ...]]:
    """The live table that a difference is about."""
    found = []
    for side in (expected, actual):
        thing = side.things.get((item.kind, item.identity))
        key = _table(thing, side) if thing else None
        if key is not None and key in actual.things:
            found.append(key[1])
    return found


def _table(thing: Thing, side: Snapshot) -> Optional[Key]:
    key: Optional[Key] = thing.key
    while key is not None and key[0] != "table":
        holder = side.things.get(key)
        key = KINDS[key[0]].parent(holder) if holder else None
    return key


def _plain(item: Drift, actual: Snapshot) -> bool:
    return ("table", item.identity[:2]) in actual.things


def _violated(session: Session, item: Drift, expected: Snapshot, filled: set[tuple[str, ...]]) -> bool:
    """Try a constraint on the rows; one that speaks of what is not there yet cannot be tried."""
    if item.change == "extra":
        return False
    thing = expected.things[item.kind, item.identity]
    table = _table(thing, expected)
    if table is None or table[1] not in filled:
        return False
    query = constraint.violation(thing) if item.kind == "constraint" else index.violation(thing)
    return bool(query) and _found(session, query, unfit=False)
