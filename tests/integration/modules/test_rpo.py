"""What a server says of its archive comes to the seconds that would be lost: of one whose archive_command works, and of one whose does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._rpo import ARCHIVER_SQL, archived_so_far, rpo_seconds
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

from .conftest import Server, running_server


@pytest.fixture(scope="module")
def archiving() -> Iterator[Server]:
    """Give a server that archives into nowhere, and does not close a WAL file by itself."""
    with running_server("archive_mode=on", "archive_timeout=600", "autovacuum=off") as made:
        archive_by(made, "/bin/true")
        yield made


def archive_by(server: Server, command: str) -> None:
    """Have the server archive by another command, which a word on its command line would keep it from."""
    server.sql(f"ALTER SYSTEM SET archive_command = '{command}'")
    server.sql("SELECT pg_reload_conf()")


def facts(server: Server) -> dict[str, Any]:
    connection = server.connect()
    try:
        return dict(Session(connection, "postgres").query(ARCHIVER_SQL)[0])
    finally:
        connection.close()


def wait(server: Server, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Give the facts as soon as they are as they shall be.

    The server writes by itself into a file that was just begun, and archives one more before it has read a changed command: then another one is closed.
    """
    deadline, again = time.monotonic() + 90, time.monotonic() + 5
    while not met(found := facts(server)):
        assert time.monotonic() < deadline, found
        if time.monotonic() > again:
            switch(server)
            again += 5
        time.sleep(0.1)
    return found


def switch(server: Server) -> None:
    """Write something, and close the WAL file."""
    server.sql("CREATE TABLE IF NOT EXISTS amt_rpo (id int)")
    server.sql("INSERT INTO amt_rpo VALUES (1)")
    server.sql("SELECT pg_switch_wal()")


def test_nothing_is_lost_where_all_is_archived_and_seconds_where_something_is_written(archiving: Server) -> None:
    switch(archiving)
    found = wait(archiving, lambda row: archived_so_far(row) and row["written"] <= 40)
    assert rpo_seconds(found) == 0
    archiving.sql("INSERT INTO amt_rpo VALUES (2)")
    found = facts(archiving)
    assert found["written"] > 40
    assert rpo_seconds({**found, "elapsed": 100000}) == 600


def test_failing_archive_is_counted_though_nothing_is_in_the_open_file(archiving: Server) -> None:
    switch(archiving)
    wait(archiving, archived_so_far)
    archive_by(archiving, "/bin/false")
    try:
        switch(archiving)
        found = wait(archiving, lambda row: row["failing"] and row["waiting"] > 0)
        time.sleep(1.1)
        found = facts(archiving)
        assert found["last_failed_wal"]
        assert rpo_seconds(found) >= 1
        assert rpo_seconds({**found, "written": 40, "elapsed": 3 * 86400}) == 3 * 86400
    finally:
        archive_by(archiving, "/bin/true")
    switch(archiving)
    found = wait(archiving, lambda row: archived_so_far(row) and row["written"] <= 40)
    assert rpo_seconds(found) == 0


def test_note_of_a_backup_that_was_archived_last_is_no_loss(archiving: Server) -> None:
    """What describes a backup goes into the repository under the name of the WAL file in which that began."""
    connection = archiving.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backup_start('amt', true)")
            cursor.execute("INSERT INTO amt_rpo VALUES (3)")
            cursor.execute("SELECT pg_switch_wal()")
            cursor.execute("SELECT lsn FROM pg_backup_stop(false)")
    finally:
        connection.close()
    found = wait(archiving, lambda row: row["waiting"] == 0 and row["last_archived_wal"] != "")
    if found["written"] <= 40:
        assert rpo_seconds(found) == 0
    else:
        assert rpo_seconds(found) <= 600
