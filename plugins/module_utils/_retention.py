# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups may go: pure functions over the repository's list and the labels of what was verified.

A generation is a full backup with those that build on it. pgBackRest's own retention knows neither what was verified nor what is to be kept until
somebody removes it, so it is told what to remove.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

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


def judge(backups: Sequence[Backup], verified: Collection[str], now: int, days: int, keep: int) -> Verdict:
    """Find what is older than C(days) days, but for the C(keep) newest that were verified, and what somebody wants to keep.

    Of what is older, the newest stays: from it the WAL leads to the first moment of those days.
    """
    found = generations(backups)
    labels = list(found)
    proved = [label for label in labels if any(each.label in verified for each in found[label])]
    needed = set(proved[-keep:] if keep > 0 else []) | set(labels[-1:])
    for label, follower in zip(labels, labels[1:]):
        if found[follower][0].ended > now - days * DAY:
            needed.add(label)
    # What only waits for somebody's hand needs no WAL but its own.
    oldest = min((labels.index(label) for label in needed), default=0)
    wanted = {label for label in labels if any(KEEP in each.annotations for each in found[label])}
    outdated = [label for label in labels if label not in needed | wanted]
    return Verdict(outdated, max(len([label for label in labels[oldest:] if label not in outdated]), 1))
