# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generations of per-database dumps in a directory: what they hold, which are whole, which may go."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from ansible_collections.ai_micro.postgres.plugins.module_utils._damaged import note_damaged, read_damaged

MANIFEST = "manifest.json"
PARTIAL = ".partial"
DAY = 86400
CHUNK = 1 << 20


class Generation(NamedTuple):
    """Dumps of one moment; C(missing) names the files that are not there as the manifest says: by their size, or by what the last check has read."""

    label: str
    manifest: dict[str, Any]
    missing: list[str]

    @property
    def taken(self) -> int:
        return int(self.manifest.get("taken", 0))

    @property
    def size(self) -> int:
        return sum(entry["bytes"] for entry in self.manifest.get("files", []))


def file_name(database: str) -> str:
    """Name the file of a database, whatever characters its name has."""
    return f"{quote(database, safe=' ')}.dump.enc"


def read_generations(directory: str) -> list[Generation]:
    """List what is there, oldest first; what a run that was cut short has left is no generation."""
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        path = os.path.join(directory, name)
        if name.endswith(PARTIAL) or not os.path.isdir(path):
            continue
        try:
            with open(os.path.join(path, MANIFEST), encoding="utf-8") as file:
                manifest = json.load(file)
            damaged = read_damaged(path)
            missing = [
                entry["name"]
                for entry in manifest["files"]
                if size_of(path, entry["name"]) != entry["bytes"] or entry["name"] in damaged
            ]
        except (OSError, ValueError, KeyError, TypeError):
            manifest, missing = {}, [MANIFEST]
        found.append(Generation(name, manifest, missing))
    return sorted(found, key=lambda generation: generation.taken)


def size_of(directory: str, name: str) -> int:
    path = os.path.join(directory, name)
    return os.stat(path).st_size if os.path.isfile(path) else -1


def digest(path: str) -> str:
    """Give the SHA-256 of a file as the disk has it; nothing of one that cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                found.update(chunk)
    except OSError:
        return ""
    return found.hexdigest()


def check(directory: str, generation: Generation, dry: bool = False) -> tuple[list[str], bool]:
    """Read every file of a generation, note those that are not what was written, and return them and whether others were noted before."""
    path = os.path.join(directory, generation.label)
    bad = [
        entry["name"]
        for entry in generation.manifest.get("files", [])
        if digest(os.path.join(path, entry["name"])) != entry["sha256"]
    ]
    return bad, note_damaged(path, bad, dry)


def outdated(generations: Sequence[Generation], now: int, days: int, keep: int) -> list[str]:
    """Name what is older than C(days), but for the C(keep) newest that are whole; what nothing is known of stays."""
    whole = [generation.label for generation in generations if not generation.missing]
    kept = set(whole[-keep:] if keep > 0 else [])
    return [
        each.label for each in generations if each.manifest and each.label not in kept and now - each.taken > days * DAY
    ]


def warnings(generations: Sequence[Generation], directory: str) -> list[str]:
    """Name each generation that cannot be relied on, with the remedy."""
    return [
        f"The dumps {os.path.join(directory, each.label)} lack {', '.join(each.missing)} as it was written: take others (-e backup_type=logical), and look "
        "at the repository's disk."
        for each in generations
        if each.missing
    ]


def shown(generation: Generation, now: int) -> dict[str, Any]:
    """Give a generation as a module returns it."""
    manifest = generation.manifest
    return {
        "label": generation.label,
        "restore_point": manifest.get("restore_point", ""),
        "databases": [entry["database"] for entry in manifest.get("files", []) if entry.get("database")],
        "age": now - generation.taken,
        "size": generation.size,
        "whole": not generation.missing,
    }
