# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of an exchange that was cut short."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._exchange import exchange
from ansible_collections.ai_micro.postgres.plugins.module_utils._restores import has_happened, interrupted, judge

NOTED = {"volume": 11, "kept": 22}
KEPT = "pg_kept_20261126t140000"
LEFT = {"volume": 11, "kept": 22}
CROSSED = {"volume": 22, "kept": 11}


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "state": "prepared",
        "doing": "restore",
        "served": True,
        "volume": "pg_postgres_data",
        "time": "2026-11-26 14:00:00 UTC",
        "inodes": NOTED,
        **changes,
    }


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (LEFT, False),
        (CROSSED, True),
        ({"volume": 11, "kept": None}, False),
        ({"volume": None, "kept": 22}, False),
        ({"volume": 22, "kept": None}, True),
        ({"volume": None, "kept": 11}, True),
        ({"volume": None, "kept": None}, None),
        ({}, None),
        # One of the two was made anew, and the file system gave it a number that was free.
        ({"volume": 11, "kept": 33}, None),
        ({"volume": 33, "kept": 11}, None),
        ({"volume": 11, "kept": 11}, None),
        ({"volume": 33, "kept": 44}, None),
    ],
)
def test_directories_tell_whether_they_have_changed_places(
    found: dict[str, Optional[int]], answer: Optional[bool]
) -> None:
    assert has_happened(NOTED, found) is answer


def test_real_directories_keep_their_inodes(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in NOTED}
    for path in paths.values():
        path.mkdir()
    noted = {name: path.stat().st_ino for name, path in paths.items()}

    def found() -> dict[str, Optional[int]]:
        return {name: path.stat().st_ino for name, path in paths.items()}

    assert has_happened(noted, found()) is False
    exchange(os.fspath(paths["volume"]), os.fspath(paths["kept"]))
    assert has_happened(noted, found()) is True


@pytest.mark.parametrize(
    ("changes", "found", "state", "goes_back"),
    [
        # What was restored and never served is not gone back to; restore_undo.yml has nothing to do.
        ({}, LEFT, "unused", False),
        ({}, CROSSED, "swapped", True),
        # Where nothing was served before, nothing is gone back to.
        ({"served": False}, LEFT, "unused", False),
        ({"served": False}, CROSSED, "empty", True),
        # A way back has served both; the next one finishes it and does not go forth again.
        ({"doing": "undo"}, LEFT, "swapped", True),
        ({"doing": "undo"}, CROSSED, "swapped", False),
        # Undecided stays undecided.
        ({}, {"volume": 33, "kept": 44}, "prepared", False),
        ({"doing": "undo"}, {}, "prepared", False),
    ],
)
def test_what_the_journal_says_from_then_on(
    changes: dict[str, Any], found: dict[str, Optional[int]], state: str, goes_back: bool
) -> None:
    judged = judge({KEPT: entry(**changes)}, KEPT, found)
    assert (judged["state"], judged["goes_back"], judged["kept"]) == (state, goes_back, KEPT)
    assert "pg_postgres_data" in judged["message"]
    assert "2026-11-26 14:00:00 UTC" in judged["message"]


def test_message_names_the_way_on() -> None:
    left = judge({KEPT: entry()}, KEPT, LEFT)["message"]
    assert f"{KEPT} what was restored, which was never served and which playbooks/restore_cleanup.yml removes" in left
    crossed = judge({KEPT: entry()}, KEPT, CROSSED)["message"]
    assert f"restore_undo.yml brings back what it held before, from {KEPT}" in crossed
    assert "restore_undo.yml" not in judge({KEPT: entry(served=False)}, KEPT, CROSSED)["message"]


def test_the_one_that_was_cut_short_is_found() -> None:
    done = entry(state="swapped")
    assert interrupted({}) == ""
    assert interrupted({"pg_kept_20260101t000000": done}) == ""
    assert interrupted({"pg_kept_20260101t000000": done, KEPT: entry(), "pg_kept_x": entry(state="unused")}) == KEPT
