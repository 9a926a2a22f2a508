# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rows say: defects in one scan, the planner's choice, and recall measured against the exact answer.

All of it in one read-only snapshot, with a sample that is the same in every run over the same rows. Values are literals, as
names are identifiers: psycopg2 would take a per cent sign in a name for a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK, Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Column, Look, Table
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import DISTANCES, numbers
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

SEED = 20240117
# pgvector adds up single precision numbers, so that the same distance, computed twice, may differ in the seventh digit.
TOLERANCE = 1e-6
# subvector gives a copy of a vector that is fetched from its TOAST table once, for all the sample's distances.
SUBVECTOR = (0, 7, 0)
NORMS = {"vector": "vector_norm", "halfvec": "l2_norm"}

SCAN_SQL = """
SELECT pg_catalog.count(*) AS total, pg_catalog.count(*) FILTER (WHERE mine) AS rows,
       pg_catalog.count(*) FILTER (WHERE mine AND embedding IS NULL) AS null_embeddings,
       pg_catalog.count(*) FILTER (WHERE mine AND dimensions <> {wanted}) AS wrong_dimensions
FROM (SELECT {mine} AS mine, e.{embedding} AS embedding,
             CASE WHEN {mine} THEN {dimensions} END AS dimensions
      FROM {table} e {sampled} OFFSET 0) scanned
"""
ZEROS_SQL = "SELECT pg_catalog.count(*) AS zeros FROM {table} e {sampled} WHERE {mine} AND {norm} = 0"
DUPLICATES_SQL = """
SELECT COALESCE(pg_catalog.sum(n - 1), 0)::int8 AS duplicates
FROM (SELECT pg_catalog.count(*) AS n FROM {table} e WHERE {mine} AND e.{column} IS NOT NULL
      GROUP BY e.{column} HAVING pg_catalog.count(*) > 1) twice
"""
# Rows that name no collection are as lost to every client as those whose collection is gone.
ORPHANS_SQL = """
SELECT pg_catalog.count(*) AS orphans FROM {table} e
WHERE {strict} AND NOT EXISTS (SELECT FROM {other} o WHERE o.{key} = e.{column})
"""
SAMPLE_SQL = """
SELECT s.embedding::text AS vector, {norm} AS norm
FROM (SELECT e.{embedding} AS embedding, e.ctid AS place FROM {table} e {sampled}
      WHERE {mine} AND e.{embedding} IS NOT NULL
      ORDER BY pg_catalog.hashtextextended(e.ctid::text, {seed}), e.ctid LIMIT {size}) s
"""
SEARCH_SQL = "SELECT {columns} FROM {table} e {joined} {where} ORDER BY {nearness} ASC LIMIT {k}"
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
# What the planner weighs, of which a role or a database may have values of its own.
PLANNER_SETTINGS = r"^(enable_\w+|\w+_cost|hnsw\.\w+|ivfflat\.\w+|effective_cache_size|work_mem|jit\w*)$"
BARS_SQL = """
SELECT name, setting, boot_val AS initial FROM pg_catalog.pg_settings
WHERE setting <> boot_val AND (name IN ('enable_indexscan', 'enable_sort', 'enable_seqscan', 'enable_nestloop')
                               OR name ~ '^(seq_page|random_page|cpu_\\w+)_cost$')
ORDER BY name
"""
FORCE = {"enable_seqscan": "off", "enable_sort": "off", "enable_bitmapscan": "off", "enable_indexscan": "on"}


class Scan(NamedTuple):
    """Counts over the rows; scaled where only a share of a big table was read."""

    total: int
    rows: int
    null_embeddings: int
    wrong_dimensions: int
    zero_norm: Optional[int]  # None: not counted, for a distance that zero vectors have
    orphans: Optional[int]
    duplicates: Optional[int]
    share: float


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


class Searches:
    """The queries over one collection's rows."""

    def __init__(self, session: Session, declared: Declaration, look: Look, table: Table, column: Column) -> None:
        self.session = session
        self.declared = declared
        self.look = look
        self.table = table
        self.column = column
        self.member = look.rows[0].uuid if look.rows and LINK in look.columns else None
        self.extension = sql.Identifier(look.schema)
        self.operator = sql.SQL("OPERATOR({}.{})").format(
            self.extension, sql.SQL(DISTANCES[declared.distance].operator)
        )

    def type(self, kind: str, dimensions: Optional[int] = None) -> Any:
        modifier = sql.SQL("({})").format(sql.Literal(dimensions)) if dimensions else sql.SQL("")
        return sql.SQL("{}.{}{}").format(self.extension, sql.Identifier(kind), modifier)

    def function(self, name: str, argument: Any) -> Any:
        return sql.SQL("{}.{}({})").format(self.extension, sql.Identifier(name), argument)

    @property
    def embedding(self) -> Any:
        return sql.SQL("e.{}").format(sql.Identifier(self.column.name))

    def mine(self) -> Any:
        """Whether a row is of this collection."""
        if not self.look.wants_collections:
            return sql.SQL("true")
        if self.member is None:
            return sql.SQL("false")
        return sql.SQL("e.{} = {}").format(sql.Identifier(LINK), sql.Literal(self.member))

    def sampled(self, share: float) -> Any:
        """Read whole pages of a big table by chance, the same ones each time."""
        if share >= 1:
            return sql.SQL("")
        return sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(
            sql.Literal(max(100 * share, 0.01)), sql.Literal(SEED)
        )

    def scan(self) -> Scan:
        """Count rows and defects."""
        limit, estimate = self.declared.thresholds.scan_rows, self.table.estimate
        share = limit / estimate if estimate > limit > 0 and self.table.kind in ("r", "p", "m") else 1.0
        dimensions = self.look.dimensions
        statement = sql.SQL(SCAN_SQL).format(
            mine=self.mine(),
            embedding=sql.Identifier(self.column.name),
            # A column with dimensions holds no others.
            dimensions=sql.SQL("NULL::int") if dimensions else self.function("vector_dims", self.embedding),
            table=self.table.identifier,
            sampled=self.sampled(share),
            wanted=sql.Literal(self.declared.dimensions),
        )
        (row,) = self.session.query(statement)
        counts = {name: round(count / share) for name, count in row.items()}
        if dimensions and self.declared.dimensions and dimensions != self.declared.dimensions:
            counts["wrong_dimensions"] = counts["rows"] - counts["null_embeddings"]
        return Scan(**counts, zero_norm=None, orphans=self.orphans(), duplicates=self.duplicates(), share=share)

    def zeros(self, share: float) -> int:
        """Count zero vectors. It reads every vector, so it is left to the exact pass where there is one."""
        statement = sql.SQL(ZEROS_SQL).format(
            table=self.table.identifier,
            sampled=self.sampled(share),
            mine=self.mine(),
            norm=self.function(NORMS[self.column.type], self.embedding),
        )
        return round(self.session.query(statement)[0]["zeros"] / share)

    def duplicates(self) -> Optional[int]:
        """Rows of one collection that share a custom_id: the old client's way to add an id again."""
        if "custom_id" not in self.look.columns:
            return None
        statement = sql.SQL(DUPLICATES_SQL).format(
            table=self.table.identifier, mine=self.mine(), column=sql.Identifier("custom_id")
        )
        return int(self.session.query(statement)[0]["duplicates"])

    def orphans(self) -> Optional[int]:
        """Rows whose collection or document is not there, whether or not a constraint should see to it."""
        counts = []
        for column, other, key in self.references():
            name = sql.Identifier(column)
            strict = sql.SQL("true") if column == LINK else sql.SQL("e.{} IS NOT NULL").format(name)
            statement = sql.SQL(ORPHANS_SQL).format(
                table=self.table.identifier, strict=strict, other=other, key=sql.Identifier(key), column=name
            )
            counts.append(int(self.session.query(statement)[0]["orphans"]))
        return sum(counts) if counts else None

    def references(self) -> list[tuple[str, Any, str]]:
        """Columns that name rows of other tables: by a constraint, or the collection by its name alone."""
        found = {
            key["column"]: (key["column"], sql.Identifier(key["schema"], key["table"]), key["key"])
            for key in self.look.foreign_keys
        }
        if self.look.usable_collections and self.look.collections and LINK in self.look.columns:
            found[LINK] = (LINK, self.look.collections.identifier, "uuid")
        elif not self.look.wants_collections:
            found.pop(LINK, None)
        document = self.look.columns.get("document_id")
        if document and "document_id" not in found and self.look.documents:
            found["document_id"] = ("document_id", self.look.documents.identifier, "id")
        return list(found.values())

    def sample(self, size: int) -> list[str]:
        """Stored vectors to search with, as text."""
        # Choosing reads no vectors, so it may read more rows than the scan does.
        most = 20 * self.declared.thresholds.scan_rows
        share = most / self.table.estimate if self.table.estimate > most > 0 else 1.0
        statement = sql.SQL(SAMPLE_SQL).format(
            embedding=sql.Identifier(self.column.name),
            norm=self.function(NORMS[self.column.type], sql.SQL("s.embedding")),
            table=self.table.identifier,
            sampled=self.sampled(share),
            mine=self.mine(),
            seed=sql.Literal(SEED),
            size=sql.Literal(size),
        )
        rows = self.session.query(statement)
        return [row["vector"] for row in rows if row["norm"] > 0 or self.declared.distance != "cosine"]

    def search(self, vector: str, filtered: bool, kind: str, whole_rows: bool) -> Any:
        """The query that LangChain's clients send: the collection joined, ordered by the distance, limited to k."""
        joined: Any = sql.SQL("")
        where: Any = sql.SQL("")
        if filtered and self.look.wants_collections and self.look.collections:
            joined = sql.SQL("JOIN {} c ON e.{} = c.uuid").format(
                self.look.collections.identifier, sql.Identifier(LINK)
            )
            where = sql.SQL("WHERE {}").format(self.mine())
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
        barring = self.session.query(BARS_SQL)
        self.use({row["name"]: row["initial"] for row in barring})
        if self.plan(vector, wanted.kind, names):
            found.bars = [f"{row['name']} = {row['setting']}" for row in barring]
        else:
            found.bars = [f"{row['name']} = off" for row in barring if row["name"] == "enable_indexscan"]
        self.use(FORCE)
        found.can_use_index = bool(found.bars) or self.plan(vector, wanted.kind, names)
        self.session.execute("ROLLBACK TO SAVEPOINT planner")
        return found

    def measure(self, vectors: Sequence[str], wanted: Target, filtered: bool, population: int) -> Measured:
        """Search with each vector, then rank all that was found by one pass over the rows."""
        found: list[list[float]] = []
        for vector in vectors:
            rows = self.session.query(self.search(vector, filtered, wanted.kind, whole_rows=False))
            found.append(sorted(row["distance"] for row in rows))
        hits, zeros = self.hits(vectors, found, filtered)
        expected = max(1, min(self.declared.k, population - (zeros if filtered else 0)))
        return Measured(
            recall=min(1.0, round(hits / (expected * len(vectors)), 4)),
            returned=min(len(distances) for distances in found),
            expected=expected,
            zeros=zeros if filtered and any(found) else None,
            whole_table=not filtered and self.look.wants_collections,
        )

    def hits(self, vectors: Sequence[str], found: Sequence[Sequence[float]], filtered: bool) -> tuple[int, int]:
        """How many of the rows found are among the k nearest: those with fewer than k rows nearer. And zero vectors."""
        conditions = [sql.SQL("{} IS NOT NULL").format(self.embedding)]
        if filtered:
            conditions.append(self.mine())
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
            where=sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(conditions)),
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
