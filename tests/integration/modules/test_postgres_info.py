"""postgres_info on a real server, against the server's own answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Server

NAME = 'info "x"; ü'


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """Yield a database with a hostile name, a schema of its own and a partitioned table."""
    quoted = '"' + NAME.replace('"', '""') + '"'
    server.sql(f"CREATE DATABASE {quoted}")
    for statement in (
        'CREATE EXTENSION "uuid-ossp"',
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.log (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE public.users (id int)",
        "CREATE VIEW public.seen AS SELECT 1 AS one",
    ):
        server.sql(statement, db=NAME)
    yield NAME
    server.sql(f"DROP DATABASE {quoted} WITH (FORCE)")


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_facts(server: Server, database: str, check: bool) -> None:
    found = server.call("postgres_info", check=check)
    assert found["changed"] is False
    assert found["version"] == server.sql("SHOW server_version")[0][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["started"])
    assert found["connections"]["max"] == int(server.sql("SHOW max_connections")[0][0])
    assert found["connections"]["reserved"] == int(server.sql("SHOW superuser_reserved_connections")[0][0])
    assert found["connections"]["used"] >= 1
    assert found["pending_restart"] == []
    names = server.sql("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate")
    assert set(found["databases"]) == {name for (name,) in names}
    facts = found["databases"][database]
    assert (facts["encoding"], facts["collate"], facts["connections"]) == ("UTF8", "C.UTF-8", 0)
    assert set(facts["extensions"]) == {"plpgsql", "uuid-ossp"}
    assert facts["tables"] == ["audit.log", "public.users"]
    assert facts["size_bytes"] > 1_000_000
    assert facts["size"].endswith("kB")


def test_only_the_named_databases_and_no_error_for_an_absent_one(server: Server, database: str) -> None:
    found = server.call("postgres_info", databases=[database, "absent"])
    assert set(found["databases"]) == {database}
    assert server.call("postgres_info", databases=[])["databases"] == {}


def test_a_client_is_counted(server: Server, database: str) -> None:
    client = server.connect(database)
    try:
        assert server.call("postgres_info", databases=[database])["databases"][database]["connections"] == 1
    finally:
        client.close()


def test_a_setting_that_waits_for_a_restart(server: Server) -> None:
    server.sql("ALTER SYSTEM SET max_connections = 77")
    try:
        server.sql("SELECT pg_reload_conf()")
        for _attempt in range(100):
            found = server.call("postgres_info", databases=[])
            if found["pending_restart"]:
                break
        assert found["pending_restart"] == ["max_connections"]
    finally:
        server.sql("ALTER SYSTEM RESET max_connections")
        server.sql("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"login_db": "absent"}, "database absent does not exist"),
        ({"login_user": "nobody_here"}, "user nobody_here does not exist there"),
        ({"login_host": "127.0.0.1", "login_password": "Wrong-Secret-1"}, "the password of user postgres was refused"),
        ({"login_host": "127.0.0.1", "login_port": 1}, "no server listens there"),
        ({"login_unix_socket": "/nonexistent"}, "no server listens there"),
        ({"connect_params": {"password": "x"}}, "use login_password"),
    ],
)
def test_no_connection_is_one_sentence(server: Server, arguments: dict[str, Any], sentence: str) -> None:
    found = server.call("postgres_info", **arguments)
    assert found["failed"]
    assert sentence in found["msg"]
    assert "\n" not in found["msg"]
    assert "Traceback" not in found["raw"]
    assert "Wrong-Secret-1" not in found["msg"]
