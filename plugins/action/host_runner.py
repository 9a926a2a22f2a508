# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of ai_micro.postgres.host_runner: what a runner consists of, sent only where the host has another one."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version
from ansible_collections.ai_micro.postgres.plugins.module_utils import _runner


class ActionModule(ActionBase):
    """Compare digests, and send an archive where they differ."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "core": core_version}
        if arguments.get("state", "present") == "absent":
            return self._ask(arguments, task_vars)
        files = _runner.collect(arguments.get("collections") or [], str(arguments.get("python", "/usr/bin/python3")))
        arguments["digest"] = _runner.digest(files)
        result = self._ask(arguments, task_vars)
        if result.get("failed") or not result.get("changed") or self._task.check_mode:
            return result
        self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "runner.tar.gz")
            handle, local = tempfile.mkstemp(suffix=".tar.gz")
            os.close(handle)
            try:
                _runner.write(files, local)
                self._transfer_file(local, remote)
            finally:
                os.unlink(local)
            self._fixup_perms2((self._connection._shell.tmpdir, remote))
            return self._ask({**arguments, "archive": remote}, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _ask(self, arguments: dict[str, Any], task_vars: Optional[dict[str, Any]]) -> dict[str, Any]:
        name = "ai_micro.postgres.host_runner"
        return dict(self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars))
