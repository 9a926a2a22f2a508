# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check has found damaged, noted beside what it is about: backups in the catalogue, dumps in their own directory.

A note is written anew by each check, since it reads everything: what was mended is named no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

NOTE = "damaged.json"


def read_damaged(directory: str) -> list[str]:
    """The names that are noted; none where there is no note."""
    path = os.path.join(directory, NOTE)
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [str(each) for each in json.load(file)]


def note_damaged(directory: str, names: Sequence[str], dry: bool = False) -> bool:
    """Note what is damaged, or that nothing is any more; return whether another thing was noted before. A dry one only says so."""
    path, wanted = os.path.join(directory, NOTE), sorted(names)
    try:
        known = read_damaged(directory)
    except ValueError:
        known = ["?"]
    if known == wanted:
        return False
    if not dry and not wanted:
        os.remove(path)
    elif not dry:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        # Whoever reads it meanwhile reads the one or the other.
        with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(wanted, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    return True
