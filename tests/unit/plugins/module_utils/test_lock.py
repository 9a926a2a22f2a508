"""A lock counts while its run lives, as far as a controller can know that."""

from __future__ import annotations

import subprocess
from datetime import datetime, timezone

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._lock import (
    describe,
    is_stale,
    process_started,
    realm,
)

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=timezone.utc)
HOLDER = {
    "id": "5f0c1d7e",
    "controller": "deploy",
    "realm": "deploy boot pid:[1]",
    "user": "ansible",
    "process": 4711,
    "process_started": "1093412",
    "started": "2026-11-24T04:00:00+01:00",
}
ELSEWHERE = "other boot pid:[1]"


@pytest.mark.parametrize(
    ("here", "alive", "age", "stale"),
    [
        pytest.param(HOLDER["realm"], "1093412", 7200, "", id="lives"),
        pytest.param(HOLDER["realm"], "", 7200, "its process has ended", id="ended"),
        pytest.param(HOLDER["realm"], "2093412", 7200, "its process has ended", id="number used again"),
        pytest.param(HOLDER["realm"], "1093412", 60, "", id="lives although old"),
        pytest.param(ELSEWHERE, "", 7200, "", id="another controller's"),
        pytest.param(ELSEWHERE, "1093412", 1799, "it is older than 1799 seconds", id="another controller's, too old"),
        pytest.param(ELSEWHERE, "", 1800, "", id="another controller's, just not too old"),
    ],
)
def test_stale(here: str, alive: str, age: int, stale: str) -> None:
    assert is_stale(HOLDER, here, alive, NOW, age) == stale


def test_run_is_named_by_process_user_controller_and_time() -> None:
    assert describe(HOLDER) == "process 4711 of ansible on deploy, begun 2026-11-24 03:00:00 UTC"


def test_start_of_a_process_is_known_while_it_lives() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        started = process_started(child.pid)
        assert started
        assert process_started(child.pid) == started
        child.kill()
    assert process_started(child.pid) == ""


def test_realm_is_the_same_at_each_look() -> None:
    assert realm() == realm() != ""
