"""What speaks against relying on backups, here and off site."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_state import (
    Limits,
    first_awaited,
    known,
    newest_verified,
    offsite_warnings,
    warnings,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    Backup,
    command,
    damaged_labels,
    failure,
    read_info,
    read_progress,
    unusable,
    usable,
    verdict,
    wal_words,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schedule import Job

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


def test_first_backup_is_awaited_off_site_too_and_nothing_else_is_kept_quiet() -> None:
    assert offsite_warnings([], "", 0, {}, NOW, LIMITS, awaited=True) == []
    assert offsite_warnings([backup("A", 90000)], "", 0, {"A": {}}, NOW, LIMITS, awaited=True)
    assert len(offsite_warnings([], "it does not answer.", 3, {}, NOW, LIMITS, awaited=True)) == 2


def test_backup_that_leads_nowhere_counts_for_nothing() -> None:
    """What was taken between a restore and its way back lies on a timeline that was left."""
    backups = [backup("A", 90000), backup("B", 90000), backup("C")]
    found = warnings(backups, {"A": {}, "C": {}}, QUIET, NOW, LIMITS, leads=backups[:2])
    assert [line[:59] for line in found] == [
        "The newest backup that leads to what is served is 25 h old:",
        "The newest backup that leads to what is served, B, is not v",
    ]
    (none,) = offsite_warnings(backups, "", 0, {"C": {}}, NOW, LIMITS, leads=[])
    assert none == "No backup off site leads to what is served: take one with site.yml --tags backup."


RAN = {"began": NOW - 60, "ended": NOW, "status": 0}


@pytest.mark.parametrize(
    ("jobs", "backups", "records", "awaited"),
    [
        ({"full": {}, "incr": {}, "check": RAN}, [], {}, True),
        ({"logical": {}}, [], {}, True),
        ({"check": {}, "drill": {}}, [], {}, False),
        ({"full": {}}, [backup("A")], {}, False),
        ({"full": {}, "incr": RAN}, [], {}, False),
        ({"full": {}, "logical": RAN}, [], {}, False),
        ({"full": {}}, [], {"A": {}}, False),
    ],
    ids=[
        "none ran yet",
        "dumps come with a backup",
        "nothing takes one",
        "there is one",
        "one ran, so they are lost",
        "dumps ran",
        "one was verified, by hand",
    ],
)
def test_only_the_very_first_backup_is_awaited(
    jobs: dict[str, dict[str, Any]], backups: list[Backup], records: dict[str, Any], awaited: bool
) -> None:
    """A repository that was emptied has none either."""
    found = [Job(name, "0 1 * * *", 0, 0.0, run) for name, run in jobs.items()]
    assert first_awaited(backups, records, found) is awaited


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


def sized(label: str, size: int, kind: str = "full") -> Backup:
    return backup(label)._replace(size=size, type=kind)


FAILING = {"failing": True, "rpo_seconds": 900, "last_failed_wal": "000000010000000000000007"}


@pytest.mark.parametrize(
    ("backups", "archiver", "sentences"),
    [
        (
            [sized("A", 1000), sized("B", 499)],
            QUIET,
            ["The full backup B holds 499 bytes, the one before 1000: look whether"],
        ),
        ([sized("A", 1000), sized("B", 500)], QUIET, []),
        (
            [sized("A", 100), sized("B", 1000), sized("C", 499)],
            QUIET,
            ["The full backup C holds 499 bytes, the one before 1000"],
        ),
        ([sized("A", 1000), sized("A_1", 10, "incr")], QUIET, []),
        ([sized("A", 1000)], FAILING, ["WAL does not reach the repository (000000010000000000000007 failed)"]),
        ([sized("A", 1000)], {**QUIET, "rpo_seconds": 301}, ["The last WAL reached the repository 301 s ago"]),
        ([sized("A", 1000)], {**QUIET, "rpo_seconds": 300}, []),
        ([backup("A", 90000)], QUIET, ["The newest backup is 25 h old: look whether the schedule still fires"]),
        (
            [backup("A")._replace(damaged=True), backup("B")],
            QUIET,
            ["The backup A is damaged and counts no more: take a full one (-e backup_type=full), and look at"],
        ),
        ([backup("A"), backup("B")._replace(damaged=True)], QUIET, ["The backup B is damaged and counts no more"]),
        (
            [sized("A", 1000), sized("B", 1)._replace(damaged=True)],
            FAILING,
            ["The backup B is damaged", "The full backup B holds 1 bytes", "WAL does not reach the repository"],
        ),
    ],
    ids=[
        "suspiciously small",
        "half as large is not yet",
        "it is the one before that counts",
        "an incremental one is small by itself",
        "archiving fails",
        "archiving lags",
        "archiving is slow, but not too slow",
        "too old",
        "an older one is damaged",
        "the newest is damaged, and that it is not verified needs no other sentence",
        "all at once",
    ],
)
def test_what_is_wrong_is_named(backups: list[Backup], archiver: dict[str, Any], sentences: list[str]) -> None:
    records: dict[str, Any] = {each.label: {} for each in backups if not each.damaged}
    found = warnings(backups, records, archiver, NOW, LIMITS)
    assert [line.startswith(start) for line, start in zip(found, sentences)] == [True] * len(sentences)
    assert len(found) == len(sentences), found


def test_damaged_backup_counts_as_verified_no_more() -> None:
    records = {"A": {"restored_in": 1}, "B": {"restored_in": 2}}
    backups, whole = known([backup("A"), backup("B")], records, ["B", "gone"])
    assert [(each.label, each.damaged) for each in backups] == [("A", False), ("B", True)]
    assert newest_verified(backups, whole) == {"restored_in": 1}
    assert records.keys() == {"A", "B"}
    again, nothing = known([backup("A")._replace(damaged=True)], records, [])
    assert again[0].damaged
    assert newest_verified(again, nothing) is None


def test_damage_off_site_is_named_by_its_place() -> None:
    (found,) = offsite_warnings([backup("A")._replace(damaged=True)], "", 0, {}, NOW, LIMITS)
    assert found == "The backup A off site is damaged and counts no more: take a full one (-e backup_type=full)."


VERIFIED = """stanza: x
status: error
  archiveId: 15-1, total WAL checked: 2, total valid WAL: 2
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261125-234256F, status: invalid, total files checked: 1500, total valid files: 1499
    missing: 0, checksum invalid: 1, size invalid: 0, other: 0
  backup: 20261126-010000F, status: valid, total files checked: 9, total valid files: 9
  backup: 20261126-020000F, status: manifest missing, total files checked: 0, total valid files: 0
  backup: 20261126-020000F_20261126-030000I, status: in-progress, total files checked: 0, total valid files: 0
"""


def test_what_pgbackrest_found_is_read() -> None:
    assert damaged_labels(VERIFIED) == ["20261125-234256F", "20261126-020000F"]
    # It ends with 0, and says so in words.
    said = verdict(0, VERIFIED, "")
    assert said.startswith("holds files that are not as they were written: stanza: x, status: error, archiveId: 15-1,")
    assert "backup: 20261125-234256F, status: invalid" in said
    assert said.endswith("Take a full backup (-e backup_type=full), and look at the place where the repository lies.")
    assert verdict(0, "stanza: x\nstatus: ok\n", "") == ""
    silent = verdict(49, "", "ERROR: [049]: unable to connect to 's3.example:443'")
    assert silent == "could not be read to its end: unable to connect to 's3.example:443'."
    assert damaged_labels("stanza: x\nstatus: ok\n") == []


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


def test_file_that_is_not_what_was_written_is_called_damaged() -> None:
    """Where a flipped bit leaves it readable, its checksum tells."""
    said = "ERROR: [026]: raised from local-1 protocol: error restoring '/data/base/16384/2659': actual checksum 'eb3b' does not match expected checksum 'e87b'"
    assert "does not match expected checksum 'e87b'; a file is damaged: run verify.yml --tags backup" in failure([said])


def test_first_detail_is_the_one_that_counts() -> None:
    said = """ERROR: [055]: unable to load info file '/r/archive.info' or '/r/archive.info.copy':
       FileMissingError: unable to open
       [CryptoError] cipher header invalid
       [OtherError] more"""
    assert "cipher header invalid" in failure([said])


@pytest.mark.parametrize(
    ("status", "share"),
    [
        ("ok", None),
        ("ok (backup/expire running - 38.67% complete)", 38.67),
        ("error (no valid backups, backup/expire running - 0.00% complete)", 0.0),
        ("ok (backup/expire running)", None),
    ],
)
def test_share_of_a_backup_that_runs(status: str, share: float | None) -> None:
    """As ``info`` prints it."""
    assert read_progress(f"stanza: x\n    status: {status}\n    cipher: aes-256-cbc\n") == share
