"""Constraints of every sort, and what can be said about each."""

from __future__ import annotations

from .pair import Outcome, Pair, change, step, two

ITEM = "CREATE TABLE item (id int NOT NULL, name text, size int)"
PART = "CREATE TABLE part (id int PRIMARY KEY, item int)"
BOTH = f"{ITEM}; ALTER TABLE item ADD PRIMARY KEY (id); {PART}"
ROWS = "INSERT INTO item VALUES (1, 'a', 5), (2, 'b', NULL)"
RELATED = f"{ROWS}; INSERT INTO part VALUES (1, 1), (2, NULL)"
TWICE = "INSERT INTO item VALUES (1, 'a', 5), (1, 'a', 5)"
PARTITIONED = """CREATE TABLE item (id int NOT NULL, name text, size int) PARTITION BY RANGE (id);
CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (1) TO (10); CREATE TABLE item_2 PARTITION OF item FOR VALUES FROM (10) TO (20)"""


def added(
    definition: str,
    base: str = ITEM,
    rows: str = ROWS,
    outcome: Outcome = "additive",
    undo: Outcome | None = "repairable",
    table: str = "item",
) -> list[Pair]:
    return step(
        f"constraint: {definition}{', over rows that break it' if outcome == 'impossible' else ''}",
        base,
        f"ALTER TABLE {table} ADD CONSTRAINT rule {definition}",
        "rule",
        rows=rows,
        outcome=outcome,
        undo=undo,
    )


def changed(
    one: str,
    other: str,
    base: str = ITEM,
    rows: str = ROWS,
    there: Outcome = "repairable",
    back: Outcome = "repairable",
    table: str = "item",
) -> list[Pair]:
    scripts = two(f"{base}; ALTER TABLE {table} ADD CONSTRAINT rule {definition}" for definition in (one, other))
    return change(f"constraint: {one} to {other}", *scripts, "rule", there, back=back, rows=rows)


def referring(one: str, other: str) -> list[Pair]:
    reference = "FOREIGN KEY (item) REFERENCES item (id)"
    return changed(f"{reference} {one}".strip(), f"{reference} {other}", BOTH, RELATED, table="part")


PAIRS: list[Pair] = [
    *added("PRIMARY KEY (id)"),
    *added("PRIMARY KEY (id) INCLUDE (name)"),
    *added("PRIMARY KEY (id) WITH (fillfactor = 70)"),
    *added("PRIMARY KEY (id)", rows=TWICE, outcome="impossible", undo=None),
    *step(
        "constraint: primary key over a column that may be NULL",
        "CREATE TABLE item (id int, name text)",
        "ALTER TABLE item ADD CONSTRAINT rule PRIMARY KEY (id)",
        "rule",
        rows="INSERT INTO item VALUES (1, 'a')",
        undo="repairable",
    ),
    *added("PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED"),
    *added("UNIQUE (name)"),
    *added("UNIQUE (name, size)"),
    *added("UNIQUE NULLS NOT DISTINCT (size)"),
    *added("UNIQUE (name) INCLUDE (size)"),
    *added("UNIQUE (name)", rows=TWICE, outcome="impossible", undo=None),
    *added("CHECK (size > 0)"),
    *added("CHECK (size > 100)", outcome="impossible", undo=None),
    *added("CHECK (size > 100) NOT VALID", undo=None),
    *added("CHECK (size > 0) NO INHERIT"),
    *added("CHECK (name IN ('a', 'b', '100%', 'o''hara', E'\\\\'))"),
    *added("CHECK (name ~ '^[a-z]+(%s|:x|\\d)?$')"),
    *added("CHECK (id IS NOT NULL OR (size IS NULL AND name = ANY (ARRAY['x', 'y'])))"),
    *added("FOREIGN KEY (item) REFERENCES item (id)", BOTH, RELATED, table="part"),
    *added(
        "FOREIGN KEY (item) REFERENCES item (id)", BOTH, "INSERT INTO part VALUES (1, 1)", "impossible", None, "part"
    ),
    *added(
        "FOREIGN KEY (item) REFERENCES item (id) NOT VALID",
        BOTH,
        "INSERT INTO part VALUES (1, 1)",
        undo=None,
        table="part",
    ),
    *added(
        "FOREIGN KEY (item) REFERENCES item (id) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (item)",
        BOTH,
        RELATED,
        table="part",
    ),
    *added(
        "FOREIGN KEY (item) REFERENCES item (id) ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED",
        BOTH,
        RELATED,
        table="part",
    ),
    *added(
        "FOREIGN KEY (size) REFERENCES item (id)",
        f"{ITEM}; ALTER TABLE item ADD PRIMARY KEY (id)",
        "INSERT INTO item VALUES (5, 'a', 5)",
    ),
    *added("EXCLUDE USING btree (name WITH =)"),
    *added("EXCLUDE USING gist (int4range(id, id + 1) WITH &&) WHERE (size > 3)"),
    *added("EXCLUDE USING gist (int4range(id, id, '[]') WITH &&) DEFERRABLE INITIALLY IMMEDIATE"),
    *changed("PRIMARY KEY (id)", "PRIMARY KEY (id, name)"),
    *changed("PRIMARY KEY (id)", "UNIQUE (id)"),
    *changed("PRIMARY KEY (id)", "PRIMARY KEY (id) DEFERRABLE"),
    *changed("UNIQUE (name)", "UNIQUE (name, size)"),
    *changed("UNIQUE (name, size)", "UNIQUE (size, name)"),
    *changed("UNIQUE (size)", "UNIQUE NULLS NOT DISTINCT (size)"),
    *changed("UNIQUE (name)", "UNIQUE (name) DEFERRABLE"),
    *changed("UNIQUE (name) DEFERRABLE", "UNIQUE (name) DEFERRABLE INITIALLY DEFERRED"),
    *changed("UNIQUE (name)", "UNIQUE (name) WITH (fillfactor = 70)"),
    *changed("CHECK (size > 0)", "CHECK (size >= 0)"),
    *changed("CHECK (size > 0)", "CHECK (size > 0) NO INHERIT"),
    *changed("CHECK (size > 0) NOT VALID", "CHECK (size > 0)", there="additive"),
    Pair(
        "constraint: NOT VALID to valid over rows that break it",
        f"{ITEM}; {ROWS}; ALTER TABLE item ADD CONSTRAINT rule CHECK (size > 99) NOT VALID",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT rule CHECK (size > 99)",
        "impossible",
        "rule",
    ),
    *changed("EXCLUDE USING btree (name WITH =)", "EXCLUDE USING btree (size WITH =)"),
    *referring("", "ON DELETE CASCADE"),
    *referring("ON DELETE CASCADE", "ON DELETE RESTRICT"),
    *referring("ON UPDATE CASCADE", "ON UPDATE SET NULL"),
    *referring("ON DELETE SET NULL", "ON DELETE SET NULL (item)"),
    *referring("", "DEFERRABLE"),
    *referring("DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"),
    *referring("", "MATCH FULL"),
    *changed(
        "FOREIGN KEY (item) REFERENCES item (id) NOT VALID",
        "FOREIGN KEY (item) REFERENCES item (id)",
        BOTH,
        RELATED,
        "additive",
        table="part",
    ),
    *changed(
        "FOREIGN KEY (id) REFERENCES item (id)", "FOREIGN KEY (item) REFERENCES item (id)", BOTH, RELATED, table="part"
    ),
    *change(
        "constraint of another name",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT rule CHECK (size > 0)",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT law CHECK (size > 0)",
        "law",
        back=None,
        rows=ROWS,
    ),
    *change(
        "primary key of another name, with a reference to it",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT item_key PRIMARY KEY (id); {PART}; ALTER TABLE part ADD FOREIGN KEY (item) REFERENCES item",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT item_pkey PRIMARY KEY (id); {PART}; ALTER TABLE part ADD FOREIGN KEY (item) REFERENCES item",
        "item_pkey",
        back=None,
        rows=RELATED,
    ),
    *change(
        "unique constraint to unique index",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT item_name UNIQUE (name)",
        f"{ITEM}; CREATE UNIQUE INDEX item_name ON item (name)",
        "item_name",
        rows=ROWS,
    ),
    *change(
        "names of two constraints exchanged",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT one CHECK (size > 0), ADD CONSTRAINT two CHECK (id > 0)",
        f"{ITEM}; ALTER TABLE item ADD CONSTRAINT two CHECK (size > 0), ADD CONSTRAINT one CHECK (id > 0)",
        "one",
        rows=ROWS,
    ),
    *change(
        "reference to another key of the same table",
        f"{ITEM}; ALTER TABLE item ADD PRIMARY KEY (id), ADD UNIQUE (size); {PART}; ALTER TABLE part ADD CONSTRAINT rule FOREIGN KEY (item) REFERENCES item (id)",
        f"{ITEM}; ALTER TABLE item ADD PRIMARY KEY (id), ADD UNIQUE (size); {PART}; ALTER TABLE part ADD CONSTRAINT rule FOREIGN KEY (item) REFERENCES item (size)",
        "rule",
        rows="INSERT INTO item VALUES (1, 'a', 1); INSERT INTO part VALUES (1, 1)",
    ),
    *step(
        "two tables that refer to each other",
        "",
        """CREATE TABLE hen (id int PRIMARY KEY, egg int); CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen DEFERRABLE);
        ALTER TABLE hen ADD CONSTRAINT hatched FOREIGN KEY (egg) REFERENCES egg""",
        "egg",
    ),
    *step(
        "reference of several columns in another order",
        "CREATE TABLE item (a int, b int, c text, PRIMARY KEY (a, b)); CREATE TABLE part (x int, y int)",
        "ALTER TABLE part ADD CONSTRAINT rule FOREIGN KEY (y, x) REFERENCES item (b, a)",
        "rule",
        rows="INSERT INTO item VALUES (1, 2, 'a'); INSERT INTO part VALUES (1, 2)",
        undo="repairable",
    ),
    *step(
        "reference to a partitioned table",
        f"{PARTITIONED}; ALTER TABLE item ADD PRIMARY KEY (id); {PART}",
        "ALTER TABLE part ADD CONSTRAINT rule FOREIGN KEY (item) REFERENCES item (id)",
        "rule",
        rows=RELATED,
        undo="repairable",
    ),
    *step(
        "reference from a partitioned table",
        f"{PARTITIONED}; CREATE TABLE owner (id int PRIMARY KEY)",
        "ALTER TABLE item ADD CONSTRAINT rule FOREIGN KEY (size) REFERENCES owner (id)",
        "rule",
        rows="INSERT INTO owner VALUES (5); INSERT INTO item VALUES (1, 'a', 5), (12, 'b', NULL)",
        undo="repairable",
    ),
    *step(
        "check and key of a partitioned table",
        PARTITIONED,
        "ALTER TABLE item ADD CONSTRAINT law CHECK (size > 0), ADD CONSTRAINT rule PRIMARY KEY (id)",
        "rule",
        rows="INSERT INTO item VALUES (1, 'a', 5), (12, 'b', 6)",
        undo="repairable",
    ),
    *step(
        "exclusion of overlapping bookings",
        "CREATE EXTENSION btree_gist; CREATE TABLE booking (room int, during tsrange)",
        "ALTER TABLE booking ADD CONSTRAINT rule EXCLUDE USING gist (room WITH =, during WITH &&)",
        "rule",
        rows="INSERT INTO booking VALUES (1, '[2025-01-01,2025-01-02)'), (1, '[2025-01-02,2025-01-03)')",
        undo="repairable",
        movable=False,
    ),
]
