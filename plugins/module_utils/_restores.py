# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a restore, or of the way back, that was cut short: read from the journal and from the directories.

The journal (restores.json in the instance's directory) has an entry for each volume that is kept. Before the two directories change places it
says ``prepared`` and the inode of each, afterwards ``swapped``. The exchange itself happens in one step or not at all, and a directory keeps its
inode when it gets another name: so the next run can tell which of the two it was, whenever the last one ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

PREPARED = "prepared"  # the two are about to change places, or just have
SWAPPED = "swapped"  # the volume holds what restore_undo.yml brings back
UNUSED = "unused"  # nothing was ever served from it: restore_undo.yml never takes it
EMPTY = "empty"  # nothing was served before: there is nothing to go back to, not even to what was kept before that


def has_happened(noted: Mapping[str, int], found: Mapping[str, Optional[int]]) -> Optional[bool]:
    """Say whether the directories of ``volume`` and ``kept`` have changed places since, or None where they do not tell."""
    answers = set()
    for name, other in (("volume", "kept"), ("kept", "volume")):
        inode = found.get(name)
        if inode is not None:
            answers.add({int(noted[name]): False, int(noted[other]): True}.get(inode))
    return answers.pop() if len(answers) == 1 else None


def judge(restores: Mapping[str, Mapping[str, Any]], kept: str, found: Mapping[str, Optional[int]]) -> dict[str, Any]:
    """Say what the exchange with the volume ``kept`` came to, given the inodes that are found now.

    Returns ``exchanged`` (or None), the ``state`` that the entry has from now on, whether restore_undo.yml still has to
    exchange the two (``goes_back``), and ``message``, which tells all this.
    """
    entry = restores[kept]
    exchanged = has_happened(entry["inodes"], found)
    return {
        "kept": kept,
        "doing": entry["doing"],
        "served": entry["served"],
        "time": entry["time"],
        "exchanged": exchanged,
        "state": _state(entry, exchanged),
        "goes_back": exchanged is (entry["doing"] == "restore"),
        "message": _message(entry, kept, exchanged),
    }


def interrupted(restores: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the volume whose exchange was begun and not noted as done, or nothing."""
    return next((kept for kept, entry in sorted(restores.items()) if entry["state"] == PREPARED), "")


def _state(entry: Mapping[str, Any], exchanged: Optional[bool]) -> str:
    if exchanged is None:
        return PREPARED
    # Both data of a way back have been served; of a restore's, the old one has, where there was any.
    if entry["doing"] == "undo":
        return SWAPPED
    return (SWAPPED if entry["served"] else EMPTY) if exchanged else UNUSED


def _message(entry: Mapping[str, Any], kept: str, exchanged: Optional[bool]) -> str:
    volume, time = entry["volume"], entry["time"]
    if exchanged is None:
        return (
            f"A run of {time} was cut short when the data of the volumes {volume} and {kept} was to change places, and whether it has "
            "cannot be told from their directories"
        )
    if entry["doing"] == "undo" and exchanged:
        return (
            f"The way back of {time} was cut short after the data had changed places: {volume} holds what was kept in {kept}, "
            "which holds what was served until then."
        )
    if entry["doing"] == "undo":
        return (
            f"The way back of {time} was cut short before the data changed places: {volume} holds what it held, and "
            f"playbooks/restore_undo.yml brings back what is kept in {kept}."
        )
    if exchanged:
        before = (
            f", and playbooks/restore_undo.yml brings back what it held before, from {kept}" if entry["served"] else ""
        )
        return f"The restore of {time} was cut short after the data had changed places: {volume} holds what was restored{before}."
    return (
        f"The restore of {time} was cut short before the data changed places: {volume} holds what it held, and {kept} what was restored, "
        "which was never served and which playbooks/restore_cleanup.yml removes."
    )
