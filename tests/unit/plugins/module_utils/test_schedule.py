"""What a schedule leaves on a host, whether it still fires, and the history of drills."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _drills, _schedule
from ansible_collections.ai_micro.postgres.plugins.module_utils._calendar import read
from ansible_collections.ai_micro.postgres.plugins.module_utils._lock import process_started
from ansible_collections.ai_micro.postgres.plugins.module_utils._timers import Job, cron_file, cron_path, unit_files

NOON = int(datetime(2026, 11, 26, 12, 0).timestamp())
HOUR = 3600


def jobs(tmp_path: Path, since: int, run: dict[str, Any] | None) -> list[_schedule.Job]:
    """Write a schedule that is due daily at 10, and read it."""
    (tmp_path / "schedule.json").write_text(json.dumps({"delay": 300, "jobs": {"full": "0 10 * * *"}}))
    os.utime(tmp_path / "schedule.json", (since, since))
    if run is not None:
        (tmp_path / "full.json").write_text(json.dumps(run))
    return _schedule.read_jobs(str(tmp_path))


@pytest.mark.parametrize(
    ("since", "run", "said"),
    [
        (NOON - 1 * HOUR, None, ""),
        (NOON - 9 * HOUR, None, "full was due at"),
        (NOON - 99 * HOUR, {"began": NOON - 26 * HOUR, "ended": NOON - 26 * HOUR, "status": 0}, "and ran last at"),
        (NOON - 99 * HOUR, {"began": NOON - 2 * HOUR + 9, "ended": NOON - HOUR, "status": 0}, ""),
        (NOON - 99 * HOUR, {"began": NOON - 2 * HOUR + 9}, ""),
        (
            NOON - 99 * HOUR,
            {"began": NOON - 2 * HOUR, "ended": NOON, "status": 2, "reason": "No space left.", "log": "/x.log"},
            "failed: No space left. Its output is in /x.log.",
        ),
    ],
    ids=["new", "never", "stopped", "ran", "runs", "failed"],
)
def test_schedule_that_stopped_firing_is_named(
    tmp_path: Path, since: int, run: dict[str, Any] | None, said: str
) -> None:
    found = _schedule.warnings(jobs(tmp_path, since, run), NOON, {})
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_run_that_was_cut_short_is_named(tmp_path: Path) -> None:
    run = {
        "began": NOON - 2 * HOUR + 9,
        "log": "/x.log",
        "process": os.getpid(),
        "process_started": process_started(os.getpid()),
    }
    assert _schedule.warnings(jobs(tmp_path, NOON - 99 * HOUR, run), NOON, {}) == []
    (said,) = _schedule.warnings(jobs(tmp_path, NOON - 99 * HOUR, {**run, "process_started": "1"}), NOON, {})
    assert "The scheduled full of" in said
    assert "was cut short" in said


def test_failure_that_was_made_good_since_is_no_concern(tmp_path: Path) -> None:
    began = NOON - 2 * HOUR
    failed = {"began": began, "ended": NOON - HOUR, "status": 2, "reason": "No space left.", "log": "/x.log"}
    (job,) = jobs(tmp_path, NOON - 99 * HOUR, failed)
    assert len(_schedule.warnings([job], NOON, {"full": began - 1, "incr": NOON})) == 1
    assert _schedule.warnings([job], NOON, {"full": began + 1}) == []
    # What a check found is found again by who asks, and not for ever.
    assert _schedule.warnings([job._replace(name="check")], NOON, {}) == []


def test_what_is_due_is_not_missed_before_it_may_have_begun(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, NOON - 99 * HOUR, {"began": NOON - 26 * HOUR, "ended": NOON - 26 * HOUR, "status": 0})
    ten = NOON - 2 * HOUR
    assert _schedule.warnings([job], ten + 300 + _schedule.PATIENCE - 1, {}) == []
    assert len(_schedule.warnings([job], ten + 300 + _schedule.PATIENCE, {})) == 1


def test_nothing_is_said_where_nothing_is_scheduled(tmp_path: Path) -> None:
    assert _schedule.read_jobs(str(tmp_path)) == []


def test_files_hold_the_command_and_its_signs() -> None:
    job = Job("full", "10 1 * * 0", read("10 1 * * 0"), ["/usr/bin/python3", "/srv/100% sure/x.py", "full"])
    units = unit_files("pg.1-backup", [job], 60)
    assert list(units) == ["/etc/systemd/system/pg.1-backup-full.service", "/etc/systemd/system/pg.1-backup-full.timer"]
    assert (
        "ExecStart=/usr/bin/python3 '/srv/100%% sure/x.py' full\n"
        in units["/etc/systemd/system/pg.1-backup-full.service"]
    )
    timer = units["/etc/systemd/system/pg.1-backup-full.timer"]
    assert "OnCalendar=Sun *-*-* 01:10:00\nPersistent=true\nRandomizedDelaySec=60\n" in timer
    assert cron_path("pg.1-backup") == "/etc/cron.d/pg-1-backup"
    assert (
        cron_file("pg.1-backup", [job]).splitlines()[-1]
        == r"10 1 * * 0 root /usr/bin/python3 '/srv/100\% sure/x.py' full"
    )


PASSED = {
    "at": "2026-11-01T04:10:00Z",
    "passed": True,
    "rto_seconds": 9,
    "rpo_seconds": 12,
    "backup": "b",
    "tables": 9,
    "rows": 3,
    "restore_point": "p",
}
FAILED = {"at": "2026-12-01T04:10:00Z", "passed": False, "reason": "No space left."}


def test_history_of_drills_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "drills.jsonl"
    assert _drills.read_history(str(path)) == []
    for number in range(5):
        drill = {**PASSED, "rows": number}
        path.write_text(_drills.history(_drills.read_history(str(path)), drill, 3))
    assert [drill["rows"] for drill in _drills.read_history(str(path))] == [2, 3, 4]


def test_last_drill_is_judged_and_the_last_good_one_is_measured() -> None:
    assert _drills.summary([]) == {"last": None, "passed": None, "rto_seconds": None, "rpo_seconds": None}
    assert _drills.summary([PASSED, FAILED]) == {
        "last": FAILED["at"],
        "passed": False,
        "rto_seconds": 9,
        "rpo_seconds": 12,
    }
    assert _drills.warnings([FAILED, PASSED]) == []
    assert "failed (No space left.)" in _drills.warnings([PASSED, FAILED])[0]
    assert _drills.last_passed([PASSED, FAILED]) == datetime(2026, 11, 1, 4, 10, tzinfo=timezone.utc).timestamp()
    assert _drills.last_passed([FAILED]) == 0
    assert "RTO 9 s, RPO 12 s" in _drills.line(PASSED)
    assert _drills.line(FAILED).endswith("FAILED: No space left.")
