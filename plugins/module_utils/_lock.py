# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a host for a run: what is written into the lock, when it is stale, how it is told.

A run is a process on some controller. Only that controller can say whether it still lives, so everywhere else a lock
ends by being named: a restore may take hours, and its age says nothing of it.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

KEYS = ("id", "controller", "realm", "user", "process", "process_started", "started")


def process_started(process: int) -> str:
    """When a process began, in words that stay the same while it lives; empty where there is none."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            # The name in parentheses may hold anything; the start in clock ticks is field 22 (proc(5)).
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        pass
    if os.path.isdir("/proc/self"):
        return ""
    # Controllers without /proc, as macOS.
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()


def realm() -> str:
    """Where process numbers mean what they mean here: this machine since its boot, this PID namespace."""
    parts = [socket.gethostname()]
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return " ".join(parts)


def has_ended(holder: Mapping[str, Any], here: str, alive: str) -> bool:
    """Say whether a run is known to be over, which only its own machine can know.

    ``here`` is the realm of whoever looked, ``alive`` what process_started says there of the holder's process.
    """
    return holder["realm"] == here and not (alive and alive == holder["process_started"])


def describe(holder: Mapping[str, Any]) -> str:
    """Name a run by process, user, controller and time."""
    started = datetime.fromisoformat(holder["started"]).astimezone(timezone.utc)
    return (
        f"process {holder['process']} of {holder['user']} on {holder['controller']}, "
        f"begun {started.strftime('%Y-%m-%d %H:%M:%S')} UTC"
    )
