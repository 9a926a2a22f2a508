# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is: the extension, the tables, their columns and indexes, the collection's row, in a constant number of queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    LANGCHAIN_COLLECTIONS,
    LANGCHAIN_COLUMN,
    LINK,
    Declaration,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

SERVER_SQL = """
SELECT e.extversion AS installed, n.nspname AS schema, a.default_version AS available,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) AS maintenance_work_mem,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size')) AS effective_cache_size,
       pg_catalog.current_setting('max_parallel_maintenance_workers')::int AS parallel_workers,
       pg_catalog.current_setting('dynamic_shared_memory_type') AS shared_memory,
       pg_catalog.current_database() AS database
FROM (SELECT) one
LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'vector'
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = 'vector'
"""
# Rows on a page of a table that was never analysed; vectors of usual length lie outside of it.
DENSITY = 20
# A name may be given bare, with its schema, or as SQL quotes it; a bare one is met in public first.
TABLE_SQL = """
SELECT c.oid::int8, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.reltuples::float8 AS estimate,
       CASE WHEN c.relkind NOT IN ('r', 'm') THEN c.reltuples::float8
            ELSE (CASE WHEN c.relpages > 0 AND c.reltuples >= 0 THEN c.reltuples / c.relpages ELSE %(density)s END
                  * pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int)::float8
       END AS likely,
       COALESCE(s.n_mod_since_analyze, 0) AS modified,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stats p
        WHERE p.schemaname = n.nspname AND p.tablename = c.relname) AS analysed
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname !~ '^pg_(toast|temp)'
  AND %(name)s IN (c.relname, n.nspname || '.' || c.relname, pg_catalog.quote_ident(c.relname),
                   pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
                   n.nspname || '.' || pg_catalog.quote_ident(c.relname))
ORDER BY c.relname = %(name)s AND n.nspname = 'public' DESC, n.nspname = 'public' DESC,
         n.nspname IN ('pg_catalog', 'information_schema'), n.nspname, c.relname
LIMIT 1
"""
COLUMNS_SQL = """
SELECT a.attrelid::int8 AS relation, a.attnum AS number, a.attname AS name, t.typname AS type, n.nspname AS type_schema,
       a.atttypmod AS modifier, a.attnotnull AS required,
       a.atthasdef OR a.attidentity <> '' AS has_default, a.attgenerated <> '' OR a.attidentity = 'a' AS generated
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid::int8 = ANY (%(relations)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
INDEXES_SQL = r"""
SELECT i.indrelid::int8 AS relation, n.nspname AS schema, c.relname AS name, m.amname AS method,
       i.indisvalid AND i.indislive AND i.indisready AS valid, i.indisvalid AND NOT i.indisready AS unready, i.indisunique AND i.indimmediate AS is_unique,
       i.indpred IS NOT NULL AS partial, k.conname AS constraint, c.reloptions AS options,
       pg_catalog.pg_relation_size(c.oid) AS size,
       ARRAY(SELECT COALESCE(a.attname, '') FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY u(number, place)
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number AND u.number > 0
             WHERE u.place <= i.indnkeyatts ORDER BY u.place)::text[] AS keys,
       o.opcname AS opclass, f.atttypmod AS modifier, t.typname AS type,
       ARRAY(SELECT DISTINCT a.attname FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
               AND d.refobjid = i.indrelid AND d.refobjsubid > 0)::text[] AS uses,
       pg_catalog.pg_get_indexdef(i.indexrelid, 1, false) AS expression,
       p.pid AS builder, p.phase, p.tuples_done, p.tuples_total
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
LEFT JOIN pg_catalog.pg_attribute f ON f.attrelid = i.indexrelid AND f.attnum = 1
LEFT JOIN pg_catalog.pg_type t ON t.oid = f.atttypid
LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
JOIN pg_catalog.pg_class h ON h.oid = i.indrelid
LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_stat_progress_create_index b
                   WHERE b.datname = %(database)s AND (
                       b.index_relid = i.indexrelid
                       -- Between the moments at which the index and its OID are there to be seen.
                       OR NOT i.indisvalid AND b.relid = i.indrelid AND b.index_relid = 0 AND b.command = 'CREATE INDEX CONCURRENTLY'
                       -- All indexes of a table, and those of its TOAST table, are made at once, and built one after the other.
                       OR NOT i.indisvalid AND b.relid IN (h.oid, h.reltoastrelid) AND b.command = 'REINDEX CONCURRENTLY'
                          AND c.relname ~ '_cc(new|old)\d*$')
                   ORDER BY b.index_relid = i.indexrelid DESC LIMIT 1) p ON true
WHERE i.indrelid::int8 = ANY (%(relations)s)
ORDER BY i.indrelid, i.indexrelid
"""
RELATION_NAMES_SQL = """
SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s
"""
FOREIGN_KEYS_SQL = """
SELECT a.attname AS column, n.nspname AS schema, c.relname AS table, f.attname AS key
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
WHERE k.contype = 'f' AND k.conrelid::int8 = %(relation)s AND pg_catalog.cardinality(k.conkey) = 1
ORDER BY k.conname
"""
ROWS_SQL = "SELECT uuid::text, cmetadata::text FROM {table} WHERE name = {name} ORDER BY uuid"
OTHERS_SQL = """
SELECT DISTINCT CASE WHEN pg_catalog.jsonb_typeof(cmetadata::jsonb) = 'object' THEN cmetadata::jsonb->>'distance' END AS distance
FROM {table} WHERE name <> {name}
"""
# Of the role in every database first, so that what is set for it in this one wins.
ROLE_SQL = """
SELECT r.rolname AS role, s.setdatabase <> 0 AS here, s.setconfig AS settings
FROM pg_catalog.pg_roles r
LEFT JOIN pg_catalog.pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase IN (
    0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
WHERE r.rolname = %(role)s
ORDER BY s.setdatabase
"""
# With the library loaded, its settings have their ranges and defaults.
LOAD_SQL = "SELECT {schema}.vector_dims('[1]'::{schema}.vector)"
# What the planner weighs, of which a role or a database may have values of its own.
PLANNER_SETTINGS = r"^(enable_\w+|\w+_cost|hnsw\.\w+|ivfflat\.\w+|effective_cache_size|work_mem|jit\w*)$"
SEARCH_SETTINGS_SQL = """
-- This session has no path: what others get is where a RESET leads. What is set for its role, or by its client, nobody else
-- gets: for them it is what the database has, or the server.
SELECT s.name, s.boot_val AS initial, o.value AS beneath,
       CASE s.name WHEN 'search_path' THEN s.reset_val ELSE s.setting END AS setting,
       s.source IN ('user', 'database user', 'client') OR s.name = 'search_path' AND EXISTS (
           SELECT FROM pg_catalog.pg_db_role_setting d, pg_catalog.unnest(d.setconfig) item
           WHERE d.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = SESSION_USER)
             AND d.setdatabase IN (0, h.oid) AND item LIKE 'search_path=%%') AS own
FROM pg_catalog.pg_settings s
JOIN pg_catalog.pg_database h ON h.datname = pg_catalog.current_database()
LEFT JOIN LATERAL (
    SELECT pg_catalog.substr(item, pg_catalog.length(s.name) + 2) AS value
    FROM pg_catalog.pg_db_role_setting d, pg_catalog.unnest(d.setconfig) item
    WHERE d.setrole = 0 AND d.setdatabase IN (0, h.oid)
      AND pg_catalog.lower(pg_catalog.split_part(item, '=', 1)) = pg_catalog.lower(s.name)
    ORDER BY d.setdatabase DESC LIMIT 1) o ON true
WHERE s.name IN ('plan_cache_mode', 'search_path') OR s.name ~ %(planner)s
"""
# What the server's files say, where this role may see it.
FILES_SQL = """
SELECT name, setting FROM pg_catalog.pg_file_settings WHERE applied AND name = ANY (%(names)s)
"""
MAY_SEE_FILES_SQL = "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'SELECT') AS may"


class Table(NamedTuple):
    oid: int
    schema: str
    name: str
    kind: str
    estimate: float  # rows as the statistics have them
    likely: float  # rows by the size that it has now
    modified: int
    analysed: int

    @property
    def identifier(self) -> Any:
        return sql.Identifier(self.schema, self.name)

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


class Column(NamedTuple):
    number: int
    name: str
    type: str
    type_schema: str
    modifier: int
    required: bool
    has_default: bool
    generated: bool


@dataclass(frozen=True)
class Index:
    """One index of the table that holds the vectors."""

    schema: str
    name: str
    method: str
    valid: bool
    unready: bool  # searched, although new rows do not get into it
    is_unique: bool
    partial: bool
    constraint: Optional[str]
    options: Mapping[str, str]
    size: int
    keys: tuple[str, ...]
    opclass: str
    modifier: int
    type: str
    uses: tuple[str, ...]
    expression: str
    builder: Optional[int]
    progress: str

    @property
    def identifier(self) -> Any:
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True)
class Row:
    """One row of the collection table."""

    uuid: str
    cmetadata: Any  # what the JSON holds; None for SQL's NULL and for JSON's null


@dataclass
class Look:
    """The collection as the catalog and its own row show it."""

    server: Mapping[str, Any]
    table: Optional[Table] = None
    columns: dict[str, Column] = field(default_factory=dict)
    vectors: list[Column] = field(default_factory=list)
    column: Optional[Column] = None
    indexes: list[Index] = field(default_factory=list)
    foreign_keys: list[Mapping[str, str]] = field(default_factory=list)
    documents: Optional[Table] = None  # what document_id names where no constraint says it
    relation_names: frozenset[str] = frozenset()
    wants_collections: bool = False  # whether rows of the table belong to collections
    collections: Optional[Table] = None
    collection_columns: dict[str, Column] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    # Of the other collections; None of one that names none, as LangChain's clients write them.
    other_distances: frozenset[Optional[str]] = frozenset()
    search: dict[str, str] = field(default_factory=dict)  # as sessions have it for which nothing is set
    others: dict[str, str] = field(default_factory=dict)  # of these, what this session has otherwise
    role: str = ""  # that the service connects as
    role_exists: bool = False
    role_settings: dict[str, str] = field(default_factory=dict)  # effective for the role in this database
    role_here: dict[str, str] = field(default_factory=dict)  # set for the role in this database

    @property
    def schema(self) -> str:
        """Schema of the extension."""
        return str(self.server["schema"] or "public")

    @property
    def dimensions(self) -> Optional[int]:
        """Dimensions that the column's type says, if it says any."""
        return self.column.modifier if self.column and self.column.modifier > 0 else None

    @property
    def serves(self) -> bool:
        """Whether the column holds the vectors that the collection's row speaks of, and not those of another model."""
        return self.column is not None and self.column.name not in kept_beside(self.vectors)

    @property
    def can_be_indexed(self) -> bool:
        """Whether there is a table, or a materialized view, that takes an index built CONCURRENTLY."""
        return self.table is not None and self.table.kind in ("r", "m")

    @property
    def usable_collections(self) -> bool:
        return self.collections is not None and {"uuid", "name", "cmetadata"} <= set(self.collection_columns)

    @property
    def search_path(self) -> list[str]:
        """Schemas in which a bare name is met."""
        path = self.effective("search_path") or '"$user", public'
        quoted = [one.strip() for one in path.split(",")]
        names = [one[1:-1].replace('""', '"') if one.startswith('"') else one for one in quoted]
        return [self.role if name == "$user" else name for name in names]

    def effective(self, name: str) -> Optional[str]:
        """A setting of search as the service's role meets it."""
        return self.role_settings.get(name, self.search.get(name))


def look(session: Session, declared: Declaration) -> Look:
    """Read all that the declaration is compared with, except the vectors."""
    (server,) = session.query(SERVER_SQL)
    found = Look(server)
    found.table = find_table(session, declared.table)
    if found.table:
        read_table(session, declared, found, found.table)
    else:
        found.wants_collections = declared.collection_table != ""
        found.collections = find_collections(session, declared, found)
        read_collections_columns(session, found)
    if found.usable_collections and found.collections:
        read_rows(session, declared, found, found.collections)
    if server["installed"]:
        session.query(sql.SQL(LOAD_SQL).format(schema=sql.Identifier(found.schema)))
    read_search(session, found)
    if declared.role:
        found.role = declared.role
        read_role(session, declared.role, found)
    return found


def find_table(session: Session, name: str) -> Optional[Table]:
    rows = session.query(TABLE_SQL, {"name": name, "density": DENSITY})
    return Table(**rows[0]) if rows else None


def find_collections(session: Session, declared: Declaration, found: Look) -> Optional[Table]:
    """The collection table; a bare name is met in the table's own schema first."""
    if not found.wants_collections:
        return None
    name = declared.collection_table or LANGCHAIN_COLLECTIONS
    beside = find_table(session, f"{found.table.schema}.{name}") if found.table else None
    return beside or find_table(session, name)


def read_columns(session: Session, relations: Sequence[int]) -> dict[int, dict[str, Column]]:
    columns: dict[int, dict[str, Column]] = {relation: {} for relation in relations}
    for row in session.query(COLUMNS_SQL, {"relations": list(relations)}):
        relation = row.pop("relation")
        columns[relation][row["name"]] = Column(**row)
    return columns


def read_collections_columns(session: Session, found: Look) -> None:
    if found.collections:
        found.collection_columns = read_columns(session, [found.collections.oid])[found.collections.oid]


def read_table(session: Session, declared: Declaration, found: Look, table: Table) -> None:
    found.columns = read_columns(session, [table.oid])[table.oid]
    found.wants_collections = bool(declared.collection_table) or (
        declared.collection_table is None and LINK in found.columns
    )
    found.collections = find_collections(session, declared, found)
    read_collections_columns(session, found)
    found.vectors = [column for column in found.columns.values() if column.type in ("vector", "halfvec")]
    found.column = choose_column(found.vectors, declared.column)
    rows = session.query(INDEXES_SQL, {"relations": [table.oid], "database": found.server["database"]})
    found.indexes = [read_index(row) for row in rows]
    found.foreign_keys = list(session.query(FOREIGN_KEYS_SQL, {"relation": table.oid}))
    found.documents = find_documents(session, found, table)
    names = session.query(RELATION_NAMES_SQL, {"schema": table.schema})
    found.relation_names = frozenset(row["name"] for row in names)


def find_documents(session: Session, found: Look, table: Table) -> Optional[Table]:
    """The table documents beside, where its id can be what document_id holds."""
    here = found.columns.get("document_id")
    beside = find_table(session, f"{table.schema}.documents") if here else None
    if not here or not beside:
        return None
    there = read_columns(session, [beside.oid])[beside.oid].get("id")
    return beside if there and there.type == here.type else None


def choose_column(vectors: Sequence[Column], wanted: Optional[str]) -> Optional[Column]:
    """The column that is named; else the only one, or the one with LangChain's name."""
    if wanted is not None:
        return next((column for column in vectors if column.name == wanted), None)
    # A change of model keeps the next or the previous model's vectors beside those that are searched.
    serving = [column for column in vectors if column.name not in kept_beside(vectors)]
    if len(serving) == 1:
        return serving[0]
    return next((column for column in serving if column.name == LANGCHAIN_COLUMN), None)


def kept_beside(vectors: Sequence[Column]) -> set[str]:
    """Names of columns that a change of model keeps beside another."""
    return {f"{column.name}_{ending}" for column in vectors for ending in ("next", "previous")}


def read_index(row: Mapping[str, Any]) -> Index:
    return Index(
        schema=row["schema"],
        name=row["name"],
        method=row["method"],
        valid=row["valid"],
        unready=row["unready"],
        is_unique=row["is_unique"],
        partial=row["partial"],
        constraint=row["constraint"],
        options=dict(option.split("=", 1) for option in row["options"] or ()),
        size=row["size"],
        keys=tuple(row["keys"]),
        opclass=row["opclass"] or "",
        modifier=row["modifier"] if row["modifier"] is not None else -1,
        type=row["type"] or "",
        uses=tuple(row["uses"]),
        expression=row["expression"] or "",
        builder=row["builder"],
        progress=progress(row["phase"], row["tuples_done"], row["tuples_total"]) if row["builder"] else "",
    )


def progress(phase: str, done: Optional[int], total: Optional[int]) -> str:
    """How far a build is; HNSW counts the rows that it has, and does not say of how many."""
    if total:
        return f"{phase}, {100 * (done or 0) // total} % of {total} rows"
    return f"{phase}, {done} rows" if done else phase


def read_rows(session: Session, declared: Declaration, found: Look, table: Table) -> None:
    """The collection's row (or rows, where the name is not unique), and the distances that other collections name."""
    # Values as literals: psycopg2 would take a per cent sign in the table's name for a parameter.
    parts = {"table": table.identifier, "name": sql.Literal(declared.name)}
    rows = session.query(sql.SQL(ROWS_SQL).format(**parts))
    found.rows = [Row(row["uuid"], json.loads(row["cmetadata"] or "null")) for row in rows]
    others = session.query(sql.SQL(OTHERS_SQL).format(**parts))
    found.other_distances = frozenset(row["distance"] for row in others)


def read_search(session: Session, found: Look) -> None:
    """Settings of search, and those of them that this session has for itself alone."""
    rows = session.query(SEARCH_SETTINGS_SQL, {"planner": PLANNER_SETTINGS})
    own = {row["name"]: row for row in rows if row["own"]}
    unknown = [name for name, row in own.items() if row["beneath"] is None]
    files: dict[str, str] = {}
    if unknown and session.query(MAY_SEE_FILES_SQL)[0]["may"]:
        files = {row["name"]: row["setting"] for row in session.query(FILES_SQL, {"names": unknown})}
    found.others = {
        name: files.get(name, row["initial"]) if row["beneath"] is None else row["beneath"] for name, row in own.items()
    }
    found.search = {**{row["name"]: row["setting"] for row in rows}, **found.others}


def read_role(session: Session, role: str, found: Look) -> None:
    rows = session.query(ROLE_SQL, {"role": role})
    found.role_exists = bool(rows)
    for row in rows:
        settings = dict(item.split("=", 1) for item in row["settings"] or ())
        found.role_settings.update(settings)
        if row["here"]:
            found.role_here = settings
