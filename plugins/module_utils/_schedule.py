# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what is scheduled on a host still happens: the schedule, and what each job's last run has noted of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils import _calendar, _lock

SCHEDULE = "schedule.json"
# Seconds that a run may take to begin, on top of the random delay.
PATIENCE = 600


class Job(NamedTuple):
    """One scheduled job: since when the schedule is what it is, and the last run, empty where there was none."""

    name: str
    calendar: str
    delay: int
    since: float
    run: Mapping[str, Any]


def read_jobs(directory: str) -> list[Job]:
    """Read the schedule and the runs; where nothing is scheduled there are none."""
    path = os.path.join(directory, SCHEDULE)
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8") as file:
        schedule = json.load(file)
    since = os.stat(path).st_mtime
    return [
        Job(name, calendar, int(schedule["delay"]), since, read_run(os.path.join(directory, f"{name}.json")))
        for name, calendar in schedule["jobs"].items()
    ]


def read_run(path: str) -> dict[str, Any]:
    """Read what the last run of a job has noted."""
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    return dict(found)


def due(job: Job, now: float) -> Optional[int]:
    """Say when the job's last run must have begun by now."""
    return _calendar.last_due(_calendar.read(job.calendar), now - job.delay - PATIENCE)


def cut_short(run: Mapping[str, Any]) -> bool:
    """Say whether a run has neither ended nor is at it."""
    return "process" in run and "ended" not in run and _lock.process_started(run["process"]) != run["process_started"]


def written(moment: Optional[float]) -> Optional[str]:
    """Write a time for people and programs."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds") if moment else None


def shown(job: Job, now: float) -> dict[str, Any]:
    """Give a job as a result."""
    return {
        "job": job.name,
        "calendar": job.calendar,
        "due": written(due(job, now)),
        "began": written(job.run.get("began")),
        "ended": written(job.run.get("ended")),
        "status": job.run.get("status"),
    }


def warnings(jobs: Sequence[Job], now: float, done: Mapping[str, float]) -> list[str]:
    """Name each job that stopped firing, and each whose last run failed, unless what it is for was done since: C(done) is when, by job.

    What the check of the schedule found is not said again: who asks for this sees what there is to find now.
    """
    found = []
    for job in jobs:
        expected, began = due(job, now), job.run.get("began", 0)
        if expected and expected > job.since and began < expected:
            found.append(
                f"The schedule stopped firing: {job.name} was due at {written(expected)} and "
                f"{f'ran last at {written(began)}' if began else 'never ran'}. Look whether its timer (systemctl list-timers) or its line in /etc/cron.d "
                "and the cron daemon are there, and run site.yml."
            )
        if job.name == "check" or done.get(job.name, 0) > began:
            continue
        if cut_short(job.run):
            found.append(
                f"The scheduled {job.name} of {written(began)} was cut short: take one by hand, or wait for the next; its output is in {job.run['log']}."
            )
        if job.run.get("status"):
            found.append(
                f"The scheduled {job.name} of {written(began)} failed: {job.run.get('reason', '')} Its output is in {job.run.get('log', '')}."
            )
    return found
