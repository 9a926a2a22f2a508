-- What somebody may do to a database made by base.sql, by kind and attribute of postgres_schema's registry. A heading without
-- statements says why there is none. Each paragraph is one mutation; {db} is the database's name.


---- database: privileges
GRANT CREATE ON DATABASE {db} TO amt_reader;

REVOKE CONNECT ON DATABASE {db} FROM PUBLIC;


---- database: comment (none: only compared where the definition makes one: test_postgres_schema.py)

---- database: settings (none: only compared where the definition makes one: test_postgres_schema.py)

---- database: owner (none: only compared where the definition makes one: test_postgres_schema.py)

---- schema: missing
DROP SCHEMA app CASCADE;


---- schema: extra
CREATE SCHEMA more;


---- schema: owner
ALTER SCHEMA app OWNER TO amt_owner;


---- schema: privileges
REVOKE USAGE ON SCHEMA app FROM amt_reader;

GRANT CREATE ON SCHEMA public TO PUBLIC;


---- schema: comment
COMMENT ON SCHEMA app IS NULL;


---- extension: missing
DROP EXTENSION "uuid-ossp";

DROP EXTENSION vector CASCADE;


---- extension: extra
CREATE EXTENSION pg_trgm;


---- extension: version
DROP EXTENSION hstore;
CREATE EXTENSION hstore SCHEMA app VERSION '1.7';


---- extension: schema
ALTER EXTENSION hstore SET SCHEMA public;


---- extension: comment
COMMENT ON EXTENSION hstore IS 'other';


---- enum: missing
DROP TYPE mood CASCADE;


---- enum: extra
CREATE TYPE colour AS ENUM ('red');


---- enum: values
ALTER TYPE mood ADD VALUE 'angry';

ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';

ALTER TABLE people ALTER feeling DROP DEFAULT, ALTER feeling TYPE text;
DROP TYPE mood;
CREATE TYPE mood AS ENUM ('sad', 'happy');
UPDATE people SET feeling = 'sad';
ALTER TABLE people ALTER feeling TYPE mood USING feeling::mood, ALTER feeling SET DEFAULT 'sad';


---- enum: owner
ALTER TYPE mood OWNER TO amt_owner;


---- enum: privileges
REVOKE USAGE ON TYPE mood FROM PUBLIC;


---- enum: comment
COMMENT ON TYPE mood IS 'else';


---- composite type: missing
DROP TYPE pair CASCADE;


---- composite type: extra
CREATE TYPE triple AS (x integer);


---- composite type: attributes
DROP TABLE of_pair;
ALTER TYPE pair ADD ATTRIBUTE c date;

DROP TABLE of_pair;
ALTER TYPE pair DROP ATTRIBUTE b;

DROP TABLE of_pair;
ALTER TABLE people DROP both_;
ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint;


---- composite type: owner
ALTER TYPE pair OWNER TO amt_owner;


---- composite type: privileges
GRANT USAGE ON TYPE pair TO amt_reader;


---- composite type: attribute_comments
COMMENT ON COLUMN pair.a IS 'first';


---- composite type: comment
COMMENT ON TYPE pair IS 'two';


---- domain: missing
DROP DOMAIN label CASCADE;


---- domain: extra
CREATE DOMAIN zip AS text;


---- domain: type
ALTER TABLE people ALTER tag TYPE text;
DROP DOMAIN label;
CREATE DOMAIN label AS text DEFAULT 'none' NOT NULL CONSTRAINT label_filled CHECK (VALUE <> '');
ALTER TABLE people ALTER tag TYPE label;


---- domain: collation
ALTER TABLE people ALTER tag TYPE text;
DROP DOMAIN label;
CREATE DOMAIN label AS varchar(40) COLLATE "C" DEFAULT 'none' NOT NULL CONSTRAINT label_filled CHECK (VALUE <> '');
ALTER TABLE people ALTER tag TYPE label;


---- domain: default
ALTER DOMAIN label SET DEFAULT 'some';

ALTER DOMAIN label DROP DEFAULT;


---- domain: not_null
ALTER DOMAIN label DROP NOT NULL;


---- domain: owner
ALTER DOMAIN label OWNER TO amt_owner;


---- domain: privileges
GRANT USAGE ON DOMAIN label TO amt_reader;


---- domain: comment
COMMENT ON DOMAIN label IS NULL;


---- domain constraint: missing
ALTER DOMAIN label DROP CONSTRAINT label_filled;


---- domain constraint: extra
ALTER DOMAIN label ADD CONSTRAINT short CHECK (length(VALUE) < 30);


---- domain constraint: expression
ALTER DOMAIN label DROP CONSTRAINT label_filled;
ALTER DOMAIN label ADD CONSTRAINT label_filled CHECK (VALUE <> 'x');


---- domain constraint: validated
ALTER DOMAIN label DROP CONSTRAINT label_filled;
ALTER DOMAIN label ADD CONSTRAINT label_filled CHECK (VALUE <> '') NOT VALID;


---- domain constraint: comment
COMMENT ON CONSTRAINT label_filled ON DOMAIN label IS 'x';


---- range type: missing
DROP TYPE span;


---- range type: extra
CREATE TYPE spans AS RANGE (subtype = text);


---- range type: subtype
DROP TYPE span;
CREATE TYPE span AS RANGE (subtype = numeric);


---- range type: operator_class
DROP TYPE span;
CREATE TYPE span AS RANGE (subtype = text, subtype_opclass = text_pattern_ops);


---- range type: collation
DROP TYPE span;
CREATE TYPE span AS RANGE (subtype = text, collation = "C");


---- range type: canonical (none: a canonical function needs a shell type and C)

---- range type: difference
DROP TYPE span;
CREATE TYPE span AS RANGE (subtype = float8);


---- range type: multirange
DROP TYPE span;
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = spans);


---- range type: owner
ALTER TYPE span OWNER TO amt_owner;


---- range type: privileges
GRANT USAGE ON TYPE span TO amt_reader;


---- range type: comment
COMMENT ON TYPE span IS 'x';


---- sequence: missing
DROP SEQUENCE tickets;

DROP SEQUENCE orders_id_seq CASCADE;


---- sequence: extra
CREATE SEQUENCE spare;


---- sequence: persistence
ALTER SEQUENCE tickets SET UNLOGGED;


---- sequence: type
ALTER SEQUENCE tickets AS bigint;


---- sequence: start
ALTER SEQUENCE tickets START 20;


---- sequence: increment
ALTER SEQUENCE tickets INCREMENT 1;

ALTER SEQUENCE people_id_seq INCREMENT 3;


---- sequence: minimum
ALTER SEQUENCE tickets MINVALUE 1;


---- sequence: maximum
ALTER SEQUENCE tickets MAXVALUE 20000;

ALTER SEQUENCE tickets MAXVALUE 5000;


---- sequence: cache
ALTER SEQUENCE tickets CACHE 1;


---- sequence: cycle
ALTER SEQUENCE tickets NO CYCLE;


---- sequence: owned_by
ALTER SEQUENCE orders_id_seq OWNED BY NONE;

ALTER SEQUENCE tickets OWNED BY orders.amount;


---- sequence: owner
ALTER SEQUENCE tickets OWNER TO amt_owner;


---- sequence: privileges
REVOKE ALL ON SEQUENCE tickets FROM amt_reader;


---- sequence: comment
COMMENT ON SEQUENCE tickets IS NULL;


---- function: missing
DROP FUNCTION many;

DROP FUNCTION touch() CASCADE;


---- function: extra
CREATE FUNCTION double(text) RETURNS text LANGUAGE sql AS 'SELECT $1';


---- function: type
DROP PROCEDURE clean;
CREATE FUNCTION clean(days integer) RETURNS integer LANGUAGE sql AS ' SELECT days ';


---- function: arguments
DROP FUNCTION many;
CREATE FUNCTION many(n integer, step integer DEFAULT 2) RETURNS SETOF integer LANGUAGE sql STABLE ROWS 50 AS $$ SELECT generate_series(1, n, step) $$;


---- function: returns
DROP FUNCTION many;
CREATE FUNCTION many(n integer, step integer DEFAULT 1) RETURNS SETOF bigint LANGUAGE sql STABLE ROWS 50 AS $$ SELECT generate_series(1, n, step) $$;


---- function: language
CREATE OR REPLACE FUNCTION atomic_add(a integer, b integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN a + b;
END';


---- function: volatility
ALTER FUNCTION double VOLATILE;


---- function: strict
ALTER FUNCTION double CALLED ON NULL INPUT;


---- function: security_definer
ALTER FUNCTION double SECURITY DEFINER;


---- function: leakproof
ALTER FUNCTION double LEAKPROOF;


---- function: parallel
ALTER FUNCTION double PARALLEL UNSAFE;


---- function: cost
ALTER FUNCTION double COST 100;


---- function: rows
ALTER FUNCTION many ROWS 1000;


---- function: settings
ALTER FUNCTION double RESET search_path;

ALTER FUNCTION double SET work_mem = '1MB';


---- function: support
ALTER FUNCTION many SUPPORT generate_series_int4_support;


---- function: library (none: only functions in C have one)

---- function: body
CREATE OR REPLACE FUNCTION double(x integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7 SET search_path = pg_catalog AS ' SELECT x * 3 ';

CREATE OR REPLACE FUNCTION atomic_add(a integer, b integer) RETURNS integer LANGUAGE sql RETURN a - b;


---- function: owner
ALTER FUNCTION double OWNER TO amt_owner;


---- function: privileges
GRANT EXECUTE ON FUNCTION double TO PUBLIC;


---- function: comment
COMMENT ON FUNCTION double IS 'x';


---- aggregate: missing
DROP AGGREGATE total(integer);


---- aggregate: extra
CREATE AGGREGATE total(bigint) (SFUNC = int8pl, STYPE = bigint);


---- aggregate: arguments
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(x integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');


---- aggregate: returns
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4_avg_accum, STYPE = int8[], FINALFUNC = int8_avg, INITCOND = '{0,0}');


---- aggregate: combinefunc
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', COMBINEFUNC = int4pl);


---- aggregate: finalfunc
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', FINALFUNC = int4abs);


---- aggregate: initcond
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '5');


---- aggregate: parallel
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', PARALLEL = SAFE);


---- aggregate: sspace
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', SSPACE = 64);


---- aggregate: sortop
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', SORTOP = OPERATOR(pg_catalog.<));


---- aggregate: finalfunc_modify
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', FINALFUNC_MODIFY = SHAREABLE);


---- aggregate: finalfunc_extra
DROP AGGREGATE total(integer);
CREATE FUNCTION total_end(integer, integer) RETURNS integer LANGUAGE sql AS 'SELECT $1';
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', FINALFUNC = total_end, FINALFUNC_EXTRA);


---- aggregate: msfunc
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0');


---- aggregate: minvfunc
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0');


---- aggregate: mstype
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0');


---- aggregate: minitcond
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0');


---- aggregate: msspace
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0', MSSPACE = 8);


---- aggregate: mfinalfunc
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0', MFINALFUNC = int4abs);


---- aggregate: mfinalfunc_modify
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0', MFINALFUNC_MODIFY = SHAREABLE);


---- aggregate: sfunc
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int4mi, STYPE = integer, INITCOND = '0');


---- aggregate: stype
DROP AGGREGATE total(integer);
CREATE AGGREGATE total(integer) (SFUNC = int84pl, STYPE = bigint, INITCOND = '0');


---- aggregate: owner
ALTER AGGREGATE total(integer) OWNER TO amt_owner;


---- aggregate: privileges
GRANT EXECUTE ON FUNCTION total(integer) TO amt_reader;


---- aggregate: comment
COMMENT ON AGGREGATE total(integer) IS NULL;


---- table: missing
DROP TABLE cache;

DROP TABLE orders CASCADE;

DROP TABLE events_2026;

DROP TABLE heir;

DROP TABLE events CASCADE;


---- table: extra
CREATE TABLE spare (id integer PRIMARY KEY);
CREATE INDEX ON spare (id);


---- table: persistence
ALTER TABLE cache SET LOGGED;


---- table: partition_key
ALTER TABLE events DETACH PARTITION events_2025;
ALTER TABLE events DETACH PARTITION events_2026;
DROP TABLE events;
CREATE TABLE events (at date NOT NULL, kind text NOT NULL, data jsonb, PRIMARY KEY (at, kind));
CREATE INDEX events_data ON events USING gin (data jsonb_path_ops);
INSERT INTO events VALUES ('2026-06-06', 'c', '{}');


---- table: partition_of
ALTER TABLE events DETACH PARTITION events_2026;

ALTER TABLE events_old ADD PRIMARY KEY (at, kind);
ALTER TABLE events ATTACH PARTITION events_old FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');


---- table: bound
ALTER TABLE events DETACH PARTITION events_2026;
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2028-01-01');


---- table: inherits
ALTER TABLE heir NO INHERIT base;


---- table: of_type
ALTER TABLE of_pair NOT OF;


---- table: options
ALTER TABLE people SET (fillfactor = 70);

ALTER TABLE people RESET (fillfactor);

ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = off);


---- table: access_method (none: there is none besides heap)

---- table: tablespace
ALTER TABLE cache SET TABLESPACE amt_space;


---- table: row_security
ALTER TABLE people DISABLE ROW LEVEL SECURITY;


---- table: force_row_security
ALTER TABLE people FORCE ROW LEVEL SECURITY;


---- table: replica_identity
ALTER TABLE orders REPLICA IDENTITY DEFAULT;

ALTER TABLE people REPLICA IDENTITY FULL;


---- table: owner
ALTER TABLE people OWNER TO amt_owner;


---- table: privileges
GRANT INSERT ON people TO amt_reader;

GRANT SELECT ON people TO amt_reader WITH GRANT OPTION;

REVOKE SELECT ON people FROM amt_reader;

REVOKE TRUNCATE ON people FROM postgres;


---- table: comment
COMMENT ON TABLE people IS 'it''s';

COMMENT ON TABLE orders IS 'new';


---- column: missing
ALTER TABLE people DROP note;

ALTER TABLE people DROP email CASCADE;

ALTER TABLE orders DROP id CASCADE;

ALTER TABLE people DROP id CASCADE;

ALTER TABLE people DROP changed;

ALTER TABLE people DROP twice;

ALTER TABLE base DROP label;


---- column: extra
ALTER TABLE people ADD more text;

ALTER TABLE base ADD more text DEFAULT 'x';

ALTER TABLE events ADD more integer;


---- column: type
ALTER TABLE people ALTER status TYPE varchar(10);

ALTER TABLE people ALTER status TYPE varchar(200);

DROP MATERIALIZED VIEW spending;
ALTER TABLE orders ALTER amount TYPE integer;

ALTER TABLE people ALTER note TYPE varchar(100);

ALTER TABLE people DROP spot;
ALTER TABLE people ADD spot vector(2);

ALTER TABLE people ALTER tags DROP DEFAULT, ALTER tags TYPE varchar[];
ALTER TABLE people ALTER tags SET DEFAULT '{}';

ALTER TABLE base ALTER id TYPE bigint;

ALTER TABLE people ALTER feeling DROP DEFAULT, ALTER feeling TYPE text, ALTER feeling SET DEFAULT 'ok';

DROP VIEW adult_names, adults;
DROP TRIGGER people_touch ON people;
DROP POLICY own_people ON people;
ALTER TABLE people ALTER name TYPE text COLLATE "C";

ALTER TABLE orders ALTER person2 TYPE bigint;


---- column: collation
ALTER TABLE people ALTER note TYPE text COLLATE "POSIX";


---- column: default
ALTER TABLE people ALTER status SET DEFAULT 'old';

ALTER TABLE people ALTER status DROP DEFAULT;

ALTER TABLE people ALTER age SET DEFAULT 1;

ALTER TABLE orders ALTER id DROP DEFAULT;


---- column: not_null
ALTER TABLE people ALTER status DROP NOT NULL;

ALTER TABLE people ALTER status DROP NOT NULL;
UPDATE people SET status = NULL;

ALTER TABLE base ALTER id SET NOT NULL;


---- column: generated
ALTER TABLE people ALTER twice DROP EXPRESSION;

ALTER TABLE people DROP twice, ADD twice integer GENERATED ALWAYS AS (age * 3) STORED;

ALTER TABLE people DROP born CASCADE, ADD born date GENERATED ALWAYS AS ('2000-01-01') STORED;


---- column: identity
ALTER TABLE people ALTER id SET GENERATED ALWAYS;

ALTER TABLE people ALTER id DROP IDENTITY;

ALTER TABLE people ALTER id DROP IDENTITY;
CREATE SEQUENCE s2;
ALTER TABLE people ALTER id SET DEFAULT nextval('s2');

ALTER TABLE orders ALTER id DROP DEFAULT;
DROP SEQUENCE orders_id_seq;
ALTER TABLE orders ALTER id ADD GENERATED ALWAYS AS IDENTITY;


---- column: storage
ALTER TABLE people ALTER note SET STORAGE MAIN;


---- column: compression
ALTER TABLE people ALTER note SET COMPRESSION default;


---- column: statistics
ALTER TABLE people ALTER note SET STATISTICS -1;

ALTER TABLE people ALTER name SET STATISTICS 10;


---- column: options
ALTER TABLE people ALTER age RESET (n_distinct);

ALTER TABLE people ALTER age SET (n_distinct = 5);


---- column: privileges
REVOKE UPDATE (note) ON people FROM amt_reader;

GRANT SELECT (email) ON people TO amt_reader;


---- column: comment
COMMENT ON COLUMN people.name IS NULL;

COMMENT ON COLUMN people.age IS 'years';


---- constraint: missing
ALTER TABLE people DROP CONSTRAINT people_status;

ALTER TABLE people DROP CONSTRAINT people_pkey CASCADE;

ALTER TABLE people DROP CONSTRAINT people_email;

ALTER TABLE orders DROP CONSTRAINT orders_person_fkey;

ALTER TABLE orders DROP CONSTRAINT orders_apart;

ALTER TABLE events DROP CONSTRAINT events_pkey;

ALTER TABLE people DROP CONSTRAINT people_adult;


---- constraint: extra
ALTER TABLE people ADD CONSTRAINT more CHECK (age < 500);

ALTER TABLE people ADD UNIQUE (born);


---- constraint: type
ALTER TABLE people DROP CONSTRAINT people_status;
ALTER TABLE people ADD CONSTRAINT people_status UNIQUE (note);


---- constraint: columns
ALTER TABLE orders DROP CONSTRAINT orders_person2;
ALTER TABLE orders ADD CONSTRAINT orders_person2 FOREIGN KEY (person) REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED;


---- constraint: include
ALTER TABLE people DROP CONSTRAINT people_email;
ALTER TABLE people ADD CONSTRAINT people_email UNIQUE (email);


---- constraint: nulls_not_distinct
ALTER TABLE people DROP CONSTRAINT people_email;
ALTER TABLE people ADD CONSTRAINT people_email UNIQUE NULLS NOT DISTINCT (email) INCLUDE (born);


---- constraint: expression
ALTER TABLE people DROP CONSTRAINT people_status;
ALTER TABLE people ADD CONSTRAINT people_status CHECK (status IN ('new', 'old', 'gone'));


---- constraint: no_inherit
ALTER TABLE people DROP CONSTRAINT people_status;
ALTER TABLE people ADD CONSTRAINT people_status CHECK (status IN ('new', 'old')) NO INHERIT;


---- constraint: references
ALTER TABLE orders DROP CONSTRAINT orders_person2;
ALTER TABLE orders ADD CONSTRAINT orders_person2 FOREIGN KEY (person2) REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED;


---- constraint: referenced_columns
ALTER TABLE orders DROP CONSTRAINT orders_person2;
CREATE UNIQUE INDEX age_key ON people (age);
UPDATE orders SET person2 = NULL;
ALTER TABLE orders ADD CONSTRAINT orders_person2 FOREIGN KEY (person2) REFERENCES people (age) DEFERRABLE INITIALLY DEFERRED;


---- constraint: match
ALTER TABLE orders DROP CONSTRAINT orders_person2;
ALTER TABLE orders ADD CONSTRAINT orders_person2 FOREIGN KEY (person2) REFERENCES people (id) MATCH FULL DEFERRABLE INITIALLY DEFERRED;


---- constraint: on_update
ALTER TABLE orders DROP CONSTRAINT orders_person_fkey;
ALTER TABLE orders ADD FOREIGN KEY (person) REFERENCES people (id) ON DELETE CASCADE;


---- constraint: on_delete
ALTER TABLE orders DROP CONSTRAINT orders_person_fkey;
ALTER TABLE orders ADD FOREIGN KEY (person) REFERENCES people (id) ON UPDATE RESTRICT ON DELETE SET NULL;


---- constraint: on_delete_columns
ALTER TABLE orders DROP CONSTRAINT orders_person_fkey;
ALTER TABLE orders ADD FOREIGN KEY (person) REFERENCES people (id) ON UPDATE RESTRICT ON DELETE SET NULL (person);


---- constraint: definition
ALTER TABLE orders DROP CONSTRAINT orders_apart;
ALTER TABLE orders ADD CONSTRAINT orders_apart EXCLUDE USING gist (during WITH =);


---- constraint: deferrable
ALTER TABLE orders ALTER CONSTRAINT orders_person2 NOT DEFERRABLE;

ALTER TABLE people DROP CONSTRAINT people_email;
ALTER TABLE people ADD CONSTRAINT people_email UNIQUE (email) INCLUDE (born) DEFERRABLE;


---- constraint: initially_deferred
ALTER TABLE orders ALTER CONSTRAINT orders_person2 DEFERRABLE INITIALLY IMMEDIATE;


---- constraint: validated
ALTER TABLE people VALIDATE CONSTRAINT people_adult;

ALTER TABLE people DROP CONSTRAINT people_status;
ALTER TABLE people ADD CONSTRAINT people_status CHECK (status IN ('new', 'old')) NOT VALID;


---- constraint: options
ALTER INDEX people_email SET (fillfactor = 50);


---- constraint: tablespace
ALTER INDEX people_email SET TABLESPACE amt_space;


---- constraint: clustered
ALTER TABLE people CLUSTER ON people_pkey;


---- constraint: attached_to (none: a partition's key cannot be detached from its parent's)

---- constraint: comment
COMMENT ON CONSTRAINT people_email ON people IS NULL;


---- index: missing
DROP INDEX orders_amount;

DROP INDEX people_lower;

DROP INDEX events_data;

DROP INDEX people_spot;

DROP INDEX spending_person;


---- index: extra
CREATE INDEX more ON people (born);

ALTER INDEX people_tags RENAME TO people_tags_old;


---- index: table
DROP INDEX people_tags;
ALTER TABLE orders ADD tags text[];
CREATE INDEX people_tags ON orders USING gin (tags);


---- index: method
DROP INDEX people_tags;
CREATE INDEX people_tags ON people USING btree (tags);


---- index: unique
DROP INDEX people_lower;
CREATE INDEX people_lower ON people (lower(email)) WHERE email IS NOT NULL;


---- index: nulls_not_distinct
DROP INDEX people_lower;
CREATE UNIQUE INDEX people_lower ON people (lower(email)) NULLS NOT DISTINCT WHERE email IS NOT NULL;


---- index: columns
DROP INDEX orders_amount;
CREATE INDEX orders_amount ON orders (amount DESC) INCLUDE (person) WITH (fillfactor = 70) WHERE amount > 0;

DROP INDEX people_name_pattern;
CREATE INDEX people_name_pattern ON people (name);

DROP INDEX people_lower;
CREATE UNIQUE INDEX people_lower ON people (upper(email)) WHERE email IS NOT NULL;

DROP INDEX people_name_pattern;
CREATE INDEX people_name_pattern ON people (name COLLATE "POSIX" text_pattern_ops);

DROP INDEX people_spot;
CREATE INDEX people_spot ON people USING hnsw (spot vector_l2_ops);


---- index: include
DROP INDEX orders_amount;
CREATE INDEX orders_amount ON orders (amount DESC NULLS LAST) WITH (fillfactor = 70) WHERE amount > 0;


---- index: predicate
DROP INDEX orders_amount;
CREATE INDEX orders_amount ON orders (amount DESC NULLS LAST) INCLUDE (person) WITH (fillfactor = 70) WHERE amount > 5;


---- index: valid
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'people_tags'::regclass;


---- index: options
ALTER INDEX orders_amount RESET (fillfactor);

DROP INDEX people_spot;
CREATE INDEX people_spot ON people USING hnsw (spot vector_cosine_ops) WITH (m = 8);


---- index: tablespace
ALTER INDEX people_tags SET TABLESPACE amt_space;


---- index: clustered
ALTER TABLE people SET WITHOUT CLUSTER;


---- index: statistics
ALTER INDEX people_lower ALTER COLUMN 1 SET STATISTICS -1;


---- index: attached_to (none: a partition's index cannot be detached from its parent's)

---- index: comment
COMMENT ON INDEX people_tags IS 'x';


---- view: missing
DROP VIEW adult_names;

DROP VIEW adults CASCADE;


---- view: extra
CREATE VIEW babies AS SELECT id FROM people WHERE age < 1;


---- view: definition
CREATE OR REPLACE VIEW adults WITH (security_barrier) AS SELECT id, name, email FROM people WHERE age >= 21;


---- view: columns
CREATE OR REPLACE VIEW adults WITH (security_barrier) AS SELECT id, name, email, born FROM people WHERE age >= 18;

DROP VIEW adult_names, adults;
CREATE VIEW adults WITH (security_barrier) AS SELECT id, name FROM people WHERE age >= 18;


---- view: options
ALTER VIEW adults RESET (security_barrier);

ALTER VIEW adults SET (security_invoker = true, check_option = local);


---- view: owner
ALTER VIEW adults OWNER TO amt_owner;


---- view: privileges
GRANT SELECT ON adults TO PUBLIC;


---- view: comment
COMMENT ON VIEW adults IS 'x';


---- materialized view: missing
DROP MATERIALIZED VIEW spending;


---- materialized view: extra
CREATE MATERIALIZED VIEW heads AS SELECT count(*) FROM people;


---- materialized view: definition
DROP MATERIALIZED VIEW spending;
CREATE MATERIALIZED VIEW spending WITH (fillfactor = 90) AS SELECT person, sum(amount + 1) AS total FROM orders GROUP BY person;


---- materialized view: columns
DROP MATERIALIZED VIEW spending;
CREATE MATERIALIZED VIEW spending AS SELECT person, sum(amount) AS total, 1 AS one FROM orders GROUP BY person;


---- materialized view: options
ALTER MATERIALIZED VIEW spending RESET (fillfactor);


---- materialized view: access_method (none: there is none besides heap)

---- materialized view: tablespace
ALTER MATERIALIZED VIEW spending SET TABLESPACE amt_space;


---- materialized view: owner
ALTER MATERIALIZED VIEW spending OWNER TO amt_owner;


---- materialized view: privileges
GRANT SELECT ON spending TO amt_reader;


---- materialized view: comment
COMMENT ON MATERIALIZED VIEW spending IS NULL;


---- view column: default
ALTER VIEW adults ALTER email DROP DEFAULT;


---- view column: statistics
ALTER MATERIALIZED VIEW spending ALTER total SET STATISTICS -1;


---- view column: privileges
REVOKE SELECT (name) ON adults FROM amt_reader;


---- view column: comment
COMMENT ON COLUMN adults.name IS 'x';


---- trigger: missing
DROP TRIGGER people_touch ON people;


---- trigger: extra
CREATE TRIGGER more BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();


---- trigger: function
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch BEFORE UPDATE OF name, email ON people FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION touch_other('a', 'b');


---- trigger: arguments
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch BEFORE UPDATE OF name, email ON people FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION touch('a');


---- trigger: timing
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch AFTER UPDATE OF name, email ON people FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION touch('a', 'b');


---- trigger: level
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch BEFORE UPDATE OF name, email ON people FOR EACH STATEMENT EXECUTE FUNCTION touch('a', 'b');


---- trigger: events
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch BEFORE UPDATE OF name, email OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION touch('a', 'b');


---- trigger: columns
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch BEFORE UPDATE OF name ON people FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION touch('a', 'b');


---- trigger: condition
DROP TRIGGER people_touch ON people;
CREATE TRIGGER people_touch BEFORE UPDATE OF name, email ON people FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION touch('a', 'b');


---- trigger: old_table
DROP TRIGGER people_seen ON people;
CREATE TRIGGER people_seen AFTER UPDATE ON people REFERENCING OLD TABLE AS was NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION touch_other();


---- trigger: new_table
DROP TRIGGER people_seen ON people;
CREATE TRIGGER people_seen AFTER UPDATE ON people REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION touch_other();


---- trigger: constraint
DROP TRIGGER orders_later ON orders;
CREATE TRIGGER orders_later AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch_other();


---- trigger: deferrable
DROP TRIGGER orders_later ON orders;
CREATE CONSTRAINT TRIGGER orders_later AFTER INSERT ON orders FROM people FOR EACH ROW EXECUTE FUNCTION touch_other();


---- trigger: initially_deferred
DROP TRIGGER orders_later ON orders;
CREATE CONSTRAINT TRIGGER orders_later AFTER INSERT ON orders FROM people DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touch_other();


---- trigger: referenced
DROP TRIGGER orders_later ON orders;
CREATE CONSTRAINT TRIGGER orders_later AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch_other();


---- trigger: enabled
ALTER TABLE people DISABLE TRIGGER people_touch;

ALTER TABLE people ENABLE ALWAYS TRIGGER people_touch;


---- trigger: comment
COMMENT ON TRIGGER people_touch ON people IS NULL;


---- rule: missing
DROP RULE cache_keep ON cache;


---- rule: extra
CREATE RULE more AS ON UPDATE TO cache DO ALSO NOTHING;


---- rule: definition
CREATE OR REPLACE RULE cache_keep AS ON DELETE TO cache WHERE OLD.key = 'a' DO INSTEAD NOTHING;


---- rule: enabled
ALTER TABLE cache DISABLE RULE cache_keep;


---- rule: comment
COMMENT ON RULE cache_keep ON cache IS NULL;


---- policy: missing
DROP POLICY own_people ON people;


---- policy: extra
CREATE POLICY everybody ON people USING (true);


---- policy: command
DROP POLICY own_people ON people;
CREATE POLICY own_people ON people FOR UPDATE TO amt_reader USING (name = CURRENT_USER) WITH CHECK (age > 0);


---- policy: permissive
DROP POLICY own_people ON people;
CREATE POLICY own_people ON people AS RESTRICTIVE TO amt_reader USING (name = CURRENT_USER) WITH CHECK (age > 0);


---- policy: roles
ALTER POLICY own_people ON people TO PUBLIC;


---- policy: using
ALTER POLICY own_people ON people USING (true);


---- policy: check
ALTER POLICY own_people ON people WITH CHECK (age > 1);

DROP POLICY own_people ON people;
CREATE POLICY own_people ON people TO amt_reader USING (name = CURRENT_USER);


---- policy: comment
COMMENT ON POLICY own_people ON people IS 'x';


---- statistics: missing
DROP STATISTICS people_both;


---- statistics: extra
CREATE STATISTICS more ON age, id FROM people;


---- statistics: table
DROP STATISTICS people_both;
CREATE STATISTICS people_both (dependencies, ndistinct) ON id, person FROM orders;


---- statistics: kinds
DROP STATISTICS people_both;
CREATE STATISTICS people_both (mcv) ON age, born FROM people;


---- statistics: columns
DROP STATISTICS people_both;
CREATE STATISTICS people_both (dependencies, ndistinct) ON age, born, lower(note) FROM people;


---- statistics: target
ALTER STATISTICS people_both SET STATISTICS -1;


---- statistics: owner
ALTER STATISTICS people_both OWNER TO amt_owner;


---- statistics: comment
COMMENT ON STATISTICS people_both IS NULL;


---- default privileges: missing
ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM amt_reader;

ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;


---- default privileges: extra
ALTER DEFAULT PRIVILEGES FOR ROLE amt_owner GRANT SELECT ON TABLES TO amt_reader;

ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO amt_reader;


---- default privileges: privileges
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT INSERT ON TABLES TO amt_reader;


---- event trigger: missing
DROP EVENT TRIGGER watch;


---- event trigger: extra
CREATE EVENT TRIGGER more ON sql_drop EXECUTE FUNCTION noticed();


---- event trigger: event
DROP EVENT TRIGGER watch;
CREATE EVENT TRIGGER watch ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION noticed();


---- event trigger: tags
DROP EVENT TRIGGER watch;
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION noticed();


---- event trigger: function
DROP EVENT TRIGGER watch;
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION noticed_too();


---- event trigger: enabled
ALTER EVENT TRIGGER watch DISABLE;


---- event trigger: owner (none: its owner has to be a superuser, and there is one)

---- event trigger: comment
COMMENT ON EVENT TRIGGER watch IS NULL;

---- database: missing (none: a module cannot connect to it)

---- database: extra (none: one is one)

---- aggregate: serialfunc (none: only aggregates with an internal state have one)

---- aggregate: deserialfunc (none: only aggregates with an internal state have one)

---- aggregate: mfinalfunc_extra (none: it goes with finalfunc_extra, whose test it shares)

---- aggregate: hypothetical (none: only ordered-set aggregates have it, whose functions are written in C)

---- view column: missing (none: it comes and goes with its view)

---- view column: extra (none: it comes and goes with its view)

---- collation: missing
DROP TABLE words;
DROP COLLATION german;

---- collation: extra
CREATE COLLATION french (PROVIDER = icu, LOCALE = 'fr');

---- collation: provider
DROP TABLE words;
DROP COLLATION german;
CREATE COLLATION german (LC_COLLATE = 'C', LC_CTYPE = 'C');

---- collation: deterministic
DROP TABLE words;
DROP COLLATION german;
CREATE COLLATION german (PROVIDER = icu, LOCALE = 'de', DETERMINISTIC = false);
CREATE TABLE words (word text COLLATE german);

---- collation: collate
DROP COLLATION plain;
CREATE COLLATION plain (LC_COLLATE = 'POSIX', LC_CTYPE = 'C');

---- collation: ctype
DROP COLLATION plain;
CREATE COLLATION plain (LC_COLLATE = 'C', LC_CTYPE = 'POSIX');

---- collation: locale
DROP TABLE words;
DROP COLLATION german;
CREATE COLLATION german (PROVIDER = icu, LOCALE = 'fr');
CREATE TABLE words (word text COLLATE german);

---- collation: rules (none: PostgreSQL 16 brought them)

---- collation: owner
ALTER COLLATION plain OWNER TO amt_owner;

---- collation: comment
COMMENT ON COLLATION plain IS 'x';

---- cast: missing
DROP CAST (integer AS pair);

---- cast: extra
CREATE CAST (pair AS text) WITH INOUT;

---- cast: context
DROP CAST (integer AS pair);
CREATE CAST (integer AS pair) WITH FUNCTION pair_of(integer);

---- cast: method
DROP CAST (integer AS pair);
CREATE CAST (integer AS pair) WITH INOUT;

---- cast: function
DROP CAST (integer AS pair);
CREATE CAST (integer AS pair) WITH FUNCTION pair_also(integer) AS ASSIGNMENT;

---- cast: comment
COMMENT ON CAST (integer AS pair) IS NULL;

---- operator: missing
DROP OPERATOR app.!== (pair, pair);

DROP OPERATOR app.=== (pair, pair);

---- operator: extra
CREATE OPERATOR app.~~~ (FUNCTION = pair_other, LEFTARG = pair, RIGHTARG = pair);

---- operator: function
DROP OPERATOR app.!== (pair, pair);
CREATE OPERATOR app.!== (FUNCTION = pair_same, LEFTARG = pair, RIGHTARG = pair, NEGATOR = OPERATOR(app.===));

---- operator: commutator
DROP OPERATOR app.!== (pair, pair);
DROP OPERATOR app.=== (pair, pair);
CREATE OPERATOR app.=== (FUNCTION = pair_same, LEFTARG = pair, RIGHTARG = pair, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES);
COMMENT ON OPERATOR app.=== (pair, pair) IS 'same';
CREATE OPERATOR app.!== (FUNCTION = pair_other, LEFTARG = pair, RIGHTARG = pair, NEGATOR = OPERATOR(app.===));

---- operator: negator
DROP OPERATOR app.!== (pair, pair);
CREATE OPERATOR app.!== (FUNCTION = pair_other, LEFTARG = pair, RIGHTARG = pair);

---- operator: restrict
ALTER OPERATOR app.=== (pair, pair) SET (RESTRICT = NONE);

---- operator: join
ALTER OPERATOR app.=== (pair, pair) SET (JOIN = NONE);

---- operator: hashes
DROP OPERATOR app.!== (pair, pair);
DROP OPERATOR app.=== (pair, pair);
CREATE OPERATOR app.=== (FUNCTION = pair_same, LEFTARG = pair, RIGHTARG = pair, COMMUTATOR = OPERATOR(app.===), RESTRICT = eqsel, JOIN = eqjoinsel);
COMMENT ON OPERATOR app.=== (pair, pair) IS 'same';
CREATE OPERATOR app.!== (FUNCTION = pair_other, LEFTARG = pair, RIGHTARG = pair, NEGATOR = OPERATOR(app.===));

---- operator: merges
DROP OPERATOR app.!== (pair, pair);
DROP OPERATOR app.=== (pair, pair);
CREATE OPERATOR app.=== (FUNCTION = pair_same, LEFTARG = pair, RIGHTARG = pair, COMMUTATOR = OPERATOR(app.===), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR app.=== (pair, pair) IS 'same';
CREATE OPERATOR app.!== (FUNCTION = pair_other, LEFTARG = pair, RIGHTARG = pair, NEGATOR = OPERATOR(app.===));

---- operator: owner
ALTER OPERATOR app.=== (pair, pair) OWNER TO amt_owner;

---- operator: comment
COMMENT ON OPERATOR app.=== (pair, pair) IS NULL;

---- publication: missing
DROP PUBLICATION feed;

---- publication: extra
CREATE PUBLICATION everything FOR ALL TABLES;

---- publication: all_tables
DROP PUBLICATION feed;
CREATE PUBLICATION feed FOR ALL TABLES WITH (publish = 'insert, update');

---- publication: objects
ALTER PUBLICATION feed ADD TABLE base;

ALTER PUBLICATION feed SET TABLE orders WHERE (id > 6), TABLES IN SCHEMA app;

ALTER PUBLICATION feed DROP TABLE orders, TABLES IN SCHEMA app;

---- publication: publish
ALTER PUBLICATION feed SET (publish = 'insert');

---- publication: via_root
ALTER PUBLICATION feed SET (publish_via_partition_root = true);

---- publication: owner
ALTER PUBLICATION feed OWNER TO postgres; ALTER ROLE amt_owner SUPERUSER; ALTER PUBLICATION feed OWNER TO amt_owner; ALTER ROLE amt_owner NOSUPERUSER;

---- publication: comment
COMMENT ON PUBLICATION feed IS NULL;
