# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What searches of the rows give: the planner's choice, and recall measured against the exact answer.

All of it in one read-only snapshot, with a sample that is the same in every run over the same rows. Values are literals, as
names are identifiers: psycopg2 would take a per cent sign in a name for a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_scan import NORMS, SEED, Rows
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import numbers
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

# pgvector adds up single precision numbers, so that the same distance, computed twice, may differ in the seventh digit.
TOLERANCE = 1e-6
# LangChain's column of what its filters look at.
METADATA = "cmetadata"
# subvector gives a copy of a vector that is fetched from its TOAST table once, for all the sample's distances.
SUBVECTOR = (0, 7, 0)
SAMPLE_SQL = """
SELECT s.embedding::text AS vector, {norm} AS norm, s.metadata::text AS metadata
FROM (SELECT e.{embedding} AS embedding, {metadata} AS metadata, e.ctid AS place FROM {table} e {sampled}
      WHERE {mine} AND e.{embedding} IS NOT NULL
      ORDER BY pg_catalog.hashtextextended(e.ctid::text, {seed}), e.ctid LIMIT {size}) s
"""
SEARCH_SQL = "SELECT {columns} FROM {table} e {joined} {where} ORDER BY {nearness} ASC LIMIT {k}"
COUNT_SQL = "SELECT pg_catalog.count(*) AS rows FROM (SELECT FROM {table} e WHERE {searchable} LIMIT {most}) counted"
# The rows outside, the sample inside: each stored vector is fetched once. Of the distances only those that are nearer
# than the farthest row found are counted, by the places of the found rows between which they lie. A zero vector has no
# cosine distance to anything.
EXACT_SQL = """
WITH probe AS MATERIALIZED (
    SELECT p.number, p.vector::{type} AS vector, p.found::float8[] AS found, p.reach
    FROM unnest({numbers}::int[], {vectors}::text[], {found}::text[], {reach}::float8[])
        p(number, vector, found, reach)
)
SELECT near.number, CASE WHEN near.distance = 'NaN' THEN -1
                    ELSE pg_catalog.width_bucket(near.distance, near.found) END AS place, pg_catalog.count(*) AS nearer
FROM (SELECT {copy} AS embedding FROM {table} e {where} OFFSET 0) stored
CROSS JOIN LATERAL (SELECT p.number, p.found, p.reach, stored.embedding {operator} p.vector AS distance
                    FROM probe p OFFSET 0) near
WHERE near.distance < near.reach OR near.distance = 'NaN'
GROUP BY near.number, place
"""
BARS_SQL = """
SELECT name, setting, boot_val AS initial FROM pg_catalog.pg_settings
WHERE setting <> boot_val AND (name IN ('enable_indexscan', 'enable_sort', 'enable_seqscan', 'enable_nestloop')
                               OR name ~ '^(seq_page|random_page|cpu_\\w+)_cost$')
ORDER BY name
"""
FORCE = {"enable_seqscan": "off", "enable_sort": "off", "enable_bitmapscan": "off", "enable_indexscan": "on"}


class Sampled(NamedTuple):
    """A stored vector to search with, and what its row says beside it."""

    vector: str
    metadata: Mapping[str, Any]


@dataclass
class Planned:
    """What the planner does with a client's query."""

    uses_index: Optional[bool] = None  # None: there was nothing to plan
    can_use_index: bool = False
    bars: list[str] = field(default_factory=list)


@dataclass
class Measured:
    """Answers of the index compared with exact ones."""

    recall: Optional[float] = None
    returned: Optional[int] = None
    expected: int = 0
    zeros: Optional[int] = None  # zero vectors that the exact pass met
    whole_table: bool = False  # the index was asked without the collection's filter


@contextmanager
def snapshot(session: Session) -> Iterator[None]:
    """One state of the rows for all queries, and no chance to change any."""
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not session.connection.closed:
            session.execute("ROLLBACK")


class Searches(Rows):
    """The queries over one collection's rows."""

    def sample(self, size: int) -> list[Sampled]:
        """Stored vectors to search with."""
        # Choosing reads no vectors, so it may read more rows than the scan does.
        share = self.share(20 * self.declared.thresholds.scan_rows)
        found = self.choose(size, share)
        # Of a small collection among large ones a share may hold too little; it is found by its index.
        return found if share >= 1 or len(found) >= size else self.choose(size, 1.0)

    def choose(self, size: int, share: float) -> list[Sampled]:
        """Rows by chance, the same ones each time; a zero vector is near to nothing."""
        statement = sql.SQL(SAMPLE_SQL).format(
            embedding=sql.Identifier(self.column.name),
            norm=self.function(NORMS[self.column.type], sql.SQL("s.embedding")),
            metadata=sql.SQL("e.{}").format(sql.Identifier(METADATA)) if self.has_metadata else sql.SQL("NULL"),
            table=self.table.identifier,
            sampled=self.sampled(share),
            mine=self.mine(),
            seed=sql.Literal(SEED),
            size=sql.Literal(size),
        )
        rows = self.session.query(statement)
        return [
            Sampled(row["vector"], read_metadata(row["metadata"]))
            for row in rows
            if row["norm"] > 0 or self.declared.distance != "cosine"
        ]

    @property
    def has_metadata(self) -> bool:
        """Whether rows have metadata that LangChain's clients filter by."""
        column = self.look.columns.get(METADATA)
        return self.look.wants_collections and column is not None and column.type == "jsonb"

    def search(self, vector: str, filtered: bool, kind: str, whole_rows: bool, passes: Any = None) -> Any:
        """The query that LangChain's clients send: the collection joined, ordered by the distance, limited to k; with C(passes)
        the rows are filtered by what they say, too."""
        joined: Any = sql.SQL("")
        where: Any = sql.SQL("")
        if filtered and self.look.wants_collections and self.look.collections:
            joined = sql.SQL("JOIN {} c ON e.{} = c.uuid").format(
                self.look.collections.identifier, sql.Identifier(LINK)
            )
            where = sql.SQL("WHERE {}").format(sql.SQL(" AND ").join([self.mine(), *([passes] if passes else [])]))
        exact = sql.SQL("{} {} {}::{}").format(
            self.embedding, self.operator, sql.Literal(vector), self.type(self.column.type)
        )
        nearness = exact
        if kind != self.column.type:
            cast = self.type(kind, self.look.dimensions)
            nearness = sql.SQL("({}::{}) {} {}::{}").format(
                self.embedding, cast, self.operator, sql.Literal(vector), cast
            )
        distance = sql.SQL("{} AS distance").format(exact)
        return sql.SQL(SEARCH_SQL).format(
            columns=sql.SQL("e.*, {}").format(distance) if whole_rows else distance,
            table=self.table.identifier,
            joined=joined,
            where=where,
            nearness=nearness,
            k=sql.Literal(self.declared.k),
        )

    def use(self, settings: Mapping[str, str]) -> None:
        """Settings for the rest of the snapshot."""
        for name, value in settings.items():
            self.session.query("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))

    def plan(self, vector: str, kind: str, names: Sequence[str], filtered: bool = True) -> bool:
        """Whether the planner answers by one of these indexes."""
        statement = sql.SQL("EXPLAIN (FORMAT JSON) {}").format(self.search(vector, filtered, kind, whole_rows=True))
        (row,) = self.session.query(statement)
        return any(node.get("Index Name") in names for node in nodes(row["QUERY PLAN"][0]["Plan"]))

    def planned(self, vector: str, wanted: Target, names: Sequence[str]) -> Planned:
        """The planner's choice; where it is another, whether settings keep it from the index."""
        found = Planned(uses_index=self.plan(vector, wanted.kind, names))
        if found.uses_index or not names:
            return found
        self.session.execute("SAVEPOINT planner")
        found.bars = self.bars(lambda: self.plan(vector, wanted.kind, names))
        self.use(FORCE)
        found.can_use_index = bool(found.bars) or self.plan(vector, wanted.kind, names)
        self.session.execute("ROLLBACK TO SAVEPOINT planner")
        return found

    def bars(self, chosen: Callable[[], bool]) -> list[str]:
        """Settings that keep the planner from an index: those of which one alone does, or the fewest that do together."""
        has = {row["name"]: (row["setting"], row["initial"]) for row in self.session.query(BARS_SQL)}
        guilty = []
        for name, (setting, initial) in has.items():
            self.use({name: initial})
            if chosen():
                guilty.append(name)
            self.use({name: setting})
        if not guilty:
            self.use({name: initial for name, (_setting, initial) in has.items()})
            # Reading all of few rows is right; but a switch that is off stays off when they are many.
            guilty = self.fewest(has, chosen) if chosen() else [name for name in has if name == "enable_indexscan"]
            self.use({name: setting for name, (setting, _initial) in has.items()})
        return [f"{name} = {has[name][0]}" for name in guilty]

    def fewest(self, has: Mapping[str, tuple[str, str]], chosen: Callable[[], bool]) -> list[str]:
        """With all settings at their initial values: those that cannot be given back."""
        guilty = []
        for name, (setting, initial) in has.items():
            self.use({name: setting})
            if not chosen():
                guilty.append(name)
                self.use({name: initial})
        return guilty

    def measure(self, vectors: Sequence[str], wanted: Target, filtered: bool) -> Measured:
        """Search with each vector, then rank all that was found by one pass over the rows."""
        found: list[list[float]] = []
        for vector in vectors:
            rows = self.session.query(self.search(vector, filtered, wanted.kind, whole_rows=False))
            found.append(sorted(row["distance"] for row in rows))
        hits, zeros = self.hits(vectors, found, filtered)
        # A zero vector counts as there, and is in no answer.
        expected = max(1, self.count(filtered, self.declared.k + zeros) - zeros)
        return Measured(
            recall=min(1.0, round(hits / (expected * len(vectors)), 4)),
            returned=min(len(distances) for distances in found),
            expected=expected,
            zeros=zeros if filtered and any(found) else None,
            whole_table=not filtered and self.look.wants_collections,
        )

    def searchable(self, filtered: bool) -> Any:
        """Whether a row can be in an answer."""
        there = sql.SQL("{} IS NOT NULL").format(self.embedding)
        return sql.SQL("{} AND {}").format(there, self.mine()) if filtered else there

    def count(self, filtered: bool, most: int, passes: Any = None) -> int:
        """How many rows can be in an answer, not counting beyond the most that matter."""
        searchable = sql.SQL(" AND ").join([self.searchable(filtered), *([passes] if passes else [])])
        statement = sql.SQL(COUNT_SQL).format(
            table=self.table.identifier, searchable=searchable, most=sql.Literal(most)
        )
        return int(self.session.query(statement)[0]["rows"])

    def hits(self, vectors: Sequence[str], found: Sequence[Sequence[float]], filtered: bool) -> tuple[int, int]:
        """How many of the rows found are among the k nearest: those with fewer than k rows nearer. And zero vectors."""
        copy = self.embedding
        if self.look.dimensions and numbers(self.look.server["installed"] or "") >= SUBVECTOR:
            whole = sql.SQL("{}, 1, {}").format(self.embedding, sql.Literal(self.look.dimensions))
            copy = self.function("subvector", whole)
        asked = [number for number, distances in enumerate(found) if distances]
        edges = {number: [edge(distance, self.declared.distance) for distance in found[number]] for number in asked}
        statement = sql.SQL(EXACT_SQL).format(
            type=self.type(self.column.type),
            copy=copy,
            table=self.table.identifier,
            where=sql.SQL("WHERE {}").format(self.searchable(filtered)),
            operator=self.operator,
            numbers=sql.Literal(asked),
            vectors=sql.Literal([vectors[number] for number in asked]),
            found=sql.Literal(["{" + ",".join(map(repr, edges[number])) + "}" for number in asked]),
            reach=sql.Literal([edges[number][-1] for number in asked]),
        )
        rows = self.session.query(statement)
        between: dict[tuple[int, int], int] = {(row["number"], row["place"]): row["nearer"] for row in rows}
        hits = sum(count_hits(found[number], number, between, self.declared.k) for number in asked)
        return hits, between.get((asked[0], -1), 0) if asked else 0


def read_metadata(text: Optional[str]) -> Mapping[str, Any]:
    """What a row says, where it says anything."""
    found = json.loads(text or "null")
    return found if isinstance(found, dict) else {}


def edge(distance: float, kind: str) -> float:
    """Below what distance a row is nearer than one found at ``distance``, and not merely as near."""
    return distance - TOLERANCE * (1 if kind == "cosine" else abs(distance))


def count_hits(distances: Sequence[float], number: int, between: Mapping[tuple[int, int], int], k: int) -> int:
    """Found rows, nearest first, of which fewer than k rows are nearer."""
    nearer, hits = 0, 0
    for place in range(len(distances)):
        nearer += between.get((number, place), 0)
        hits += nearer < k
    return hits


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A plan's nodes, from the top."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
