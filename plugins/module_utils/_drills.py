# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of drills: a line of JSON for each, oldest first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def read_history(path: str) -> list[dict[str, Any]]:
    """Read the drills, oldest first; a history that is not there is empty."""
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def history(drills: Sequence[Mapping[str, Any]], newest: Mapping[str, Any], kept: int) -> str:
    """Write the history with one more drill, and without what is more than is kept."""
    lines = [json.dumps(drill, sort_keys=True, ensure_ascii=False) for drill in [*drills, newest][-kept:]]
    return "".join(f"{line}\n" for line in lines)


def summary(drills: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the last drill, and the times of the last one that passed."""
    passed = [drill for drill in drills if drill["passed"]]
    return {
        "last": drills[-1]["at"] if drills else None,
        "passed": drills[-1]["passed"] if drills else None,
        "rto_seconds": passed[-1]["rto_seconds"] if passed else None,
        "rpo_seconds": passed[-1]["rpo_seconds"] if passed else None,
    }


def last_passed(drills: Sequence[Mapping[str, Any]]) -> float:
    """Give the time of the last drill that passed, in seconds since 1970; 0 where none did."""
    times = [drill["at"] for drill in drills if drill["passed"]]
    # Python before 3.11 does not know Z.
    return datetime.fromisoformat(times[-1].replace("Z", "+00:00")).timestamp() if times else 0


def line(drill: Mapping[str, Any]) -> str:
    """Write one drill in one line."""
    if not drill["passed"]:
        return f"drill {drill['at']}: FAILED: {drill['reason']}"
    return (
        f"drill {drill['at']}: RTO {drill['rto_seconds']} s, RPO {drill['rpo_seconds']} s; from the backup {drill['backup']} and the WAL since, "
        f"{drill['tables']} tables with {drill['rows']} rows were as the server held them at {drill['restore_point']}"
    )


def warnings(drills: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say that the last drill failed."""
    if drills and not drills[-1]["passed"]:
        return [
            f"The drill of {drills[-1]['at']} failed ({drills[-1]['reason']}): mend that, and run playbooks/drill.yml again."
        ]
    return []
