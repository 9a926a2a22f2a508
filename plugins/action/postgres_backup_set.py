# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of ai_micro.postgres.postgres_backup_set: while a restore point is looked for, a line now and then says how far that is."""

from __future__ import annotations

import shlex
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._restore_point import container, read_progress
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._watched_job import PATIENCE, WatchedJob


class ActionModule(WatchedJob):
    """Have a restore point looked for by a job on the host; what needs no search is done at once."""

    MODULE = "ai_micro.postgres.postgres_backup_set"

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        args = self._task.args
        every = int(args.get("progress", 30))
        if args.get("set") or not args.get("point") or self._task.check_mode or every <= 0:
            return dict(self._execute_module(module_name=self.MODULE, task_vars=task_vars))
        return self._watched(every, task_vars)

    def _tell(self, seconds: int, task_vars: Optional[dict[str, Any]]) -> bool:
        words = ["docker", "logs", "--tail=2", container(str(self._task.args.get("stanza")))]
        asked = self._low_level_execute_command(shlex.join(words))
        if asked.get("rc") != 0:
            return False
        count = read_progress(str(asked.get("stdout", "")))
        self._display.display(
            f"Looking for the restore point {self._task.args.get('point')}: {count} WAL files read, the newest first, under way for {seconds} s."
        )
        return True

    def _lost(self, job: dict[str, Any]) -> dict[str, Any]:
        return {
            "failed": True,
            "msg": f"The job that looks for the restore point {self._task.args.get('point')} has not ended ({job['results_file']}), and has read nothing "
            f"for {PATIENCE // 60} minutes: something has killed it; run it again.",
        }
