"""Times as cron writes them: what they mean, what systemd is told, and when they were due."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._calendar import last_due, on_calendar, read

WRITTEN = [
    ("10 1 * * 0", "Sun *-*-* 01:10:00"),
    ("10 1 * * 7", "Sun *-*-* 01:10:00"),
    ("0 4 1 * *", "*-*-01 04:00:00"),
    ("*/20 * * * *", "*-*-* *:00,20,40:00"),
    ("5 8-10,20 * 1-6/2 1-5", "Mon,Tue,Wed,Thu,Fri *-01,03,05-* 08,09,10,20:05:00"),
    ("50/5 0 * * *", "*-*-* 00:50,55:00"),
]


@pytest.mark.parametrize(("text", "written"), WRITTEN)
def test_systemd_is_told_the_same(text: str, written: str) -> None:
    assert on_calendar(read(text)) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10 1 * *", "4 fields and not five"),
        ("60 1 * * *", "minute is '60', which does not lie in 0 to 59"),
        ("0 24 * * *", "hour is '24'"),
        ("0 1 0 * *", "day of the month is '0'"),
        ("0 5-3 * * *", "hour is '5-3'"),
        ("0 */0 * * *", "hour is '*/0'"),
        ("0 1 * * sun", "day of the week is 'sun', and not a number"),
        ("@daily", "1 fields"),
        ("0 1 1 * 0", "both days of the month and days of the week"),
        ("-1 1 * * *", "minute is '-1'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read(text)


@pytest.mark.parametrize(
    ("text", "now", "due"),
    [
        ("10 1 * * 0", "2026-11-26 12:00", "2026-11-22 01:10"),
        ("10 1 * * 0", "2026-11-22 01:10", "2026-11-22 01:10"),
        ("10 1 * * 0", "2026-11-22 01:09", "2026-11-15 01:10"),
        ("10 14 * * *", "2026-11-26 14:09", "2026-11-25 14:10"),
        ("0 4 1 * *", "2026-01-01 03:59", "2025-12-01 04:00"),
        ("0 4 29 2 *", "2026-11-26 12:00", "2024-02-29 04:00"),
        ("*/20 * * * *", "2026-11-26 00:05", "2026-11-26 00:00"),
    ],
)
def test_last_time_is_found(text: str, now: str, due: str) -> None:
    found = last_due(read(text), datetime.fromisoformat(now).timestamp())
    assert datetime.fromtimestamp(found or 0) == datetime.fromisoformat(due)


def test_day_that_never_comes_is_never_due() -> None:
    assert last_due(read("0 4 30 2 *"), datetime(2026, 11, 26).timestamp()) is None


def test_each_minute_is_found_by_asking_each_minute() -> None:
    calendar, begin = read("7,31 3,17 * * 2-4"), datetime(2026, 11, 23)
    minutes = [begin + timedelta(minutes=number) for number in range(4 * 24 * 60)]
    found = {last_due(calendar, minute.timestamp()) for minute in minutes if minute >= datetime(2026, 11, 24, 3, 7)}
    wanted = {
        datetime(2026, 11, day, hour, minute).timestamp()
        for day in (24, 25, 26)
        for hour in (3, 17)
        for minute in (7, 31)
    }
    assert found == wanted
