# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the repository holds the WAL that its backups need: pure functions over the names of WAL files.

C(pgbackrest verify) compares the files that are there and says C(ok) of a repository that lacks some, in a backup's own range too (seen with 2.45).

Source of the names: PostgreSQL's documentation ("WAL Internals") - timeline, position / 4 GiB, and number of the file in these, eight hexadecimal digits
each.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_set import leading
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup

DEFAULT_SIZE = 16 << 20
# What initdb --wal-segsize permits, the default first.
SIZES = (DEFAULT_SIZE, *(1 << power for power in range(20, 31) if 1 << power != DEFAULT_SIZE))
# Behind the name of a whole file are its hash and how it is packed.
_FILE = re.compile(r"(?:^|/)([0-9A-F]{24})(-[0-9a-f]{40}(?:[.][a-z0-9]+)?)$", re.MULTILINE)
_INVALID = re.compile(r"^.*\b(?:invalid|missing)\b.*?/([0-9A-F]{24})-[0-9a-f]{40}", re.MULTILINE)


def listing_words(stanza: str, archive: str) -> tuple[str, ...]:
    """Give the words that list all files of an archive."""
    return "repo-ls", "--recurse", f"archive/{stanza}/{archive}"


def read_listing(text: str) -> dict[str, str]:
    """Read which whole WAL files are listed: their places in the archive by their names."""
    return {wal: f"{wal[:16]}/{wal}{rest}" for wal, rest in _FILE.findall(text)}


def invalid_files(log: str) -> set[str]:
    """Read from what C(verify) logs which WAL files are not as they were written."""
    return set(_INVALID.findall(log))


def number(wal: str, size: int) -> int:
    """Give the number of a WAL file among those of its timeline, which are C(size) bytes long."""
    return int(wal[8:16], 16) * ((1 << 32) // size) + int(wal[16:], 16)


def place(number: int, size: int) -> str:
    """Name a WAL file by its number, without the timeline."""
    files = (1 << 32) // size
    return f"{number // files:08X}{number % files:08X}"


def between(first: str, last: str, size: int) -> list[str]:
    """Name the WAL files from one to another of the same timeline, both included; nothing where they are of two."""
    if first[:8] != last[:8]:
        return []
    return [first[:8] + place(each, size) for each in range(number(first, size), number(last, size) + 1)]


def segment_size(backups: Sequence[Backup]) -> int:
    """Give the bytes of a WAL file: those that lead from where each backup began to the name of its first file."""
    known = [
        ((each.begun_at & 0xFFFFFFFF), int(each.wal[0][16:], 16)) for each in backups if each.begun_at and each.wal[0]
    ]
    return next(
        (size for size in SIZES if all(position // size == file for position, file in known)),
        DEFAULT_SIZE,
    )


def of_cluster(backups: Sequence[Backup], archive: str) -> list[Backup]:
    """The backups whose WAL lies in an archive, which is named after pgBackRest's number of the cluster."""
    return [each for each in backups if archive.endswith(f"-{each.cluster}") and all(each.wal)]


def lacking(backups: Sequence[Backup], archive: str, whole: Collection[str]) -> dict[str, list[str]]:
    """Name by backup the WAL files from its begin to its end that the repository lacks: it cannot be restored without."""
    own = of_cluster(backups, archive)
    size = segment_size(own)
    found = {each.label: [wal for wal in between(*each.wal, size) if wal not in whole] for each in own}
    return {label: files for label, files in found.items() if files}


def broken_off(
    backups: Sequence[Backup],
    archive: str,
    whole: Collection[str],
    served: int = 0,
    parents: Optional[Mapping[int, int]] = None,
) -> list[str]:
    """Name the WAL files since the newest backup that the repository lacks, though it holds later ones of the same timeline.

    What older backups lead to beyond their own end is kept for some days only. C(served) is the timeline that is served, 0 if unknown: a restore that was
    undone has left newer backups. C(parents) is where it branched off its ancestors; the file in which it did is whole on the next timeline alone.
    """
    branches = parents or {}
    own = of_cluster(leading(backups, served, branches) if served else backups, archive)
    if not own:
        return []
    size, newest = segment_size(own), own[-1].wal[1]
    first, missing = number(newest, size) + 1, []
    for timeline in sorted(each for each in {int(newest[:8], 16), served, *branches} if each >= int(newest[:8], 16)):
        prefix = f"{timeline:08X}"
        archived = max((number(wal, size) + 1 for wal in whole if wal[:8] == prefix), default=first)
        following = branches[timeline] // size if timeline in branches else archived
        names = [prefix + place(each, size) for each in range(first, following)]
        missing += [name for name in names if name not in whole]
        first = following
    return missing


def shortened(files: Sequence[str]) -> str:
    """Name files in a few words, however many they are."""
    return f"the WAL file {files[0]}" if len(files) == 1 else f"{len(files)} WAL files, {files[0]} to {files[-1]}"


def gaps(lost: dict[str, list[str]], newest: str, since: Sequence[str]) -> list[str]:
    """Say what the repository lacks, each as the end of a sentence that it begins, with the remedy."""
    said = [
        f"lacks {shortened(files)}, without which the backup {label} cannot be restored"
        for label, files in lost.items()
    ]
    if said:
        said[-1] += ": take a full backup (-e backup_type=full)"
    if since:
        said.append(
            f"lacks {shortened(since)}, so that no moment since the backup {newest} can be restored: take a backup"
        )
    return said


def sentence(verdict: str, said: Sequence[str]) -> str:
    """Add what is lacking to what C(verify) has found, which is a sentence without its subject or nothing."""
    return ". It ".join([*([verdict.rstrip(".")] if verdict else []), *said]) + ("." if verdict or said else "")
