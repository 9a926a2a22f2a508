"""Functions, procedures and aggregates, and operators made of them."""

from __future__ import annotations

from .pair import Pair, change, step

ITEM = "CREATE TABLE item (id int PRIMARY KEY, name text, size int DEFAULT 1)"
ROWS = "INSERT INTO item VALUES (1, 'a', 5), (2, 'b', 6)"
TWICE = "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n'"


def changed(name: str, one: str, other: str, drift: str = "twice", before: str = ITEM) -> list[Pair]:
    return change(f"function: {name}", f"{before}; {one}", f"{before}; {other}", drift, rows=ROWS)


def using(one: str, other: str, use: str) -> tuple[str, str]:
    return f"{one}; {use}", f"{other}; {use}"


PAIRS: list[Pair] = [
    *step("function", ITEM, TWICE, "twice", rows=ROWS),
    *step(
        "function with everything",
        ITEM,
        """CREATE FUNCTION twice(IN n int, INOUT m numeric DEFAULT 1.5, OUT t text, VARIADIC rest text[] DEFAULT '{}') RETURNS record
        LANGUAGE plpgsql STABLE STRICT LEAKPROOF SECURITY DEFINER PARALLEL SAFE COST 50 SET search_path = pg_catalog, "My Path" SET work_mem = '8MB'
        AS $body$BEGIN t := '100% %s ' || $1 || $q$quoted$q$; END$body$""",
        "twice",
        rows=ROWS,
    ),
    *step(
        "function that returns a table",
        ITEM,
        "CREATE FUNCTION items(low int) RETURNS TABLE (id int, name text) LANGUAGE sql ROWS 5 AS $$SELECT id, name FROM item WHERE size >= low$$",
        "items",
        rows=ROWS,
    ),
    *step(
        "function that returns a set of a table's rows",
        ITEM,
        "CREATE FUNCTION items() RETURNS SETOF item LANGUAGE sql AS $$SELECT * FROM item$$",
        "items",
        rows=ROWS,
    ),
    *step(
        "function with a body of SQL",
        ITEM,
        "CREATE FUNCTION items() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM item; END",
        "items",
        rows=ROWS,
    ),
    *step(
        "two functions that call each other",
        "",
        "CREATE FUNCTION even(n int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN n = 0 OR odd(n - 1); END$$; CREATE FUNCTION odd(n int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN n <> 0 AND even(n - 1); END$$",
        "even",
    ),
    *step(
        "functions of one name",
        TWICE,
        "CREATE FUNCTION twice(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 2 * n'; CREATE FUNCTION twice(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a'",
        "twice(bigint)",
    ),
    *step(
        "procedure",
        ITEM,
        "CREATE PROCEDURE tidy(low int DEFAULT 0) LANGUAGE plpgsql AS $$BEGIN DELETE FROM item WHERE size < low; COMMIT; END$$",
        "tidy",
        rows=ROWS,
    ),
    *step(
        "aggregate",
        ITEM,
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = int4pl)",
        "total",
        rows=ROWS,
    ),
    *step(
        "moving aggregate with a function of one's own",
        ITEM,
        "CREATE FUNCTION more(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b'; CREATE AGGREGATE total(int) (SFUNC = more, STYPE = int, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int)",
        "total",
        rows=ROWS,
    ),
    *step(
        "ordered-set aggregate",
        "",
        "CREATE AGGREGATE middle(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA)",
        "middle",
    ),
    *step(
        "operator",
        "",
        "CREATE FUNCTION alike(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) = lower($2)'; CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = alike, COMMUTATOR = ===)",
        "===",
    ),
    *step(
        "cast",
        "CREATE TYPE mood AS ENUM ('sad'); CREATE FUNCTION felt(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE CAST (mood AS int) WITH FUNCTION felt(mood) AS ASSIGNMENT",
        "mood",
    ),
    *changed("body", TWICE, TWICE.replace("2 * n", "n + n")),
    *changed("volatility", TWICE, TWICE.replace("IMMUTABLE", "STABLE")),
    *changed("STRICT", TWICE, TWICE.replace("IMMUTABLE", "IMMUTABLE STRICT")),
    *changed("SECURITY DEFINER", TWICE, TWICE.replace("IMMUTABLE", "IMMUTABLE SECURITY DEFINER")),
    *changed("LEAKPROOF", TWICE, TWICE.replace("IMMUTABLE", "IMMUTABLE LEAKPROOF")),
    *changed("PARALLEL", TWICE, TWICE.replace("IMMUTABLE", "IMMUTABLE PARALLEL SAFE")),
    *changed("COST", TWICE, TWICE.replace("IMMUTABLE", "IMMUTABLE COST 7")),
    *changed("settings", TWICE, TWICE.replace("IMMUTABLE", "IMMUTABLE SET work_mem = '8MB' SET search_path = ''")),
    *changed(
        "language",
        TWICE,
        "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 2 * n; END'",
    ),
    *changed("return type", TWICE, TWICE.replace("RETURNS int", "RETURNS bigint").replace("2 * n", "2::bigint * n")),
    *changed("name of an argument", TWICE, TWICE.replace("n int", "m int").replace("* n", "* m")),
    *changed("default of an argument", TWICE, TWICE.replace("n int", "n int DEFAULT 3")),
    *changed(
        "another default of an argument",
        TWICE.replace("n int", "n int DEFAULT 3"),
        TWICE.replace("n int", "n int DEFAULT 4"),
    ),
    *changed("type of an argument", TWICE, TWICE.replace("n int", "n smallint")),
    *changed("one argument more", TWICE, TWICE.replace("n int", "n int, m int")),
    *changed(
        "columns of the table it returns",
        "CREATE FUNCTION items() RETURNS TABLE (id int) LANGUAGE sql AS 'SELECT id FROM item'",
        "CREATE FUNCTION items() RETURNS TABLE (id int, name text) LANGUAGE sql AS 'SELECT id, name FROM item'",
        "items",
    ),
    *changed(
        "function to procedure",
        "CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM item'",
        "CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM item'",
        "tidy",
    ),
    *changed(
        "procedure's body",
        "CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM item'",
        "CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM item WHERE id < 0'",
        "tidy",
    ),
    *changed(
        "aggregate's start",
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '1')",
        "total",
    ),
    *changed(
        "aggregate's function",
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
        "CREATE AGGREGATE total(int) (SFUNC = int4mul, STYPE = int)",
        "total",
    ),
    *changed(
        "body of SQL",
        "CREATE FUNCTION items() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM item; END",
        "CREATE FUNCTION items() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(id) FROM item; END",
        "items",
    ),
    *changed(
        "body, used by a default, a check, an index and a view",
        *using(
            TWICE,
            TWICE.replace("2 * n", "n + n"),
            "ALTER TABLE item ALTER size SET DEFAULT twice(3), ADD CHECK (twice(id) > 0); CREATE INDEX doubled ON item (twice(size)); CREATE VIEW shown AS SELECT twice(id) AS t FROM item",
        ),
    ),
    *changed(
        "return type, used by a view",
        *using(
            TWICE,
            TWICE.replace("RETURNS int", "RETURNS bigint").replace("2 * n", "2::bigint * n"),
            "CREATE VIEW shown AS SELECT twice(id) AS t FROM item",
        ),
    ),
    *changed(
        "return type, used by a default and a check",
        *using(
            TWICE,
            TWICE.replace("RETURNS int", "RETURNS bigint").replace("2 * n", "2::bigint * n"),
            "ALTER TABLE item ALTER size SET DEFAULT twice(3), ADD CONSTRAINT big CHECK (twice(id) > 0)",
        ),
    ),
    *changed(
        "name of an argument, used by a function with a body of SQL",
        *using(
            TWICE,
            TWICE.replace("n int", "m int").replace("* n", "* m"),
            "CREATE FUNCTION four() RETURNS int LANGUAGE sql RETURN twice(2)",
        ),
    ),
    *changed(
        "name of an argument, used by an index",
        *using(
            TWICE, TWICE.replace("n int", "m int").replace("* n", "* m"), "CREATE INDEX doubled ON item (twice(size))"
        ),
    ),
    *changed(
        "name of an argument, used by a generated column",
        *using(
            TWICE,
            TWICE.replace("n int", "m int").replace("* n", "* m"),
            "ALTER TABLE item ADD double int GENERATED ALWAYS AS (twice(size)) STORED",
        ),
        before=ITEM,
    ),
    *change(
        "function over a table's row type, and a column more",
        f"{ITEM}; CREATE FUNCTION label(item) RETURNS text LANGUAGE sql AS 'SELECT $1.name'; CREATE VIEW shown AS SELECT label(item) AS label FROM item",
        f"{ITEM}; ALTER TABLE item ADD fresh int; CREATE FUNCTION label(item) RETURNS text LANGUAGE sql AS 'SELECT $1.name'; CREATE VIEW shown AS SELECT label(item) AS label FROM item",
        "column item.fresh",
        "additive",
        back="hazard",
        rows=ROWS,
    ),
    *step(
        "function whose body names a table that sorts after it",
        "",
        "CREATE TABLE z_last (id int); CREATE FUNCTION a_first() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM z_last'",
        "a_first",
    ),
    *step(
        "function whose body names a view over another function",
        ITEM,
        f"{TWICE}; CREATE VIEW shown AS SELECT twice(id) AS t FROM item; CREATE FUNCTION a_most() RETURNS int LANGUAGE sql AS 'SELECT max(t) FROM shown'",
        "a_most",
        rows=ROWS,
    ),
]
