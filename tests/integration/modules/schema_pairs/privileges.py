"""Ownership and privileges, default ones too. Roles belong to the server: corpus_reader, corpus_writer, corpus_owner."""

from __future__ import annotations

from .pair import Pair, change, step

SCHEMA = """CREATE SCHEMA area;
CREATE TABLE item (id int PRIMARY KEY, name text, secret text);
CREATE TABLE area.spot (id int);
CREATE VIEW shown AS SELECT id FROM item;
CREATE MATERIALIZED VIEW kept AS SELECT id FROM item;
CREATE SEQUENCE counter;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE PROCEDURE nothing() LANGUAGE sql AS '';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN price AS int"""
ROWS = "INSERT INTO item VALUES (1, 'a', 'b')"
#: A statement and a word of the drift.
GRANTS = {
    "GRANT SELECT, INSERT ON item TO corpus_reader": "item",
    "GRANT SELECT ON item TO corpus_reader WITH GRANT OPTION": "item",
    "GRANT SELECT ON item TO PUBLIC": "item",
    "GRANT ALL ON item TO corpus_reader": "item",
    "GRANT SELECT (id, name), UPDATE (name) ON item TO corpus_reader": "item",
    "GRANT SELECT ON item TO corpus_reader; GRANT UPDATE (secret) ON item TO corpus_writer WITH GRANT OPTION": "item",
    "GRANT SELECT ON shown, kept TO corpus_reader": "shown",
    "GRANT USAGE, SELECT ON SEQUENCE counter TO corpus_reader": "counter",
    "GRANT EXECUTE ON FUNCTION twice(int) TO corpus_reader": "twice",
    "REVOKE EXECUTE ON FUNCTION twice(int) FROM PUBLIC": "twice",
    "REVOKE EXECUTE ON PROCEDURE nothing() FROM PUBLIC": "nothing",
    "REVOKE EXECUTE ON FUNCTION total(int) FROM PUBLIC": "total",
    "REVOKE USAGE ON TYPE mood FROM PUBLIC": "mood",
    "GRANT USAGE ON DOMAIN price TO corpus_reader; REVOKE USAGE ON DOMAIN price FROM PUBLIC": "price",
    "GRANT USAGE ON SCHEMA area TO corpus_reader": "area",
    "GRANT CREATE ON SCHEMA public TO corpus_writer": "public",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC": "public",
    "REVOKE INSERT, UPDATE, DELETE ON item FROM postgres": "item",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA area GRANT SELECT ON TABLES TO corpus_reader": "default privileges postgres in area",
    "ALTER DEFAULT PRIVILEGES FOR ROLE corpus_owner GRANT USAGE ON SEQUENCES TO corpus_reader WITH GRANT OPTION": "corpus_owner",
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC": "default",
    "ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC": "default",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO corpus_owner": "default",
}
OWNERS = {
    "ALTER TABLE item OWNER TO corpus_owner": "item",
    "ALTER VIEW shown OWNER TO corpus_owner": "shown",
    "ALTER MATERIALIZED VIEW kept OWNER TO corpus_owner": "kept",
    "ALTER SEQUENCE counter OWNER TO corpus_owner": "counter",
    "ALTER FUNCTION twice(int) OWNER TO corpus_owner": "twice",
    "ALTER PROCEDURE nothing() OWNER TO corpus_owner": "nothing",
    "ALTER AGGREGATE total(int) OWNER TO corpus_owner": "total",
    "ALTER TYPE mood OWNER TO corpus_owner": "mood",
    "ALTER DOMAIN price OWNER TO corpus_owner": "price",
    "ALTER SCHEMA area OWNER TO corpus_owner": "area",
    "ALTER TABLE item OWNER TO corpus_owner; GRANT SELECT ON item TO corpus_reader": "item",
}
ITEM = "CREATE TABLE item (id int, name text)"

PAIRS: list[Pair] = [
    *(
        pair
        for statement, word in (GRANTS | OWNERS).items()
        for pair in step(
            f"privileges: {statement}",
            SCHEMA,
            statement,
            word,
            rows=ROWS,
            outcome="repairable",
            undo="repairable",
            movable=False,
        )
    ),
    Pair(
        "privileges: not asked for",
        f"{SCHEMA}; GRANT ALL ON item TO PUBLIC; ALTER TABLE item OWNER TO corpus_owner; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        SCHEMA,
        "equal",
        rows=ROWS,
        arguments={"privileges": False},
        movable=False,
    ),
    *change(
        "privileges: SELECT to another role",
        f"{ITEM}; GRANT SELECT ON item TO corpus_reader",
        f"{ITEM}; GRANT SELECT ON item TO corpus_writer",
        "item",
    ),
    *change(
        "privileges: grant option",
        f"{ITEM}; GRANT SELECT ON item TO corpus_reader",
        f"{ITEM}; GRANT SELECT ON item TO corpus_reader WITH GRANT OPTION",
        "item",
    ),
    *change(
        "privileges: table in place of its columns",
        f"{ITEM}; GRANT SELECT (id, name) ON item TO corpus_reader",
        f"{ITEM}; GRANT SELECT ON item TO corpus_reader",
        "item",
    ),
    *step(
        "privileges: table that is granted from its start",
        "",
        f"{ITEM}; GRANT SELECT ON item TO corpus_reader; ALTER TABLE item OWNER TO corpus_owner",
        "table item",
    ),
    *step(
        "privileges: role with a hostile name",
        ITEM,
        'GRANT SELECT ON item TO "corpus %s; ""x"" Ü"; ALTER TABLE item OWNER TO "corpus %s; ""x"" Ü"',
        "item",
        outcome="repairable",
        undo="repairable",
    ),
]
