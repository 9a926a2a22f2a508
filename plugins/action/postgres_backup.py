# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of ai_micro.postgres.postgres_backup: while a backup is taken, a line now and then says how far it is."""

from __future__ import annotations

import shlex
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import command, is_running, read_progress
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._watched_job import PATIENCE, WatchedJob


class ActionModule(WatchedJob):
    """Have the backup taken by a job on the host."""

    MODULE = "ai_micro.postgres.postgres_backup"

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        every = int(self._task.args.get("progress", 30))
        if self._task.args.get("state") != "taken" or self._task.check_mode or every <= 0:
            return dict(self._execute_module(module_name=self.MODULE, task_vars=task_vars))
        return self._watched(every, task_vars)

    def _tell(self, seconds: int, task_vars: Optional[dict[str, Any]]) -> bool:
        told_by = self._info()
        self._say(read_progress(told_by), seconds)
        return is_running(told_by)

    def _lost(self, job: dict[str, Any]) -> dict[str, Any]:
        return {
            "failed": True,
            "msg": f"The job that takes a backup of {self._task.args.get('stanza')} has not ended ({job['results_file']}), and pgBackRest has taken none "
            f"for {PATIENCE // 60} minutes: something has killed it; run it again.",
        }

    def _info(self) -> str:
        """Ask pgBackRest what it does; it says nothing where it cannot be asked."""
        given = [str(self._task.args.get(name) or "") for name in ("container", "stanza", "config")]
        asked = self._low_level_execute_command(shlex.join(command(given[0], given[1], given[2], "info")))
        return str(asked.get("stdout", "")) if asked.get("rc") == 0 else ""

    def _say(self, share: Optional[float], seconds: int) -> None:
        # It moves on with each file that is copied, which may have a gigabyte.
        far = "" if share is None else f"{share:.0f} % copied, "
        self._display.display(f"Taking a backup of {self._task.args.get('stanza')}: {far}under way for {seconds} s.")
