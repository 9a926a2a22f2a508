"""What is removed is older than wanted, and is neither needed, nor among the last that were verified, nor kept by hand."""

from __future__ import annotations

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup
from ansible_collections.ai_micro.postgres.plugins.module_utils._retention import DAY, generations, judge

NOW = 1000 * DAY


def backup(label: str, age: int, **annotations: str) -> Backup:
    ended = NOW - age * DAY
    return Backup(label, "incr" if "_" in label else "full", ended - 10, ended, 1, 1, False, annotations)


LIST = [backup("A", 60), backup("A_1", 55), backup("B", 40), backup("C", 35), backup("D", 20), backup("E", 1)]


def test_generation_is_a_full_backup_with_its_followers() -> None:
    assert {label: len(found) for label, found in generations(LIST).items()} == {"A": 2, "B": 1, "C": 1, "D": 1, "E": 1}


@pytest.mark.parametrize(
    ("verified", "days", "keep", "outdated", "wal_from"),
    [
        ([], 30, 3, ["A", "B"], 3),
        (["A_1", "D", "E"], 30, 3, ["B"], 4),
        (["A_1", "D", "E"], 30, 2, ["A", "B"], 3),
        (["A_1"], 0, 0, ["A", "B", "C", "D"], 1),
        (["B", "C"], 0, 1, ["A", "B", "D"], 2),
    ],
)
def test_verdict(verified: list[str], days: int, keep: int, outdated: list[str], wal_from: int) -> None:
    assert judge(LIST, verified, NOW, days, keep) == (outdated, wal_from)


@pytest.mark.parametrize(
    ("verified", "damaged", "wal_days", "wal_from"),
    [
        (["A_1", "D", "E"], [], 30, 3),
        (["A_1", "D", "E"], [], 7, 2),
        (["A_1", "D", "E"], [], 0, 1),
        (["A_1", "D", "E"], ["D"], 7, 3),
        (["C"], [], 0, 3),
        (["A_1"], [], 0, 4),
        ([], [], 0, 1),
        (["D", "E"], ["E"], 0, 2),
        (["A_1", "D", "E"], [], 1000, 4),
    ],
    ids=[
        "from the newest that is older than the days, of five the third",
        "of fewer days, from a younger one",
        "none but from the newest",
        "a damaged one leads nowhere",
        "from the newest verified one, whatever its age",
        "also where retention by age has left it alone",
        "of no verified one",
        "from the whole one before a damaged one",
        "never from what is removed",
    ],
)
def test_wal_leads_to_any_moment_of_fewer_days(
    verified: list[str], damaged: list[str], wal_days: int, wal_from: int
) -> None:
    assert judge(LIST, verified, NOW, 30, 3, damaged, wal_days).wal_from == wal_from


def test_what_is_kept_by_hand_stays_with_its_own_wal_alone() -> None:
    listed = [backup("A", 60, keep="by hand"), *LIST[2:]]
    assert judge(listed, ["E"], NOW, 0, 1) == (["B", "C", "D"], 1)


def test_nothing_and_the_only_one_are_kept() -> None:
    assert judge([], [], NOW, 0, 3) == ([], 1)
    assert judge(LIST[:1], [], NOW, 0, 0) == ([], 1)


@pytest.mark.parametrize(
    ("damaged", "days", "keep", "outdated"),
    [
        ([], 0, 1, ["A", "B", "C"]),
        (["E"], 0, 1, ["A", "B", "C"]),
        (["D"], 0, 1, ["A", "B", "D"]),
        (["D", "C", "B"], 0, 1, ["B", "C", "D"]),
        (["A_1", "D", "C"], 0, 1, ["A", "C", "D"]),
        (["C"], 30, 0, ["A"]),
        (["C", "D"], 30, 0, ["A"]),
    ],
    ids=[
        "none is damaged",
        "the newest is, and stays",
        "an older one protects in its place",
        "one incremental that was verified and is whole protects its generation",
        "a damaged incremental does not",
        "what leads to the first moment of the days stays",
        "a damaged one within the days is not removed before its time",
    ],
)
def test_damaged_backup_protects_no_other(damaged: list[str], days: int, keep: int, outdated: list[str]) -> None:
    verified = ["A_1", "B", "C", "D"]
    assert judge(LIST, verified, NOW, days, keep, damaged).outdated == outdated


def test_backup_that_pgbackrest_calls_damaged_protects_no_other() -> None:
    listed = [each._replace(damaged=each.label == "D") for each in LIST]
    assert judge(listed, ["C", "D"], NOW, 0, 1).outdated == ["A", "B", "D"]


@pytest.mark.parametrize(
    ("timelines", "served", "wal_from"),
    [
        ([1, 1, 1], 1, 2),
        ([1, 2, 2], 2, 2),
        ([1, 2, 1], 1, 3),
        ([1, 2, 2], 1, 3),
        ([2, 2, 2], 1, 4),
        ([3, 2, 1], 0, 4),
        ([3, 2, 2], 2, 2),
    ],
    ids=[
        "no restore",
        "a restore",
        "a restore that was undone, with a backup after it",
        "a restore that has just been undone",
        "nothing lies low enough, so all WAL stays",
        "each restore undone",
        "what lies before the first on a higher timeline keeps its own WAL",
    ],
)
def test_wal_of_lower_timelines_is_kept_with_backups_before_the_restore(
    timelines: list[int], served: int, wal_from: int
) -> None:
    """WAL is removed by its name, which begins with the timeline."""
    made = [backup("A", 40), backup("B", 20), backup("C", 1)]
    made = [each._replace(timeline=timeline) for each, timeline in zip(made, timelines)]
    assert judge(made, ["A", "B", "C"], NOW, 60, 3, wal_days=7, served=served).wal_from == wal_from


def test_timelines_of_another_cluster_have_wal_of_their_own() -> None:
    made = [backup("A", 40), backup("B", 20)._replace(timeline=2), backup("C", 1)._replace(timeline=1, cluster=2)]
    assert judge(made, ["B", "C"], NOW, 60, 3, wal_days=7, served=1).wal_from == 2
