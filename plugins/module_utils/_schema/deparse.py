# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two spellings of one expression: PostgreSQL is asked, by having it parse and deparse both once more.

C(varchar IN (…)) deparses differently before and after a dump and restore. So where two deparsed texts differ, each
becomes a view over the declared objects in a scratch database, and the views' texts decide.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import read_kind
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Creation,
    Data,
    Drift,
    Key,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

VIEW = "pg_temp.ai_micro_probe"


def questionable(drift: Sequence[Drift]) -> list[Drift]:
    """Differences that may be none: deparsed text on both sides."""
    return [
        item
        for item in drift
        if item.change == "different"
        and KINDS[item.kind].attributes[item.attribute].deparsed
        and item.expected is not None
        and item.actual is not None
    ]


def spelling(item: Drift) -> str:
    return json.dumps([item.kind, item.identity, item.attribute])


def same(inner: Session, item: Drift, declared: Snapshot, live: Snapshot) -> bool:
    """Whether both texts mean the same, asked in a scratch database that holds the declared objects."""
    key: Key = (item.kind, item.identity)
    texts = [_normal(inner, declared, side.things[key], item.attribute) for side in (declared, live)]
    return texts[0] is not None and texts[0] == texts[1]


def _normal(inner: Session, declared: Snapshot, side: Thing, attribute: str) -> Any:
    """Parse and deparse one text; None where PostgreSQL does not take it."""
    kind = KINDS[side.kind]
    query = kind.probe(side, attribute, side.attributes[attribute]) if kind.probe else None
    inner.execute("SAVEPOINT ai_micro_probe")
    try:
        return _by_itself(inner, declared, side, attribute) if query is None else _by_view(inner, query)
    except psycopg2.Error:
        return None
    finally:
        inner.execute("ROLLBACK TO SAVEPOINT ai_micro_probe")


def _by_view(inner: Session, query: str) -> str:
    inner.execute(f"CREATE VIEW {VIEW} AS {query}")
    return str(inner.rows(f"SELECT pg_catalog.pg_get_viewdef('{VIEW}'::pg_catalog.regclass)")[1][0][0])


def _by_itself(inner: Session, declared: Snapshot, side: Thing, attribute: str) -> Any:
    """Make the object itself of its own text."""
    kind = KINDS[side.kind]
    if kind.name != "function":
        steps = kind.drop(side) if kind.drop else [Step(f"DROP {kind.address(side)}")]
        for step in steps:
            inner.execute(f"{step.replay or step.sql} CASCADE")
    for step in kind.create(Creation(side, declared, declared, Data(empty=True), fresh=True)):
        inner.execute(step.replay or step.sql)
    again = {thing.identity: thing for thing in read_kind(inner, kind)}
    return again[side.identity].attributes[attribute]
