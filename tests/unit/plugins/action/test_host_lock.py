"""A lock as it is asked for from the controller: whose run is waited for, taken over, or named."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.action.host_lock import ActionModule, this_run

KILLED = {**this_run(), "id": "0badcafe", "process_started": "never"}
QUICKER = {**this_run(), "id": "5f0c1d7e"}


class Host(ActionModule):
    """The action with a host of which is given who holds the lock at each look."""

    def __init__(self, *holders: dict[str, Any], replace: str = "", ended: Sequence[str] = ()) -> None:
        self.holders, self.ended = list(holders), list(ended)
        self.said: list[str] = []
        self._task: Any = SimpleNamespace(args={"path": "/run/lock", "replace": replace})
        self._display: Any = SimpleNamespace(warning=self.said.append)

    def _ask(self, arguments: dict[str, Any], _task_vars: Any) -> dict[str, Any]:
        found = self.holders.pop(0) if self.holders else {}
        if found and found["id"] != arguments.get("replace"):
            return {"failed": True, "holder": found, "here": False, "alive": ""}
        return {"held": True, "holder": arguments["holder"], "ended": self.ended}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what ActionBase prepares of a real task."""
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_arguments, **_more: {})


def test_killed_runs_lock_is_taken_over() -> None:
    host = Host(KILLED, KILLED)
    assert host.run()["held"]
    assert "A lock left by process" in host.said[0]
    assert len(host.said) == 1


def test_what_a_killed_run_had_left_at_work_is_said_to_be_ended() -> None:
    host = Host(KILLED, KILLED, ended=["pgbackrest", "postgres_backup"])
    assert host.run()["held"]
    assert host.said[1].endswith("left this at work on the host, which was ended: pgbackrest, postgres_backup.")


def test_run_that_was_quicker_to_take_a_lock_over_is_named() -> None:
    result = Host(KILLED, QUICKER).run()
    assert result["failed"]
    assert result["msg"].startswith(
        f"Another run is changing this: process {QUICKER['process']} of {QUICKER['user']} on "
    )
    assert "to 5f0c1d7e to take its lock over" in result["msg"]


def test_lock_that_was_given_back_meanwhile_is_taken() -> None:
    assert Host(KILLED).run()["held"]
