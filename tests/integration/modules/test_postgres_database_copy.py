"""postgres_database_copy, postgres_database_exchange and postgres_dump: a copy is compared, and its name changes at once or not at all."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from .conftest import Server
from .pair import STAMP, Pair, pair_of

DATABASE, ROLE, SECRET = "amt_copied", "amt_copied_role", "for-tests-ONLY-1"
CONTENTS = f"""
CREATE TABLE item (id int PRIMARY KEY, state varchar NOT NULL CHECK (state IN ('new', 'old')), price real);
CREATE SEQUENCE number;
CREATE VIEW news AS SELECT id FROM item WHERE state IN ('new');
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM item;
INSERT INTO item SELECT n, 'new', n / 3.0 FROM generate_series(1, 1000) n;
SELECT nextval('number');
GRANT SELECT ON item TO {ROLE};
ALTER TABLE item OWNER TO {ROLE}
"""
LATER = "20261125t150000"


@pytest.fixture(scope="module")
def servers(server: Server) -> Iterator[Pair]:
    with pair_of(server) as pair:
        pair.both(f"CREATE ROLE {ROLE}")
        yield pair
        pair.live.sql(f"DROP ROLE {ROLE}")


@pytest.fixture
def pair(servers: Pair) -> Iterator[Pair]:
    servers.both(f"CREATE DATABASE {DATABASE} CONNECTION LIMIT 7")
    servers.both(CONTENTS, DATABASE)
    servers.both(f'ALTER DATABASE {DATABASE} SET search_path = "$user", public')
    # As hardened databases have it: an empty name, which no identifier can be.
    servers.both(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET search_path = ''")
    servers.both(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET temp_tablespaces = ''")
    servers.both(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET work_mem = '5MB'")
    servers.both(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
    servers.both(f"GRANT CONNECT ON DATABASE {DATABASE} TO {ROLE}")
    servers.both(f"COMMENT ON DATABASE {DATABASE} IS 'what is copied'")
    yield servers
    for name in names(servers.live):
        servers.live.sql(f"DROP DATABASE {name} WITH (FORCE)")
    servers.copy.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def names(server: Server) -> list[str]:
    found = server.sql(f"SELECT datname FROM pg_database WHERE datname LIKE '{DATABASE}%' ORDER BY 1")
    return [row[0] for row in found]


def facts(server: Server) -> list[tuple[Any, ...]]:
    """What a database itself has."""
    return server.sql(
        "SELECT datacl::text, datconnlimit, shobj_description(oid, 'pg_database'), (SELECT array_agg((setrole <> 0)::text || setconfig::text "
        f"ORDER BY setrole <> 0) FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = '{DATABASE}'"
    )


def copied(pair: Pair, stamp: str = STAMP, **arguments: Any) -> dict[str, Any]:
    return pair.call("postgres_database_copy", database=DATABASE, stamp=stamp, **arguments)


def exchanged(pair: Pair, state: str, **arguments: Any) -> dict[str, Any]:
    return pair.live.call("postgres_database_exchange", state=state, **arguments)


def test_copy_takes_the_place_and_goes_back(pair: Pair) -> None:
    before = facts(pair.live)
    pair.live.sql("DELETE FROM item", db=DATABASE)
    made = copied(pair)
    assert (made["name"], made["tables"], made["rows"]) == (f"{DATABASE}_restoring_{STAMP}", 1, 1000)
    assert pair.live.sql("SELECT count(*) FROM item", db=DATABASE) == [(0,)]
    kept = f"{DATABASE}_kept_{STAMP}"
    restored = exchanged(pair, "restored", database=DATABASE, stamp=STAMP)
    assert (restored["databases"], restored["changed"]) == ([kept], True)
    assert names(pair.live) == [DATABASE, kept]
    assert pair.live.sql("SELECT count(*) FROM item", db=DATABASE) == [(1000,)]
    # It waits for its privileges; what was there is closed even to superusers.
    assert pair.live.sql(f"SELECT datconnlimit FROM pg_database WHERE datname = '{DATABASE}'") == [(0,)]
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting connections"):
        pair.live.connect(kept)
    assert exchanged(pair, "opened", databases=[DATABASE])["databases"] == [DATABASE]
    assert exchanged(pair, "opened", databases=[DATABASE])["changed"] is False
    assert facts(pair.live) == before
    assert exchanged(pair, "returned", database=DATABASE)["databases"] == [kept]
    assert pair.live.sql("SELECT count(*) FROM item", db=DATABASE) == [(0,)]
    exchanged(pair, "returned", database=DATABASE)
    assert pair.live.sql("SELECT count(*) FROM item", db=DATABASE) == [(1000,)]
    assert exchanged(pair, "cleaned", databases=[DATABASE])["databases"] == [kept]
    assert names(pair.live) == [DATABASE]
    assert "nothing is kept" in exchanged(pair, "returned", database=DATABASE)["msg"]


def test_index_of_vectors_is_built_in_the_memory_that_it_takes(pair: Pair) -> None:
    pair.copy.sql(
        "CREATE EXTENSION vector; CREATE TABLE chunk (embedding vector(300)); CREATE INDEX ON chunk USING hnsw (embedding vector_l2_ops);"
        "INSERT INTO chunk SELECT array_agg(random()) FROM generate_series(1, 300 * 2000) n GROUP BY n % 2000; ANALYZE chunk;"
        # Refreshed by pg_restore, in the session that has built the index.
        "CREATE MATERIALIZED VIEW given AS SELECT pg_size_bytes(current_setting('maintenance_work_mem')) AS bytes",
        db=DATABASE,
    )
    pair.live.sql("ALTER SYSTEM SET maintenance_work_mem = '2MB'")
    pair.live.sql("SELECT pg_reload_conf()")
    try:
        name = copied(pair)["name"]
    finally:
        pair.live.sql("ALTER SYSTEM RESET maintenance_work_mem")
        pair.live.sql("SELECT pg_reload_conf()")
    # 2000 rows of 300 dimensions of 4 bytes and 785 bytes for their links, and a tenth more, are 4.2 MB.
    assert pair.live.sql("SELECT bytes FROM given", db=name) == [(5 * 1024**2,)]


def test_dropped_database_comes_back(pair: Pair) -> None:
    pair.live.sql(f"DROP DATABASE {DATABASE}")
    copied(pair)
    restored = exchanged(pair, "restored", database=DATABASE, stamp=STAMP)
    assert (restored["databases"], restored["changed"]) == ([], True)
    assert names(pair.live) == [DATABASE]
    # Nor is one kept that was dropped before the way back.
    copied(pair, LATER)
    exchanged(pair, "restored", database=DATABASE, stamp=LATER)
    pair.live.sql(f"DROP DATABASE {DATABASE}")
    returned = exchanged(pair, "returned", database=DATABASE)
    assert (returned["databases"], returned["changed"]) == ([], True)
    assert names(pair.live) == [DATABASE]


def test_sessions_are_sent_away_and_those_that_come_meanwhile_get_the_new_one(pair: Pair) -> None:
    """Clients of a pool connect again at once, and as often as they can."""
    copied(pair)
    pair.live.sql("UPDATE item SET state = 'old'", db=DATABASE)
    idle = pair.live.connect(DATABASE)
    stop = threading.Event()
    seen: set[str] = set()
    errors: list[str] = []

    def client() -> None:
        while not stop.is_set():
            try:
                seen.update(row[0] for row in pair.live.sql("SELECT DISTINCT state FROM item", db=DATABASE))
            except psycopg2.Error as error:
                errors.append(str(error))

    threads = [threading.Thread(target=client) for _number in range(4)]
    for thread in threads:
        thread.start()
    result = exchanged(pair, "restored", database=DATABASE, stamp=STAMP)
    assert result.get("databases") == [f"{DATABASE}_kept_{STAMP}"], result
    exchanged(pair, "opened", databases=[DATABASE])
    for _attempt in range(200):
        if "new" in seen:
            break
        threading.Event().wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert seen == {"old", "new"}
    assert not [error for error in errors if "does not exist" in error]
    with pytest.raises(psycopg2.Error):
        idle.cursor().execute("SELECT 1")


def test_copy_that_cannot_be_whole_is_dropped(pair: Pair) -> None:
    pair.copy.sql("CREATE TABLE part (item int REFERENCES item (id))", db=DATABASE)
    pair.copy.sql("SET session_replication_role = replica; INSERT INTO part VALUES (0)", db=DATABASE)
    refused = copied(pair)
    assert 'violates foreign key constraint "part_item_fkey"' in refused["msg"]
    assert "the live one is as it was" in refused["msg"]
    assert names(pair.live) == [DATABASE]


def test_copy_without_room_for_it_is_not_begun(pair: Pair, tmp_path: Path) -> None:
    """Looked for where it is named, and only there."""
    for result in (
        copied(pair, disk="/", reserve_mb=10**9),
        dumped(pair, tmp_path, "big", disk="/", reserve_mb=10**9),
    ):
        assert f"a copy of the database {DATABASE} needs 1000" in result["msg"]
        assert "MB are free: make room there" in result["msg"]
    assert (names(pair.live), list(tmp_path.iterdir())) == ([DATABASE], [])
    assert "msg" not in copied(pair, disk="/", reserve_mb=0)


def test_what_a_run_that_was_cut_short_has_left_is_no_copy(pair: Pair) -> None:
    pair.live.sql(f"CREATE DATABASE {DATABASE}_restoring_{STAMP}")
    copied(pair, LATER)
    assert names(pair.live) == [DATABASE, f"{DATABASE}_restoring_{LATER}"]
    refused = exchanged(pair, "restored", database=DATABASE, stamp=STAMP)
    assert f"there is no database {DATABASE}_restoring_{STAMP}" in refused["msg"]
    assert exchanged(pair, "cleaned", databases=[DATABASE], check=True)["databases"] == [
        f"{DATABASE}_restoring_{LATER}"
    ]
    assert exchanged(pair, "cleaned", databases=[DATABASE])["changed"] is True
    assert names(pair.live) == [DATABASE]


@pytest.mark.parametrize("stamp", ["now", "20261125t1400000", "x'; DROP"])
def test_stamp_of_another_form_is_refused(pair: Pair, stamp: str) -> None:
    assert "stamp has to be of the form" in copied(pair, stamp)["msg"]


def dumped(pair: Pair, directory: Path, label: str, **arguments: Any) -> dict[str, Any]:
    given = {"databases": [DATABASE], "directory": str(directory), "label": label, "passphrase": SECRET, **arguments}
    return pair.live.call("postgres_dump", container=pair.live.container, **given)


def test_dumps_are_restored_before_they_count_and_openssl_reads_them(pair: Pair, tmp_path: Path) -> None:
    directory = tmp_path / "dumps"
    (directory / "killed.partial").mkdir(parents=True)
    made = dumped(pair, directory, "first", restore_point="moment")["dump"]
    assert [path.name for path in directory.iterdir()] == ["first"]
    database, roles = made["files"]
    assert (database["database"], database["tables"], database["rows"], roles["name"]) == (
        DATABASE,
        1,
        1000,
        "globals.sql.enc",
    )
    assert (directory / "first").stat().st_mode & 0o777 == 0o700
    for entry in made["files"]:
        path = directory / "first" / entry["name"]
        assert path.stat().st_mode & 0o777 == 0o600
        words = [*made["decryption"].split(), "-in", str(path), "-pass", "stdin"]
        text = subprocess.run(words, input=SECRET.encode(), capture_output=True, check=True).stdout
        assert text.startswith(b"PGDMP") if entry["database"] else f"CREATE ROLE {ROLE}".encode() in text
    assert "is there already" in dumped(pair, directory, "first")["msg"]
    assert pair.live.sql("SELECT FROM pg_database WHERE datname = 'ai_micro_dump_check'") == []


def test_old_dumps_go_but_never_the_last_ones(pair: Pair, tmp_path: Path) -> None:
    for label in ("a", "b"):
        assert dumped(pair, tmp_path, label)["removed"] == []
    assert dumped(pair, tmp_path, "c", keep_days=-1, keep_generations=2)["removed"] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]


def test_dump_that_cannot_be_whole_is_not_kept(pair: Pair, tmp_path: Path) -> None:
    """A database that pg_dump cannot read to its end, and one that is not there."""
    pair.live.sql(
        "CREATE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT count(*)::int FROM public.item'", db=DATABASE
    )
    pair.live.sql("CREATE TABLE bad (id int, CHECK (id < f()))", db=DATABASE)
    pair.live.sql("INSERT INTO bad VALUES (1)", db=DATABASE)
    pair.live.sql("DELETE FROM item", db=DATABASE)
    refused = dumped(pair, tmp_path, "bad")
    assert f"No dumps were kept of bad: {DATABASE}: " in refused["msg"]
    assert "violates check constraint" in refused["msg"]
    assert list(tmp_path.iterdir()) == []
    assert 'database "nowhere" does not exist' in dumped(pair, tmp_path, "none", databases=["nowhere"])["msg"]
    assert list(tmp_path.iterdir()) == []


def test_roles_that_were_dropped_since_are_named(pair: Pair) -> None:
    """By whatever they are held: a privilege, a table, the database, a setting in it."""
    held = ("GRANT SELECT ON item TO {role}", "ALTER TABLE item OWNER TO {role}", "ALTER DATABASE {db} OWNER TO {role}")
    statements = (*held, "ALTER ROLE {role} IN DATABASE {db} SET work_mem = '6MB'")
    roles = [f"amt dropped {number}" for number in range(len(statements))]
    try:
        for role, statement in zip(roles, statements):
            pair.copy.sql(f'CREATE ROLE "{role}"')
            pair.copy.sql(statement.format(role=f'"{role}"', db=DATABASE), db=DATABASE)
        refused = copied(pair)
        assert refused["msg"] == (
            f"Database {DATABASE} could not be copied, and the live one is as it was: {DATABASE} knows roles that this server has not: "
            f"{', '.join(roles)}; create them without LOGIN for as long as this takes."
        )
        assert names(pair.live) == [DATABASE]
        pair.live.sql("".join(f'CREATE ROLE "{role}";' for role in roles))
        assert copied(pair)["tables"] == 1
    finally:
        for name in (name for name in names(pair.live) if name != DATABASE):
            pair.live.sql(f"DROP DATABASE {name} WITH (FORCE)")
        for role in roles:
            pair.copy.sql(f'REASSIGN OWNED BY "{role}" TO postgres; DROP OWNED BY "{role}"', db=DATABASE)
            for server in (pair.copy, pair.live):
                server.sql(f'DROP ROLE IF EXISTS "{role}"')
