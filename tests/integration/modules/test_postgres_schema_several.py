"""postgres_schema with several databases in one call, those that are not to be compared yet among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server

FIRST = {"name": "0001_first.sql", "content": "CREATE TABLE one ();"}
DECLARED = "CREATE TABLE one ();"


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """Yield an empty database, gone afterwards."""
    server.sql("CREATE DATABASE amt_several")
    yield "amt_several"
    server.sql("DROP DATABASE amt_several WITH (FORCE)")


def named(server: Server, prefix: str) -> list[str]:
    """Return the restore points that lie in the server's WAL, oldest first; none of a server whose log cannot be read."""
    logged = [line.partition("restore point ")[2] for line in server.log().splitlines() if " created at " in line]
    return [text.split('"')[1] for text in logged if text.startswith(f'"{prefix}')]


def test_several_databases_in_one_call(server: Server, database: str, tmp_path: Path) -> None:
    """Each as if it were alone: one that is in sync, one that is not, and one that is not there."""
    server.sql("DROP DATABASE IF EXISTS amt_second WITH (FORCE)")
    server.sql("CREATE DATABASE amt_second")
    server.sql("CREATE TABLE one ()", db=database)
    second: dict[str, Any] = {
        "login_db": "amt_second",
        "definition": "CREATE TABLE two (id int); INSERT INTO two VALUES (1);",
    }
    second["rows"] = [{"table": "two", "key": ["id"]}]
    pair = [{"login_db": database, "definition": "CREATE TABLE one ();"}, second]

    def compare(databases: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
        return server.call("postgres_schema", databases=databases, cache_directory=str(tmp_path), **given)

    try:
        looked = compare(pair)
        assert (looked["failed"], looked["changed"], looked["in_sync"]) == (True, False, False)
        assert looked["msg"].startswith("Database amt_second differs from its declared schema: two: table missing")
        assert [(part["login_db"], part["in_sync"]) for part in looked["databases"]] == [
            (database, True),
            ("amt_second", False),
        ]
        absent = {"login_db": "amt_absent", "definition": "CREATE TABLE three ();"}
        for check in (True, False):
            done = compare([absent, *pair], state="present", check=check, restore_point="amt_several_before")
            assert "amt_absent" in done["msg"]
            assert done["databases"][0]["in_sync"] is False
            assert (done["changed"], done["databases"][2]["changed"]) == (True, True)
            assert [side["after_header"] for side in done["diff"]] == [database, "amt_second"]
            assert done["restore_point"] == ("" if check else "amt_several_before")
            # Named once, and not by the first database, in which nothing changes.
            assert [part["restore_point"] for part in done["databases"]] == ["", "", done["restore_point"]]
        assert server.sql("SELECT id FROM two", db="amt_second") == [(1,)]
        again = compare(pair, state="present", restore_point="amt_several_again")
        assert (again["changed"], again["in_sync"], "msg" in again) == (False, True, False)
        assert again["restore_point"] == ""
        assert named(server, "amt_several_") == ["amt_several_before"]
    finally:
        server.sql("DROP DATABASE amt_second WITH (FORCE)")


def test_a_database_waits_for_its_migrations(server: Server, database: str, tmp_path: Path) -> None:
    """Compared only once it has had exactly those that it is declared with; before, nothing is made in it."""

    def compare(*files: dict[str, str], **given: Any) -> dict[str, Any]:
        declared = {"login_db": database, "definition": DECLARED, "migrations": list(files)}
        given = {"cache_directory": str(tmp_path), "fail_on_drift": False, **given}
        return server.call("postgres_schema", databases=[declared], **given)

    for check in (True, False):
        waiting = compare(FIRST, state="present", check=check)
        assert (waiting["unsettled"], waiting["absent"], waiting["databases"]) == ([database], [], [])
        assert (waiting["changed"], waiting["in_sync"], waiting["diff"]) == (False, False, [])
    assert server.sql("SELECT to_regclass('one')", db=database) == [(None,)]

    server.call("postgres_migration", login_user="postgres", login_db=database, migrations=[FIRST])
    done = compare(FIRST)
    assert (done["unsettled"], done["in_sync"]) == ([], False)
    assert {difference["object"].split(".")[0] for difference in done["databases"][0]["drift"]} == {"ai_micro"}
    assert compare(FIRST, ignore=["ai_micro"])["in_sync"] is True

    strict = compare(fail_on_drift=True)
    assert strict["msg"].startswith(f"Database {database} has not had exactly the migrations")
    changed, more = {**FIRST, "content": "CREATE TABLE other ();"}, {**FIRST, "name": "0002_more.sql"}
    for files in ([], [changed], [FIRST, more]):
        assert compare(*files)["unsettled"] == [database]


def test_a_database_that_is_not_there_is_named(server: Server, database: str, tmp_path: Path) -> None:
    declared = [{"login_db": name, "definition": "", "migrations": []} for name in (database, "amt_nowhere")]
    strict = server.call("postgres_schema", databases=declared, cache_directory=str(tmp_path))
    assert (strict["failed"], strict["msg"]) == (True, "Database amt_nowhere does not exist: create it.")
    found = server.call("postgres_schema", databases=declared, cache_directory=str(tmp_path), fail_on_drift=False)
    assert (found["absent"], found["unsettled"], found["in_sync"]) == (["amt_nowhere"], [], False)
    assert [(part["login_db"], part["in_sync"]) for part in found["databases"]] == [(database, True)]
