"""Different spellings of one schema: a difference that is reported here is a false alarm."""

from __future__ import annotations

from .pair import Pair, same, two

ROWS = "INSERT INTO item (id, name) VALUES (5, 'abcd')"
INDEXED = "CREATE TABLE item (id int, name text)"
VECTORS = "CREATE EXTENSION vector; CREATE TABLE item (id int, name vector(3)); CREATE INDEX lookup ON item USING"
TWICE = "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS"


def columns(name: str, one: str, other: str) -> list[Pair]:
    return same(name, *two(f"CREATE TABLE item (id int, name text, {text})" for text in (one, other)), rows=ROWS)


def checks(name: str, one: str, other: str, kind: str = "text") -> list[Pair]:
    return same(
        f"check: {name}",
        *two(f"CREATE TABLE item (id int, name text, c {kind} CONSTRAINT k CHECK ({text}))" for text in (one, other)),
        rows=ROWS,
    )


def indexes(name: str, one: str, other: str) -> list[Pair]:
    return same(
        f"index: {name}", *two(f"{INDEXED}; CREATE INDEX lookup ON item {text}" for text in (one, other)), rows=ROWS
    )


PAIRS: list[Pair] = [
    *same("the same", "CREATE TABLE item (id int, name text)", "CREATE TABLE item (id int, name text)", rows=ROWS)[:1],
    *same("nothing at all", "", "-- nothing")[:1],
    *columns(
        "type names",
        "a int, b varchar(5), c bool, d float8, e decimal(5,2), f timestamptz, g char(2), h bigint[]",
        "a integer, b character varying(5), c boolean, d double precision, e numeric(5,2), f timestamp with time zone, g character(2), h int8 array",
    ),
    *columns("default with and without its cast", "c varchar DEFAULT 'active'", "c varchar DEFAULT 'active'::varchar"),
    *columns(
        "default cast to text for a varchar",
        "c varchar NOT NULL DEFAULT 'active'",
        "c varchar NOT NULL DEFAULT 'active'::character varying",
    ),
    *columns("default in brackets", "c int DEFAULT 5", "c int DEFAULT ((5))"),
    *columns("default of an empty array", "c text[] DEFAULT '{}'", "c text[] DEFAULT '{}'::text[]"),
    *columns("default of JSON", "c jsonb DEFAULT '{}'", "c jsonb DEFAULT '{}'::jsonb"),
    *columns("no default and NULL", "c int", "c int NULL DEFAULT NULL"),
    *columns("calls of now()", "c timestamptz DEFAULT now()", "c timestamptz DEFAULT pg_catalog.now()"),
    *columns("letter case of names", "C int, cc int", "c INT, CC Int"),
    *columns("quoted names", 'c int, "d" int', '"c" int, d int'),
    *columns("array with bounds", "c int[3][3]", "c int[]"),
    *columns("order of columns", "a int, b int", "b int, a int"),
    *columns("unique written inline", "c int UNIQUE", "c int, UNIQUE (c)"),
    *columns("check written inline", "c int CHECK (c > 0)", "c int, CONSTRAINT item_c_check CHECK (c > 0)"),
    *columns(
        "names of constraints generated and given",
        "c int UNIQUE, d int REFERENCES item (c)",
        "c int CONSTRAINT item_c_key UNIQUE, d int CONSTRAINT item_d_fkey REFERENCES item (c)",
    ),
    *columns(
        "column that was dropped",
        "a int",
        "gone int, a int); ALTER TABLE item DROP gone; CREATE TABLE other (id int); DROP TABLE other; SELECT (1",
    ),
    *columns("default statistics target", "c text); ALTER TABLE item ALTER c SET STATISTICS -1; SELECT (1", "c text"),
    *columns("default compression", "c text COMPRESSION default", "c text"),
    *columns("storage spelled", "c text); ALTER TABLE item ALTER c SET STORAGE EXTENDED; SELECT (1", "c text"),
    *columns(
        "identity with its defaults",
        "c int GENERATED ALWAYS AS IDENTITY",
        "c int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME item_c_seq START WITH 1 INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 CACHE 1 NO CYCLE)",
    ),
    *columns(
        "generated expression in brackets",
        "c int GENERATED ALWAYS AS (id + 1) STORED",
        "c int GENERATED ALWAYS AS ((id + (1))) STORED",
    ),
    *columns("collation that is the type's own", 'c text COLLATE "default"', "c text"),
    *same(
        "serial, spelled",
        "CREATE TABLE item (id serial PRIMARY KEY, name text)",
        "CREATE SEQUENCE item_id_seq AS integer; CREATE TABLE item (id integer NOT NULL DEFAULT nextval('item_id_seq'::regclass), name text); ALTER SEQUENCE item_id_seq OWNED BY item.id; ALTER TABLE item ADD CONSTRAINT item_pkey PRIMARY KEY (id)",
        rows=ROWS,
    ),
    *same(
        "where a sequence stands", "CREATE SEQUENCE counter", "CREATE SEQUENCE counter; SELECT setval('counter', 500)"
    ),
    *same(
        "sequence with its defaults",
        "CREATE SEQUENCE counter",
        "CREATE SEQUENCE counter AS bigint INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1 NO CYCLE OWNED BY NONE",
    ),
    *same(
        "primary key inline and altered",
        "CREATE TABLE item (id int PRIMARY KEY, name text)",
        "CREATE TABLE item (id int, name text); ALTER TABLE ONLY item ADD CONSTRAINT item_pkey PRIMARY KEY (id)",
        rows=ROWS,
    ),
    *same(
        "constraint by an index that is there",
        "CREATE TABLE item (id int PRIMARY KEY, name text)",
        "CREATE TABLE item (id int, name text); CREATE UNIQUE INDEX item_pkey ON item (id); ALTER TABLE item ADD PRIMARY KEY USING INDEX item_pkey",
        rows=ROWS,
    ),
    *same(
        "constraint validated later",
        "CREATE TABLE item (id int, name text, CONSTRAINT k CHECK (id > 0))",
        "CREATE TABLE item (id int, name text); ALTER TABLE item ADD CONSTRAINT k CHECK (id > 0) NOT VALID; ALTER TABLE item VALIDATE CONSTRAINT k",
        rows=ROWS,
    ),
    *same(
        "actions of a reference that are the default",
        "CREATE TABLE item (id int PRIMARY KEY, name text, c int REFERENCES item)",
        "CREATE TABLE item (id int PRIMARY KEY, name text, c int REFERENCES item (id) MATCH SIMPLE ON UPDATE NO ACTION ON DELETE NO ACTION NOT DEFERRABLE INITIALLY IMMEDIATE)",
        rows=ROWS,
    ),
    *checks("IN and = ANY", "c IN ('a', 'b')", "c = ANY (ARRAY['a', 'b'])"),
    *checks(
        "IN over varchar and what a dump makes of it",
        "c IN ('a', 'b')",
        "(c)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])",
        "varchar(9)",
    ),
    *checks(
        "IN over varchar and what a dump of a dump makes of it",
        "c IN ('a', 'b')",
        "(c)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])",
        "varchar(9)",
    ),
    *checks(
        "NOT IN over varchar and a dump",
        "c NOT IN ('a', 'b')",
        "(c)::text <> ALL ((ARRAY['a'::character varying, 'b'::character varying])::text[])",
        "varchar(9)",
    ),
    *checks("brackets and letter case", "c IS NULL or (LENGTH(c) > 3)", "((c IS NULL) OR (length(c) > 3))"),
    *checks("BETWEEN", "c BETWEEN 1 AND 5", "(c >= 1) AND (c <= 5)", "int"),
    *checks("LIKE and its operator", "c LIKE 'a%'", "c ~~ 'a%'::text"),
    *checks("coalesce and casts", "coalesce(c, '') <> 'x'", "COALESCE(c, ''::text) <> 'x'::text"),
    *indexes("method and order spelled", "(name)", "USING btree (name ASC NULLS LAST)"),
    *indexes("operator class spelled", "(name)", "(name text_ops)"),
    *indexes("collation spelled", "(name)", '(name COLLATE "default")'),
    *indexes("fillfactor of 90 spelled", "(name)", "(name) WITH (fillfactor = 90)"),
    *indexes("deduplication spelled", "(name)", "(name) WITH (deduplicate_items = on)"),
    *indexes("DESC and its NULLS FIRST", "(name DESC)", "(name DESC NULLS FIRST)"),
    *indexes(
        "boolean option as a word",
        "USING gin (to_tsvector('english', name)) WITH (fastupdate = off)",
        "USING gin (to_tsvector('english', name)) WITH (fastupdate = false)",
    ),
    *indexes("pages of BRIN spelled", "USING brin (id)", "USING brin (id) WITH (pages_per_range = 128)"),
    *same(
        "HNSW with its defaults",
        f"{VECTORS} hnsw (name vector_cosine_ops)",
        f"{VECTORS} hnsw (name vector_cosine_ops) WITH (m = 16, ef_construction = 64)",
        movable=False,
    ),
    *same(
        "HNSW with its defaults as strings",
        f"{VECTORS} hnsw (name vector_cosine_ops) WITH (m = '16')",
        f"{VECTORS} hnsw (name vector_cosine_ops) WITH (ef_construction = '64')",
        movable=False,
    ),
    *same(
        "IVFFlat with its default",
        f"{VECTORS} ivfflat (name vector_l2_ops)",
        f"{VECTORS} ivfflat (name) WITH (lists = 100)",
        movable=False,
    ),
    *same(
        "name of an index generated and given",
        f"{INDEXED}; CREATE INDEX ON item (name)",
        f"{INDEXED}; CREATE INDEX item_name_idx ON item (name)",
        rows=ROWS,
    ),
    *same(
        "order of indexes",
        f"{INDEXED}; CREATE INDEX a ON item (name); CREATE INDEX b ON item (id)",
        f"{INDEXED}; CREATE INDEX b ON item (id); CREATE INDEX a ON item (name)",
        rows=ROWS,
    ),
    *same(
        "order of tables",
        "CREATE TABLE a (id int); CREATE TABLE b (id int)",
        "CREATE TABLE b (id int); CREATE TABLE a (id int)",
    ),
    *same(
        "comments and white space",
        "CREATE TABLE item (id int, name text)",
        "/* a /* nested */ comment; */\n\n  create   table\titem -- here; too\n (\n id\tINT ,name text\n)\n;;\n;",
    ),
    *same(
        "schema written out",
        "CREATE TABLE item (id int, name text); CREATE VIEW shown AS SELECT id FROM item",
        "CREATE TABLE public.item (id int, name text); CREATE VIEW public.shown AS SELECT item.id FROM public.item",
        rows=ROWS,
    ),
    *same(
        "another search_path",
        "CREATE SCHEMA area; CREATE TABLE area.item (id int); CREATE VIEW area.shown AS SELECT id FROM area.item",
        "CREATE SCHEMA area; SET search_path = area; CREATE TABLE item (id int); CREATE VIEW shown AS SELECT id FROM item",
        movable=False,
    ),
    *same(
        "search_path of the database",
        "CREATE TABLE item (id int)",
        "SET search_path = public, pg_catalog; SET check_function_bodies = false; SET default_table_access_method = heap; CREATE TABLE item (id int)",
        movable=False,
    ),
    *same(
        "view written with an alias and a star",
        f"{INDEXED}; CREATE VIEW shown AS SELECT * FROM item",
        f"{INDEXED}; CREATE VIEW shown AS SELECT item.id, item.name FROM item",
        rows=ROWS,
    ),
    *same(
        "view over IN of varchar and its dump",
        "CREATE TABLE item (id int, name varchar); CREATE VIEW shown AS SELECT id FROM item WHERE name IN ('a', 'b')",
        "CREATE TABLE item (id int, name varchar); CREATE VIEW shown AS SELECT item.id FROM item WHERE ((item.name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
        rows=ROWS,
    ),
    *same(
        "partial index over IN of varchar and its dump",
        "CREATE TABLE item (id int, name varchar); CREATE INDEX lookup ON item (id) WHERE name IN ('a', 'b')",
        "CREATE TABLE item (id int, name varchar); CREATE INDEX lookup ON item USING btree (id) WHERE ((name)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
        rows=ROWS,
    ),
    *same(
        "policy over IN of varchar and its dump",
        "CREATE TABLE item (id int, name varchar); CREATE POLICY p ON item USING (name IN ('a', 'b'))",
        "CREATE TABLE item (id int, name varchar); CREATE POLICY p ON item USING (((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
        rows=ROWS,
    ),
    *same(
        "trigger's condition over IN of varchar and its dump",
        *two(
            f"CREATE TABLE item (id int, name varchar); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE UPDATE ON item FOR EACH ROW WHEN ({text}) EXECUTE FUNCTION f()"
            for text in (
                "NEW.name IN ('a', 'b')",
                "((NEW.name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            )
        ),
        rows=ROWS,
    ),
    *same(
        "domain's check over IN of varchar and its dump",
        "CREATE DOMAIN word AS varchar(9) CHECK (VALUE IN ('a', 'b'))",
        "CREATE DOMAIN word AS varchar(9) CONSTRAINT word_check CHECK (((VALUE)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
    ),
    *same(
        "generated column over IN of varchar and its dump",
        *two(
            f"CREATE TABLE item (id int, name varchar, c boolean GENERATED ALWAYS AS ({text}) STORED)"
            for text in (
                "name IN ('a', 'b')",
                "((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            )
        ),
        rows=ROWS,
    ),
    *same(
        "default over IN of varchar and its dump",
        *two(
            f"CREATE TABLE item (id int, name text, c boolean DEFAULT ({text}))"
            for text in (
                "CURRENT_USER::varchar IN ('a', 'b')",
                "((CURRENT_USER)::character varying)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])",
            )
        ),
        rows=ROWS,
    ),
    *same(
        "expression index over a varchar's cast and its dump",
        "CREATE TABLE item (id int, name varchar); CREATE INDEX lookup ON item (lower(name))",
        "CREATE TABLE item (id int, name varchar); CREATE INDEX lookup ON item USING btree (lower((name)::text))",
        rows=ROWS,
    ),
    *same(
        "statistics' expression over a varchar and its dump",
        "CREATE TABLE item (id int, name varchar); CREATE STATISTICS s ON (lower(name)) FROM item",
        "CREATE TABLE item (id int, name varchar); CREATE STATISTICS s ON (lower((name)::text)) FROM item",
        rows=ROWS,
    ),
    *same(
        "exclusion over its dump",
        "CREATE TABLE item (id int, name varchar, EXCLUDE (name WITH =) WHERE (name IN ('a', 'b')))",
        "CREATE TABLE item (id int, name varchar); ALTER TABLE ONLY item ADD CONSTRAINT item_name_excl EXCLUDE USING btree (name WITH =) WHERE (((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
        rows=ROWS,
    ),
    *same("body with trailing blanks", f"{TWICE} $$\nSELECT 2 * n\n$$", f"{TWICE} $$\nSELECT 2 * n  \n$$"),
    *same("body quoted otherwise", f"{TWICE} 'SELECT 2 * n'", f"{TWICE} $x$SELECT 2 * n$x$"),
    *same(
        "function's options that are the default",
        f"{TWICE} 'SELECT 2 * n'",
        f"{TWICE} 'SELECT 2 * n' VOLATILE CALLED ON NULL INPUT SECURITY INVOKER NOT LEAKPROOF PARALLEL UNSAFE COST 100",
    ),
    *same(
        "function's language quoted",
        f"{TWICE} 'SELECT 2 * n'",
        "CREATE OR REPLACE FUNCTION public.twice(IN n integer) RETURNS integer AS 'SELECT 2 * n' LANGUAGE 'sql'",
    ),
    *same(
        "function's settings in another order",
        f"{TWICE} 'SELECT 1' SET work_mem = '8MB' SET jit = off",
        f"{TWICE} 'SELECT 1' SET jit = off SET work_mem = '8MB'",
    ),
    *same(
        "aggregate with its defaults",
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
        "CREATE AGGREGATE total(int) (SFUNC = pg_catalog.int4pl, STYPE = integer, SSPACE = 0, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = UNSAFE)",
    ),
    *same(
        "enumeration grown label by label",
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c')",
        "CREATE TYPE mood AS ENUM ('c'); ALTER TYPE mood ADD VALUE 'a' BEFORE 'c'; ALTER TYPE mood ADD VALUE 'b' AFTER 'a'",
    ),
    *same(
        "enumeration whose label was renamed",
        "CREATE TYPE mood AS ENUM ('a', 'b')",
        "CREATE TYPE mood AS ENUM ('a', 'x'); ALTER TYPE mood RENAME VALUE 'x' TO 'b'",
    ),
    *same(
        "label used as soon as it is added",
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE item (id int, name mood DEFAULT 'b')",
        "CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'b'; CREATE TABLE item (id int, name mood DEFAULT 'b')",
    ),
    *same(
        "index made anew",
        f"{INDEXED}; CREATE INDEX lookup ON item (name)",
        f"{INDEXED}; CREATE INDEX lookup ON item (name); REINDEX INDEX lookup",
        rows=ROWS,
    ),
    *same(
        "domain altered afterwards",
        "CREATE DOMAIN price AS int NOT NULL DEFAULT 5 CONSTRAINT k CHECK (VALUE > 0)",
        "CREATE DOMAIN price AS integer; ALTER DOMAIN price SET DEFAULT 5; ALTER DOMAIN price SET NOT NULL; ALTER DOMAIN price ADD CONSTRAINT k CHECK ((VALUE > 0))",
    ),
    *same(
        "range type with its defaults",
        "CREATE TYPE span AS RANGE (subtype = float8)",
        "CREATE TYPE span AS RANGE (subtype = double precision, subtype_opclass = float8_ops, multirange_type_name = span_multirange)",
    ),
    *same(
        "partition attached",
        "CREATE TABLE log (id int, at date) PARTITION BY RANGE (at); CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); CREATE INDEX ON log (id)",
        "CREATE TABLE log (id int, at date) PARTITION BY RANGE (at); CREATE INDEX log_id_idx ON log (id); CREATE TABLE log_1 (at date, id int); CREATE INDEX log_1_id_idx ON log_1 (id); ALTER TABLE log ATTACH PARTITION log_1 FOR VALUES FROM ('2025-01-01') TO (DATE '2026-01-01')",
    ),
    *same(
        "child with inherited constraints",
        "CREATE TABLE parent (id int CONSTRAINT k CHECK (id > 0)); CREATE TABLE child () INHERITS (parent)",
        "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); ALTER TABLE parent ADD CONSTRAINT k CHECK (id > 0)",
    ),
    *same(
        "grants: none, revoked again and all the owner's spelled",
        "CREATE TABLE item (id int, name text)",
        "CREATE TABLE item (id int, name text); GRANT SELECT ON item TO corpus_reader; REVOKE ALL ON item FROM corpus_reader; GRANT ALL ON item TO postgres",
        rows=ROWS,
    ),
    *same(
        "grants in another order",
        "CREATE TABLE item (id int, name text); GRANT SELECT, UPDATE ON item TO corpus_reader; GRANT INSERT ON item TO corpus_writer",
        "CREATE TABLE item (id int, name text); GRANT INSERT ON item TO corpus_writer; GRANT UPDATE ON item TO corpus_reader; GRANT SELECT ON item TO corpus_reader",
        rows=ROWS,
    ),
    *same(
        "default privileges given and taken",
        "CREATE TABLE item (id int)",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO corpus_reader; ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM corpus_reader; CREATE TABLE item (id int)",
        movable=False,
    ),
    *same(
        "row-level security switched on and off",
        "CREATE TABLE item (id int, name text)",
        "CREATE TABLE item (id int, name text); ALTER TABLE item ENABLE ROW LEVEL SECURITY; ALTER TABLE item DISABLE ROW LEVEL SECURITY; ALTER TABLE item SET (fillfactor = 70); ALTER TABLE item RESET (fillfactor); ALTER TABLE item SET UNLOGGED; ALTER TABLE item SET LOGGED",
        rows=ROWS,
    ),
    *same(
        "policy for everyone, spelled",
        "CREATE TABLE item (id int, name text); CREATE POLICY p ON item USING (id > 0)",
        "CREATE TABLE item (id int, name text); CREATE POLICY p ON item AS PERMISSIVE FOR ALL TO PUBLIC USING ((id > 0))",
        rows=ROWS,
    ),
    *same(
        "trigger with old and new words",
        *two(
            f"CREATE TABLE item (id int, name text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t {text} f()"
            for text in (
                "AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION",
                "AFTER UPDATE OR INSERT ON public.item FOR ROW EXECUTE PROCEDURE",
            )
        ),
        rows=ROWS,
    ),
    *same(
        "table made by LIKE",
        "CREATE TABLE a (id int PRIMARY KEY, name text DEFAULT 'x' NOT NULL); CREATE INDEX a_name_idx ON a (name); CREATE TABLE b (id int PRIMARY KEY, name text DEFAULT 'x' NOT NULL); CREATE INDEX b_name_idx ON b (name)",
        "CREATE TABLE a (id int PRIMARY KEY, name text DEFAULT 'x' NOT NULL); CREATE INDEX a_name_idx ON a (name); CREATE TABLE b (LIKE a INCLUDING ALL)",
    ),
    *same(
        "objects renamed to their names",
        "CREATE TABLE item (id serial PRIMARY KEY, name text)",
        "CREATE TABLE thing (key serial PRIMARY KEY, name text); ALTER TABLE thing RENAME TO item; ALTER TABLE item RENAME key TO id; ALTER SEQUENCE thing_key_seq RENAME TO item_id_seq; ALTER INDEX thing_pkey RENAME TO item_pkey",
    ),
    *same(
        "made by a block of code",
        "CREATE TABLE item (id int, name text)",
        "DO $do$BEGIN IF NOT EXISTS (SELECT FROM pg_tables WHERE tablename = 'item') THEN EXECUTE 'CREATE TABLE item (id int, name text)'; END IF; END$do$",
        rows=ROWS,
        movable=False,
    ),
    *same(
        "declared rows and temporary tables",
        "CREATE TABLE item (id int, name text)",
        "CREATE TABLE item (id int, name text); CREATE TEMPORARY TABLE t (id int); INSERT INTO item VALUES (1, '100% :x $1'); ANALYZE item",
        rows=ROWS,
    ),
    *same(
        "extension with its schema and version",
        "CREATE EXTENSION hstore",
        "CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public VERSION '1.8'",
        movable=False,
    ),
    *same("name of 64 bytes, cut off", f"CREATE TABLE {'n' * 63} (id int)", f"CREATE TABLE {'n' * 70} (id int)"),
    *same("unicode escapes in a name", 'CREATE TABLE "Größe" (id int)', 'CREATE TABLE U&"Gr\\00F6\\00DFe" (id int)'),
    *same(
        "statistics of all kinds, spelled",
        "CREATE TABLE item (id int, name text); CREATE STATISTICS s ON id, name FROM item",
        "CREATE TABLE item (id int, name text); CREATE STATISTICS s (ndistinct, dependencies, mcv) ON name, id FROM item",
        rows=ROWS,
    ),
    *same(
        "analysed and vacuumed",
        "CREATE TABLE item (id int, name text); CREATE INDEX lookup ON item (lower(name))",
        "CREATE TABLE item (id int, name text); CREATE INDEX lookup ON item (lower(name)); ANALYZE",
        rows=ROWS,
    ),
]
