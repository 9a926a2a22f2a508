# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two directories that change places in one step, so that no moment exists in which one of the names is missing.

renameat2 with RENAME_EXCHANGE (Linux 3.15, glibc 2.28): either both names have changed or none has, whenever the machine stops.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

AT_FDCWD = -100
RENAME_EXCHANGE = 2


class ExchangeError(Exception):
    """The directories are as they were; the text says why in one clause."""


def refuse_volume(volume: Mapping[str, Any], users: Iterable[Mapping[str, Any]], permitted: str = "") -> None:
    """Refuse a volume, from its inspection, whose data would not follow its directory, or whose running users would.

    ``permitted`` is the name of a container that is stopped before anything is exchanged.
    """
    name, options = volume["Name"], volume.get("Options") or {}
    if volume.get("Driver", "local") != "local" or options.get("device"):
        where = f"from {options['device']}" if options.get("device") else f"by the driver {volume['Driver']}"
        # Docker mounts it over the directory with each start: what would be exchanged is the empty directory below.
        raise ExchangeError(
            f"{name} is mounted {where}, so that its data does not follow its directory: copy the data into a volume of that name "
            "without driver options, or restore one database at a time (restore_database)"
        )
    for user in users:
        holder = user["Names"][0].lstrip("/")
        if holder != permitted:
            raise ExchangeError(f"{name} is in use by the container {holder}, stop it first")


def mount_point(path: str, mountinfo: str) -> str:
    """Return where the file system that holds a path is mounted, from /proc/self/mountinfo (proc(5))."""
    found = ""
    for line in mountinfo.splitlines():
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split(" ")[4])
        if len(point) >= len(found) and (path == point or path.startswith(point.rstrip("/") + "/")):
            found = point
    return found


def check(first: str, second: str) -> None:
    """Refuse two directories that cannot change places, as far as can be told without trying."""
    for path in (first, second):
        if not os.path.isdir(path):
            raise ExchangeError(f"{path} is not there")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mountinfo = file.read()
    # Not the device alone: nothing can be renamed from one mount to another, though both may show one file system.
    points = [mount_point(os.path.realpath(path), mountinfo) for path in (first, second)]
    if points[0] != points[1]:
        raise ExchangeError(
            f"{first} is on the file system mounted at {points[0]} and {second} on that at {points[1]}: have both on one, as below "
            "Docker's root directory"
        )
    if os.stat(first).st_dev != os.stat(second).st_dev:
        raise ExchangeError(
            f"{first} and {second} are on different file systems: have both on one, as below Docker's root directory"
        )


def exchange(first: str, second: str) -> None:
    """Let two directories of one file system change places."""
    check(first, second)
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)
    if rename is None:
        raise ExchangeError("the host's C library has no renameat2 (glibc 2.28 or newer has)")
    if rename(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        reason = os.strerror(number)
        if number in (errno.EINVAL, errno.ENOSYS):
            reason = "their file system cannot exchange two names (ext4, xfs and btrfs can)"
        raise ExchangeError(f"{first} and {second}: {reason}")
    for parent in sorted({os.path.dirname(first), os.path.dirname(second)}):
        descriptor = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
