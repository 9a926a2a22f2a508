"""How much would be lost now: nothing, what the open WAL file may hold, or everything since archiving stopped."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._rpo import predecessor, rpo_seconds

DAYS = 3 * 86400
BEFORE, BEFORE_THAT = "000000010000000000000005", "000000010000000000000004"
FACTS: dict[str, Any] = {
    "last_archived_wal": BEFORE,
    "last_failed_wal": "",
    "failing": False,
    "elapsed": DAYS,
    "current_wal": "000000010000000000000006",
    "written": 40,
    "segment_size": 16 << 20,
    "archives": True,
    "archive_timeout": 30,
    "waiting": 0,
    "waiting_for": 0,
}


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 0),
        ({"written": 41}, 30),
        ({"written": 41, "elapsed": 7}, 7),
        ({"written": 41, "archive_timeout": 0}, DAYS),
        ({"failing": True}, DAYS),
        ({"failing": True, "written": 41}, DAYS),
        ({"last_archived_wal": BEFORE_THAT}, DAYS),
        ({"last_archived_wal": BEFORE_THAT, "written": 41}, DAYS),
        ({"archives": False}, DAYS),
        ({"last_archived_wal": f"{BEFORE_THAT}.00000028.backup"}, 0),
        ({"last_archived_wal": f"{BEFORE_THAT}.00000028.backup", "written": 41}, 30),
        ({"last_archived_wal": f"{BEFORE_THAT}.00000028.backup", "waiting": 1, "waiting_for": 9}, DAYS),
        ({"last_archived_wal": "00000002.history", "current_wal": "000000020000000000000006"}, 0),
        ({"current_wal": "000000020000000000000006"}, 0),
        ({"last_archived_wal": "", "elapsed": 5}, 0),
        ({"last_archived_wal": "", "elapsed": 5, "waiting": 8, "waiting_for": DAYS, "failing": True}, DAYS),
        ({"written": 41, "elapsed": -1}, 0),
    ],
    ids=[
        "all is archived",
        "idle for days, one fresh write",
        "written right after the last one went",
        "no archive_timeout bounds it",
        "archiving fails since days, nothing in the open file",
        "archiving fails since days",
        "a closed file is missing, nothing in the open one",
        "a closed file is missing",
        "nothing is archived at all",
        "a backup's note was the last to go",
        "the same, and a fresh write",
        "the same, and a file waits",
        "a timeline's note was the last to go",
        "a new timeline goes on where the old one ended",
        "statistics lost in a crash, nothing waits",
        "statistics lost in a crash, files wait since days",
        "the clock was set back",
    ],
)
def test_what_would_be_lost(changes: dict[str, Any], seconds: int) -> None:
    assert rpo_seconds({**FACTS, **changes}) == seconds


@pytest.mark.parametrize(
    ("wal", "size", "before"),
    [
        ("000000010000000000000006", 16 << 20, "0000000000000005"),
        ("000000030000000A00000000", 16 << 20, "00000009000000FF"),
        ("000000010000000100000000", 1 << 20, "0000000000000FFF"),
        ("000000010000000100000000", 1 << 30, "0000000000000003"),
    ],
)
def test_file_before_another_one(wal: str, size: int, before: str) -> None:
    assert predecessor(wal, size) == before
