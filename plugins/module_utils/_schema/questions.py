# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan has to know about rows, asked in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds import constraint, index
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Data,
    Drift,
    Key,
    Snapshot,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]


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
    violated = frozenset(
        (item.kind, item.identity)
        for item in drift
        if item.kind in ("constraint", "index") and _violated(session, item, expected, answers["filled"])
    )
    return Data(frozenset(answers["filled"]), frozenset(answers["nulls"]), violated)


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
    if not query:
        return False
    session.execute("SAVEPOINT ai_micro_question")
    try:
        return bool(session.rows(f"SELECT EXISTS ({query})")[1][0][0])
    except psycopg2.Error:
        return False
    finally:
        session.execute("ROLLBACK TO SAVEPOINT ai_micro_question")
