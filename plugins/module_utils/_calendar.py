# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as cron writes them: read, told to systemd, and asked when they were due. Pure functions over the host's local time."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import NamedTuple, Optional

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
# The 29th of February on a given day of the week is no further away.
FURTHEST = 366 * 12
PART = re.compile(r"^(?:(\*)|(\d+)(?:-(\d+))?)(?:/(\d+))?$")


class Calendar(NamedTuple):
    """The minutes, hours, days, months and days of the week (0 is Sunday) at which something is due."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]


def read_field(text: str, name: str, lowest: int, highest: int) -> frozenset[int]:
    """Read one field: a number, a range, a list of them, each with a step, or a star."""
    found: set[int] = set()
    for part in text.split(","):
        match = PART.match(part)
        if not match:
            raise ValueError(
                f"its {name} is {part!r}, and not a number, a range such as 1-5, or * (each with a step as */2)"
            )
        star, first, last, step = match.groups()
        begin, end = (lowest, highest) if star else (int(first), int(last or first))
        if not (lowest <= begin <= end <= highest) or step == "0":
            raise ValueError(f"its {name} is {part!r}, which does not lie in {lowest} to {highest}")
        if step and not star and not last:
            end = highest
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def read(text: str) -> Calendar:
    """Read five fields of cron."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ValueError(
            f"it has {len(parts)} fields and not five: minute, hour, day of the month, month, day of the week"
        )
    minutes, hours, days, months, weekdays = (read_field(part, *field) for part, field in zip(parts, FIELDS))
    if parts[2] != "*" and parts[4] != "*":
        raise ValueError(
            "it names both days of the month and days of the week, which cron joins by 'or' and systemd by 'and'"
        )
    return Calendar(minutes, hours, days, months, frozenset(day % 7 for day in weekdays))


def on_calendar(calendar: Calendar) -> str:
    """Write it as systemd's OnCalendar (systemd.time(7))."""

    def numbers(chosen: frozenset[int], lowest: int, highest: int) -> str:
        return "*" if len(chosen) == highest - lowest + 1 else ",".join(f"{number:02d}" for number in sorted(chosen))

    weekdays = (
        "" if len(calendar.weekdays) == len(DAYS) else ",".join(DAYS[day] for day in sorted(calendar.weekdays)) + " "
    )
    date = f"*-{numbers(calendar.months, 1, 12)}-{numbers(calendar.days, 1, 31)}"
    return f"{weekdays}{date} {numbers(calendar.hours, 0, 23)}:{numbers(calendar.minutes, 0, 59)}:00"


def last_due(calendar: Calendar, now: float) -> Optional[int]:
    """Say when it was due last, in seconds since 1970; nothing where that day never comes."""
    moment = datetime.fromtimestamp(now)
    for back in range(FURTHEST):
        day = (moment - timedelta(days=back)).date()
        if day.month not in calendar.months or day.day not in calendar.days:
            continue
        if day.isoweekday() % 7 not in calendar.weekdays:
            continue
        for hour in sorted(calendar.hours, reverse=True):
            for minute in sorted(calendar.minutes, reverse=True):
                due = int(time.mktime((day.year, day.month, day.day, hour, minute, 0, 0, 0, -1)))
                if due <= now:
                    return due
    return None
