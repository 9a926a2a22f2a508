"""postgres_fingerprint: what a server holds is of one moment, and a copy is compared by what its source was read by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._fingerprint import (
    differences,
    moment,
    read_database,
    read_roles,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

from .conftest import Server

DATABASE, ROLE = "amt_fingerprint", "amt_fingerprint_late"


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    server.sql(f"CREATE DATABASE {DATABASE}")
    # With a column that is called as whole rows are in a query.
    server.sql("CREATE TABLE item (id int PRIMARY KEY, name text, t int)", db=DATABASE)
    server.sql("INSERT INTO item SELECT n, 'x' || n FROM generate_series(1, 1000) n", db=DATABASE)
    server.sql("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS items FROM item", db=DATABASE)
    yield DATABASE
    server.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    server.sql(f"DROP ROLE IF EXISTS {ROLE}")


def call(server: Server, **arguments: Any) -> dict[str, Any]:
    return server.call("postgres_fingerprint", login_user="postgres", databases=[DATABASE], **arguments)


def test_what_happens_after_the_moment_is_not_in_it(server: Server, database: str) -> None:
    """Neither rows nor roles: whoever writes goes on as soon as the restore point is named."""

    def opened(name: str) -> Session:
        return Session(server.connect(name), name)

    before = read_roles(opened(database))
    with moment(opened, [database], "amt_moment", "2s", 1) as found:
        server.sql(f"CREATE ROLE {ROLE}")
        server.sql("DELETE FROM item WHERE id <= 10", db=database)
        session = found["sessions"][database]
        assert read_roles(session) == before
        assert read_database(session, 1 << 30, 5.0)["tables"]["public.item"]["rows"] == 1000
    assert read_roles(opened(database)) != before


@pytest.mark.parametrize(
    "statement", ["TRUNCATE item", "DROP TABLE item CASCADE", "VACUUM FULL item", "REFRESH MATERIALIZED VIEW counted"]
)
def test_what_would_take_the_rows_from_the_snapshot_waits(server: Server, database: str, statement: str) -> None:
    """These do not care for the snapshots of others; who changes rows goes on."""
    with moment(lambda name: Session(server.connect(name), name), [database], "amt_kept", "2s", 1) as found:
        impatient = server.connect(database)
        with impatient.cursor() as cursor:
            cursor.execute("UPDATE item SET name = 'later'; SET lock_timeout = '50ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute(statement)
        impatient.close()
        tables = read_database(found["sessions"][database], 1 << 30, 5.0)["tables"]
        assert {name: table["rows"] for name, table in tables.items()} == {"public.counted": 1, "public.item": 1000}
    server.sql(statement, db=database)


def test_tables_are_locked_from_the_first_lock_on(server: Server, database: str) -> None:
    """That a writer is waited for counts, since others wait as long; what it commits is in the snapshot.

    One that comes meanwhile to empty a table, which waits for the first lock on it, is not waited for.
    """
    server.sql("CREATE TABLE tail AS SELECT 1 AS id", db=database)
    writer = server.connect(database)
    writer.autocommit = False
    writer.cursor().execute("DELETE FROM item WHERE id = 1")
    done = threading.Event()

    def wait_for(mode: str) -> None:
        while not server.sql("SELECT 1 FROM pg_locks WHERE mode = %s AND NOT granted", mode) and not done.is_set():
            pass

    def leave() -> None:
        wait_for("ShareLock")
        emptying.start()
        wait_for("AccessExclusiveLock")
        server.sql("SELECT pg_sleep(0.3)")
        writer.commit()

    emptying = threading.Thread(target=lambda: server.sql("TRUNCATE tail", db=database))
    leaving = threading.Thread(target=leave)
    leaving.start()
    result = call(server, restore_point="amt_waited", lock_timeout="30s", attempts=1)
    done.set()
    leaving.join()
    emptying.join()
    writer.close()
    assert result["moment"]["held_ms"] >= 300
    tables = result["fingerprint"]["databases"][database]["tables"]
    assert (tables["public.item"]["rows"], tables["public.tail"]["rows"]) == (999, 1)
    assert server.sql("SELECT count(*) FROM tail", db=database) == [(0,)]


def test_differences_are_named_and_the_order_of_rows_is_none(server: Server, database: str) -> None:
    source = call(server, restore_point="amt_named")
    assert source["differences"] == []
    assert source["moment"]["held_ms"] < 2000
    server.sql("UPDATE item SET name = name WHERE id = 1", db=database)
    assert call(server, expected=source["fingerprint"])["differences"] == []
    server.sql("UPDATE item SET name = 'other' WHERE id = 1", db=database)
    assert call(server, expected=source["fingerprint"])["differences"] == [
        f"{database}: table public.item has other rows"
    ]
    server.sql("DELETE FROM item WHERE id = 1; CREATE TABLE more ()", db=database)
    found = call(server, expected=source["fingerprint"])["differences"]
    assert f"{database}: table public.item has 999 rows, had 1000" in found
    assert f"{database}: table public.more was not there" in found
    server.sql(f"CREATE ROLE {ROLE}")
    assert "roles, their memberships or settings differ" in call(server, expected=source["fingerprint"])["differences"]


@pytest.mark.parametrize("above", [0, 1 << 30])
def test_copy_is_read_as_its_source_was(server: Server, database: str, above: int) -> None:
    """A table on the other side of the limit is compared by its rows all the same."""
    source = call(server, sample_above=above, sample_percent=50.0)
    assert source["fingerprint"]["databases"][database]["tables"]["public.item"]["sampled"] is (above == 0)
    other = {"sample_above": (1 << 30) - above, "sample_percent": 50.0, "expected": source["fingerprint"]}
    assert call(server, **other)["differences"] == []
    server.sql("UPDATE item SET name = 'changed'", db=database)
    assert call(server, **other)["differences"] == [f"{database}: table public.item has other rows"]


def test_transaction_that_writes_is_waited_for_and_then_named(server: Server, database: str) -> None:
    writer = server.connect(database)
    writer.autocommit = False
    with writer.cursor() as cursor:
        cursor.execute("DELETE FROM item WHERE id = 1")
        refused = call(server, restore_point="amt_busy", lock_timeout="50ms", attempts=2)
        unreadable = call(server, restore_point="amt_busy", lock_timeout="50 parsecs")
        never = call(server, restore_point="amt_busy", attempts=0)
        server.sql("ALTER ROLE postgres SET lock_timeout = '20ms'")
        impatient = call(server, restore_point="amt_busy", lock_timeout="10s", attempts=1)
        server.sql("ALTER ROLE postgres RESET lock_timeout")
        held = f"{database}.public.item is held by the process {writer.info.backend_pid} of postgres since "
    writer.close()
    assert f"No moment was found in 2 attempts in which nobody writes ({held}" in refused["msg"]
    assert 'invalid value for parameter "statement_timeout": "50 parsecs"' in unreadable["msg"]
    assert "attempts is 0: give 1 or more" in never["msg"]
    assert held in impatient["msg"]
    assert server.sql("SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND locktype = 'relation'") == [(0,)]


def test_check_mode_names_no_point(server: Server, database: str) -> None:
    result = call(server, check=True, restore_point="amt_never")
    assert "moment" not in result
    assert set(result["fingerprint"]["databases"]) == {database}


def test_missing_table_and_database_are_differences() -> None:
    table = {"rows": 1, "hash": "1", "sampled": False}
    one = {**dict.fromkeys(("schema", "extensions", "encoding", "collate", "ctype", "collation_version"), "x")}
    source = {"roles": "r", "databases": {"a": {**one, "tables": {"public.t": table}}, "b": {**one, "tables": {}}}}
    copy = {"roles": "r", "databases": {"a": {**one, "schema": "y", "tables": {}}}}
    assert differences(source, copy) == [
        "a: schema is y, was x",
        "a: table public.t is missing",
        "database b is missing",
    ]
