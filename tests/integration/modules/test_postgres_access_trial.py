"""postgres_access_trial on a real server: it finds what grants, groups, attributes and owners give, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from .conftest import Server

ROLES: list[dict[str, Any]] = [
    {"name": "trial_app"},
    {"name": "trial_app_2", "member_of": ["trial_app"]},
    {"name": "trial_reader"},
]
DATABASES: list[dict[str, Any]] = [
    {
        "name": "trial",
        "owner": "postgres",
        "grants": {
            "trial_app": {
                "database": ["CONNECT"],
                "schemas": {
                    "public": {
                        "privileges": ["USAGE"],
                        "tables": ["SELECT", "INSERT", "UPDATE", "DELETE"],
                        "sequences": ["USAGE", "SELECT"],
                    }
                },
            },
            "trial_reader": {
                "database": ["CONNECT"],
                "schemas": {
                    "public": {
                        "privileges": ["USAGE"],
                        "tables": {"*": ["SELECT"], "account": {"SELECT": {"except": ["secret"]}}},
                    }
                },
            },
        },
    },
    {"name": "postgres", "contents": False},
    {"name": "template1", "contents": False},
]
OBJECTS = """
CREATE EXTENSION "uuid-ossp";
CREATE TABLE account (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE, secret text, twice text GENERATED ALWAYS AS (name || name) STORED);
CREATE TABLE "Größe" (id integer GENERATED ALWAYS AS IDENTITY, part integer) PARTITION BY LIST (part);
CREATE VIEW names AS SELECT name FROM account;
CREATE TABLE empty ();
INSERT INTO account (name) VALUES ('kept')
"""


def trial(server: Server, **more: Any) -> dict[str, Any]:
    """Call the module; it must end without a traceback."""
    given = {"roles": ROLES, "databases": DATABASES, **more}
    result = server.call("postgres_access_trial", **given)
    assert "Traceback" not in result["raw"], result["raw"]
    return result


@pytest.fixture(scope="module")
def declared(server: Server) -> Iterator[Server]:
    """A database as postgres_access leaves it, removed with its roles afterwards."""
    server.sql("CREATE DATABASE trial")
    server.sql(OBJECTS, db="trial")
    made = server.call("postgres_access", roles=ROLES, databases=DATABASES)
    assert made.get("changed"), made["raw"]
    yield server
    server.sql("DROP DATABASE trial WITH (FORCE)")
    server.sql("GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC; GRANT CONNECT ON DATABASE template1 TO PUBLIC")
    for (name,) in server.sql("SELECT rolname FROM pg_roles WHERE oid >= 16384"):
        server.sql(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))


def test_nothing_deviates_and_nothing_is_left(declared: Server) -> None:
    """A server as declared passes, in check mode too; rows, sequences, files and catalogs stay as they are, and the log stays clean."""
    state = (
        "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_namespace), (SELECT last_value FROM account_id_seq),"
        " (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM pg_ls_dir('/tmp') f WHERE f LIKE 'ai_micro%')"
    )
    before = declared.sql(state, db="trial")
    result = trial(declared)
    assert not result.get("failed"), result["msg"]
    assert (result["deviations"], result["undecided"], result["changed"]) == ([], [], False)
    assert result["statements"] > 100
    assert trial(declared, _ansible_check_mode=True)["deviations"] == []
    assert declared.sql(state, db="trial") == before
    assert declared.sql("SELECT name FROM account", db="trial") == [("kept",)]
    assert "ai_micro_trial" not in declared.log()


@pytest.mark.parametrize(
    ("by_hand", "back", "lines"),
    [
        (
            "GRANT TRUNCATE ON account TO trial_app",
            "REVOKE TRUNCATE ON account FROM trial_app",
            [
                "trial: trial_app may TRUNCATE public.account, which is not declared (catalog).",
                "trial: trial_app_2 may TRUNCATE public.account, which is not declared (catalog).",
            ],
        ),
        (
            "GRANT SELECT (secret) ON account TO trial_reader",
            "REVOKE SELECT (secret) ON account FROM trial_reader",
            ["trial: trial_reader may SELECT public.account.secret, which is not declared (catalog and statement)."],
        ),
        (
            "REVOKE DELETE ON account FROM trial_app",
            "GRANT DELETE ON account TO trial_app",
            [
                "trial: trial_app may not DELETE public.account, which is declared: permission denied for table account.",
                "trial: trial_app_2 may not DELETE public.account, which is declared: permission denied for table account.",
            ],
        ),
        (
            "GRANT pg_read_server_files TO trial_reader",
            "REVOKE pg_read_server_files FROM trial_reader",
            [
                "trial_reader may SET ROLE pg_read_server_files, which is not declared (catalog and statement).",
            ],
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO trial_reader",
            "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM trial_reader",
            ["trial: trial_reader may read a file (pg_read_file), which is not declared (catalog)."],
        ),
        (
            "ALTER ROLE trial_app CREATEROLE",
            "ALTER ROLE trial_app NOCREATEROLE",
            ["trial_app may CREATE ROLE, which is not declared (catalog)."],
        ),
        (
            "GRANT trial_app TO trial_reader; ALTER ROLE trial_reader NOINHERIT",
            "REVOKE trial_app FROM trial_reader; ALTER ROLE trial_reader INHERIT",
            ["trial_reader may SET ROLE trial_app, which is not declared (catalog and statement)."],
        ),
        (
            "GRANT TEMPORARY ON DATABASE postgres TO trial_app",
            "REVOKE TEMPORARY ON DATABASE postgres FROM trial_app",
            [
                "postgres: trial_app may CREATE TEMPORARY TABLE, which is not declared (catalog).",
                "postgres: trial_app_2 may CREATE TEMPORARY TABLE, which is not declared (catalog).",
            ],
        ),
    ],
)
def test_what_was_changed_by_hand_is_a_line(declared: Server, by_hand: str, back: str, lines: list[str]) -> None:
    """Each is found, once, in words that name role and object; the statement finds what it may try without harm."""
    for statement in by_hand.split("; "):
        declared.sql(statement, db="trial")
    try:
        result = trial(declared)
    finally:
        for statement in back.split("; "):
            declared.sql(statement, db="trial")
    assert result["failed"]
    assert [found["line"] for found in result["deviations"]] == lines
    assert all(line in result["msg"] for line in lines)


def test_public_and_owners_count(declared: Server) -> None:
    """What PUBLIC may, each role may; an owner may do everything."""
    declared.sql("GRANT CREATE ON SCHEMA public TO PUBLIC", db="trial")
    declared.sql("ALTER TABLE empty OWNER TO trial_app", db="trial")
    try:
        found = {each["line"] for each in trial(declared, fail_on_deviation=False)["deviations"]}
    finally:
        declared.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", db="trial")
        declared.sql("ALTER TABLE empty OWNER TO postgres", db="trial")
        declared.call("postgres_access", roles=ROLES, databases=DATABASES)
    both = "which is not declared (catalog and statement)."
    assert {f"trial: {role['name']} may CREATE TABLE in public, {both}" for role in ROLES} <= found
    assert "trial: trial_app may own public.empty, which is not declared (catalog)." in found
    assert "trial: trial_app may TRUNCATE public.empty, which is not declared (catalog)." in found
    assert trial(declared)["deviations"] == []


def test_an_extension_of_a_role_is_a_line(declared: Server) -> None:
    """Its owner may drop it, with all that uses it, long after the right to create it is gone."""
    declared.sql("GRANT CREATE ON DATABASE trial TO trial_app")
    declared.sql("CREATE EXTENSION hstore", db="trial", role="trial_app")
    declared.sql("REVOKE CREATE ON DATABASE trial FROM trial_app")
    try:
        found = [each["line"] for each in trial(declared, fail_on_deviation=False)["deviations"]]
    finally:
        declared.sql("DROP EXTENSION hstore", db="trial")
    assert found == [
        f"trial: {role} may own extension hstore, which is not declared (catalog)."
        for role in ("trial_app", "trial_app_2")
    ]


def test_a_database_that_nobody_declared(declared: Server) -> None:
    """It counts only where pg_hba.conf lets the role in, a template too; template0 lets nobody in."""
    declared.sql("CREATE DATABASE other")
    declared.sql("CREATE DATABASE model IS_TEMPLATE true")
    try:
        assert trial(declared, hba=[{"database": ["trial"], "role": ["all"]}])["deviations"] == []
        open_to = trial(declared, hba=[{"database": ["all"], "role": ["trial_app"]}], fail_on_deviation=False)
    finally:
        declared.sql("ALTER DATABASE model IS_TEMPLATE false")
        declared.sql("DROP DATABASE model")
        declared.sql("DROP DATABASE other")
    assert [each["line"] for each in open_to["deviations"]] == [
        "model: trial_app may CONNECT, which is not declared (catalog).",
        "other: trial_app may CONNECT, which is not declared (catalog).",
    ]


def test_a_locked_table_is_not_waited_for(declared: Server) -> None:
    """What could not be tried is said, and is no deviation."""
    holder = declared.connect("trial")
    holder.autocommit = False
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE empty IN ACCESS EXCLUSIVE MODE")
        result = trial(declared, roles=[{"name": "trial_app"}])
    finally:
        holder.close()
    assert result["deviations"] == []
    assert any("trial: trial_app: DELETE public.empty could not be tried" in line for line in result["undecided"])


def test_what_is_not_there_is_named(declared: Server) -> None:
    """A role or a database that is missing is one sentence."""
    assert "The role nobody does not exist" in trial(declared, roles=[{"name": "nobody"}])["msg"]
    gone = [*DATABASES, {"name": "gone"}]
    assert "The database gone does not exist" in trial(declared, databases=gone)["msg"]
    with pytest.raises(psycopg2.OperationalError):
        declared.connect("gone")
