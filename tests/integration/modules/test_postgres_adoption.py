"""postgres_adoption on a real server: what it tells, what it notes, what it puts back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import PASSWORD, Server

MARK = "ai_micro.postgres: initialised"
COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'postgres'"
VERIFIER = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'"


@pytest.fixture
def cluster(server: Server) -> Iterator[Server]:
    """Yield the server with a database of a deployment in it, and put back what an adoption changes."""
    ((comment,),) = server.sql(COMMENT)
    server.sql("CREATE DATABASE deployed")
    server.sql("CREATE EXTENSION vector", db="deployed")
    server.sql(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
    yield server
    server.sql("COMMENT ON DATABASE postgres IS %s", comment)
    server.sql("DROP DATABASE deployed WITH (FORCE)")
    server.sql(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")


def call(server: Server, record: Path, state: str, check: bool = False) -> dict[str, Any]:
    return server.call("postgres_adoption", check=check, state=state, record=str(record), mark=MARK)


def test_facts(cluster: Server, tmp_path: Path) -> None:
    cluster.sql("CREATE ROLE grafana LOGIN")
    cluster.sql("UPDATE pg_extension SET extversion = '99' WHERE extname = 'vector'", db="deployed")
    client = cluster.connect("deployed", password=PASSWORD)
    try:
        found = call(cluster, tmp_path / "record", "inspected")
    finally:
        client.close()
        cluster.sql("DROP ROLE grafana")
    assert found["changed"] is False
    assert (found["marked"], found["recorded"], found["data_checksums"]) == (False, False, False)
    assert found["login_roles"] == ["grafana", "postgres"]
    assert found["superuser_verifier"] == "scram-sha-256"
    assert len(found["superuser_clients"]) == 1
    assert found["prepared_transactions"] == 0
    assert found["databases"]["deployed"] == {
        "collate": "C.UTF-8",
        "encoding": "UTF8",
        "extensions": {"plpgsql": "1.0", "vector": "99"},
        "unavailable": {"vector": "99"},
    }


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("ALTER ROLE postgres PASSWORD NULL", "none"),
        ("SET password_encryption = 'md5'; ALTER ROLE postgres PASSWORD 'x'", "md5"),
    ],
)
def test_kinds_of_passwords(cluster: Server, tmp_path: Path, statement: str, kind: str) -> None:
    cluster.sql(statement)
    assert call(cluster, tmp_path / "record", "inspected")["superuser_verifier"] == kind


def test_adopted_and_returned(cluster: Server, tmp_path: Path) -> None:
    record = tmp_path / "record"
    before = (cluster.sql(COMMENT), cluster.sql(VERIFIER))
    assert call(cluster, record, "adopted", check=True)["changed"]
    assert not record.exists()
    assert (cluster.sql(COMMENT), cluster.sql(VERIFIER)) == before

    done = call(cluster, record, "adopted")
    assert done["changed"]
    assert "SCRAM-SHA-256$" not in done["raw"]
    assert record.stat().st_mode & 0o777 == 0o600
    assert cluster.sql(COMMENT) == [(MARK,)]
    assert cluster.sql(VERIFIER) == before[1]
    again = call(cluster, record, "adopted")
    assert (again["changed"], again["marked"], again["recorded"]) == (False, True, True)
    # The first note counts, whatever the password is by then.
    noted = record.read_text()
    cluster.sql("ALTER ROLE postgres PASSWORD 'Another-Secret-1'")
    assert not call(cluster, record, "adopted")["changed"]
    assert record.read_text() == noted

    assert call(cluster, record, "returned", check=True)["changed"]
    assert cluster.sql(COMMENT) == [(MARK,)]
    back = call(cluster, record, "returned")
    assert back["changed"]
    assert (cluster.sql(COMMENT), cluster.sql(VERIFIER)) == before
    assert not call(cluster, record, "returned")["changed"]
    verifier = json.loads(noted)["verifier"]
    assert verifier not in back["raw"]
    assert verifier not in cluster.log()


@pytest.mark.parametrize("content", [None, "{not json", "17"], ids=["no file", "no JSON", "no object"])
def test_without_its_note_nothing_is_returned(cluster: Server, tmp_path: Path, content: str | None) -> None:
    record = tmp_path / "record"
    if content is not None:
        record.write_text(content)
    result = call(cluster, record, "returned")
    assert result["failed"]
    assert f"{record} cannot be read" in result["msg"]
    assert "restore it from a backup" in result["msg"]
    assert "\n" not in result["msg"]


def test_note_that_cannot_be_written_changes_nothing(cluster: Server, tmp_path: Path) -> None:
    before = cluster.sql(COMMENT)
    result = call(cluster, tmp_path / "absent" / "record", "adopted")
    assert "cannot be written: No such file or directory" in result["msg"]
    assert cluster.sql(COMMENT) == before
