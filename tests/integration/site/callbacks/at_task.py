"""Run a command at the moment when a task begins: the one exact way to kill a run, or to get in its way, between two of its tasks."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: at_task
type: aggregate
short_description: Run a command when a task begins
description: Runs the command of the environment variable AMT_COMMAND when the task that AMT_AT_TASK names begins for the first time.
"""


class CallbackModule(CallbackBase):
    """Runs the command once."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "at_task"

    done = False

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if not self.done and task.get_name().split(" : ")[-1] == os.environ.get("AMT_AT_TASK"):
            self.done = True
            subprocess.run(["sh", "-c", os.environ["AMT_COMMAND"]], check=False)
