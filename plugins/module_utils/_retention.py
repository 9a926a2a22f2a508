# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups may go: pure functions over the repository's list and the labels of what was verified.

A generation is a full backup with those that build on it. pgBackRest's own retention knows neither what was verified nor what is to be kept until
somebody removes it, so it is told what to remove.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup

# The annotation of a backup that stays until somebody removes it.
KEEP = "keep"
DAY = 86400


class Verdict(NamedTuple):
    """Full backups to remove, and from how many of the newest on the WAL is kept."""

    outdated: list[str]
    wal_from: int


def generations(backups: Sequence[Backup]) -> Mapping[str, list[Backup]]:
    """Backups by the label of the full one that they build on, oldest first."""
    found: dict[str, list[Backup]] = {}
    for backup in sorted(backups, key=lambda each: each.label):
        found.setdefault(backup.label.split("_")[0], []).append(backup)
    return found


def judge(
    backups: Sequence[Backup],
    verified: Collection[str],
    now: int,
    days: int,
    keep: int,
    damaged: Collection[str] = (),
    wal_days: Optional[int] = None,
    served: int = 0,
) -> Verdict:
    """Find what is older than C(days) days, but for the C(keep) newest that were verified, and what somebody wants to keep.

    Of what is older, the newest stays: from it the WAL leads to the first moment of those days. A damaged one goes as if it were whole,
    but stands in for no other. WAL is kept from where it leads to the first moment of C(wal_days), and from the newest that was verified on, whatever its age;
    without C(wal_days), from every backup that stays for another reason than somebody's wish. C(served) is the timeline that is served, 0 if unknown.
    """
    found = generations(backups)
    labels = list(found)
    bad = {each.label for each in backups if each.damaged} | set(damaged)
    proved = [
        label for label in labels if any(each.label in verified and each.label not in bad for each in found[label])
    ]
    whole = [label for label in labels if label not in bad]
    needed = set(proved[-keep:] if keep > 0 else []) | set(labels[-1:]) | set(whole[-1:])
    leading = set(proved[-1:] + labels[-1:] + whole[-1:])
    for label, follower in [*zip(labels, labels[1:]), *zip(whole, whole[1:])]:
        if found[follower][0].ended > now - days * DAY:
            needed.add(label)
        if wal_days is not None and found[follower][0].ended > now - wal_days * DAY:
            leading.add(label)
    # Any other one, such as what only waits for somebody's hand, needs no WAL but its own, which pgBackRest keeps with it.
    oldest = min((labels.index(label) for label in (needed if wal_days is None else leading & needed)), default=0)
    wanted = {label for label in labels if any(KEEP in each.annotations for each in found[label])}
    outdated = [label for label in labels if label not in needed | wanted]
    kept = [label for label in labels if label not in outdated]
    first = max(len(kept) - max(len([label for label in labels[oldest:] if label not in outdated]), 1), 0)
    while first >= 0 and kept and _loses([each for label in kept[first:] for each in found[label]], served):
        first -= 1
    return Verdict(outdated, max(len(kept) - first, 1))


def _loses(backups: Sequence[Backup], served: int) -> bool:
    """Say whether WAL that is needed goes when it is kept from the first of these on.

    pgBackRest 2.45 removes what sorts before the first one's, and the name of WAL begins with its timeline: after a restore that was undone a lower
    timeline is served again, and newer backups lie on it.
    """
    base, newest = backups[0], backups[-1]
    needed = [each.timeline for each in backups if each.cluster == base.cluster]
    if served and newest.cluster == base.cluster:
        needed.append(served)
    return min(needed) < base.timeline
