"""Schemas and tables: persistence, options, partitions, inheritance, row-level security."""

from __future__ import annotations

from .pair import Pair, change, step

ITEM = "CREATE TABLE item (id int PRIMARY KEY, name text)"
ROWS = "INSERT INTO item VALUES (1, 'a'), (2, NULL)"
RANGE = "CREATE TABLE log (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)"
YEAR = f"{RANGE}; CREATE TABLE log_2025 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
LOGGED = "INSERT INTO log VALUES (1, '2025-05-05'), (2, '2025-06-06')"
LIST = "CREATE TABLE sale (id int, region text) PARTITION BY LIST (region)"
LONE = "CREATE TABLE log_2026 (id int NOT NULL, at date NOT NULL)"
PARENT = "CREATE TABLE parent (id int NOT NULL, note text CHECK (note <> ''))"
CHILD = "CREATE TABLE child (id int NOT NULL, note text, extra int, CONSTRAINT parent_note_check CHECK (note <> ''))"

PAIRS: list[Pair] = [
    *step("schema", ITEM, "CREATE SCHEMA audit", "schema audit", rows=ROWS, movable=False),
    *step(
        "schema with a table",
        ITEM,
        "CREATE SCHEMA audit; CREATE TABLE audit.entry (id int PRIMARY KEY)",
        "table audit.entry",
        rows=ROWS,
        movable=False,
    ),
    *step(
        "table", ITEM, "CREATE TABLE tag (id int PRIMARY KEY, label text NOT NULL DEFAULT '')", "table tag", rows=ROWS
    ),
    *step("table without columns", ITEM, "CREATE TABLE nothing ()", "table nothing", rows=ROWS),
    *step("unlogged table", ITEM, "CREATE UNLOGGED TABLE cache (id int PRIMARY KEY)", "table cache", rows=ROWS),
    *change("logged to unlogged", ITEM, ITEM.replace("TABLE", "UNLOGGED TABLE"), "table item", rows=ROWS),
    *step("fillfactor", ITEM, "ALTER TABLE item SET (fillfactor = 70)", "table item", rows=ROWS, undo="additive"),
    *step(
        "autovacuum options of a table and its TOAST table",
        ITEM,
        "ALTER TABLE item SET (autovacuum_enabled = false, toast.autovacuum_vacuum_scale_factor = 0.01)",
        "table item",
        rows=ROWS,
        undo="additive",
    ),
    *change(
        "another fillfactor",
        f"{ITEM} WITH (fillfactor = 70)",
        f"{ITEM} WITH (fillfactor = 80)",
        "table item",
        "additive",
        back="additive",
        rows=ROWS,
    ),
    *step(
        "row-level security",
        ITEM,
        "ALTER TABLE item ENABLE ROW LEVEL SECURITY",
        "table item",
        rows=ROWS,
        outcome="repairable",
        undo="repairable",
    ),
    *step(
        "forced row-level security",
        f"{ITEM}; ALTER TABLE item ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE item FORCE ROW LEVEL SECURITY",
        "table item",
        rows=ROWS,
        outcome="repairable",
        undo="repairable",
    ),
    *step(
        "replica identity full",
        ITEM,
        "ALTER TABLE item REPLICA IDENTITY FULL",
        "table item",
        rows=ROWS,
        undo="repairable",
    ),
    *step(
        "replica identity by an index",
        f"{ITEM}; ALTER TABLE item ADD code int NOT NULL; CREATE UNIQUE INDEX item_code ON item (code)",
        "ALTER TABLE item REPLICA IDENTITY USING INDEX item_code",
        "item",
        undo="repairable",
    ),
    *step(
        "table to cluster on an index",
        ITEM,
        "ALTER TABLE item CLUSTER ON item_pkey",
        "item",
        rows=ROWS,
        undo="repairable",
    ),
    *step(
        "typed table",
        "CREATE TYPE shape AS (id int, size int)",
        "CREATE TABLE shapes OF shape (PRIMARY KEY (id))",
        "table shapes",
    ),
    *step("partitioned table", ITEM, f"{RANGE}; CREATE INDEX log_at ON log (at)", "table log", rows=ROWS),
    *step("first partition", RANGE, YEAR.split("; ")[1], "table log_2025"),
    *step(
        "another partition",
        YEAR,
        "CREATE TABLE log_2026 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "table log_2026",
        rows=LOGGED,
    ),
    *step("default partition", YEAR, "CREATE TABLE log_rest PARTITION OF log DEFAULT", "table log_rest", rows=LOGGED),
    *step(
        "partition from MINVALUE to MAXVALUE",
        RANGE,
        "CREATE TABLE log_all PARTITION OF log FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
        "table log_all",
    ),
    *step(
        "attached partition",
        f"{YEAR}; {LONE}",
        "ALTER TABLE log ATTACH PARTITION log_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "log_2026",
        rows=f"{LOGGED}; INSERT INTO log_2026 VALUES (3, '2026-02-02')",
        outcome="repairable",
        undo="repairable",
    ),
    *change(
        "bounds of a partition",
        YEAR,
        YEAR.replace("2026-01-01", "2025-07-01"),
        "log_2025",
        rows=LOGGED,
    ),
    *step(
        "subpartitions",
        RANGE,
        """CREATE TABLE log_2025 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
        CREATE TABLE log_2025_0 PARTITION OF log_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE log_2025_1 PARTITION OF log_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1)""",
        "table log_2025_1",
    ),
    *step(
        "partitions by list, with NULL and hostile values",
        LIST,
        """CREATE TABLE sale_a PARTITION OF sale FOR VALUES IN ('o''hara', '100%', NULL);
        CREATE TABLE sale_b PARTITION OF sale DEFAULT""",
        "table sale_a",
    ),
    *change(
        "another value of a partition",
        f"{LIST}; CREATE TABLE sale_a PARTITION OF sale FOR VALUES IN ('a')",
        f"{LIST}; CREATE TABLE sale_a PARTITION OF sale FOR VALUES IN ('a', 'b')",
        "sale_a",
        rows="INSERT INTO sale VALUES (1, 'a')",
    ),
    *step(
        "index and key on a partitioned table",
        YEAR,
        "ALTER TABLE log ADD PRIMARY KEY (id, at); CREATE INDEX log_at ON log (at DESC)",
        "log_at",
        rows=LOGGED,
        undo="repairable",
    ),
    *step(
        "column of a partitioned table",
        YEAR,
        "ALTER TABLE log ADD note text DEFAULT 'x'",
        "column log.note",
        rows=LOGGED,
    ),
    *step(
        "default of one partition alone",
        YEAR,
        "ALTER TABLE log_2025 ALTER id SET DEFAULT 7",
        "column log_2025.id",
        rows=LOGGED,
        undo="repairable",
    ),
    *step(
        "constraint of one partition alone",
        YEAR,
        "ALTER TABLE log_2025 ADD CONSTRAINT early CHECK (id < 99)",
        "early",
        rows=LOGGED,
        undo="repairable",
    ),
    *step(
        "index of one partition alone", YEAR, "CREATE INDEX only_2025 ON log_2025 (id)", "index only_2025", rows=LOGGED
    ),
    *change(
        "plain table to partitioned table",
        "CREATE TABLE log (id int NOT NULL, at date NOT NULL)",
        YEAR,
        "log",
        "impossible",
        back="impossible",
        rows=LOGGED,
    ),
    *change(
        "partitioned by another column",
        RANGE,
        RANGE.replace("(at)", "(id)"),
        "table log",
        "impossible",
        back="impossible",
    ),
    *step(
        "child table",
        PARENT,
        "CREATE TABLE child (extra int) INHERITS (parent)",
        "table child",
        rows="INSERT INTO parent VALUES (1, 'a')",
    ),
    *step(
        "inheritance of a table that is there",
        f"{PARENT}; {CHILD}",
        "ALTER TABLE child INHERIT parent",
        "child",
        rows="INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b', 3)",
        outcome="repairable",
        undo="repairable",
    ),
    *step(
        "two parents",
        f"{PARENT}; CREATE TABLE other (id int NOT NULL, more int)",
        "CREATE TABLE child () INHERITS (parent, other)",
        "table child",
    ),
    *step(
        "column of a parent and its children",
        f"{PARENT}; CREATE TABLE child (extra int) INHERITS (parent)",
        "ALTER TABLE parent ADD more int DEFAULT 5",
        "column parent.more",
        rows="INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b', 3)",
    ),
    *step(
        "constraint of a parent and its children",
        f"{PARENT}; CREATE TABLE child (extra int) INHERITS (parent)",
        "ALTER TABLE parent ADD CONSTRAINT positive CHECK (id > 0)",
        "positive",
        rows="INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b', 3)",
        undo="repairable",
    ),
    *step(
        "table in the place of a view",
        "CREATE TABLE item (id int)",
        "CREATE TABLE shown AS SELECT id FROM item",
        "shown",
    ),
    *change(
        "view to table",
        "CREATE VIEW shown AS SELECT 1 AS one",
        "CREATE TABLE shown (one int)",
        "shown",
        "hazard",
        back="hazard",
    ),
    *change(
        "view to materialised view",
        "CREATE VIEW shown AS SELECT 1 AS one",
        "CREATE MATERIALIZED VIEW shown AS SELECT 1 AS one",
        "shown",
    ),
    *change(
        "table in another schema",
        f"CREATE SCHEMA other; {ITEM}",
        "CREATE SCHEMA other; CREATE TABLE other.item (id int PRIMARY KEY, name text)",
        "item",
        "hazard",
        back="hazard",
        rows="",
        movable=False,
    ),
    *change("table of another name", ITEM, ITEM.replace("item", "article"), "article", "hazard", back=None, rows=ROWS),
]
