"""postgres_schema interrupted while it mends a database: killed anywhere, or overtaken by somebody else's change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, Server

TEMPLATE, DATABASE = "amt_interrupted_old", "amt_interrupted"
# Before each statement of DDL the server waits until it may go on, so that a test can stop a run at any of them. The number of
# a session's statement is an advisory lock, which is free unless a test holds it. A scratch database does not wait. The number
# is a setting: what begins a transaction, as a sequence does, stands in the way of DROP INDEX CONCURRENTLY.
GATE = f"""
CREATE FUNCTION gate() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_database() = '{DATABASE}' THEN
    PERFORM set_config('gate.number', (COALESCE(NULLIF(current_setting('gate.number', true), ''), '0')::int + 1)::text, false);
    PERFORM pg_advisory_xact_lock_shared(current_setting('gate.number')::int);
  END IF;
END $$;
CREATE EVENT TRIGGER gate ON ddl_command_start EXECUTE FUNCTION gate();
"""
OLD = f"""
{GATE}
CREATE TYPE state AS ENUM ('new', 'done');
CREATE TABLE person (id int PRIMARY KEY);
CREATE TABLE item (id int PRIMARY KEY, name text, size int, person int);
INSERT INTO person VALUES (1);
INSERT INTO item SELECT n, 'item ' || n, n, 1 FROM generate_series(1, 100) n;
"""
NEW = f"""
{GATE}
CREATE TYPE state AS ENUM ('new', 'open', 'done');
CREATE TABLE person (id int PRIMARY KEY);
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL UNIQUE, size int CHECK (size > 0), person int REFERENCES person,
                   state state NOT NULL DEFAULT 'new');
CREATE INDEX item_size ON item (size);
CREATE VIEW names AS SELECT name FROM item;
COMMENT ON TABLE item IS 'what there is';
"""
INDEX = OLD + "CREATE INDEX item_size ON item (size);"
ROWS = "SELECT count(*), md5(string_agg(ROW(id, name, size, person)::text, '' ORDER BY id)) FROM item"
PATIENCE = 60


@pytest.fixture
def old(server: Server) -> Iterator[Server]:
    """Give the server with a database to copy for each run."""
    server.sql(f"CREATE DATABASE {TEMPLATE}")
    server.sql(OLD, db=TEMPLATE)
    yield server
    for name in (TEMPLATE, DATABASE):
        server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def afresh(server: Server) -> None:
    """Make the database as it is before a run."""
    server.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    server.sql(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")


def call(server: Server, definition: str, **arguments: Any) -> dict[str, Any]:
    return server.call(
        "postgres_schema", login_db=DATABASE, definition=definition, **{"cache_directory": "", **arguments}
    )


@contextmanager
def run(server: Server, definition: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the module in a process of its own, which ends with the context at the latest."""
    given = {
        "login_unix_socket": server.socket, "login_port": server.port, "login_db": DATABASE, "definition": definition,
        "cache_directory": "", "state": "present", "lock_timeout": f"{PATIENCE}s",
    }  # fmt: skip
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "plugins/modules/postgres_schema.py"), str(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def waiting(server: Server, process: subprocess.Popen[bytes], event: str) -> tuple[int, str] | None:
    """Give the session that waits for this, and its statement; nothing where the run ends without having waited."""
    asked = (
        "SELECT pid, query FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock' AND wait_event = %s"
    )
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        if server.sql(asked, DATABASE, event):
            # Asked again: the view takes a statement's text first and the wait after, so the first answer may show the statement before.
            [(session, statement)] = server.sql(asked, DATABASE, event)
            return session, statement
        assert time.monotonic() < deadline, "the run neither waits nor ends"
        time.sleep(0.02)
    return None


def kill(server: Server, process: subprocess.Popen[bytes], session: int) -> None:
    """End a run as an operator does who sees nothing happen: its process, and what it was doing in the server."""
    process.kill()
    process.wait()
    server.sql("SELECT pg_terminate_backend(%s)", session)
    left = """SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (pid = %s OR datname LIKE 'ai_micro_schema_%%'
              OR query ~ '^(CREATE|DROP) DATABASE ')"""
    deadline = time.monotonic() + PATIENCE
    while server.sql(left, session):
        assert time.monotonic() < deadline, "the killed run's sessions do not end"
        time.sleep(0.02)


def completes(server: Server, definition: str, rows: list[tuple[Any, ...]], cache: Path) -> None:
    """The next run needs no permission, ends as declared, keeps every row, and sweeps what the killed one left."""
    made = call(server, definition, state="present", cache_directory=str(cache))
    assert "msg" not in made, made["msg"]
    assert server.sql(ROWS, db=DATABASE) == rows
    assert server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'ai_micro_schema_%'") == []


def test_killed_before_any_statement_the_next_run_completes(old: Server, tmp_path: Path) -> None:
    """Before the first, before the second, and so on, until there is none to be killed before."""
    rows = old.sql(ROWS, db=TEMPLATE)
    stopped: list[str] = []
    while True:
        afresh(old)
        gate = old.connect(DATABASE)
        try:
            gate.cursor().execute("SELECT pg_advisory_lock(%s)", (len(stopped) + 1,))
            with run(old, NEW, tmp_path) as process:
                found = waiting(old, process, "advisory")
                if found is None:
                    assert process.returncode == 0
                    break
                kill(old, process, found[0])
                stopped.append(found[1])
        finally:
            gate.close()
        completes(old, NEW, rows, tmp_path / "cache")
    assert call(old, NEW)["in_sync"]
    said = "\n".join(stopped)
    for words in ("ADD VALUE", "ADD COLUMN", "CONCURRENTLY", "NOT VALID", "VALIDATE CONSTRAINT", "CREATE VIEW"):
        assert words in said, said


def test_killed_while_an_index_is_built_the_next_run_completes(old: Server, tmp_path: Path) -> None:
    """A transaction that is older than the build keeps it from its end; what is left is an invalid index."""
    afresh(old)
    rows = old.sql(ROWS, db=DATABASE)
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    elder = old.connect(DATABASE)
    try:
        elder.cursor().execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM person")
        with run(old, INDEX, tmp_path) as process:
            found = waiting(old, process, "virtualxid")
            assert found, "the build did not wait"
            kill(old, process, found[0])
    finally:
        elder.close()
    assert old.sql(invalid, db=DATABASE) == [("item_size",)]
    completes(old, INDEX, rows, tmp_path / "cache")
    assert old.sql(invalid, db=DATABASE) == []


def test_a_schema_that_moves_between_plan_and_apply_stops_the_run(old: Server, tmp_path: Path) -> None:
    """Held up where it makes the copy that it tries its plan on, it finds another schema when it wants to write."""
    afresh(old)
    kept = {"cache_directory": str(tmp_path / "cache")}
    assert call(old, INDEX, **kept)["failed"]
    results: list[dict[str, Any]] = []
    holder = old.connect()
    holder.autocommit = False
    try:
        holder.cursor().execute("LOCK TABLE pg_catalog.pg_database IN SHARE MODE")
        late = threading.Thread(target=lambda: results.append(call(old, INDEX, state="present", **kept)))
        late.start()
        deadline = time.monotonic() + PATIENCE
        while not old.sql(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%' AND wait_event = 'relation'"
        ):
            assert time.monotonic() < deadline, "the run does not wait"
            time.sleep(0.02)
        # A table that the plan looks into is locked against this until the plan is made; others are not.
        old.sql("CREATE TABLE meanwhile ()", db=DATABASE)
    finally:
        holder.close()
    late.join()
    assert (
        f"The schema of database {DATABASE} changed while the plan was made, so nothing was done: run again."
        in results[0]["msg"]
    )
    assert not results[0]["changed"]
    assert old.sql("SELECT to_regclass('item_size')", db=DATABASE) == [(None,)]
