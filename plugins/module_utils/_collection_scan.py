# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rows say: defects, counted over all of a table or, where it is big, over a share that is the same each time.

Values are literals, as names are identifiers: psycopg2 would take a per cent sign in a name for a parameter.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK, Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import has_link_index
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Column, Look, Table
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import DISTANCES
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

SEED = 20240117
# Of a table that is larger still, more than scan_rows rows are read.
LEAST_SHARE = 0.0001
NORMS = {"vector": "vector_norm", "halfvec": "l2_norm"}

SCAN_SQL = """
SELECT pg_catalog.count(*) AS total, pg_catalog.count(*) FILTER (WHERE mine) AS rows,
       pg_catalog.count(*) FILTER (WHERE mine AND embedding IS NULL) AS null_embeddings,
       pg_catalog.count(*) FILTER (WHERE mine AND dimensions <> {wanted}) AS wrong_dimensions,
       pg_catalog.count(*) FILTER (WHERE mine AND embedding IS NOT NULL AND next) AS filled,
       pg_catalog.count(*) FILTER (WHERE lost) AS orphans
FROM (SELECT {mine} AS mine, e.{embedding} AS embedding, {next} AS next,
             CASE WHEN {mine} THEN {dimensions} END AS dimensions, {lost} AS lost
      FROM {table} e {sampled} OFFSET 0) scanned
"""
# Of a big table only a share is counted, and none of a small collection's rows may be among it.
ANY_SQL = "SELECT EXISTS (SELECT FROM {table} e WHERE {mine}) AS found"
# How many rows of its own a collection has by the statistics, and whether they are no more in truth.
LIKELY_SQL = "EXPLAIN (FORMAT JSON) SELECT FROM {table} e WHERE {mine}"
FEW_SQL = (
    "SELECT pg_catalog.count(*) <= {most} AS few FROM (SELECT FROM {table} e WHERE {mine} LIMIT {most} + 1) counted"
)
OWN_SQL = """
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE e.{embedding} IS NULL) AS null_embeddings,
       pg_catalog.count(*) FILTER (WHERE {dimensions} <> {wanted}) AS wrong_dimensions,
       pg_catalog.count(*) FILTER (WHERE e.{embedding} IS NOT NULL AND {next}) AS filled
FROM {table} e WHERE {mine}
"""
ZEROS_SQL = "SELECT pg_catalog.count(*) AS zeros FROM {table} e {sampled} WHERE {mine} AND {norm} = 0"
DUPLICATES_SQL = """
SELECT COALESCE(pg_catalog.sum(n - 1), 0)::int8 AS duplicates
FROM (SELECT pg_catalog.count(*) AS n FROM {table} e WHERE {mine} AND e.{column} IS NOT NULL
      GROUP BY e.{column} HAVING pg_catalog.count(*) > 1) twice
"""
# Of a share: those of its rows before which another one of all has the same custom_id. Fenced, each is looked for by the
# index over that column; without one it is the planner's to say how.
SAMPLED_DUPLICATES_SQL = """
SELECT pg_catalog.count(*) AS duplicates FROM {table} e {sampled}
WHERE {mine} AND e.{column} IS NOT NULL
  AND EXISTS (SELECT FROM {table} o WHERE o.{column} = e.{column} AND {same} AND o.ctid < e.ctid {fence})
"""
# Rows that name no collection are as lost to every client as those whose collection is gone.
LOST_SQL = "({strict} AND NOT EXISTS (SELECT FROM {other} o WHERE o.{key} = e.{column}))"


class Scan(NamedTuple):
    """Counts over the rows; scaled where only a share of a big table was read."""

    total: int
    rows: int
    null_embeddings: int
    wrong_dimensions: int
    filled: int  # with a vector of the model that a change is about to bring
    zero_norm: Optional[int]  # None: not counted, for a distance that zero vectors have
    orphans: Optional[int]
    duplicates: Optional[int]
    share: float  # of the table
    own_share: float  # of the collection's rows
    empty: bool  # whether the collection has no row at all, never judged from a share


class Rows:
    """The rows of one collection."""

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

    def mine(self, row: str = "e") -> Any:
        """Whether a row is of this collection."""
        if not self.look.wants_collections:
            return sql.SQL("true")
        if self.member is None:
            return sql.SQL("false")
        return sql.SQL("{} = {}").format(sql.Identifier(row, LINK), sql.Literal(self.member))

    def sampled(self, share: float) -> Any:
        """Read whole pages of a big table by chance, the same ones each time."""
        if share >= 1:
            return sql.SQL("")
        return sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(sql.Literal(100 * share), sql.Literal(SEED))

    def share(self, most: int) -> float:
        """How much of the table so many rows are."""
        likely = self.table.likely
        return max(most / likely, LEAST_SHARE) if likely > most > 0 and self.table.kind in ("r", "p", "m") else 1.0

    def scan(self, beside: Optional[str] = None) -> Scan:
        """Count rows and defects, and the vectors in a column beside."""
        share = self.share(self.declared.thresholds.scan_rows)
        dimensions, lost = self.look.dimensions, self.lost()
        parts = {
            "mine": self.mine(),
            "embedding": sql.Identifier(self.column.name),
            "next": sql.SQL("e.{} IS NOT NULL").format(sql.Identifier(beside)) if beside else sql.SQL("false"),
            # A column with dimensions holds no others.
            "dimensions": sql.SQL("NULL::int") if dimensions else self.function("vector_dims", self.embedding),
            "table": self.table.identifier,
            "wanted": sql.Literal(self.declared.dimensions),
        }
        statement = sql.SQL(SCAN_SQL).format(
            **parts,
            sampled=self.sampled(share),
            lost=sql.SQL(" OR ").join(lost) if lost else sql.SQL("NULL::bool"),
        )
        (row,) = self.session.query(statement)
        counts = {name: round((count or 0) / share) for name, count in row.items()}
        orphans = counts.pop("orphans")
        own_share = 1.0 if share < 1 and self.few() else share
        if own_share > share:
            counts.update(self.session.query(sql.SQL(OWN_SQL).format(**parts))[0])
        if dimensions and self.declared.dimensions and dimensions != self.declared.dimensions:
            counts["wrong_dimensions"] = counts["rows"] - counts["null_embeddings"]
        return Scan(
            **counts,
            zero_norm=None,
            orphans=orphans if lost else None,
            duplicates=self.duplicates(own_share),
            share=share,
            own_share=own_share,
            empty=not counts["rows"] and (own_share >= 1 or not self.has_rows()),
        )

    def few(self) -> bool:
        """Whether the collection's rows are so few that its index finds all of them rather than a share of the table some."""
        most = self.declared.thresholds.scan_rows
        if self.member is None or not has_link_index(self.look.indexes):
            return False
        parts = {"table": self.table.identifier, "mine": self.mine(), "most": sql.Literal(most)}
        (likely,) = self.session.query(sql.SQL(LIKELY_SQL).format(**parts))
        if likely["QUERY PLAN"][0]["Plan"]["Plan Rows"] > most:
            return False
        return bool(self.session.query(sql.SQL(FEW_SQL).format(**parts))[0]["few"])

    def has_rows(self) -> bool:
        """Whether the collection has a row."""
        statement = sql.SQL(ANY_SQL).format(table=self.table.identifier, mine=self.mine())
        return bool(self.session.query(statement)[0]["found"])

    def zeros(self, share: float) -> int:
        """Count zero vectors. It reads every vector, so it is left to the exact pass where there is one."""
        statement = sql.SQL(ZEROS_SQL).format(
            table=self.table.identifier,
            sampled=self.sampled(share),
            mine=self.mine(),
            norm=self.function(NORMS[self.column.type], self.embedding),
        )
        return round(self.session.query(statement)[0]["zeros"] / share)

    def duplicates(self, share: float) -> Optional[int]:
        """Rows of one collection that share a custom_id: the old client's way to add an id again."""
        if "custom_id" not in self.look.columns:
            return None
        indexed = any(index.keys[:1] == ("custom_id",) and index.valid for index in self.look.indexes)
        statement = sql.SQL(DUPLICATES_SQL if share >= 1 else SAMPLED_DUPLICATES_SQL).format(
            table=self.table.identifier,
            sampled=self.sampled(share),
            mine=self.mine(),
            same=self.mine("o"),
            column=sql.Identifier("custom_id"),
            fence=sql.SQL("OFFSET 0" if indexed else ""),
        )
        return round(self.session.query(statement)[0]["duplicates"] / share)

    def lost(self) -> list[Any]:
        """Whether a row's collection or document is not there, whether or not a constraint should see to it."""
        conditions = []
        for column, other, key in self.references():
            name = sql.Identifier(column)
            strict = sql.SQL("true") if column == LINK else sql.SQL("e.{} IS NOT NULL").format(name)
            condition = sql.SQL(LOST_SQL).format(strict=strict, other=other, key=sql.Identifier(key), column=name)
            conditions.append(condition)
        return conditions

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
