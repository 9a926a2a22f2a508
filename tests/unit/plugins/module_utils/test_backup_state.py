"""What speaks against relying on backups, here and off site."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_state import Limits, offsite_warnings, warnings
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    Backup,
    command,
    failure,
    read_info,
    unusable,
    usable,
    wal_words,
)

NOW = 1_000_000
LIMITS = Limits(max_age=86400, max_rpo=300)
QUIET = {"failing": False, "rpo_seconds": 0, "last_failed_wal": ""}


def backup(label: str, age: int = 60) -> Backup:
    return Backup(label, "full", NOW - age - 10, NOW - age, 100, 50, False, {})


def answer(code: int, message: str) -> str:
    """What pgBackRest prints of a repository of one stanza."""
    status = {"code": code, "message": message}
    archive = [{"database": {"id": 1}, "id": "15-1", "max": None, "min": None}]
    found: dict[str, Any] = {"name": "x", "archive": archive, "backup": [], "db": [{"system-id": 7}]}
    return json.dumps([{**found, "repo": [{"key": 1, "status": status}], "status": {"code": code, "message": "other"}}])


def test_verified_backups_in_both_places_need_no_warning() -> None:
    backups, records = [backup("A")], {"A": {"restored_in": 1}}
    assert warnings(backups, records, QUIET, NOW, LIMITS) == []
    assert offsite_warnings(backups, "", 0, records, NOW, LIMITS) == []


def test_first_backup_that_a_schedule_will_take_is_no_concern() -> None:
    assert warnings([], {}, QUIET, NOW, LIMITS, awaited=True) == []
    assert "There is no backup:" in warnings([], {}, QUIET, NOW, LIMITS)[0]
    assert "is not verified" in warnings([backup("A")], {}, QUIET, NOW, LIMITS, awaited=True)[0]


@pytest.mark.parametrize(
    ("backups", "silence", "waiting", "sentence"),
    [
        ([], "", 0, "There is no backup off site"),
        ([], "it does not answer.", 0, "The off-site repository cannot be used, and the local one goes on without it"),
        ([backup("A", 90000)], "", 0, "The newest backup off site is 25 h old"),
        ([backup("B")], "", 0, "The newest backup off site, B, is not verified"),
        ([backup("A")], "", 3, "The off-site repository lacks 3 WAL files that the local one has"),
    ],
)
def test_what_is_wrong_off_site_is_named(backups: list[Backup], silence: str, waiting: int, sentence: str) -> None:
    (found,) = offsite_warnings(backups, silence, waiting, {"A": {}}, NOW, LIMITS)
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("[CryptoError] unable to flush\nmore", "look whether the passphrase"),
        ("[HostConnectError] unable to connect to 's3.example:443'", "look whether the place where it lies"),
    ],
)
def test_repository_that_cannot_be_used_says_why(message: str, remedy: str) -> None:
    stanza = read_info(answer(99, message), "x")
    assert not usable(stanza)
    assert unusable(stanza).startswith(message.splitlines()[0])
    assert remedy in unusable(stanza)


def test_archive_of_the_cluster_is_known_before_there_is_wal() -> None:
    assert read_info(answer(2, "no valid backups"), "x").archive == "15-1"
    assert read_info("[]", "x").archive == ""


def test_wal_is_looked_for_by_its_whole_name() -> None:
    words = wal_words("x", "15-1", "000000010000000A000000FF")
    assert words[:2] == ("repo-ls", "archive/x/15-1/000000010000000A")
    assert words[2].startswith("--filter=^000000010000000A000000FF-")


def test_configuration_comes_before_the_command() -> None:
    assert command("c", "x", "/etc/o.conf", "info")[-4:] == ["pgbackrest", "--config=/etc/o.conf", "--stanza=x", "info"]


def test_full_disk_is_named_though_it_was_tried_again() -> None:
    said = """ERROR: [064]: raised from local-2 protocol: unable to write '/data/2703'
       [FileWriteError] on retry after 0ms
       [FileWriteError] on retry after 15000ms: unable to write '/data/2688': [28] No space left on device"""
    assert "No space left on device; look at the space left" in failure([said])


def test_first_detail_is_the_one_that_counts() -> None:
    said = """ERROR: [055]: unable to load info file '/r/archive.info' or '/r/archive.info.copy':
       FileMissingError: unable to open
       [CryptoError] cipher header invalid
       [OtherError] more"""
    assert "cipher header invalid" in failure([said])
