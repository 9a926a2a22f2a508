"""postgres_table_rows: what differs is told by primary key, and comes back in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Server
from .pair import STAMP, Pair, pair_of

DATABASE, LATER = "amt_rows", "20261125t150000"
TABLES = """
CREATE TABLE team (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE person (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, team int REFERENCES team ON DELETE CASCADE, email text UNIQUE,
                     facts json, longer text GENERATED ALWAYS AS (email || '!') STORED);
CREATE TABLE audit (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (tg_op); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON person FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW people AS SELECT email FROM person;
INSERT INTO team VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO person (team, email, facts) SELECT n % 3 + 1, 'p' || n, '{"n": 1}' FROM generate_series(1, 9) n;
TRUNCATE audit
"""


@pytest.fixture(scope="module")
def servers(server: Server) -> Iterator[Pair]:
    with pair_of(server) as pair:
        yield pair


@pytest.fixture
def pair(servers: Pair) -> Iterator[Pair]:
    servers.both(f"CREATE DATABASE {DATABASE}")
    servers.both(TABLES, DATABASE)
    yield servers
    servers.both(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def call(pair: Pair, state: str, table: str = "person", check: bool = False, **arguments: Any) -> dict[str, Any]:
    stamp = {"stamp": STAMP} if state == "restored" else {}
    given = {"login_db": DATABASE, "state": state, "table": table, **stamp, **arguments}
    return pair.call("postgres_table_rows", check, **given)


def people(pair: Pair) -> list[tuple[Any, ...]]:
    return pair.live.sql("SELECT id, team, email, facts::text, longer FROM person ORDER BY id", db=DATABASE)


def accident(pair: Pair) -> None:
    pair.live.sql("DELETE FROM person WHERE id IN (1, 2)", db=DATABASE)
    pair.live.sql("UPDATE person SET facts = '{\"n\": 2}', team = 2 WHERE id = 3", db=DATABASE)
    pair.live.sql("INSERT INTO person (team, email) VALUES (1, 'new')", db=DATABASE)


def test_what_differs_is_shown_without_its_values(pair: Pair) -> None:
    assert call(pair, "compared")["counts"] == {"deleted": 0, "changed": 0, "added": 0}
    accident(pair)
    before = people(pair)
    found = call(pair, "compared")
    assert found["counts"] == {"deleted": 2, "changed": 1, "added": 1}
    assert found["rows"] == [
        {"what": "deleted", "key": "1", "columns": []},
        {"what": "deleted", "key": "2", "columns": []},
        {"what": "changed", "key": "3", "columns": ["team", "facts"]},
        {"what": "added", "key": "10", "columns": []},
    ]
    assert (found["changed"], people(pair)) == (False, before)
    assert call(pair, "restored", check=True)["changed"] is True
    assert people(pair) == before


def test_chosen_rows_come_back_and_go_again(pair: Pair) -> None:
    then = people(pair)
    accident(pair)
    broken = people(pair)
    pair.live.sql("TRUNCATE audit", db=DATABASE)
    one = call(pair, "restored", keys=["2"])
    assert (one["written"], [row[0] for row in people(pair)]) == (1, [2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert one["kept"] == [f"kept_{STAMP}_person"]
    assert call(pair, "returned")["written"] == 0
    assert people(pair) == broken
    kinds = call(pair, "restored", kinds=["deleted", "changed"])
    assert (kinds["written"], people(pair)[:9]) == (3, then)
    assert people(pair)[9][2] == "new"
    assert call(pair, "returned")["written"] == 1
    assert people(pair) == broken
    assert call(pair, "restored")["written"] == 3
    assert people(pair) == then
    assert call(pair, "restored")["changed"] is False
    assert pair.live.sql("SELECT count(*) FROM audit", db=DATABASE) == [(0,)]
    assert call(pair, "returned")["kept"] == [f"kept_{STAMP}_person"]
    assert people(pair) == broken
    assert "nothing is kept of public.person" in call(pair, "returned")["msg"]


def test_foreign_keys_of_both_directions_are_checked(pair: Pair) -> None:
    pair.live.sql("DELETE FROM team WHERE id = 2", db=DATABASE)
    refused = call(pair, "restored")
    assert "3 rows of public.person would refer to rows that public.team has not (person_team_fkey)" in refused["msg"]
    assert len(people(pair)) == 6
    assert call(pair, "restored", table="team", kinds=["deleted"])["written"] == 1
    assert call(pair, "returned", table="public.team")["written"] == 0
    assert call(pair, "restored", table="team", kinds=["deleted"])["written"] == 1
    assert call(pair, "restored")["written"] == 3
    refused = call(pair, "returned", table="team")
    assert "3 rows of public.person would refer" in refused["msg"]
    pair.live.sql("INSERT INTO team VALUES (4, 'four')", db=DATABASE)
    pair.live.sql("INSERT INTO person (team, email) VALUES (4, 'new')", db=DATABASE)
    assert "1 rows of public.person would refer" in call(pair, "restored", table="team", stamp=LATER)["msg"]
    assert pair.live.sql("SELECT count(*) FROM team", db=DATABASE) == [(4,)]


def test_values_that_changed_places_come_back_and_a_taken_one_is_refused(pair: Pair) -> None:
    then = people(pair)
    pair.live.sql("UPDATE person SET email = 'x' WHERE id = 1", db=DATABASE)
    pair.live.sql("UPDATE person SET email = 'p1' WHERE id = 2", db=DATABASE)
    pair.live.sql("UPDATE person SET email = 'p2' WHERE id = 1", db=DATABASE)
    assert call(pair, "restored")["written"] == 2
    assert people(pair) == then
    pair.live.sql("DELETE FROM person WHERE id = 5", db=DATABASE)
    pair.live.sql("INSERT INTO person (email) VALUES ('p5')", db=DATABASE)
    refused = call(pair, "restored", kinds=["deleted"], stamp=LATER)
    assert "duplicate key value violates unique constraint" in refused["msg"]
    assert "Traceback" not in refused["raw"]
    assert len(people(pair)) == 9


@pytest.mark.parametrize(
    ("statement", "table", "reason"),
    [
        ("ALTER TABLE person ADD COLUMN age int", "person", "the columns age have changed since in public.person"),
        ("ALTER TABLE person DROP COLUMN longer", "person", "the columns longer have changed since"),
        ("CREATE TABLE later (id int PRIMARY KEY)", "later", "there was no table later in amt_rows at that moment"),
        ("SELECT 1", "audit", "public.audit has no primary key"),
        ("SELECT 1", "people", "public.people is no plain table"),
        ("DROP TABLE team CASCADE", "team", "restore.yml makes it again"),
    ],
)
def test_table_that_cannot_be_compared_is_named(pair: Pair, statement: str, table: str, reason: str) -> None:
    pair.live.sql(statement, db=DATABASE)
    assert reason in call(pair, "compared", table=table)["msg"]


def test_strange_key_is_refused(pair: Pair) -> None:
    accident(pair)
    assert "the row 77 is none of those that differ" in call(pair, "restored", keys=["1", "77"])["msg"]
    assert len(people(pair)) == 8


def test_dropped_table_is_made_again_with_what_was_its_own(pair: Pair) -> None:
    then = people(pair)
    pair.live.sql("DROP TABLE person CASCADE", db=DATABASE)
    made = call(pair, "restored")
    assert (made["written"], people(pair)) == (9, then)
    pair.live.sql("DELETE FROM person WHERE id = 1", db=DATABASE)
    assert pair.live.sql("SELECT what FROM audit", db=DATABASE) == [("DELETE",)]
    assert pair.live.sql("INSERT INTO person (email) VALUES ('next') RETURNING id", db=DATABASE) == [(10,)]


def test_everything_kept_is_dropped_when_asked_for(pair: Pair) -> None:
    accident(pair)
    call(pair, "restored")
    assert call(pair, "cleaned", check=True)["kept"] == [f"kept_{STAMP}_person"]
    assert call(pair, "cleaned")["changed"] is True
    assert call(pair, "cleaned")["kept"] == []
