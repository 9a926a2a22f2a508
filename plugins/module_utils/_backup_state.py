# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What speaks against relying on a repository: pure functions over its list, the catalogue of what was verified, and pg_stat_archiver."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup
from ansible_collections.ai_micro.postgres.plugins.module_utils._schedule import Job

# A full backup that is less than this share of the one before has probably lost something.
SMALL = 0.5


class Limits(NamedTuple):
    """When to warn; both in seconds."""

    max_age: int
    max_rpo: int


def known(
    backups: Sequence[Backup], records: Mapping[str, Mapping[str, Any]], damaged: Collection[str]
) -> tuple[list[Backup], dict[str, Mapping[str, Any]]]:
    """The backups with what a check has found of them, and the records of those that are whole: a damaged one counts as verified no more."""
    found = [each._replace(damaged=each.damaged or each.label in damaged) for each in backups]
    bad = {each.label for each in found if each.damaged}
    return found, {label: record for label, record in records.items() if label not in bad}


def damage_warnings(backups: Sequence[Backup], where: str) -> list[str]:
    """Name each damaged backup; C(where) follows its name."""
    look = "" if where else ", and look at the repository's disk"
    return [
        f"The backup {each.label}{where} is damaged and counts no more: take a full one (-e backup_type=full){look}."
        for each in backups
        if each.damaged
    ]


def first_awaited(backups: Sequence[Backup], records: Mapping[str, Mapping[str, Any]], jobs: Sequence[Job]) -> bool:
    """Say whether a schedule will take the first backup; where one has run, or a backup was verified, what is not there was lost."""
    taking = [job for job in jobs if job.name in ("full", "incr", "logical")]
    return bool(taking) and not backups and not records and not any(job.run.get("began") for job in taking)


def newest_verified(backups: Sequence[Backup], records: Mapping[str, Mapping[str, Any]]) -> Optional[Mapping[str, Any]]:
    """The record of the newest backup that was restored and compared."""
    found = [records[backup.label] for backup in backups if backup.label in records]
    return found[-1] if found else None


def warnings(
    backups: Sequence[Backup],
    records: Mapping[str, Mapping[str, Any]],
    archiver: Mapping[str, Any],
    now: int,
    limits: Limits,
    awaited: bool = False,
    leads: Optional[Sequence[Backup]] = None,
) -> list[str]:
    """Name each reason for concern in one sentence with its remedy; where a schedule takes the first backup, that there is none yet is no concern.

    C(leads) are the backups from which WAL leads to what is served; without them, all.
    """
    found = [] if awaited and not backups else age_warnings(backups, records, now, limits, "", leads)
    found += damage_warnings(backups, "")
    fulls = [backup for backup in backups if backup.type == "full"]
    if len(fulls) > 1 and fulls[-1].size < SMALL * fulls[-2].size:
        found.append(
            f"The full backup {fulls[-1].label} holds {fulls[-1].size} bytes, the one before {fulls[-2].size}: look whether data was lost."
        )
    if archiver["failing"]:
        found.append(
            f"WAL does not reach the repository ({archiver['last_failed_wal']} failed): docker logs shows what archive_command says."
        )
    elif archiver["rpo_seconds"] > limits.max_rpo:
        found.append(
            f"The last WAL reached the repository {archiver['rpo_seconds']} s ago, although there was something to archive since."
        )
    return found


def age_warnings(
    backups: Sequence[Backup],
    records: Mapping[str, Mapping[str, Any]],
    now: int,
    limits: Limits,
    where: str,
    leads: Optional[Sequence[Backup]] = None,
) -> list[str]:
    """Name what is wrong with the newest backup that leads to what is served; C(where) follows its name."""
    if not backups:
        return [f"There is no backup{where}: take one with site.yml --tags backup."]
    counting = backups if leads is None else leads
    if not counting:
        return [f"No backup{where} leads to what is served: take one with site.yml --tags backup."]
    found, newest = [], counting[-1]
    said = f"The newest backup{where}" + ("" if newest is backups[-1] else " that leads to what is served")
    age = now - newest.ended
    if age > limits.max_age:
        found.append(
            f"{said} is {age // 3600} h old: look whether the schedule still fires, or take one with site.yml --tags backup."
        )
    # That a damaged one does not count is said by itself.
    if newest.label not in records and not newest.damaged:
        found.append(
            f"{said}, {newest.label}, is not verified: take another with site.yml --tags backup, and read why it is not."
        )
    return found


def offsite_warnings(
    backups: Sequence[Backup],
    silence: str,
    waiting: int,
    records: Mapping[str, Mapping[str, Any]],
    now: int,
    limits: Limits,
    awaited: bool = False,
    leads: Optional[Sequence[Backup]] = None,
) -> list[str]:
    """Name what speaks against relying on the off-site repository, which may not answer, and lacks C(waiting) WAL files."""
    if silence:
        found = [f"The off-site repository cannot be used, and the local one goes on without it: {silence}"]
    else:
        found = [] if awaited and not backups else age_warnings(backups, records, now, limits, " off site", leads)
        found += damage_warnings(backups, " off site")
    if waiting:
        found.append(
            f"The off-site repository lacks {waiting} WAL files that the local one has: they follow when it answers, one reason more to see that it does."
        )
    return found
