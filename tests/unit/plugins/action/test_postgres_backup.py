"""The job of a backup as it is followed from the controller: hosts that are out of reach, jobs that were killed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Union

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.ai_micro.postgres.plugins.action.postgres_backup import ActionModule

JOB = {"ansible_job_id": "j1.2", "results_file": "/var/lib/db/.ansible_async/j1.2", "started": 1, "finished": 0}
DONE = {"finished": 1, "ansible_job_id": "j1.2", "results_file": "x", "changed": True, "label": "L"}
UNDER_WAY: dict[str, Any] = {"finished": 0}
LOST = AnsibleConnectionFailure("no route")
RUNNING = "stanza: db\n    status: ok (backup/expire running - 12.50% complete)\n"
IDLE = "stanza: db\n    status: ok\n"
Answer = Union[dict[str, Any], Exception]


class Host(ActionModule):
    """The action with a host whose answers are given; time goes on by what is slept."""

    def __init__(self, answers: Sequence[Answer], info: str = RUNNING) -> None:
        self.answers, self.info = iter(answers), info
        self.asked: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.resets = 0
        self._task: Any = SimpleNamespace(args={"stanza": "db"})
        self._connection: Any = SimpleNamespace(reset=self.reset)
        self._display: Any = SimpleNamespace(display=self.said.append)

    def reset(self) -> None:
        self.resets += 1

    def _execute_module(self, *_args: Any, module_args: Any = None, **_more: Any) -> dict[str, Any]:
        self.asked.append(module_args)
        if module_args["mode"] == "cleanup":
            return {}
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _info(self) -> str:
        return self.info


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def test_job_is_asked_for_where_it_says_that_it_is() -> None:
    """The environment's home directory is another than the user's in a scheduled run."""
    host = Host([UNDER_WAY, DONE])
    assert host._follow(JOB, 30, None) == {"changed": True, "label": "L"}
    assert [(each["mode"], each["_async_dir"]) for each in host.asked] == [
        ("status", "/var/lib/db/.ansible_async"),
        ("status", "/var/lib/db/.ansible_async"),
        ("cleanup", "/var/lib/db/.ansible_async"),
    ]
    assert host.said == []


def test_long_backup_says_how_far_it_is() -> None:
    host = Host([UNDER_WAY] * 60 + [DONE])
    assert host._follow(JOB, 30, None)["label"] == "L"
    assert host.said[0].startswith("Taking a backup of db: 12 % copied, under way for 3")
    assert len(host.said) > 5


def test_host_that_is_out_of_reach_for_a_while_is_asked_again() -> None:
    host = Host([UNDER_WAY, LOST, LOST, UNDER_WAY, DONE])
    assert host._follow(JOB, 30, None)["label"] == "L"
    assert host.resets == 2


def test_host_that_stays_out_of_reach_ends_the_run() -> None:
    host = Host([UNDER_WAY] + [LOST] * 500)
    with pytest.raises(AnsibleConnectionFailure):
        host._follow(JOB, 30, None)
    assert host.resets > 10


def test_job_that_cannot_be_looked_at_fails() -> None:
    host = Host([{"failed": True, "msg": "could not find job"}])
    assert host._follow(JOB, 30, None) == {"failed": True, "msg": "could not find job"}


def test_job_that_was_killed_is_not_waited_for() -> None:
    result = Host([UNDER_WAY] * 1000, IDLE)._follow(JOB, 30, None)
    assert result["failed"]
    assert result["msg"] == (
        "The job that takes a backup of db has not ended (/var/lib/db/.ansible_async/j1.2), and pgBackRest has taken none for 10 minutes: "
        "something has killed it; run it again."
    )


def test_job_of_a_run_that_was_killed_is_not_looked_at_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(pid=os.getppid() + 1))
    host = Host([])
    assert host._follow(JOB, 30, None)["failed"]
    assert host.asked == []


def test_job_that_runs_for_hours_is_waited_for() -> None:
    assert Host([UNDER_WAY] * 2000 + [DONE])._follow(JOB, 30, None)["label"] == "L"
