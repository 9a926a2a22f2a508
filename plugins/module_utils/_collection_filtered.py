# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searches with a filter on the rows' metadata, as langchain_postgres sends them: whether they return what was asked for.

The filter is a function to the planner, so it takes the vector index, whose candidates the filter then takes away.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_search import METADATA, Sampled, Searches
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import sql

# Keys of which a value is looked at, and searches with it: enough to meet one, and no more than takes a moment.
KEYS, SEARCHES = 8, 3
# Names that the client takes for a key.
KEY = re.compile(r"[A-Za-z_]\w*")
FILTER_SQL = "pg_catalog.jsonb_path_match(e.{column}, {path}::pg_catalog.jsonpath, {value}::pg_catalog.jsonb)"
HOLDS_SQL = "e.{column} @> {pair}::pg_catalog.jsonb"


class Filtered(NamedTuple):
    """What the filtered searches came to: the first that fell short, if one did."""

    key: str
    expected: int
    returned: int


def measure_filtered(searches: Searches, sampled: Sequence[Sampled], kind: str) -> Optional[Filtered]:
    """Search with the most selective filter of the sample that k rows pass; none where there is no such filter."""
    k = searches.declared.k
    for key, value in selective([one.metadata for one in sampled]):
        column = sql.Identifier(METADATA)
        holds = sql.SQL(HOLDS_SQL).format(column=column, pair=sql.Literal(json.dumps({key: value})))
        if searches.count(True, k, holds) < k:
            continue
        passes = sql.SQL(FILTER_SQL).format(
            column=column, path=sql.Literal(f"$.{key} == $value"), value=sql.Literal(json.dumps({"value": value}))
        )
        returned = k
        for one in sampled[:SEARCHES]:
            query = searches.search(one.vector, True, kind, whole_rows=False, passes=passes)
            returned = min(returned, len(searches.session.query(query)))
            # One that goes on through the index until it gives up takes long, and is enough.
            if returned < k:
                break
        return Filtered(key, k, returned)
    return None


def selective(metadata: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Of each key the value that the fewest rows have, the rarest first; one that all rows have takes nothing away."""
    times: Counter[tuple[str, str]] = Counter(
        (key, json.dumps(value))
        for one in metadata
        for key, value in one.items()
        if KEY.fullmatch(key) and isinstance(value, (str, int))
    )
    rarest: dict[str, tuple[int, str]] = {}
    for (key, value), number in times.items():
        if number < len(metadata):
            rarest[key] = min(rarest.get(key, (number, value)), (number, value))
    for key, (_number, value) in sorted(rarest.items(), key=lambda item: (item[1][0], item[0]))[:KEYS]:
        yield key, json.loads(value)
