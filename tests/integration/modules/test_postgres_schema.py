"""postgres_schema on a real server: no false alarm, nothing touched by looking, nothing lost by mending."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from .conftest import PASSWORD, ROOT, Server
from .schema import BASE

KEYS = {"changed", "in_sync", "drift", "queries", "diff", "fingerprint"}
SMALL = """
CREATE TABLE documents (id integer PRIMARY KEY, category text, status varchar(20) NOT NULL DEFAULT 'new');
CREATE INDEX documents_category ON documents (category);
CREATE VIEW titles AS SELECT id, category FROM documents;
"""
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield an empty database, gone afterwards."""
    name = "amt_schema"
    server.sql(f"CREATE DATABASE {name}")
    yield name
    for (other,) in server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'amt_schema%'"):
        server.sql(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(other)))


@pytest.fixture
def roles(server: Server) -> Iterator[None]:
    """Roles that base.sql speaks of."""
    server.sql("CREATE ROLE amt_reader")
    yield
    for (name,) in server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'amt_schema%'"):
        server.sql(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    server.sql("DROP OWNED BY amt_reader; DROP ROLE amt_reader")


@pytest.fixture
def call(server: Server, database: str, tmp_path: Path) -> Call:
    """Call the module on the database, with a cache of its own."""

    def run(definition: str, **arguments: Any) -> dict[str, Any]:
        given = {"login_db": database, "cache_directory": str(tmp_path / "cache"), **arguments}
        return server.call("postgres_schema", definition=definition, **given)

    return run


def scratches(server: Server) -> list[str]:
    return [row[0] for row in server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'ai_micro_schema_%'")]


def dump(server: Server, database: str, *options: str) -> str:
    """Dump one database with the server's own pg_dump, less what differs by run."""
    command = ["docker", "exec", server.container, "pg_dump", "-U", "postgres", "-p", str(server.port), *options]
    done = subprocess.run([*command, database], capture_output=True, text=True, check=True)
    return "\n".join(line for line in done.stdout.splitlines() if "restrict" not in line)


def restore(server: Server, source: str, target: str) -> None:
    server.sql(f"CREATE DATABASE {target}")
    command = ["docker", "exec", "-i", server.container, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
    command += ["-p", str(server.port), target]
    subprocess.run(command, input=dump(server, source), capture_output=True, text=True, check=True)


def state(server: Server, database: str) -> tuple[Any, ...]:
    """Everything that looking must not change."""
    return (
        dump(server, database),
        server.sql("SELECT datname, datacl::text FROM pg_database ORDER BY 1"),
        server.sql("SELECT rolname, rolsuper, rolconfig::text FROM pg_roles ORDER BY 1"),
    )


def test_a_database_made_by_its_definition_is_clean(server: Server, database: str, roles: None, call: Call) -> None:
    server.sql(BASE, db=database)
    first = call(BASE)
    assert (first.get("msg"), first["in_sync"], first["changed"], first["drift"]) == (None, True, False, [])
    again = call(BASE)
    assert again["in_sync"]
    assert again["fingerprint"] == first["fingerprint"]
    assert set(first) >= KEYS


def test_a_restore_and_a_restore_of_it_are_clean(server: Server, database: str, roles: None, call: Call) -> None:
    server.sql(BASE, db=database)
    restore(server, database, "amt_schema_restored")
    restore(server, "amt_schema_restored", "amt_schema_again")
    for name in ("amt_schema_restored", "amt_schema_again"):
        found = call(BASE, login_db=name)
        assert (found.get("msg"), found["in_sync"]) == (None, True)
    assert call(dump(server, database), login_db="amt_schema_again")["in_sync"], "a dump is a definition too"


def test_an_empty_database_becomes_the_declared_one(server: Server, roles: None, call: Call) -> None:
    made = call(BASE, state="present")
    assert "msg" not in made, made["msg"]
    assert made["changed"]
    assert call(BASE)["in_sync"]


@pytest.mark.parametrize(
    ("short", "spelled"),
    [
        ("CREATE TABLE t (a int);", 'CREATE TABLE public.t (a integer NULL) WITH (fillfactor = 100);'),
        ("CREATE TABLE t (a text);", 'CREATE TABLE t (a text COLLATE "default");'),
        (
            "CREATE TABLE t (a int); CREATE INDEX i ON t (a);",
            "CREATE TABLE t (a int); CREATE INDEX i ON t USING btree (a int4_ops ASC NULLS LAST) WITH (fillfactor = 90, deduplicate_items = on);",
        ),
        (
            "CREATE EXTENSION vector; CREATE TABLE t (e vector(3)); CREATE INDEX i ON t USING hnsw (e vector_l2_ops);",
            "CREATE EXTENSION vector; CREATE TABLE t (e vector(3)); CREATE INDEX i ON t USING hnsw (e vector_l2_ops)"
            " WITH (m = 16, ef_construction = 64);",
        ),
        (
            "CREATE EXTENSION vector; CREATE TABLE t (e vector(3)); CREATE INDEX i ON t USING ivfflat (e vector_l2_ops);",
            "CREATE EXTENSION vector; CREATE TABLE t (e vector(3)); CREATE INDEX i ON t USING ivfflat (e vector_l2_ops)"
            " WITH (lists = 100);",
        ),
        ("CREATE TABLE t (a int);", "CREATE TABLE t (a int); GRANT ALL ON t TO postgres;"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql VOLATILE COST 100 AS 'SELECT 1'; GRANT EXECUTE ON FUNCTION f() TO PUBLIC;",
        ),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1  \n';",
        ),
        ("CREATE SEQUENCE s;", "CREATE SEQUENCE s AS bigint INCREMENT 1 MINVALUE 1 START 1 CACHE 1 NO CYCLE;"),
        (
            "CREATE TABLE a (i int PRIMARY KEY); CREATE TABLE b (i int REFERENCES a);",
            "CREATE TABLE a (i int PRIMARY KEY); CREATE TABLE b (i int CONSTRAINT b_i_fkey REFERENCES a (i) MATCH SIMPLE ON DELETE NO ACTION NOT DEFERRABLE);",
        ),
        (
            "CREATE TABLE t (a varchar CHECK (a IN ('x', 'y')));",
            "CREATE TABLE t (a varchar, CONSTRAINT t_a_check "
            "CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text, ('y'::character varying)::text]))));",
        ),
        ("CREATE TABLE t (a int, b int);", "CREATE TABLE t (b int, a int);"),
        ("CREATE TABLE t (a int); ALTER TABLE t ALTER a SET STATISTICS -1;", "CREATE TABLE t (a int);"),
    ],
)  # fmt: skip
def test_two_spellings_are_no_difference(server: Server, database: str, call: Call, short: str, spelled: str) -> None:
    server.sql(short, db=database)
    for _again in range(2):
        found = call(spelled)
        assert (found.get("msg"), found["in_sync"]) == (None, True)


def test_failures_name_what_differs(server: Server, database: str, call: Call) -> None:
    server.sql(SMALL.replace("category text, ", "category text, more text, "), db=database)
    server.sql(
        "DROP VIEW titles; ALTER TABLE documents DROP category; ALTER TABLE documents ALTER status TYPE text",
        db=database,
    )
    found = call(SMALL)
    assert found["failed"]
    for words in (
        "documents.category: column missing",
        "documents.more: column extra",
        "documents.status: column type is text, declared character varying(20)",
        "titles: view missing",
    ):
        assert words in found["msg"]
    entry = next(entry for entry in found["drift"] if entry["object"] == "documents.category")
    assert entry["sql"] == ['ALTER TABLE "public"."documents" ADD COLUMN "category" text']
    hazards = {entry["object"]: entry["hazard"] for entry in found["drift"] if entry["hazard"]}
    assert hazards == {"documents.more": "drop_column", "documents.status": "narrow_type"}
    assert call(SMALL, fail_on_drift=False)["in_sync"] is False


def test_looking_changes_nothing(server: Server, database: str, roles: None, call: Call) -> None:
    server.sql(BASE, db=database)
    server.sql("DROP INDEX people_tags; ALTER TABLE orders ADD more text; DROP VIEW adult_names", db=database)
    definition = f"CREATE ROLE amt_by_definition; {BASE} GRANT CREATE ON DATABASE {database} TO amt_by_definition;"
    before = state(server, database)
    found = call(definition)
    assert found["failed"]
    assert found["queries"] == []
    assert state(server, database) == before
    predicted = call(BASE, state="present", allow=["all"], check=True)
    assert predicted["changed"]
    assert state(server, database) == before
    made = call(BASE, state="present", allow=["all"])
    assert made["queries"] == predicted["queries"]
    assert {key: made[key] for key in KEYS} == {key: predicted[key] for key in KEYS}
    assert call(BASE, state="present", check=True)["changed"] is False


def test_a_hazard_is_refused_before_anything_is_done(server: Server, database: str, call: Call) -> None:
    server.sql(SMALL.replace("CREATE INDEX", "CREATE TABLE spare (id int); --"), db=database)
    before = dump(server, database)
    for check in (True, False):
        found = call(SMALL, state="present", check=check)
        assert found["failed"]
        assert "needs what is not allowed, so nothing was changed: drop_table (spare)" in found["msg"]
        assert dump(server, database) == before
    assert call(SMALL, state="present", allow=["drop_table"])["changed"]
    assert call(SMALL)["in_sync"]


def test_rows_survive(server: Server, database: str, call: Call) -> None:
    server.sql(
        "CREATE TABLE t (id int, at date NOT NULL, kind text); INSERT INTO t SELECT i, '2025-01-01', 'a' FROM generate_series(1, 9) i",
        db=database,
    )
    server.sql("INSERT INTO t VALUES (10, '2025-01-01', NULL)", db=database)
    definition = """
    CREATE TYPE kind AS ENUM ('a', 'b');
    CREATE TABLE t (id bigint PRIMARY KEY, at date NOT NULL, kind kind NOT NULL DEFAULT 'b', made uuid NOT NULL DEFAULT gen_random_uuid());
    """
    made = call(definition, state="present", allow=["change_type", "rewrite_table", "set_not_null_over_nulls"])
    assert "msg" not in made, made["msg"]
    assert server.sql(
        "SELECT count(*), count(DISTINCT made), count(*) FILTER (WHERE kind = 'b') FROM t", db=database
    ) == [(10, 10, 1)]
    definition = "CREATE TABLE t (id bigint, at date NOT NULL, kind text) PARTITION BY RANGE (at);" \
        "CREATE TABLE t_2025 PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"  # fmt: skip
    made = call(definition, state="present", allow=["all"])
    assert "msg" not in made, made["msg"]
    assert server.sql("SELECT count(*) FROM t_2025", db=database) == [(10,)]
    assert call(definition)["in_sync"]


def test_rows_that_violate_a_constraint_are_named_first(server: Server, database: str, call: Call) -> None:
    server.sql("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1), (1, NULL)", db=database)
    before = dump(server, database)
    for definition, name in (
        (
            "CREATE TABLE t (a int UNIQUE, b int);",
            "t.t_a_key: constraint (violated_constraint): rows violate it",
        ),
        ("CREATE TABLE t (a int CHECK (a > 1), b int);", "t.t_a_check: constraint (violated_constraint)"),
        (
            "CREATE TABLE t (a int, b int NOT NULL);",
            "t.b: column (set_not_null_over_nulls): there are rows without a value",
        ),
        ("CREATE TABLE t (a int, b int); CREATE UNIQUE INDEX i ON t (a);", "i: index (violated_constraint)"),
    ):
        found = call(definition, state="present", allow=["all"])
        assert found["failed"]
        assert name in found["msg"]
        assert dump(server, database) == before


@pytest.mark.parametrize(
    ("partitions", "named"),
    [
        # The default partition holds a row that a new one would have to take.
        (
            "CREATE TABLE d PARTITION OF p DEFAULT; CREATE TABLE n PARTITION OF p FOR VALUES IN (7);",
            "n: table (violated_constraint)",
        ),
        # A table becomes a partition that may not hold what it holds.
        (
            "CREATE TABLE d PARTITION OF p DEFAULT; CREATE TABLE own PARTITION OF p FOR VALUES IN (1);",
            "own: table (violated_constraint)",
        ),
        # Other bounds, which leave out what is there.
        ("CREATE TABLE d PARTITION OF p FOR VALUES IN (1);", "d: table (violated_constraint)"),
    ],
)
def test_rows_that_a_partition_may_not_hold_are_named_first(
    server: Server, database: str, call: Call, partitions: str, named: str
) -> None:
    parent, own = "CREATE TABLE p (a int) PARTITION BY LIST (a);", "CREATE TABLE own (a int);"
    server.sql(f"{parent} {own} CREATE TABLE d PARTITION OF p DEFAULT", db=database)
    server.sql("INSERT INTO p VALUES (7); INSERT INTO own VALUES (5)", db=database)
    before = dump(server, database)
    definition = parent + partitions + ("" if "TABLE own" in partitions else own)
    for check in (True, False):
        found = call(definition, state="present", allow=["all"], check=check)
        assert found["failed"]
        assert named in found["msg"]
        assert dump(server, database) == before
    server.sql("DELETE FROM p; DELETE FROM own", db=database)
    made = call(definition, state="present", allow=["all"])
    assert "msg" not in made, made["msg"]
    assert call(definition)["in_sync"]


def test_an_invalid_index_is_built_again(server: Server, database: str, call: Call) -> None:
    server.sql(SMALL, db=database)
    server.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'documents_category'::regclass", db=database)
    found = call(SMALL)
    assert "documents_category: index valid is false, declared true" in found["msg"]
    made = call(SMALL, state="present")
    assert 'CREATE INDEX CONCURRENTLY "documents_category"' in " ".join(made["queries"])
    assert call(SMALL)["in_sync"]


def test_a_lock_that_stays_is_named_and_the_next_run_completes(server: Server, database: str, call: Call) -> None:
    server.sql("CREATE TABLE documents (id integer PRIMARY KEY); INSERT INTO documents VALUES (1)", db=database)
    with server.connect(database) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE documents IN ACCESS SHARE MODE")
        found = call(SMALL, state="present", lock_timeout="50ms")
        holder.rollback()
    assert found["failed"]
    assert "end the session that holds the lock, or run again later" in found["msg"]
    assert call(SMALL, state="present")["changed"]
    assert call(SMALL)["in_sync"]


def test_what_a_killed_run_left_in_the_schema_needs_no_permission(server: Server, database: str, call: Call) -> None:
    server.sql("CREATE TABLE t (a integer, b text); INSERT INTO t VALUES (1, 'x')", db=database)
    server.sql("ALTER TABLE t ADD CONSTRAINT ai_micro_not_null CHECK (b IS NOT NULL) NOT VALID", db=database)
    server.sql("CREATE UNIQUE INDEX t_a_key ON t (a)", db=database)
    server.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a_key'::regclass", db=database)
    definition = "CREATE TABLE t (a integer UNIQUE, b text NOT NULL);"
    made = call(definition, state="present")
    assert "msg" not in made, made["msg"]
    assert call(definition)["in_sync"]


@pytest.mark.parametrize("how", [{}, {"state": "present", "allow": ["all"], "check": True}], ids=["verified", "check"])
def test_only_access_share_locks_are_taken_by_looking(
    server: Server, database: str, roles: None, call: Call, how: dict[str, Any]
) -> None:
    server.sql(BASE, db=database)
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        # Without a transaction, which would see the same sessions over and over.
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            while not done.is_set():
                cursor.execute(
                    "SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = %s"
                    " WHERE l.locktype = 'relation' AND a.backend_type <> 'autovacuum worker'",
                    (database,),
                )
                seen.update(row[0] for row in cursor.fetchall())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        # Neither side is in sync, so deparsing and planning are watched too.
        looked = call(BASE.replace("'new', 'old'", "'new', 'older'"), **how)
        assert looked["drift"]
        assert ("msg" in looked) is (not how), "it was not planned to the end"
    finally:
        done.set()
        watcher.join()
    assert seen == {"AccessShareLock"}


def test_what_a_killed_run_leaves_is_swept_and_what_runs_is_not(
    server: Server, database: str, call: Call, tmp_path: Path
) -> None:
    given = {
        "login_unix_socket": server.socket, "login_port": server.port, "login_db": database,
        "definition": "CREATE TABLE t (); SELECT pg_sleep(600);", "cache_directory": "",
    }  # fmt: skip
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "plugins/modules/postgres_schema.py"), str(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        # By database: a backend of this loop's own last look may still be listed, and its text has the words too.
        sleeping = (
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname LIKE 'ai_micro_schema_%'"
        )
        while not server.sql(sleeping):
            assert time.monotonic() < deadline
        busy = scratches(server)
        assert len(busy) == 1
        call(SMALL, fail_on_drift=False)
        assert scratches(server) == busy, "another run's database is not stale"
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'ai_micro_schema_%'")
    deadline = time.monotonic() + 60
    pid = busy[0].split("_")[3]
    while server.sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", int(pid)):
        assert time.monotonic() < deadline
    call(SMALL, fail_on_drift=False, cache_directory="")
    assert scratches(server) == []


@pytest.mark.parametrize(
    "name", ['a"b; DROP TABLE x; --', "select", "Größe 'x' %s {0}", "ü" * 31 + "x", " USING (", "a.b", "back\\slash"]
)
def test_hostile_names(server: Server, database: str, call: Call, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    server.sql(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    definition = f"""
    CREATE SCHEMA {quoted};
    CREATE TYPE {quoted}.{quoted} AS ENUM ('x');
    CREATE TABLE {quoted}.t ({quoted} serial, b text, c {quoted}.{quoted} DEFAULT 'x', CONSTRAINT {quoted} CHECK (b <> 'a'));
    CREATE UNIQUE INDEX {quoted} ON {quoted}.t ({quoted} DESC, lower(b)) WHERE b > 'x';
    CREATE VIEW {quoted}.v AS SELECT {quoted} AS {quoted} FROM {quoted}.t;
    CREATE FUNCTION {quoted}.{quoted}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER {quoted} BEFORE INSERT ON {quoted}.t FOR EACH ROW EXECUTE FUNCTION {quoted}.{quoted}();
    CREATE POLICY {quoted} ON {quoted}.t TO {quoted} USING (b = 'x');
    CREATE STATISTICS {quoted}.stat ON {quoted}, b FROM {quoted}.t;
    GRANT SELECT ({quoted}) ON {quoted}.t TO {quoted};
    GRANT USAGE ON SCHEMA {quoted} TO {quoted};
    ALTER DEFAULT PRIVILEGES FOR ROLE {quoted} IN SCHEMA {quoted} GRANT SELECT ON TABLES TO PUBLIC;
    COMMENT ON TABLE {quoted}.t IS 'it''s \\ "x"';
    """
    try:
        made = call(definition, state="present")
        assert "msg" not in made, made["msg"]
        assert call(definition)["in_sync"]
        server.sql(
            f"DROP VIEW {quoted}.v; ALTER TABLE {quoted}.t DROP {quoted}; DROP TRIGGER {quoted} ON {quoted}.t",
            db=database,
        )
        assert call(definition)["failed"]
        made = call(definition, state="present")
        assert "msg" not in made, made["msg"]
        assert call(definition)["in_sync"]
    finally:
        server.sql(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)), db=database)
        server.sql(f"DROP DATABASE {database} WITH (FORCE)")
        server.sql(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_as_many_statements_whatever_the_size(server: Server, database: str, call: Call) -> None:
    def statements(definition: str, in_sync: bool = True) -> tuple[int, int]:
        counts = []
        for _again in range(2):
            before = server.log_end()
            assert call(definition)["in_sync"] is in_sync
            counts.append(server.log(before).count("LOG:  statement:"))
        return counts[0], counts[1]

    lacking = f"{SMALL} CREATE INDEX lacking ON documents (status);"
    server.sql(SMALL, db=database)
    few, few_that_differ = statements(SMALL), statements(lacking, in_sync=False)
    more = "".join(f"CREATE TABLE t{i} (a int PRIMARY KEY, b text); CREATE INDEX ON t{i} (b);" for i in range(100))
    server.sql(more, db=database)
    assert statements(SMALL + more) == few
    assert statements(lacking + more, in_sync=False) == few_that_differ


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("CREATE TABLE t (a int);\n\nCREATE TABLE t (a int);", 'definition, line 3: PostgreSQL refuses it in a scratch database: relation "t" already exists'),
        ("CREATE TABLE t (\n a nonsense);", 'definition, line 2: PostgreSQL refuses it in a scratch database: type "nonsense" does not exist'),
        ("CREATE TABLE t (a int);\nCOPY t FROM stdin;\nx\n\\.\n", "definition, line 2: PostgreSQL refuses it"),
        ("SELECT 1;\n\\i other.sql", r"definition, line 2: \i is a command of psql"),
        (
            "ALTER SYSTEM SET work_mem = '1MB';",
            "definition, line 1: ALTER SYSTEM changes the server: leave it out.",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_named_by_their_line(server: Server, call: Call, definition: str, said: str) -> None:
    found = call(definition)
    assert found["failed"]
    assert said in found["msg"]
    assert "Traceback" not in found["raw"]
    assert scratches(server) == []


def test_a_database_that_is_not_there(call: Call) -> None:
    found = call(SMALL, login_db="amt_schema_gone")
    assert (
        found["msg"].endswith("does not exist\\n]")
        or "database amt_schema_gone does not exist: create it first" in found["msg"]
    )


def test_what_others_own_is_left_alone(server: Server, database: str, call: Call) -> None:
    server.sql(SMALL, db=database)
    server.sql("CREATE SCHEMA other; CREATE TABLE other.t (a int PRIMARY KEY); CREATE TABLE tmp_1 (a int); CREATE INDEX i ON tmp_1 (a);"
               "ALTER TABLE documents ADD extra_1 text; CREATE INDEX i2 ON documents (status)", db=database)  # fmt: skip
    ignore = ["other", "other.*", "table:tmp_*", "column:documents.extra_*", "index:i2"]
    assert call(SMALL, ignore=ignore)["in_sync"]
    assert call(SMALL, ignore=ignore[1:])["failed"]
    assert call(SMALL, ignore=ignore, state="present")["changed"] is False


def test_privileges_can_be_somebody_elses(server: Server, database: str, roles: None, call: Call) -> None:
    server.sql(SMALL, db=database)
    server.sql("GRANT SELECT ON documents TO amt_reader; ALTER TABLE documents OWNER TO amt_reader;"
               "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO amt_reader", db=database)  # fmt: skip
    assert call(SMALL, privileges=False)["in_sync"]
    found = call(SMALL)
    assert "documents: table owner is amt_reader, declared postgres" in found["msg"]


def test_what_the_definition_says_about_the_database(server: Server, database: str, roles: None, call: Call) -> None:
    definition = (
        f"{SMALL} ALTER DATABASE {database} SET work_mem = '5MB'; ALTER DATABASE {database} OWNER TO amt_reader;"
        f"COMMENT ON DATABASE {database} IS 'mine'; REVOKE CONNECT ON DATABASE {database} FROM PUBLIC;"
    )
    server.sql(SMALL, db=database)
    found = call(definition)
    assert {entry["attribute"] for entry in found["drift"]} == {"settings", "owner", "comment", "privileges"}
    made = call(definition, state="present")
    assert "msg" not in made, made["msg"]
    assert call(definition)["in_sync"]
    server.sql(f"ALTER DATABASE {database} SET work_mem = '6MB'")
    assert "database: database settings" in call(definition)["msg"]
    server.sql(f"ALTER DATABASE {database} OWNER TO postgres")


def test_declared_rows(server: Server, database: str, call: Call) -> None:
    definition = """
    CREATE TABLE settings (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), key text NOT NULL UNIQUE, value json NOT NULL, at timestamp DEFAULT now());
    INSERT INTO settings (key, value) VALUES ('version', '{"version": "1.0", "n": 1}'), ('it''s', '[]');
    """
    rows = [{"table": "settings", "key": ["key"], "columns": ["value.version"]}]
    assert call(definition, rows=rows, state="present")["changed"]
    assert call(definition, rows=rows)["in_sync"]
    server.sql('UPDATE settings SET value = \'{"version": "0.9", "mine": true}\' WHERE key = \'version\'', db=database)
    server.sql(
        "DELETE FROM settings WHERE key LIKE 'it%%'; INSERT INTO settings (key, value) VALUES ('own', '1')", db=database
    )
    found = call(definition, rows=rows)
    assert "settings[it's]: row missing" in found["msg"]
    assert 'settings[version]: row value.version is "0.9", declared "1.0"' in found["msg"]
    assert "update_row (settings[version])" in call(definition, rows=rows, state="present")["msg"]
    assert call(definition, rows=rows, state="present", allow=["update_row"])["changed"]
    assert call(definition, rows=rows)["in_sync"]
    assert server.sql("SELECT value::text FROM settings WHERE key = 'version'", db=database) == [
        ('{"mine": true, "version": "1.0"}',)
    ]
    for wrong, said in (
        ({"table": "gone", "key": ["key"]}, "rows: the definition has no table gone"),
        ({"table": "settings", "key": ["gone"]}, "rows: table settings has no column gone"),
        ({"table": "settings", "key": ["key"], "columns": ["key.x"]}, "rows: settings.key is no JSON"),
    ):
        assert said in call(definition, rows=[wrong])["msg"]


def test_no_secret_is_shown(server: Server, database: str, call: Call) -> None:
    found = call(SMALL, login_unix_socket="", login_host="127.0.0.1", login_user="postgres", login_password=PASSWORD)
    assert found["failed"]
    assert PASSWORD not in found["raw"]


def test_two_runs_do_not_write_at_once(server: Server, database: str, call: Call) -> None:
    with server.connect(database) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('ai_micro.postgres_schema'))")
        found = call(SMALL, state="present")
    assert "Another run is changing the schema of database amt_schema" in found["msg"]
