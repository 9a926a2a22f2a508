"""The search for a restore point as it is followed from the controller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.action.postgres_backup_set import ActionModule


class Host(ActionModule):
    """The action with a host whose container has printed something, or is not there."""

    def __init__(self, printed: str, code: int = 0) -> None:
        self.printed, self.code = printed, code
        self.asked: list[str] = []
        self.said: list[str] = []
        self._task: Any = SimpleNamespace(args={"stanza": "db", "point": "the import"})
        self._display: Any = SimpleNamespace(display=self.said.append)

    def _low_level_execute_command(self, cmd: str, **_more: Any) -> dict[str, Any]:
        self.asked.append(cmd)
        return {"rc": self.code, "stdout": self.printed}


def test_search_says_how_far_it_is() -> None:
    host = Host("read 41\nunread W\n")
    assert host._tell(30, None) is True
    assert host.asked == ["docker logs --tail=2 db-search"]
    assert host.said == [
        "Looking for the restore point the import: 41 WAL files read, the newest first, under way for 30 s."
    ]


def test_search_that_is_gone_is_silent() -> None:
    host = Host("", code=1)
    assert host._tell(30, None) is False
    assert host.said == []
    assert host._lost({"results_file": "/x"})["failed"] is True


@pytest.mark.parametrize(
    ("given", "followed"),
    [
        ({"point": "x"}, True),
        ({"point": ""}, False),
        ({"point": "x", "set": "20261125-234256F"}, False),
        ({"point": "x", "progress": 0}, False),
    ],
    ids=["a point", "none", "a backup is given", "not to be said"],
)
def test_only_a_search_is_followed(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], followed: bool) -> None:
    host = Host("")
    host._task = SimpleNamespace(args={"stanza": "db", **given}, check_mode=False)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_given: {})
    monkeypatch.setattr(host, "_watched", lambda *_given: {"by": "job"})
    monkeypatch.setattr(host, "_execute_module", lambda **_given: {"by": "module"})
    assert host.run() == {"by": "job" if followed else "module"}
