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

AT_FDCWD = -100
RENAME_EXCHANGE = 2


class ExchangeError(Exception):
    """The directories are as they were; the text says why in one clause."""


def exchange(first: str, second: str) -> None:
    """Let two directories of one file system change places."""
    for path in (first, second):
        if not os.path.isdir(path):
            raise ExchangeError(f"{path} is not there")
    if os.stat(first).st_dev != os.stat(second).st_dev:
        raise ExchangeError(f"{first} and {second} are on different file systems")
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
