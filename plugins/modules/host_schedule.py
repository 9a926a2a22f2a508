#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_schedule
short_description: Keep the jobs of a schedule, as systemd timers or in cron
version_added: 1.0.0
description:
  - Writes a timer and a service for each job and starts the timers, or writes a file in C(/etc/cron.d). A timer that was due while the host was down
    fires after the boot.
  - What an earlier call left and is not wanted any more is removed, in the other manager too.
  - It knows its own files by their first line; a file of the same name that is not its own is refused.
attributes:
  check_mode:
    support: full
    description: Reports what would be changed and changes nothing.
  diff_mode:
    support: full
    description: Shows each file before and after.
  platform:
    support: full
    platforms: posix
    description: Linux hosts.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  name:
    description: Name of the schedule. The names of its units begin with it.
    type: str
    required: true
  manager:
    description: Who keeps the time.
    type: str
    choices: [systemd, cron]
    required: true
  jobs:
    description: What runs when. Without jobs, everything of this schedule is removed.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the job.
        type: str
        required: true
      calendar:
        description: When, in the five fields of cron and in the host's time zone; days of the month or days of the week, not both.
        type: str
        required: true
      command:
        description: Program and arguments, run as root. Everybody on the host may read them.
        type: list
        elements: str
        required: true
  delay:
    description: Seconds by which a timer fires later at random, so that several hosts do not do so at once; cron knows no such thing.
    type: int
    default: 0
seealso:
  - module: ai_micro.postgres.host_runner
"""

EXAMPLES = r"""
- name: Say hello each night
  ai_micro.postgres.host_schedule:
    name: hello
    manager: systemd
    jobs:
      - name: night
        calendar: "10 2 * * *"
        command: [/usr/bin/logger, hello]
"""

RETURN = r"""
paths:
  description: The files that were written or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/hello-night.service, /etc/systemd/system/hello-night.timer]
timers:
  description: The timers that were started or stopped, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [hello-night.timer]
"""

import glob
import os
import tempfile
from collections.abc import Sequence
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._calendar import read
from ansible_collections.ai_micro.postgres.plugins.module_utils._timers import (
    SYSTEMD,
    Job,
    cron_file,
    cron_path,
    mark,
    unit_files,
)


def content(path: str) -> Optional[str]:
    """Read a file, nothing where there is none."""
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def write(path: str, text: str) -> None:
    """Replace a file as a whole."""
    handle, partial = tempfile.mkstemp(prefix=".", dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(partial, 0o644)
    os.rename(partial, path)


def ours(schedule: str) -> list[str]:
    """Find the files that earlier calls have left."""
    paths = [*glob.glob(f"{SYSTEMD}/{glob.escape(schedule)}-*"), cron_path(schedule)]
    return [path for path in paths if (content(path) or "").startswith(f"{mark(schedule)}\n")]


def read_jobs(module: AnsibleModule) -> list[Job]:
    """Read the jobs, or say which of them cannot be."""
    found = []
    for raw in module.params["jobs"]:
        try:
            found.append(Job(raw["name"], " ".join(raw["calendar"].split()), read(raw["calendar"]), raw["command"]))
        except ValueError as error:
            module.fail_json(
                msg=f"The calendar {raw['calendar']!r} of {raw['name']} cannot be read: {error}; correct it (in the role postgres_backup: "
                f"postgres_backup_schedule_{raw['name']})."
            )
    return found


class Manager:
    """systemd, told to do what a call wants."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.runs = os.path.isdir("/run/systemd/system")

    def idle(self, timers: Sequence[str]) -> list[str]:
        """Name the timers that are not started, or will not be at boot."""
        if not timers:
            return []
        shown = self.module.run_command(
            ["systemctl", "show", "--property=UnitFileState,ActiveState", *timers], check_rc=True
        )[1]
        states = [set(block.split("\n")) for block in shown.strip().split("\n\n")]
        return [
            timer
            for timer, state in zip(timers, states)
            if not state >= {"UnitFileState=enabled", "ActiveState=active"}
        ]

    def call(self, *arguments: str) -> None:
        self.module.run_command(["systemctl", *arguments], check_rc=True)


def apply(module: AnsibleModule, wanted: dict[str, str], obsolete: Sequence[str], manager: Manager) -> dict[str, Any]:
    """Write, remove and start what is not as it is wanted."""
    before = {path: content(path) for path in [*wanted, *obsolete]}
    written = [path for path in wanted if before[path] != wanted[path]]
    first = f"{mark(module.params['name'])}\n"
    foreign = [path for path in written if not (before[path] or first).startswith(first)]
    if foreign:
        module.fail_json(
            msg=f"{foreign[0]} is there and not of this schedule: move it away, or give the schedule another name."
        )
    timers = [os.path.basename(path) for path in wanted if path.endswith(".timer")]
    changed = [timer for timer in timers if f"{SYSTEMD}/{timer}" in written]
    fresh = changed + manager.idle([timer for timer in timers if timer not in changed])
    ended = [os.path.basename(path) for path in obsolete if path.endswith(".timer")] if manager.runs else []
    if not module.check_mode:
        if ended:
            manager.call("disable", "--now", *ended)
        for path in obsolete:
            os.unlink(path)
        for path in written:
            write(path, wanted[path])
        if manager.runs and any(path.startswith(SYSTEMD) for path in [*written, *obsolete]):
            manager.call("daemon-reload")
        if fresh:
            manager.call("enable", *fresh)
            manager.call("restart", *fresh)
    paths = [*written, *obsolete]
    return {
        "changed": bool(paths or fresh),
        "paths": paths,
        "timers": [*fresh, *ended],
        "diff": [
            {"before": before[path] or "", "after": wanted.get(path, ""), "before_header": path, "after_header": path}
            for path in paths
        ],
    }


def main() -> None:
    """Run the module."""
    job = {
        "name": {"type": "str", "required": True},
        "calendar": {"type": "str", "required": True},
        "command": {"type": "list", "elements": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "manager": {"type": "str", "choices": ["systemd", "cron"], "required": True},
            "jobs": {"type": "list", "elements": "dict", "default": [], "options": job},
            "delay": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    name, manager = module.params["name"], Manager(module)
    jobs = read_jobs(module)
    if jobs and module.params["manager"] == "systemd" and not manager.runs:
        module.fail_json(
            msg="systemd does not run this host: set manager (in the role postgres_backup: postgres_backup_schedule_manager) to cron."
        )
    wanted = {}
    if jobs and module.params["manager"] == "systemd":
        wanted = unit_files(name, jobs, module.params["delay"])
    elif jobs:
        wanted = {cron_path(name): cron_file(name, jobs)}
    obsolete = [path for path in ours(name) if path not in wanted]
    try:
        module.exit_json(**apply(module, wanted, obsolete, manager))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'A file'} cannot be written: {error.strerror}; free the way and run again."
        )


if __name__ == "__main__":
    main()
