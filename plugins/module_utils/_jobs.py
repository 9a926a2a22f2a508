# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run has at work on a host, and how it is ended when the run is gone: no task's work ends with the controller's process.

Tasks that work long carry a mark in their environment, which names the run and the lock that it holds. All that they start inherits it, and what they start in
a container is given it, so that nothing has to be recorded, and no number of a process is ever taken for that of another one.
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress

MARK = "AI_MICRO_POSTGRES_JOB"
# For words of docker exec: of its own environment, and nothing where that has none.
INSIDE = f"--env={MARK}"
# Seconds for an end of its own accord, as pgBackRest wants it, and then for the kernel's.
GRACE, LAST = 10.0, 20.0
POLL = 0.05
# They only wait for others.
WRAPPERS = ("sh", "dash", "bash", "sudo", "docker")


def mark(run: str, lock: str) -> str:
    """Give the mark of what a run has at work under a lock; the role postgres_common writes the same."""
    return f"{run} {lock}"


def at_work(marked: str, proc: str = "/proc") -> dict[int, str]:
    """Give the processes with a mark, each with its name for people."""
    wanted, found = f"{MARK}={marked}".encode(), {}
    for entry in os.listdir(proc):
        # One that ends meanwhile is not at work.
        with suppress(OSError):
            if entry.isdigit() and wanted in _words(proc, entry, "environ"):
                found[int(entry)] = name([word.decode(errors="replace") for word in _words(proc, entry, "cmdline")])
    return found


def _words(proc: str, process: str, what: str) -> list[bytes]:
    with open(f"{proc}/{process}/{what}", "rb") as file:
        return file.read().split(b"\0")


def name(words: list[str]) -> str:
    """Name a process as people know it: a module, or a program."""
    modules = re.findall(r"AnsiballZ_(\w+)", " ".join(words))
    program = os.path.basename(words[0]).split(":")[0]
    # By pipelining, a module comes without a file.
    return modules[-1] if modules else "an Ansible module" if program.startswith("python") else program


def end(marked: str, grace: float = GRACE, last: float = LAST) -> tuple[list[str], list[str]]:
    """End whatever carries a mark; give the names of what was at work, and of what is so still."""
    begun = time.monotonic()
    told: set[int] = set()
    names: set[str] = set()
    while True:
        found = at_work(marked)
        names.update(found.values())
        waited = time.monotonic() - begun
        if not found or waited > last:
            return _listed(names), _listed(set(found.values()))
        for process in found:
            # What was started meanwhile is told too.
            if process not in told or waited > grace:
                told.add(process)
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL if waited > grace else signal.SIGTERM)
        time.sleep(POLL)


def _listed(names: set[str]) -> list[str]:
    return sorted(names.difference(WRAPPERS)) or sorted(names)
