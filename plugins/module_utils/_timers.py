# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A schedule as the files that systemd or cron read: pure functions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._calendar import Calendar, on_calendar

SYSTEMD = "/etc/systemd/system"
CRON = "/etc/cron.d"


class Job(NamedTuple):
    """What runs when: cron's five fields, and the same read."""

    name: str
    text: str
    calendar: Calendar
    command: Sequence[str]


def mark(schedule: str) -> str:
    """Tell this schedule's files from all others."""
    return f"# Managed by ai_micro.postgres.host_schedule: {schedule}"


def unit_files(schedule: str, jobs: Sequence[Job], delay: int) -> dict[str, str]:
    """Write a service and a timer for each job, by path."""
    found = {}
    for job in jobs:
        unit = f"{SYSTEMD}/{schedule}-{job.name}"
        command = " ".join(shlex.quote(word) for word in job.command).replace("%", "%%")
        found[f"{unit}.service"] = f"""\
{mark(schedule)}
[Unit]
Description={schedule}: {job.name}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command}
UMask=0077
Nice=10
"""
        found[f"{unit}.timer"] = f"""\
{mark(schedule)}
[Unit]
Description={schedule}: {job.name}, {job.text}

[Timer]
OnCalendar={on_calendar(job.calendar)}
Persistent=true
RandomizedDelaySec={delay}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
    return found


def cron_path(schedule: str) -> str:
    """Name the file; cron passes over names with a dot."""
    return f"{CRON}/{re.sub('[^A-Za-z0-9_-]', '-', schedule)}"


def cron_file(schedule: str, jobs: Sequence[Job]) -> str:
    """Write a line for each job. A job's output is in its own log; what it prints is mailed where the host has a mailer."""
    lines = [
        f"{job.text} root {' '.join(shlex.quote(word) for word in job.command)}".replace("%", r"\%") for job in jobs
    ]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return "\n".join([mark(schedule), "SHELL=/bin/sh", path, *lines]) + "\n"
