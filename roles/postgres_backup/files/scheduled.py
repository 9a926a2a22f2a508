# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one job of the host's schedule and note how it went.

Called by a systemd timer or by cron as `scheduled.py DIRECTORY JOB`; DIRECTORY holds runner.json, which names the runner, the
inventory and the place of notes. Nothing secret is in the command line or in the environment: the inventory, which only root may
read, has it. It works with nothing but Python's own library.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REASON = ("-e", "postgres_backup_reason=scheduled")
JOBS = {
    "full": ("backup", "-e", "backup_type=full", *REASON),
    "incr": ("backup", "-e", "backup_type=incr", *REASON),
    "logical": ("backup", "-e", "backup_type=logical", *REASON),
    "check": ("verify", "--tags", "backup"),
    "drill": ("drill",),
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What ansible-core 2.19 and what older ones say of a task that failed.
ERRORS = re.compile(
    r"^\[ERROR\]: (?:Task failed: )?(?:Action failed: )?(.+)$|^\s+msg: (.+)$|^ERROR! (.+)$", re.MULTILINE
)


def begun() -> str:
    """Tell this process from a later one of the same number: its start in clock ticks (proc(5))."""
    return Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]


def note(path: Path, content: dict[str, Any]) -> None:
    """Replace the note as a whole."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(path)


def reason(log: Path) -> str:
    """Find why a run of Ansible failed: the first error that it printed."""
    found = ERRORS.search(log.read_text(encoding="utf-8", errors="replace"))
    return next(part for part in found.groups() if part).strip() if found else "it printed no error."


def main() -> int:
    """Run the job that the command line names."""
    directory, job = Path(sys.argv[1]), sys.argv[2]
    os.umask(0o077)
    settings = json.loads((directory / "runner.json").read_text(encoding="utf-8"))
    state = Path(settings["state"])
    log, noted = state / f"{job}.log", state / f"{job}.json"
    run: dict[str, Any] = {
        "began": int(time.time()),
        "log": str(log),
        "process": os.getpid(),
        "process_started": begun(),
    }
    note(noted, run)
    playbook, *arguments = JOBS[job]
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(
            [settings["program"], f"ai_micro.postgres.{playbook}", "-i", settings["inventory"], *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": PATH, "HOME": str(state)},
            cwd="/",
        ).returncode
    run.update(ended=int(time.time()), status=status)
    if status:
        run["reason"] = reason(log)
        print(f"{job} failed: {run['reason']} Its output is in {log}.", file=sys.stderr)
    else:
        print(f"{job} went well in {run['ended'] - run['began']} s; its output is in {log}.")
    note(noted, run)
    return status


if __name__ == "__main__":
    sys.exit(main())
