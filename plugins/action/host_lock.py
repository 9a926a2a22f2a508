# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of ai_micro.postgres.host_lock: which run asks, and whether the run that holds the lock still lives."""

from __future__ import annotations

import getpass
import hashlib
import multiprocessing
import os
import socket
import time
from datetime import datetime, timezone
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible_collections.ai_micro.postgres.plugins.module_utils import _lock

# Seconds between two looks at a lock that is waited for.
POLL = 2


def user() -> str:
    """Name who runs this, by number where the system knows no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def this_run() -> dict[str, Any]:
    """Describe the run of Ansible that this process belongs to."""
    # Tasks run in children of the process that people started and see in their lists.
    parent = multiprocessing.parent_process()
    process = parent.pid if parent and parent.pid else os.getpid()
    run: dict[str, Any] = {
        "controller": socket.gethostname(),
        "realm": _lock.realm(),
        "user": user(),
        "process": process,
        "process_started": _lock.process_started(process),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    name = f"{run['realm']} {process} {run['process_started']}"
    return {"id": hashlib.sha256(name.encode()).hexdigest()[:8], **run}


class ActionModule(ActionBase):
    """Ask on the host; take over what this controller knows to be stale."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "holder": this_run()}
        deadline = time.monotonic() + int(self._task.args.get("wait", 0))
        told = False
        while True:
            # Another run may be quicker to take a lock over; then it is that one which is asked about.
            result = self._ask(arguments, task_vars)
            found = result.get("holder")
            if not result.get("failed") or not found:
                if result.get("ended"):
                    self._display.warning(
                        f"The run that held the lock had left this at work on the host, which was ended: {', '.join(result['ended'])}."
                    )
                return result
            # Of a run of its own, as one of a schedule, the host knows whether it lives.
            realm = found["realm"] if result.get("here") else arguments["holder"]["realm"]
            alive = result["alive"] if result.get("here") else _lock.process_started(int(found["process"]))
            if _lock.has_ended(found, realm, alive):
                self._display.warning(f"A lock left by {_lock.describe(found)}, is taken over: its process has ended.")
                arguments["replace"] = found["id"]
                continue
            if time.monotonic() >= deadline:
                break
            if not told:
                self._display.display(f"Waiting for another run: {_lock.describe(found)}.")
                told = True
            time.sleep(POLL)
        result["msg"] = (
            f"Another run is changing this: {_lock.describe(found)}. Wait until it has ended; if it was killed, "
            f"set replace (in this collection's playbooks: postgres_common_replace_lock) to {found['id']} to take its lock over."
        )
        return result

    def _ask(self, arguments: dict[str, Any], task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        name = "ai_micro.postgres.host_lock"
        return dict(self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars))
