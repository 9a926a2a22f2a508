"""The build of an index as it is followed from the controller; what takes no build is no job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.ai_micro.postgres.plugins.action.pgvector_collection import ActionModule

JOB = {"ansible_job_id": "j1.2", "results_file": "/root/.ansible_async/j1.2", "started": 1, "finished": 0}
DONE = {"finished": 1, "ansible_job_id": "j1.2", "results_file": "x", "changed": True, "in_order": True}
BUILDS: dict[str, Any] = {
    "changed": True,
    "queries": ["SET maintenance_work_mem = '9MB'", 'CREATE INDEX CONCURRENTLY "i" ON "t"'],
    "stats": {"build_memory_needed": 9 << 20},
}
EMPTY = {**BUILDS, "stats": {"build_memory_needed": 0}}
MENDS = {"changed": True, "queries": ["ANALYZE t"]}
IN_ORDER = {"changed": False, "queries": []}
BUILDING = {
    "findings": [
        {"check": "extension_flaw", "message": "It is old."},
        {"check": "index_building", "message": "Index i is being built: building index, 7 rows."},
    ]
}


class Host(ActionModule):
    """The action with a host whose answers are given; time goes on by what is slept."""

    def __init__(self, foreseen: dict[str, Any], looks: int = 0, building: Sequence[Any] = (), **args: Any) -> None:
        given = {"login_db": "d", "name": "c", "state": "present", "recall": {"k": 5}, **args}
        self.foreseen, self.looks, self.building = foreseen, looks, building
        self.asked: list[str] = []
        self.said: list[str] = []
        self._task: Any = SimpleNamespace(args=given, check_mode=False, async_val=0)
        self._display: Any = SimpleNamespace(display=self.said.append)

    def _execute_module(
        self, module_name: str = "", module_args: Any = None, wrap_async: bool = False, **_more: Any
    ) -> dict[str, Any]:
        if module_name == "ansible.legacy.async_status":
            self.looks -= module_args["mode"] == "status"
            return DONE if self.looks < 0 else {"finished": 0}
        if module_args:
            assert module_args["recall"] == {"k": 5, "sample": 0}
            self.asked.append(module_args["state"])
            return {"findings": [*self.building]}
        if wrap_async:
            assert self._task.async_val
            self.asked.append("job")
            return JOB
        self.asked.append("check" if self._task.check_mode else "run")
        return self.foreseen if self._task.check_mode else {"changed": True}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})


@pytest.mark.parametrize(
    ("foreseen", "args", "asked"),
    [
        (IN_ORDER, {}, ["check"]),
        ({"failed": True, "msg": "no server"}, {}, ["check"]),
        (MENDS, {}, ["check", "run"]),
        (EMPTY, {}, ["check", "run"]),
        (BUILDS, {"state": "verified"}, ["run"]),
        (BUILDS, {"progress": 0}, ["run"]),
        (BUILDS, {}, ["check", "job"]),
    ],
)
def test_only_a_build_is_a_job(foreseen: dict[str, Any], args: dict[str, Any], asked: list[str]) -> None:
    """A collection in order costs one call, as without an action."""
    host = Host(foreseen, **args)
    assert host.run()
    assert host.asked == asked
    assert (host._task.check_mode, host._task.async_val, host.said) == (False, 0, [])


def test_long_build_says_how_far_it_is() -> None:
    host = Host(BUILDS, looks=60, building=BUILDING["findings"])
    assert host.run() == {"changed": True, "in_order": True}
    assert host.said[0].startswith("d, c: Index i is being built: building index, 7 rows. Under way for 3")
    assert len(host.said) > 5


def test_build_that_was_killed_is_not_waited_for() -> None:
    result = Host(BUILDS, looks=1000).run()
    assert result["failed"]
    assert result["msg"] == (
        "The job that builds an index of d, c has not ended (/root/.ansible_async/j1.2), and the server has built none for 10 minutes: "
        "something has killed it; run it again."
    )
