"""postgres_migration on a real server, and the collection's own migrations on databases as they were deployed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.lookup.migrations import read_directory

from .conftest import ROOT, Server
from .schema_pairs.realistic import ADMINDB, DEPLOYED, SUPERSET, statements

KEYS = {"changed", "applied", "pending", "history", "queries", "diff"}
DB = 'migrated "x"; ü %s'
ADMINDB_FILES = read_directory(str(ROOT / "files" / "migrations"))["admindb"]
HISTORY = "SELECT name, baseline FROM ai_micro.schema_migration ORDER BY name"
CREATE = {"name": "0001_create.sql", "content": "CREATE TABLE item (id int);\nINSERT INTO item VALUES (1);"}
RENAME = {
    "name": "0002_rename.sql",
    "content": "ALTER TABLE item RENAME id TO number; COMMENT ON TABLE item IS '100% :x %s';",
}


@pytest.fixture
def database(server: Server) -> Iterator[Server]:
    """Yield a server with an empty database of a hostile name."""
    quoted = '"' + DB.replace('"', '""').replace("%", "%") + '"'
    server.sql(f"CREATE DATABASE {quoted}")
    yield server
    server.sql(f"DROP DATABASE {quoted} WITH (FORCE)")


def call(server: Server, *files: dict[str, str], check: bool = False, **arguments: Any) -> dict[str, Any]:
    result = server.call("postgres_migration", check=check, login_db=DB, migrations=list(files), **arguments)
    assert "Traceback" not in result["raw"]
    return result


def tables(server: Server) -> set[str]:
    rows = server.sql(
        "SELECT n.nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relkind = 'r' AND n.nspname !~ '^pg_|^information'",
        db=DB,
    )
    return {name for (name,) in rows}


def test_check_apply_and_apply_again(database: Server) -> None:
    predicted = call(database, RENAME, CREATE, check=True)
    assert predicted.keys() >= KEYS
    assert predicted["changed"]
    assert predicted["diff"] == {"before": "", "after": "0001_create.sql\n0002_rename.sql\n"}
    assert tables(database) == set()

    done = call(database, RENAME, CREATE)
    assert {key: done[key] for key in KEYS} == {key: predicted[key] for key in KEYS}
    assert done["applied"] == ["0001_create.sql", "0002_rename.sql"]
    assert database.sql("SELECT number FROM item", db=DB) == [(1,)]
    assert database.sql("SELECT obj_description('item'::regclass)", db=DB) == [("100% :x %s",)]
    assert database.sql(HISTORY, db=DB) == [("0001_create.sql", False), ("0002_rename.sql", False)]

    again = call(database, CREATE, RENAME)
    assert not again["changed"]
    assert again["applied"] == again["pending"] == again["queries"] == []
    assert [entry["name"] for entry in again["history"]] == ["0001_create.sql", "0002_rename.sql"]


def test_verified_reports_and_writes_nothing(database: Server) -> None:
    found = call(database, CREATE, state="verified")
    assert found["failed"]
    assert "waits for 0001_create.sql: run with state=applied." in found["msg"]
    assert found.keys() >= KEYS
    quiet = call(database, CREATE, state="verified", fail_on_pending=False)
    assert (quiet["changed"], quiet["pending"], quiet["applied"]) == (False, ["0001_create.sql"], [])
    assert tables(database) == set()
    call(database, CREATE)
    assert not call(database, CREATE, state="verified").get("failed")


def test_baseline_is_recorded_and_not_run(database: Server) -> None:
    done = call(database, CREATE, baseline=True)
    assert done["changed"]
    assert done["queries"] == []
    assert database.sql(HISTORY, db=DB) == [("0001_create.sql", True)]
    assert tables(database) == {"ai_micro.schema_migration"}
    assert not call(database, CREATE)["changed"]


def test_a_changed_applied_file_is_named_and_nothing_is_run(database: Server) -> None:
    call(database, CREATE)
    for check in (True, False):
        found = call(database, {**CREATE, "content": "SELECT 1"}, RENAME, check=check)
        assert found["failed"]
        assert "0001_create.sql was changed after it had been applied" in found["msg"]
    assert database.sql("SELECT id FROM item", db=DB) == [(1,)]


def test_a_mistake_is_found_before_anything_is_run(database: Server) -> None:
    found = call(database, CREATE, {"name": "0003_later.sql", "content": "SELECT 1"})
    assert "Number 0002 is missing before 0003_later.sql" in found["msg"]
    assert tables(database) == set()


def test_a_failure_takes_its_migration_back_and_keeps_the_earlier_ones(database: Server) -> None:
    broken = {"name": "0002_broken.sql", "content": "INSERT INTO item VALUES (2); ALTER TABLE absent ADD x int"}
    found = call(database, CREATE, broken)
    assert found["failed"]
    assert "Migration 0002_broken.sql failed, nothing of it was kept: " in found["msg"]
    assert 'relation "absent" does not exist' in found["msg"]
    assert "\n" not in found["msg"]
    assert database.sql("SELECT id FROM item", db=DB) == [(1,)]
    assert database.sql(HISTORY, db=DB) == [("0001_create.sql", False)]
    assert call(database, CREATE, {**broken, "content": "INSERT INTO item VALUES (2)"})["applied"] == [
        "0002_broken.sql"
    ]


def test_a_deferred_constraint_fails_at_its_commit(database: Server) -> None:
    text = """CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO b VALUES (5)"""
    found = call(database, {"name": "0001_x.sql", "content": text})
    assert "Migration 0001_x.sql failed, nothing of it was kept: " in found["msg"]
    assert tables(database) == set()


def test_no_transaction(database: Server) -> None:
    index = "-- Why.\n-- migration: no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS lookup ON item (id);\n"
    done = call(database, CREATE, {"name": "0002_index.sql", "content": f"{index}VACUUM item;"})
    assert done["applied"] == ["0001_create.sql", "0002_index.sql"]
    # What it did before it failed is kept, it is not recorded, and it bears being run again.
    broken = call(
        database,
        CREATE,
        {"name": "0002_index.sql", "content": f"{index}VACUUM item;"},
        {"name": "0003_more.sql", "content": f"{index}SELECT 1 / 0;"},
    )
    assert "Migration 0003_more.sql failed, what it did before that was kept: " in broken["msg"]
    assert [name for name, _baseline in database.sql(HISTORY, db=DB)] == ["0001_create.sql", "0002_index.sql"]


def test_what_a_migration_sets_ends_with_it(database: Server) -> None:
    setting = {"name": "0001_set.sql", "content": "SET search_path = pg_catalog"}
    assert not call(database, setting, {"name": "0002_make.sql", "content": "CREATE TABLE made (id int)"}).get("failed")
    assert "public.made" in tables(database)


def test_a_lock_is_waited_for_no_longer_than_said(database: Server) -> None:
    call(database, CREATE)
    holder = database.connect(DB)
    holder.autocommit = False
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE item")
            found = call(database, CREATE, RENAME, lock_timeout="100ms")
    finally:
        holder.close()
    assert "another session holds the lock" in found["msg"]
    assert call(database, CREATE, RENAME)["applied"] == ["0002_rename.sql"]


def test_two_runs_at_once_apply_a_migration_once(database: Server) -> None:
    slow = {"name": "0001_slow.sql", "content": "CREATE TABLE slow (id int); SELECT pg_sleep(0.5)"}
    results: list[dict[str, Any]] = []
    runs = [threading.Thread(target=lambda: results.append(call(database, slow))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(result.get("applied", result) for result in results) == [[], ["0001_slow.sql"]]


@pytest.fixture
def deployed(database: Server) -> Server:
    """The database as deployed systems have it, with rows of both clients' habits."""
    script = [DEPLOYED if each == SUPERSET else each for each in statements(ADMINDB) if "ix_cmetadata_gin" not in each]
    database.sql(";\n".join(script), db=DB)
    database.sql(
        """UPDATE system_settings SET value = '{"version": "0.9"}' WHERE key = 'schema_version';
        INSERT INTO langchain_pg_embedding (uuid, collection_id, document, custom_id, embedding, cmetadata)
        SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, (SELECT uuid FROM langchain_pg_collection), 'text ' || n,
               CASE WHEN n <= 3 THEN 'doc-' || n WHEN n <= 5 THEN 'twice' WHEN n = 6 THEN ''
                    WHEN n = 7 THEN '00000000-0000-0000-0000-000000000008' END,
               array_fill(n::real, ARRAY[768])::vector, jsonb_build_object('n', n)
          FROM generate_series(1, 200) n""",
        db=DB,
    )
    return database


OLD_COLUMNS = (
    "uuid, collection_id, embedding, document, cmetadata, custom_id, document_id, chunk_index, created_at, updated_at"
)


def digest(server: Server) -> list[tuple[Any, ...]]:
    return server.sql(
        f"SELECT count(*), md5(string_agg(ROW({OLD_COLUMNS})::text, '' ORDER BY uuid)) FROM langchain_pg_embedding",
        db=DB,
    )


def test_deployed_embeddings_come_to_the_superset_without_losing_a_row(deployed: Server) -> None:
    before = digest(deployed)
    assert call(deployed, *ADMINDB_FILES)["applied"] == [file["name"] for file in ADMINDB_FILES]
    assert digest(deployed) == before
    ids = dict(
        deployed.sql("SELECT right(uuid::text, 3)::int, id FROM langchain_pg_embedding ORDER BY 1 LIMIT 9", db=DB)
    )
    own = {number: f"00000000-0000-0000-0000-{number:012}" for number in range(1, 10)}
    assert ids == {**own, 1: "doc-1", 2: "doc-2", 3: "doc-3"}
    assert deployed.sql("SELECT value ->> 'version' FROM system_settings WHERE key = 'schema_version'", db=DB) == [
        ("1.0.0",)
    ]
    schema = deployed.call("postgres_schema", login_db=DB, definition=ADMINDB, ignore=["ai_micro"])
    assert not schema.get("failed"), schema.get("msg")
    assert schema["in_sync"]


def test_superset_is_found_done(database: Server) -> None:
    database.sql(ADMINDB, db=DB)
    database.sql("INSERT INTO langchain_pg_embedding (id, document) VALUES ('mine', 'text')", db=DB)
    assert call(database, *ADMINDB_FILES)["changed"]
    assert database.sql("SELECT id FROM langchain_pg_embedding", db=DB) == [("mine",)]
    assert database.call("postgres_schema", login_db=DB, definition=ADMINDB, ignore=["ai_micro"])["in_sync"]


def test_migrations_of_admindb_do_not_need_its_tables(database: Server) -> None:
    assert call(database, *ADMINDB_FILES)["changed"]
    assert tables(database) == {"ai_micro.schema_migration"}
