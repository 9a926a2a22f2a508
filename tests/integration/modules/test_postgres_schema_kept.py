"""What postgres_schema keeps between runs: never more than what is true, and nothing of somebody else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema import mark
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

from .conftest import Server, docker, running_server, wait_for

DATABASE = "amt_schema_kept"
SMALL = """
CREATE TABLE documents (id integer PRIMARY KEY, category text, status varchar(20) NOT NULL DEFAULT 'new');
CREATE INDEX documents_category ON documents (category);
CREATE TABLE settings (key text PRIMARY KEY, value text);
INSERT INTO settings VALUES ('version', '1');
"""
#: What all databases share; a snapshot shows of it what the mark's first part holds.
SHARED = {"pg_database", "pg_db_role_setting", "pg_tablespace"}
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """Yield a database that is as declared."""
    server.sql(f"CREATE DATABASE {DATABASE}")
    server.sql(SMALL, db=DATABASE)
    yield DATABASE
    server.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def call(server: Server, database: str, tmp_path: Path) -> Call:
    """Call the module on the database, with what was kept of the calls before."""

    def run(**arguments: Any) -> dict[str, Any]:
        given = {"login_db": database, "definition": SMALL, "cache_directory": str(tmp_path / "kept")}
        return server.call("postgres_schema", **{**given, **arguments})

    return run


def compared(server: Server, run: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Give a call's result, and whether the live schema was read for it."""
    before = server.log_end()
    found = run()
    return found, "pg_get_indexdef" in server.log(before)


def test_what_has_not_changed_is_not_read_again(server: Server, database: str, call: Call) -> None:
    first, read = compared(server, call)
    assert first["in_sync"]
    assert read
    again, read = compared(server, call)
    assert not read
    assert again == {**first, "raw": again["raw"]}
    # What rows and statistics do is no change of the schema.
    server.sql("INSERT INTO documents VALUES (1); ANALYZE", db=database)
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("VACUUM")
    assert not compared(server, call)[1]


def test_what_has_changed_is_seen_and_seen_again(server: Server, database: str, call: Call) -> None:
    assert call()["in_sync"]
    server.sql("ALTER TABLE documents ALTER COLUMN category SET NOT NULL", db=database)
    for _again in range(2):
        assert "documents.category: column" in call()["msg"]
    server.sql("ALTER TABLE documents ALTER COLUMN category DROP NOT NULL", db=database)
    assert compared(server, call) == (call(), True)
    assert not compared(server, call)[1]


def test_what_is_asked_for_counts_too(server: Server, database: str, call: Call) -> None:
    server.sql("CREATE TABLE others (a int); GRANT SELECT ON documents TO PUBLIC", db=database)
    lenient = {"ignore": ["others"], "privileges": False}
    assert call(**lenient)["in_sync"]
    assert "others: table extra" in call(privileges=False)["msg"]
    assert "documents: table privileges" in call(ignore=["others"])["msg"]
    assert call(**lenient)["in_sync"]


def test_what_is_ignored_and_absent_does_not_stand_for_what_is_declared(
    server: Server, database: str, call: Call
) -> None:
    rows = [{"table": "settings", "key": ["key"], "columns": ["value"]}]
    server.sql("ALTER TABLE settings DROP COLUMN value", db=database)
    for _again in range(2):
        found = call(ignore=["settings.value"], rows=rows, fail_on_drift=False)
        assert [entry["kind"] for entry in found["drift"]] == ["row"], found


def test_rows_are_looked_at_each_time(server: Server, database: str, call: Call) -> None:
    rows = [{"table": "settings", "key": ["key"], "columns": ["value"]}]
    for _again in range(2):
        assert call(rows=rows)["in_sync"]
    server.sql("DELETE FROM settings", db=database)
    found = call(rows=rows, state="present")
    (query,) = found["queries"]
    assert query.startswith('INSERT INTO "public"."settings" ')
    assert call(rows=rows)["in_sync"]


def test_a_server_started_anew_may_hold_other_files(tmp_path: Path) -> None:
    with running_server() as server:
        server.sql(SMALL)

        def run() -> dict[str, Any]:
            return server.call("postgres_schema", login_db="postgres", definition=SMALL, cache_directory=str(tmp_path))

        assert run()["in_sync"]
        assert not compared(server, run)[1]
        restarted = docker("restart", server.container)
        assert restarted.returncode == 0, restarted.stderr
        wait_for(server, server.container)
        found, read = compared(server, run)
        assert found["in_sync"]
        assert read


def test_the_mark_knows_every_catalog(server: Server) -> None:
    with closing(server.connect()) as connection:
        present = {name for name, _readable in Session(connection, "postgres").rows(mark.PRESENT_SQL)[1]}
    assert present == {*mark.CATALOGS, *mark.UNREAD}
    for kind in KINDS.values():
        for version in (15, 18):
            read = set(re.findall(r"pg_catalog\.(pg_\w+)\b(?!\()", kind.sql(version)))
            assert read - SHARED <= set(mark.CATALOGS), kind.name


@pytest.mark.parametrize(
    ("done", "undone"),
    [
        ("COMMENT ON DATABASE {db} IS 'other'", "COMMENT ON DATABASE {db} IS NULL"),
        ("ALTER DATABASE {db} SET work_mem = '1MB'", "ALTER DATABASE {db} RESET work_mem"),
        ("ALTER DATABASE {db} OWNER TO amt_kept", "ALTER DATABASE {db} OWNER TO postgres"),
        ("GRANT CREATE ON DATABASE {db} TO amt_kept", "REVOKE CREATE ON DATABASE {db} FROM amt_kept"),
        ("ALTER ROLE amt_kept RENAME TO amt_other", "ALTER ROLE amt_other RENAME TO amt_kept"),
    ],
)
def test_what_all_databases_share_counts_by_what_it_says(server: Server, database: str, done: str, undone: str) -> None:
    server.sql("CREATE ROLE amt_kept")
    try:
        with closing(server.connect(database)) as connection:
            connection.autocommit = True
            session = Session(connection, database)
            before = mark.read_mark(session)
            server.sql("ALTER ROLE amt_kept PASSWORD 'other'")
            assert mark.read_mark(session) == before, "a password is no part of a schema"
            server.sql(done.replace("{db}", database))
            assert mark.read_mark(session) != before
            server.sql(undone.replace("{db}", database))
    finally:
        server.sql("DROP ROLE amt_kept")


def test_who_may_not_read_a_catalog_compares_each_time(server: Server, database: str) -> None:
    server.sql("REVOKE SELECT ON pg_transform FROM PUBLIC; CREATE ROLE amt_kept LOGIN PASSWORD 'amt'", db=database)
    try:
        with closing(server.connect(database, "amt_kept", "amt")) as connection:
            assert mark.read_mark(Session(connection, database)) == ""
    finally:
        server.sql("GRANT SELECT ON pg_transform TO PUBLIC; DROP ROLE amt_kept", db=database)


def test_known_schema_has_nothing_to_be_made(server: Server, call: Call) -> None:
    assert call()["in_sync"]
    for check in (True, False):
        found, read = compared(server, partial(call, state="present", check=check))
        assert (found["changed"], found["queries"], read) == (False, [], False)


def test_each_database_has_its_own(server: Server, database: str, tmp_path: Path) -> None:
    declared = [{"login_db": name, "definition": SMALL} for name in (database, "amt_schema_second")]

    def run() -> dict[str, Any]:
        return server.call("postgres_schema", databases=declared, cache_directory=str(tmp_path), fail_on_drift=False)

    server.sql(f"CREATE DATABASE amt_schema_second TEMPLATE {database}")
    try:
        assert run()["in_sync"]
        server.sql("DROP INDEX documents_category", db="amt_schema_second")
        assert [part["in_sync"] for part in run()["databases"]] == [True, False]
    finally:
        server.sql("DROP DATABASE amt_schema_second WITH (FORCE)")


def test_what_is_kept_by_somebody_else_is_not_trusted(call: Call, tmp_path: Path) -> None:
    assert call()["in_sync"]
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    head, snapshot = kept.read_text().split("\n")
    fingerprint = json.loads(head)["fingerprint"]
    kept.write_text(json.dumps({**json.loads(head), "fingerprint": "as kept"}) + "\n" + snapshot)
    assert call()["fingerprint"] == "as kept", "the file is read"
    kept.chmod(0o644)
    assert call()["fingerprint"] == fingerprint, "a file that others may read or write is not"
    for broken in ("", "{", json.dumps({**json.loads(snapshot), "things": []}), "[]"):
        kept.write_text(json.dumps({**json.loads(head), "mark": "another"}) + "\n" + broken)
        assert call()["fingerprint"] == fingerprint, "neither is a broken one"
    kept.write_text("{}")
    assert call()["fingerprint"] == fingerprint
