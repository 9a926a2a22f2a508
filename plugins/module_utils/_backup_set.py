# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backup a restore begins with: pure functions over the repository's list and the history of a timeline.

pgBackRest begins with the newest one, whatever its timeline. A restore begins a timeline and restore_undo.yml leaves one, so the newest may lie where no
WAL leads to what is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup, position

# Days and times of ISO 8601, as PostgreSQL reads them. Its other forms (tomorrow, names of zones) are not guessed at.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(?:[,.]\d{1,6})?(?:Z|([+-])(\d\d):?(\d\d)?)?")
_BRANCH = re.compile(r"^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)", re.MULTILINE)


def branches(history: str) -> dict[int, int]:
    """Read the history of a timeline: the WAL position up to which it shares each of its ancestors."""
    return {int(timeline): position(lsn) for timeline, lsn in _BRANCH.findall(history)}


def moment(text: str) -> Optional[float]:
    """Give a time in seconds since 1970, UTC where it names no zone; nothing where it is written in another form."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        return None
    try:
        named = datetime.fromisoformat(f"{found[1]} {found[2]}+00:00")
    except ValueError:
        return None
    ahead = timedelta(hours=int(found[4] or 0), minutes=int(found[5] or 0))
    return (named - ahead if found[3] == "+" else named + ahead).timestamp()


def number(timeline: str) -> int:
    """Give a timeline's number, which PostgreSQL takes in decimal digits or after 0x; 0 for a word such as current or latest."""
    try:
        return int(timeline, 0)
    except ValueError:
        return int(timeline) if timeline.isdecimal() else 0


def leading(backups: Sequence[Backup], timeline: int, parents: Mapping[int, int]) -> list[Backup]:
    """The backups of the newest cluster from which WAL leads to a timeline: its own, and those of its ancestors that ended before it branched off."""
    cluster = backups[-1].cluster if backups else 0
    return [
        each
        for each in backups
        if each.cluster == cluster
        and (each.timeline == timeline or (each.timeline in parents and each.ended_at <= parents[each.timeline]))
    ]


def choose(
    candidates: Sequence[Backup], before: Optional[float], damaged: Collection[str], ahead: int = 0
) -> Optional[Backup]:
    """The newest backup that ended before a time, and is not known to be damaged, or the newest of damaged ones; nothing where none ended before.

    Recovery to a time before a backup's end stops at that end without a word, so none is begun. Where the time is that of a named moment, by a clock that
    may be C(ahead) seconds ahead of the server's, one that ended so much earlier is taken first, and the newest where none ended before: a name that is not
    reached ends the recovery with an error.
    """
    early = [each for each in candidates if before is None or each.ended < before - ahead]
    if ahead and not early:
        early = [each for each in candidates if before is not None and each.ended < before] or list(candidates)
    whole = [each for each in early if not each.damaged and each.label not in damaged] or early
    return whole[-1] if whole else None


def unreached(time: str, ahead: int, begins_with: Optional[Backup]) -> str:
    """Say in one sentence why a time cannot be recovered to, from a backup that was named for it or from any that there is; nothing where it can.

    PostgreSQL would not say it: recovery stops at the end of the backup when that is past the time, and goes well.
    """
    before = moment(time) if time else None
    if time and before is None:
        return f"{time} is no time that is understood: write it as 2026-11-25 14:00:00+09:00; without a zone it is taken for UTC."
    if before is None or ahead or (begins_with and begins_with.ended < before):
        return ""
    if begins_with:
        return (
            f"The backup {begins_with.label} ended after {time}: give another restore_time, or leave restore_set out."
        )
    return f"No backup ended before {time}, so nothing leads there: give another restore_time."


def newest_of_each(backups: Sequence[Backup]) -> dict[int, str]:
    """The label of the newest backup on each timeline."""
    return {each.timeline: each.label for each in backups}


def astray(backups: Sequence[Backup], timeline: int) -> str:
    """Say in one sentence that no backup leads to a timeline, and what to do."""
    listed = ", ".join(f"{label} on {number}" for number, label in sorted(newest_of_each(backups).items()))
    return f"No backup leads to the timeline {timeline}; the newest of each are {listed}: give -e restore_timeline=<number> of the one whose data is wanted."
