"""Indexes: methods, columns, order, operator classes, options, expressions, validity."""

from __future__ import annotations

from .pair import Outcome, Pair, change, step, two

ITEM = """CREATE TABLE item (id int PRIMARY KEY, name text, other varchar(40), size int, tags text[], data jsonb, made timestamptz, area box, during int4range)"""
ROWS = """INSERT INTO item VALUES (1, 'a', 'b', 5, '{x}', '{"a": 1}', '2025-01-01', '((0,0),(1,1))', '[1,2)'), (2, 'c', 'd', 6, NULL, NULL, NULL, NULL, NULL)"""
VECTORS = "CREATE EXTENSION vector; CREATE TABLE item (id int, embedding vector(3))"
EMBEDDED = "INSERT INTO item VALUES (1, '[1,2,3]'), (2, '[3,2,1]')"
LOG = """CREATE TABLE log (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE log_2025 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"""
LOGGED = "INSERT INTO log VALUES (1, '2025-05-05')"


def added(definition: str, unique: str = "", outcome: Outcome = "additive") -> list[Pair]:
    return step(
        f"index: {unique}{definition}",
        ITEM,
        f"CREATE {unique}INDEX lookup ON item {definition}",
        "index lookup",
        rows=ROWS,
        outcome=outcome,
    )


def changed(one: str, other: str, base: str = ITEM, rows: str = ROWS, movable: bool = True) -> list[Pair]:
    return change(
        f"index: {one} to {other}",
        *two(f"{base}; CREATE INDEX lookup ON item {each}" for each in (one, other)),
        "index lookup",
        rows=rows,
        movable=movable,
    )


PAIRS: list[Pair] = [
    *added("(name)"),
    *added("(name, size)"),
    *added("(name)", "UNIQUE "),
    *added("(size) NULLS NOT DISTINCT", "UNIQUE "),
    *added("(size DESC, name ASC NULLS FIRST)"),
    *added("(name) INCLUDE (size, tags)"),
    *added("(name) WHERE size > 3 AND name IN ('a', '100%')"),
    *added("(lower(name))"),
    *added("(((data ->> 'a')::int), upper(other) DESC)"),
    *added("((name || '%s' || other))"),
    *added("(name text_pattern_ops, other varchar_pattern_ops)"),
    *added('(name COLLATE "C")'),
    *added("(name) WITH (fillfactor = 70, deduplicate_items = off)"),
    *added("USING hash (name)"),
    *added("USING gin (tags) WITH (fastupdate = off)"),
    *added("USING gin (data jsonb_path_ops)"),
    *added("USING gist (area) WITH (buffering = on)"),
    *added("USING spgist (during)"),
    *added("USING brin (made) WITH (pages_per_range = 32, autosummarize = on)"),
    *added("USING gin (to_tsvector('english', coalesce(name, '')))"),
    *step(
        "index with a statistics target",
        ITEM,
        "CREATE INDEX lookup ON item (lower(name)); ALTER INDEX lookup ALTER COLUMN 1 SET STATISTICS 500",
        "lookup",
        rows=ROWS,
    ),
    *step(
        "statistics target of an index's expression",
        f"{ITEM}; CREATE INDEX lookup ON item (lower(name))",
        "ALTER INDEX lookup ALTER COLUMN 1 SET STATISTICS 500",
        "lookup",
        rows=ROWS,
        undo="repairable",
    ),
    *step(
        "trigram index",
        f"CREATE EXTENSION pg_trgm; {ITEM}",
        "CREATE INDEX lookup ON item USING gin (name gin_trgm_ops)",
        "index lookup",
        rows=ROWS,
        movable=False,
    ),
    *step(
        "HNSW",
        VECTORS,
        "CREATE INDEX lookup ON item USING hnsw (embedding vector_cosine_ops) WITH (m = 8, ef_construction = 32)",
        "index lookup",
        rows=EMBEDDED,
        movable=False,
    ),
    *step(
        "HNSW on an expression",
        VECTORS,
        "CREATE INDEX lookup ON item USING hnsw ((embedding::halfvec(3)) halfvec_l2_ops)",
        "index lookup",
        rows=EMBEDDED,
        movable=False,
    ),
    *step(
        "IVFFlat",
        VECTORS,
        "CREATE INDEX lookup ON item USING ivfflat (embedding vector_ip_ops) WITH (lists = 2)",
        "index lookup",
        rows=EMBEDDED,
        movable=False,
    ),
    *changed(
        "USING hnsw (embedding vector_cosine_ops)",
        "USING hnsw (embedding vector_cosine_ops) WITH (m = 24)",
        VECTORS,
        EMBEDDED,
        movable=False,
    ),
    *changed(
        "USING hnsw (embedding vector_cosine_ops)",
        "USING hnsw (embedding vector_l2_ops)",
        VECTORS,
        EMBEDDED,
        movable=False,
    ),
    *changed(
        "USING hnsw (embedding vector_l2_ops)",
        "USING ivfflat (embedding vector_l2_ops)",
        VECTORS,
        EMBEDDED,
        movable=False,
    ),
    *changed("(name)", "(name, size)"),
    *changed("(name, size)", "(size, name)"),
    *changed("(name)", "(other)"),
    *changed("(name)", "(name DESC)"),
    *changed("(name)", "(name NULLS FIRST)"),
    *changed("(name)", "(name text_pattern_ops)"),
    *changed("(name)", '(name COLLATE "C")'),
    *changed("(name)", "(lower(name))"),
    *changed("(lower(name))", "(upper(name))"),
    *changed("(name)", "(name) INCLUDE (size)"),
    *changed("(name)", "(name) WHERE size > 3"),
    *changed("(name) WHERE size > 3", "(name) WHERE size > 4"),
    *changed("(name)", "(name) WITH (fillfactor = 70)"),
    *changed("(name)", "USING hash (name)"),
    *changed("USING gin (data)", "USING gin (data jsonb_path_ops)"),
    *changed("USING brin (made)", "USING brin (made) WITH (pages_per_range = 16)"),
    *changed("USING brin (size)", "USING brin (size int4_minmax_multi_ops(values_per_range = 16))"),
    *change(
        "index to unique index",
        *two(f"{ITEM}; CREATE {unique}INDEX lookup ON item (name)" for unique in ("", "UNIQUE ")),
        "index lookup",
        rows=ROWS,
    ),
    *step(
        "unique index over duplicates",
        ITEM,
        "CREATE UNIQUE INDEX lookup ON item (name)",
        "index lookup",
        rows="INSERT INTO item VALUES (1, 'a'), (2, 'a')",
        outcome="impossible",
        undo=None,
    ),
    *change(
        "index of another name",
        f"{ITEM}; CREATE INDEX one ON item (name)",
        f"{ITEM}; CREATE INDEX two ON item (name)",
        "two",
        back=None,
        rows=ROWS,
    ),
    *change(
        "names of two indexes exchanged",
        f"{ITEM}; CREATE INDEX one ON item (name); CREATE INDEX two ON item (size)",
        f"{ITEM}; CREATE INDEX two ON item (name); CREATE INDEX one ON item (size)",
        "index one",
        rows=ROWS,
    ),
    *change(
        "index of the same name on another table",
        f"{ITEM}; CREATE TABLE more (name text); CREATE INDEX lookup ON item (name)",
        f"{ITEM}; CREATE TABLE more (name text); CREATE INDEX lookup ON more (name)",
        "index lookup",
        rows=ROWS,
    ),
    Pair(
        "index: INVALID",
        f"{ITEM}; CREATE INDEX lookup ON item (name); UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'lookup'::regclass",
        f"{ITEM}; CREATE INDEX lookup ON item (name)",
        "additive",
        "index lookup",
        ROWS,
    ),
    Pair(
        "index: INVALID and unique",
        f"{ITEM}; CREATE UNIQUE INDEX lookup ON item (name); UPDATE pg_catalog.pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'lookup'::regclass",
        f"{ITEM}; CREATE UNIQUE INDEX lookup ON item (name)",
        "additive",
        "index lookup",
        ROWS,
    ),
    *step(
        "index of a materialised view",
        f"{ITEM}; CREATE MATERIALIZED VIEW seen AS SELECT id, name FROM item",
        "CREATE UNIQUE INDEX lookup ON seen (id)",
        "index lookup",
        rows=ROWS,
    ),
    *step(
        "index of a partitioned table", LOG, "CREATE INDEX lookup ON log (id) WHERE id > 0", "index lookup", rows=LOGGED
    ),
    *step(
        "unique index of a partitioned table",
        LOG,
        "CREATE UNIQUE INDEX lookup ON log (id, at)",
        "index lookup",
        rows=LOGGED,
    ),
    *change(
        "index of a partition attached to the partitioned table's",
        f"{LOG}; CREATE INDEX lookup ON ONLY log (id); CREATE INDEX lookup_2025 ON log_2025 (id)",
        f"{LOG}; CREATE INDEX lookup ON ONLY log (id); CREATE INDEX lookup_2025 ON log_2025 (id); ALTER INDEX lookup ATTACH PARTITION lookup_2025",
        "lookup",
        rows=LOGGED,
    ),
    *change(
        "another column of a partitioned table's index",
        f"{LOG}; CREATE INDEX lookup ON log (id)",
        f"{LOG}; CREATE INDEX lookup ON log (at)",
        "index lookup",
        rows=LOGGED,
    ),
    *step(
        "index on a function of one's own",
        f"CREATE FUNCTION squeeze(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT replace($1, ' ', '')$$; {ITEM}",
        "CREATE INDEX lookup ON item (squeeze(name))",
        "index lookup",
        rows=ROWS,
    ),
]
