"""postgres_collations on a real server whose notes of versions were made old by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import Server

NAME = 'collated "x"'
AFFECTED = ("by_default", "by_expression", "by_predicate", "by_tags", '"By Name"', "things_name_key")
UNAFFECTED = ("by_c", "by_number", "by_json", "things_pkey")


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """Yield a database in another locale than the server's, with indexes of every kind, noted under version 2.31."""
    server.sql('CREATE DATABASE "collated ""x""" TEMPLATE template0 LOCALE \'en_US.utf8\'')
    for statement in (
        "CREATE TABLE things (id int PRIMARY KEY, name text UNIQUE, tags text[], facts jsonb)",
        "INSERT INTO things VALUES (1, 'a', '{a}', '{}'), (2, 'B', '{b}', '{}')",
        "CREATE INDEX by_default ON things (id, name)",
        "CREATE INDEX by_expression ON things ((lower(name) > 'b'))",
        "CREATE INDEX by_predicate ON things (id) WHERE name > 'a'",
        "CREATE INDEX by_tags ON things USING gin (tags)",
        'CREATE INDEX "By Name" ON things (name COLLATE "en_US")',
        'CREATE INDEX by_c ON things (name COLLATE "C")',
        "CREATE INDEX by_number ON things (id)",
        "CREATE INDEX by_json ON things USING gin (facts jsonb_path_ops)",
        "UPDATE pg_database SET datcollversion = '2.31' WHERE datname = current_database()",
        "UPDATE pg_collation SET collversion = '2.31' WHERE collname = 'en_US'",
    ):
        server.sql(statement, db=NAME)
    yield NAME
    server.sql('DROP DATABASE "collated ""x""" WITH (FORCE)')


def files(server: Server) -> dict[str, int]:
    """Return the file of each index, which a REINDEX replaces."""
    statement = "SELECT quote_ident(relname), relfilenode::int8 FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace"
    return dict(server.sql(statement, db=NAME))


def test_what_depends_on_a_collation_is_built_again_and_nothing_else(server: Server, database: str) -> None:
    before = files(server)
    predicted = server.call("postgres_collations", check=True)
    assert predicted["changed"]
    assert files(server) == before
    done = server.call("postgres_collations")
    assert done["queries"] == predicted["queries"]
    (found,) = done["databases"]
    assert found["name"] == database
    assert found["recorded"] == "2.31"
    assert found["collations"] == ['pg_catalog."en_US"']
    assert set(found["indexes"]) == {f"public.{name}" for name in AFFECTED}
    after = files(server)
    assert {name for name in before if before[name] != after[name]} == set(AFFECTED)
    assert {name for name in before if before[name] == after[name]} == set(UNAFFECTED)
    again = server.call("postgres_collations")
    assert (again["changed"], again["databases"], again["queries"]) == (False, [], [])


def test_only_a_collation_differs(server: Server, database: str) -> None:
    server.sql('ALTER DATABASE "collated ""x""" REFRESH COLLATION VERSION')
    (found,) = server.call("postgres_collations")["databases"]
    assert found["recorded"] == found["actual"]
    assert found["indexes"] == ['public."By Name"']
    assert not server.call("postgres_collations")["changed"]


def test_rows_that_are_equal_now_are_named_by_their_index(server: Server, database: str) -> None:
    unique = "UPDATE pg_index SET indisunique = {} WHERE indexrelid = 'things_name_key'::regclass"
    server.sql(unique.format("false"), db=NAME)
    server.sql("INSERT INTO things VALUES (3, 'a')", db=NAME)
    server.sql(unique.format("true"), db=NAME)
    before = files(server)
    result = server.call("postgres_collations")
    assert result["failed"]
    assert "REINDEX INDEX public.things_name_key in database" in result["msg"]
    assert "rows that are equal under the new version of the collation: delete or change one" in result["msg"]
    # The old version stays noted, so that the next run begins again; and no index is another than that version's.
    assert files(server) == before
    assert server.sql("SELECT datcollversion FROM pg_database WHERE datname = %s", NAME) == [("2.31",)]
    server.sql("DELETE FROM things WHERE id = 3", db=NAME)
    assert server.call("postgres_collations")["changed"]


def test_no_connection_is_one_sentence(server: Server) -> None:
    result = server.call("postgres_collations", login_unix_socket="/nonexistent")
    assert "no server listens there" in result["msg"]
    assert "\n" not in result["msg"]
