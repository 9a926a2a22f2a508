"""The host's data is lost while services write: what comes back from the repository, and what was promised of it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg2
import pytest
from every_backup import restore_every
from instance import SECRETS, Instance, run
from restored_dumps import ask, restored_dumps

WRITERS = 4
# Longer than the archive_timeout that the role sets, so that WAL goes into the repository for this reason too.
SECONDS = 40.0
PROMISED = 60.0
# A busy machine archives late; without a file of the test's own in the repository there is nothing to look at.
PATIENCE = 300.0
ARCHIVED = "SELECT last_archived_wal COLLATE \"C\" >= '{}' FROM pg_stat_archiver"
ROLES = {"authdb": "auth_service", "apidb": "user_api_service", "admindb": "admin_api_service"}
# In the order in which a service would write: what refers to a user comes after the user.
STATEMENTS = (
    ("authdb", "users", "INSERT INTO users (id, email, password_hash) VALUES (%(id)s, %(id)s || '@example.com', 'h')"),
    ("apidb", "profiles", "INSERT INTO profiles (id, user_id, name) VALUES (%(id)s, %(id)s, 'somebody')"),
    ("admindb", "login_logs", "INSERT INTO login_logs (id, user_id, success) VALUES (%(id)s, %(id)s, true)"),
)
VECTOR = """
INSERT INTO langchain_pg_embedding (id, collection_id, embedding, document)
SELECT %(id)s, uuid, (SELECT array_agg(random())::vector FROM generate_series(1, 768)), 'text' FROM langchain_pg_collection
"""


class Commit(NamedTuple):
    """A row whose commit was acknowledged, and when that was asked for and said, by this machine's clock."""

    table: str
    key: str
    asked: float
    acknowledged: float


def connect(instance: Instance, database: str) -> psycopg2.extensions.connection:
    """Log in as the service of a database does."""
    connection = psycopg2.connect(
        host="localhost",
        port=instance.port,
        user=ROLES[database],
        password=SECRETS[ROLES[database]],
        dbname=database,
        sslmode="verify-full",
        sslrootcert=str(instance.directory / "tls/ca.crt"),
    )
    connection.autocommit = True
    return connection


def write(instance: Instance, journal: list[Commit], dead: threading.Event) -> None:
    """Insert a user, and what refers to it in the other databases, again and again until the server is gone."""
    open_ones = {database: connect(instance, database).cursor() for database in ROLES}
    turn = 0
    while not dead.is_set():
        key = {"id": str(uuid.uuid4())}
        vector = [("admindb", "langchain_pg_embedding", VECTOR)] if turn % 20 == 0 else []
        try:
            for database, table, statement in [*STATEMENTS, *vector]:
                asked = time.monotonic()
                open_ones[database].execute(statement, key)
                journal.append(Commit(table, key["id"], asked, time.monotonic()))
        except psycopg2.Error:
            return
        turn += 1
        # Of a pace at which a WAL file is not full before its time is over.
        dead.wait(0.1)


@dataclass
class Load:
    """An instance into which services write until it is gone, or the tests are over."""

    instance: Instance
    known: set[str]
    begun: float = field(default_factory=time.monotonic)
    journals: list[list[Commit]] = field(default_factory=lambda: [[] for _ in range(WRITERS)])
    dead: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Have them begin."""
        self.threads = [
            threading.Thread(target=write, args=(self.instance, journal, self.dead)) for journal in self.journals
        ]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Wait until the last of them has ended."""
        self.dead.set()
        for thread in self.threads:
            thread.join(timeout=60)

    def commits(self) -> list[Commit]:
        """What was acknowledged, in this order."""
        found = (commit for journal in self.journals for commit in list(journal))
        return sorted(found, key=lambda commit: commit.acknowledged)


@pytest.fixture(scope="module")
def load(backed_up: Instance) -> Iterator[Load]:
    """Give an instance into which services write, with a reference to nobody that was there before."""
    backed_up.sql("INSERT INTO profiles (user_id, name) VALUES (uuid_generate_v4(), 'of nobody')", "apidb")
    made = Load(backed_up, orphans(backed_up.sql))
    made.start()
    yield made
    made.end()


def lose(load: Load) -> list[Commit]:
    """Have them write as long as the test takes, then kill the container and delete its volume; give what was acknowledged."""
    instance, dead = load.instance, load.dead
    dead.wait(max(0.0, load.begun + SECONDS / 2 - time.monotonic()))
    assert any(load.journals)
    first = instance.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    dead.wait(SECONDS / 2)
    give_up = time.monotonic() + PATIENCE
    while instance.sql(ARCHIVED.format(first)) != "t":
        assert time.monotonic() < give_up, instance.sql("SELECT pg_stat_archiver FROM pg_stat_archiver")
        dead.wait(1)
    run("docker", "kill", instance.name)
    load.end()
    run("docker", "rm", instance.name)
    run("docker", "volume", "rm", instance.volume)
    return load.commits()


def present(instance: Instance) -> set[tuple[str, str]]:
    """The rows that are there, by table and key."""
    tables = {"langchain_pg_embedding": "admindb", **{table: database for database, table, _sql in STATEMENTS}}
    return {
        (table, key)
        for table, database in tables.items()
        for key in instance.sql(f"SELECT id FROM {table}", database).split()
    }


def orphans(ask: Callable[[str, str], str]) -> set[str]:
    """References to users that are not there, by a function that asks a database."""
    users = set(ask("SELECT id FROM users", "authdb").split())
    profiles = set(ask("SELECT user_id FROM profiles", "apidb").split())
    return (profiles | set(ask("SELECT user_id FROM login_logs", "admindb").split())) - users


def test_dumps_that_are_taken_while_services_write_are_of_one_moment(load: Load) -> None:
    """What refers to a user is inserted after the user, in another database: dumps of one database after the other would have some without."""
    begun = time.monotonic()
    taken = load.instance.play("backup", "-e", "backup_type=logical")
    assert taken.code == 0, taken.output
    ended = time.monotonic()
    written = [commit for commit in load.commits() if begun < commit.asked and commit.acknowledged < ended]
    tables = [table for _database, table, _statement in STATEMENTS]
    assert {commit.table for commit in written} >= set(tables)
    directory = max((load.instance.repository / "dumps").iterdir())
    with restored_dumps(load.instance, directory, *ROLES) as server:

        def asked(statement: str, database: str) -> str:
            return ask(server, database, statement)

        dumped = {
            (table, key)
            for database, table, _sql in STATEMENTS
            for key in asked(f"SELECT id FROM {table}", database).split()
        }
        # The moment lies between commits of this very run.
        there = [(commit.table, commit.key) in dumped for commit in written if commit.table in tables]
        assert (any(there), all(there)) == (True, False)
        assert orphans(asked) == load.known


def test_what_was_acknowledged_comes_back_but_for_the_last_minute(load: Load) -> None:
    loaded, confirmed = load.instance, ("-e", f"confirm_restore={load.instance.name}")
    assert len(load.known) == 1
    journal = lose(load)
    assert len(journal) > 100
    refused = loaded.play("restore", *confirmed, postgres_backup_passphrase="Another-Passphrase-7")
    # The files of the lost container are still there, and the repository is asked before they are replaced.
    assert f"postgres_backup_passphrase does not open the repository {loaded.repository}" in refused.text, (
        refused.output
    )
    assert run("docker", "volume", "inspect", loaded.volume, check=False).returncode != 0

    result = loaded.play("restore", *confirmed)
    assert result.code == 0, result.output

    there = present(loaded)
    restored = [commit for commit in journal if (commit.table, commit.key) in there]
    missing = [commit for commit in journal if (commit.table, commit.key) not in there]
    assert restored
    # What was lost was said to be there after the last that came back was asked for: nothing before that is missing.
    newest = max(commit.asked for commit in restored)
    assert [commit for commit in missing if commit.acknowledged < newest] == []
    lost = journal[-1].acknowledged - restored[-1].acknowledged
    print(f"{len(restored)} of {len(journal)} commits came back; lost: {lost:.1f} s")
    assert lost <= PROMISED
    assert orphans(loaded.sql) == load.known

    assert loaded.who_comes_in() == {f"{role} {database}" for database, role in ROLES.items()}
    assert loaded.site().count("changed") == 0
    verified = loaded.play("verify")
    assert verified.code == 0, verified.output


def test_every_backup_that_is_called_verified_restores(backed_up: Instance) -> None:
    """The last of this instance, after its host was lost: those of its other tests too."""
    assert len(restore_every(backed_up)) >= 2
