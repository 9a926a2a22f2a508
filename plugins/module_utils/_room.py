# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a copy fits beside the live data: it lies on the disk that the server writes to, which stops when that is full."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE

# What is copied grows: a backup by the WAL that follows, a dumped database by what it is written anew with.
SHARE = 10


def needed(size: int, reserve_mb: int) -> int:
    """The bytes that have to be free for a copy: its size and a tenth of it, and what stays free for the server."""
    return size + size // SHARE + reserve_mb * MEBIBYTE


def shortage(what: str, size: int, disk: str, free: int, reserve_mb: int) -> str:
    """Say in one clause that a copy does not fit, with what is needed and what is free, and what to do; or nothing."""
    wanted = needed(size, reserve_mb)
    if free >= wanted:
        return ""
    return (
        f"{what} needs {wanted // MEBIBYTE} MB on the disk of {disk} (its size of {size // MEBIBYTE} MB, a tenth of it, and "
        f"postgres_backup_copy_reserve_mb, {reserve_mb} MB, for the server), and {free // MEBIBYTE} MB are free: make room there"
    )
