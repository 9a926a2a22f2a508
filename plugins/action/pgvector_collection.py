# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of ai_micro.postgres.pgvector_collection: while an index is built, a line now and then says how far it is."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.plugin_utils._watched_job import PATIENCE, WatchedJob


class ActionModule(WatchedJob):
    """Have an index built by a job on the host; whatever takes no build is done at once."""

    MODULE = "ai_micro.postgres.pgvector_collection"

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        every = int(self._task.args.get("progress", 30))
        if self._task.args.get("state") != "present" or self._task.check_mode or every <= 0:
            return dict(self._execute_module(module_name=self.MODULE, task_vars=task_vars))
        found = self._foresee(task_vars)
        if found.get("failed") or not found.get("changed"):
            return found
        # An index over no rows takes no memory, and no time.
        builds = any(query.startswith("CREATE INDEX") for query in found["queries"])
        if not builds or not found["stats"]["build_memory_needed"]:
            return dict(self._execute_module(module_name=self.MODULE, task_vars=task_vars))
        return self._watched(every, task_vars)

    def _foresee(self, task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        """What would be done: where that is nothing, it is all that there is to say."""
        self._task.check_mode = True
        try:
            return dict(self._execute_module(module_name=self.MODULE, task_vars=task_vars))
        finally:
            self._task.check_mode = False

    def _tell(self, seconds: int, task_vars: Optional[dict[str, Any]]) -> bool:
        # Without searches, as the build has more use for the processor.
        asked = {
            **self._task.args,
            "state": "verified",
            "recall": {**(self._task.args.get("recall") or {}), "sample": 0},
        }
        found = self._execute_module(module_name=self.MODULE, module_args=asked, task_vars=task_vars)
        messages = [each["message"] for each in found.get("findings", ()) if each["check"] == "index_building"]
        for message in messages:
            self._display.display(f"{self._collection}: {message} Under way for {seconds} s.")
        return bool(messages)

    @property
    def _collection(self) -> str:
        args = self._task.args
        return ", ".join(str(args[name]) for name in ("login_db", "db", "name") if name in args)

    def _lost(self, job: dict[str, Any]) -> dict[str, Any]:
        return {
            "failed": True,
            "msg": f"The job that builds an index of {self._collection} has not ended ({job['results_file']}), and the server has built none "
            f"for {PATIENCE // 60} minutes: something has killed it; run it again.",
        }
