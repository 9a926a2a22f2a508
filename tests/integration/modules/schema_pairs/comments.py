"""Comments on everything that can have one."""

from __future__ import annotations

from .pair import Pair, change, step

SCHEMA = """CREATE EXTENSION hstore;
CREATE SCHEMA noted;
CREATE TABLE item (id int PRIMARY KEY, name text CONSTRAINT filled CHECK (name <> ''));
CREATE INDEX lookup ON item (name);
CREATE SEQUENCE counter;
CREATE VIEW shown AS SELECT id FROM item;
CREATE MATERIALIZED VIEW kept AS SELECT id, name FROM item;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE place AS (x int);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN price AS int CONSTRAINT positive CHECK (VALUE > 0);
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE PROCEDURE nothing() LANGUAGE sql AS '';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE ignored AS ON DELETE TO item DO INSTEAD NOTHING;
CREATE POLICY seen ON item FOR SELECT USING (id > 0);
CREATE STATISTICS related ON id, name FROM item;
CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watcher ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE') EXECUTE FUNCTION told()"""
ROWS = "INSERT INTO item VALUES (1, 'a')"
#: What a comment can stand on, and a word of the drift.
TARGETS = {
    "SCHEMA noted": "noted",
    "TABLE item": "item",
    "COLUMN item.name": "item.name",
    "COLUMN shown.id": "shown.id",
    "COLUMN place.x": "place",
    "CONSTRAINT filled ON item": "filled",
    "CONSTRAINT item_pkey ON item": "item_pkey",
    "CONSTRAINT positive ON DOMAIN price": "positive",
    "INDEX lookup": "lookup",
    "SEQUENCE counter": "counter",
    "VIEW shown": "shown",
    "MATERIALIZED VIEW kept": "kept",
    "TYPE mood": "mood",
    "TYPE place": "place",
    "TYPE span": "span",
    "DOMAIN price": "price",
    "FUNCTION twice(int)": "twice",
    "PROCEDURE nothing()": "nothing",
    "AGGREGATE total(int)": "total",
    "TRIGGER touched ON item": "touched",
    "RULE ignored ON item": "ignored",
    "POLICY seen ON item": "seen",
    "STATISTICS related": "related",
    "EVENT TRIGGER watcher": "watcher",
    "EXTENSION hstore": "hstore",
}
ITEM = "CREATE TABLE item (id int, name text)"

PAIRS: list[Pair] = [
    *(
        pair
        for target, word in TARGETS.items()
        for pair in step(
            f"comment on {target}", SCHEMA, f"COMMENT ON {target} IS 'said'", word, rows=ROWS, undo=None, movable=False
        )
    ),
    *change(
        "every comment taken away",
        SCHEMA + "".join(f";\nCOMMENT ON {target} IS 'said'" for target in TARGETS if "EXTENSION" not in target),
        SCHEMA,
        "noted",
        back="additive",
        rows=ROWS,
        movable=False,
    ),
    *change(
        "another comment",
        f"{ITEM}; COMMENT ON TABLE item IS 'one'",
        f"{ITEM}; COMMENT ON TABLE item IS 'two'",
        "item",
        "additive",
        back="additive",
    ),
    *step(
        "comment with hostile text",
        ITEM,
        "COMMENT ON COLUMN item.name IS E'100% %s %(x)s :y it''s \\\\ \"q\" $$ $1 {0}\\nline ü 🐘'; COMMENT ON TABLE item IS ''';--'",
        "item.name",
        undo="repairable",
    ),
    *step("empty comment, which is none", ITEM, "COMMENT ON TABLE item IS ''", "", outcome="equal", undo="equal"),
]
