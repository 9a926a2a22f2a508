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


def test_what_is_kept_by_hand_stays_with_its_own_wal_alone() -> None:
    listed = [backup("A", 60, keep="by hand"), *LIST[2:]]
    assert judge(listed, ["E"], NOW, 0, 1) == (["B", "C", "D"], 1)


def test_nothing_and_the_only_one_are_kept() -> None:
    assert judge([], [], NOW, 0, 3) == ([], 1)
    assert judge(LIST[:1], [], NOW, 0, 0) == ([], 1)
