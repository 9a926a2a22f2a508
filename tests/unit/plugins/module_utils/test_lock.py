"""A lock counts while its run lives, as far as a controller can know that."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._lock import (
    describe,
    has_ended,
    process_started,
    realm,
)

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
    ("here", "alive", "ended"),
    [
        pytest.param(HOLDER["realm"], "1093412", False, id="lives"),
        pytest.param(HOLDER["realm"], "", True, id="ended"),
        pytest.param(HOLDER["realm"], "2093412", True, id="number used again"),
        pytest.param(ELSEWHERE, "", False, id="another controller's"),
        pytest.param(ELSEWHERE, "2093412", False, id="another controller's, where the number is used too"),
    ],
)
def test_end_is_known_on_the_runs_own_machine(here: str, alive: str, ended: bool) -> None:
    assert has_ended(HOLDER, here, alive) is ended


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
