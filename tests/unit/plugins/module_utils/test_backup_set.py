"""Which backup a restore begins with: one from which WAL leads to the timeline and the time that are wanted, and a whole one."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_set import (
    astray,
    branches,
    choose,
    leading,
    moment,
    newest_of_each,
    number,
    unreached,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    Backup,
    apart,
    history_words,
    position,
    read_info,
    shown,
)

HISTORY = "1\t0/5000000\tbefore 2026-11-25 14:00:00+00\n\n2\t0/9000000\tno recovery target specified\n"


def backup(label: str, timeline: int, ended_at: str, ended: int = 0, cluster: int = 1) -> Backup:
    return Backup(label, "full", ended - 10, ended, 1, 1, False, {}, timeline, cluster, position(ended_at))


# Timeline 2 branched off 1 at 0/5000000, timeline 3 off 2 at 0/9000000; 1 was served again meanwhile.
ON_1, ON_2, LATE_ON_1, LATE_ON_2, ON_3 = (
    backup("A", 1, "0/4000100", 100),
    backup("B", 2, "0/6000100", 200),
    backup("C", 1, "0/7000100", 300),
    backup("D", 2, "0/A000100", 400),
    backup("E", 3, "0/B000100", 500),
)


@pytest.mark.parametrize(
    ("backups", "timeline", "history", "labels"),
    [
        ([ON_1], 1, "", ["A"]),
        ([ON_1, ON_2], 1, "", ["A"]),
        ([ON_1, ON_2, LATE_ON_1], 1, "", ["A", "C"]),
        ([ON_1], 2, HISTORY, ["A"]),
        ([ON_1, ON_2], 2, HISTORY, ["A", "B"]),
        ([ON_1, LATE_ON_1], 2, HISTORY, ["A"]),
        ([LATE_ON_1], 2, HISTORY, []),
        ([ON_1, ON_2, LATE_ON_1, LATE_ON_2, ON_3], 3, HISTORY, ["A", "B", "E"]),
        ([ON_1, ON_2], 2, "", ["B"]),
        ([], 1, "", []),
        ([ON_1, backup("N", 1, "0/2000100", cluster=2)], 1, "", ["N"]),
    ],
    ids=[
        "the only timeline",
        "a restore that was undone: its backup does not count",
        "its own, older and newer",
        "right after a restore: the ancestor's leads there",
        "after the first backup of the new timeline",
        "the ancestor's after the branch does not",
        "none leads there",
        "through two branches",
        "without a history its own alone",
        "no backup",
        "another cluster's in the same stanza does not",
    ],
)
def test_backups_that_lead_to_a_timeline(backups: list[Backup], timeline: int, history: str, labels: list[str]) -> None:
    assert [each.label for each in leading(backups, timeline, branches(history))] == labels


@pytest.mark.parametrize(
    ("before", "damaged", "label"),
    [
        (None, [], "C"),
        (301, [], "C"),
        (300, [], "B"),
        (None, ["C"], "B"),
        (300, ["B"], "A"),
        (None, ["A", "B", "C"], "C"),
    ],
    ids=[
        "the newest",
        "it ended before",
        "it ended later, so another",
        "the newest that is whole",
        "both",
        "all are damaged: the restore says so",
    ],
)
def test_one_of_them_is_chosen(before: Optional[float], damaged: list[str], label: str) -> None:
    chosen = choose([ON_1, ON_2, LATE_ON_1], before, damaged)
    assert chosen is not None
    assert chosen.label == label


@pytest.mark.parametrize(
    ("ahead", "label"), [(0, "B"), (10, "A"), (100000, "B")], ids=["exact", "a little", "no clock is"]
)
def test_a_clock_that_is_ahead_has_an_earlier_one_chosen(ahead: int, label: str) -> None:
    made = [ON_1._replace(label="A", ended=100), ON_1._replace(label="B", ended=200)]
    chosen = choose(made, 205, [], ahead)
    assert chosen is not None
    assert chosen.label == label


def test_nothing_is_chosen_for_a_time_before_every_backup() -> None:
    """Recovery would stop at the backup's end, and would have gone well."""
    assert choose([ON_1, ON_2, LATE_ON_1], 50, []) is None
    assert choose([ON_1, ON_2, LATE_ON_1], 50, [], 300) == LATE_ON_1


@pytest.mark.parametrize(
    ("time", "ahead", "begins_with", "said"),
    [
        ("", 0, ON_1, ""),
        ("1970-01-01 00:10:00", 0, ON_1._replace(ended=599), ""),
        (
            "1970-01-01 00:10:00",
            0,
            ON_1._replace(label="L", ended=600),
            "The backup L ended after 1970-01-01 00:10:00:",
        ),
        ("1970-01-01 00:10:00", 0, None, "No backup ended before 1970-01-01 00:10:00,"),
        ("1970-01-01 00:10:00", 300, ON_1._replace(ended=700), ""),
        ("yesterday", 0, ON_1, "yesterday is no time that is understood:"),
        ("1970-01-01 00:10:00 Asia/Tokyo", 0, ON_1, "1970-01-01 00:10:00 Asia/Tokyo is no time that is understood:"),
    ],
    ids=[
        "no time",
        "in order",
        "the named one is too late",
        "all are too late",
        "a named moment",
        "a word",
        "a zone's name",
    ],
)
def test_recovery_never_stops_past_the_time_that_was_asked_for(
    time: str, ahead: int, begins_with: Optional[Backup], said: str
) -> None:
    found = unreached(time, ahead, begins_with)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_nothing_is_chosen_of_nothing_and_pgbackrests_own_verdict_counts() -> None:
    assert choose([], None, []) is None
    assert choose([ON_1, ON_2._replace(damaged=True)], None, []) == ON_1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01 00:01:40", 100),
        ("1970-01-01 00:01:40.123456+00", 100),
        ("1970-01-01 01:01:40+01", 100),
        ("1969-12-31 18:31:40-05:30", 100),
        ("1970-01-01 02:01:40,5+0200", 100),
        ("now", None),
        ("1970-01-01T00:01:40Z", 100),
        ("1970-01-01T00:01:40", 100),
        ("1970-01-01T02:01:40.5+02:00", 100),
        ("1970-01-01 00:01", 60),
        ("1970-01-01 09:01+09", 60),
        ("1970-01-01", None),
        ("1970-13-01 00:01:40", None),
    ],
)
def test_time_is_read_as_postgresql_reads_it(text: str, seconds: Optional[float]) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    ("text", "timeline"), [("", 0), ("current", 0), ("latest", 0), ("2", 2), ("02", 2), ("0x1F", 31)]
)
def test_timeline_is_a_number_or_a_word(text: str, timeline: int) -> None:
    assert number(text) == timeline


def test_remedy_names_the_timelines_that_there_are() -> None:
    assert newest_of_each([ON_1, ON_2, LATE_ON_1]) == {1: "C", 2: "B"}
    said = astray([ON_1, ON_2, LATE_ON_1], 3)
    assert said.startswith(
        "No backup leads to the timeline 3; the newest of each are C on 1, B on 2: give -e restore_timeline="
    )


def answer(**changes: Any) -> str:
    """One backup as pgBackRest lists it."""
    entry = {
        "label": "A",
        "type": "full",
        "timestamp": {"start": 1, "stop": 2},
        "info": {"size": 3, "repository": {"delta": 4}},
        "error": False,
        "archive": {"start": "0000000A0000000000000002", "stop": "0000000A0000000100000003"},
        "database": {"id": 2, "repo-key": 1},
        "lsn": {"start": "0/2000028", "stop": "1/3000100"},
        **changes,
    }
    found = {"name": "x", "archive": [], "backup": [entry], "db": [{"system-id": 7}], "repo": []}
    return json.dumps([{**found, "status": {"code": 0, "message": "ok"}}])


def test_timeline_and_end_of_a_backup_are_read() -> None:
    (found,) = read_info(answer(), "x").backups
    assert (found.timeline, found.cluster, found.ended_at) == (10, 2, (1 << 32) + 0x3000100)
    assert shown(found) == {
        "label": "A",
        "type": "full",
        "started": 1,
        "ended": 2,
        "size": 3,
        "repository_size": 4,
        "damaged": False,
        "annotations": {},
        "timeline": 10,
        "seconds": 1,
    }


def test_list_without_positions_is_read_by_its_files() -> None:
    (found,) = read_info(answer(lsn=None), "x").backups
    assert found.ended_at == (1 << 32) + 0x3000000
    (found,) = read_info(answer(archive={"start": None, "stop": None}, lsn=None), "x").backups
    assert (found.timeline, found.ended_at) == (1, 0)


def test_history_is_asked_for_by_its_name() -> None:
    assert history_words("x", "15-1", 10) == ("repo-get", "archive/x/15-1/0000000A.history", "--ignore-missing")


def test_repository_is_asked_without_a_network_where_it_is_on_the_host() -> None:
    local = apart("i", "/etc/x", "/var/x", {}, "", "x")
    assert "--network=none" in local
    assert "--mount=type=bind,source=/var/x,target=/var/lib/pgbackrest,readonly" in local
    assert local[-2:] == ["i", "--stanza=x"]
    away = apart("i", "/etc/x", "", {"s3.example": "10.0.0.1"}, "/etc/pgbackrest/offsite.conf", "x")
    assert "--network=none" not in away
    assert "--add-host=s3.example:10.0.0.1" in away
    assert away[-3:] == ["i", "--config=/etc/pgbackrest/offsite.conf", "--stanza=x"]
