# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that takes long, run by a job on the host and looked at from the controller: a module says nothing before its end."""

from __future__ import annotations

import multiprocessing
import os
import time
from abc import abstractmethod
from typing import Any, Optional

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# Seconds after which the host ends a job that has not come to an end by itself.
LONGEST = 30 * 86400
# Seconds between two looks: short ones, then a share of the time that it has taken already.
SOONEST, LATEST, SHARE = 0.3, 10.0, 0.1
# Seconds for which a host may be out of reach, or a job unfinished while nothing of its work goes on (it prepares, or waits).
PATIENCE = 600
# And how often, in a row, it has to have been seen so.
SILENT = 3
# What Ansible's own job adds to the module's result.
JOB_KEYS = ("ansible_job_id", "started", "finished", "results_file")


class WatchedJob(ActionBase):
    """What actions share whose module is followed to its end."""

    _supports_check_mode = True
    _supports_async = False
    MODULE = ""

    @abstractmethod
    def _tell(self, seconds: int, task_vars: Optional[dict[str, Any]]) -> bool:
        """Say how far the work is, and whether it goes on."""

    @abstractmethod
    def _lost(self, job: dict[str, Any]) -> dict[str, Any]:
        """Give the result of a job that something has killed."""

    def _watched(self, every: int, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        """Start the job, and give the module's result."""
        job = self._start(task_vars)
        if job.get("failed") or "ansible_job_id" not in job:
            return job
        # Of the looks that follow: without pipelining each has a directory of its own on the host.
        self._cleanup_remote_tmp = True
        return self._follow(job, every, task_vars)

    def _follow(self, job: dict[str, Any], every: int, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        """Look at the job until it has ended, and give the module's result."""
        begun = told = reached = busy = time.monotonic()
        silent = 0
        while True:
            now = time.monotonic()
            time.sleep(min(max(SOONEST, (now - begun) * SHARE), LATEST, every))
            if self._left_alone():
                return self._lost(job)
            try:
                result = self._look(job, "status", task_vars)
                if result.get("finished") or result.get("failed"):
                    break
                if now - told >= every:
                    told = now
                    silent, busy = (0, now) if self._tell(int(now - begun), task_vars) else (silent + 1, busy)
                    if silent >= SILENT and now - busy > PATIENCE:
                        return self._lost(job)
                reached = now
            except AnsibleConnectionFailure:
                # The job goes on without a connection.
                if now - reached > PATIENCE:
                    raise
                self._connection.reset()
        if result.get("finished"):
            self._look(job, "cleanup", task_vars)
        return {key: value for key, value in result.items() if key not in JOB_KEYS}

    @staticmethod
    def _left_alone() -> bool:
        """Say whether the run was killed: this process is a child of it, and would look on for nobody."""
        run = multiprocessing.parent_process()
        return run is not None and run.pid != os.getppid()

    def _start(self, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        # Not said by the task, where Ansible would poll it in its own way: at one pace, so that a short job takes as long as a look is apart.
        self._task.async_val = LONGEST
        try:
            return dict(self._execute_module(module_name=self.MODULE, task_vars=task_vars, wrap_async=True))
        finally:
            self._task.async_val = 0

    def _look(self, job: dict[str, Any], mode: str, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        # Where the job says that it is, since the home directory of its environment may be another than its user's.
        words = {"jid": job["ansible_job_id"], "mode": mode, "_async_dir": os.path.dirname(job["results_file"])}
        return dict(self._execute_module("ansible.legacy.async_status", module_args=words, task_vars=task_vars))
