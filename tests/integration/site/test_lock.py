"""Two controllers at once: the second is refused by name, and a killed run keeps nobody out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from instance import REPOSITORY, SUFFIX, Instance

PATIENCE = 60
HOLD = [
    {
        "hosts": "postgres",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.import_role": {"name": "ai_micro.postgres.postgres_common", "tasks_from": "lock"}},
            {"ansible.builtin.wait_for": {"path": "/run/ai_micro.postgres/never", "timeout": 600}},
        ],
    }
]


@pytest.fixture(scope="module")
def held(image: str, tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Name an instance that is never made."""
    return Instance(f"amt-held{SUFFIX}", 25433, tmp_path_factory.mktemp("held"), image)


@pytest.fixture(scope="module")
def first(held: Instance) -> Iterator[subprocess.Popen[bytes]]:
    """Run a playbook that takes the lock of the instance and keeps it, until the last of these tests kills it."""
    lock = Path(f"/run/ai_micro.postgres/{held.name}.lock")
    playbook = held.folder / "hold.yml"
    playbook.write_text(json.dumps(HOLD))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(held.inventory()), str(playbook)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True) as run:
        deadline = time.monotonic() + PATIENCE
        while not lock.exists():
            assert run.poll() is None, "the first run ended"
            assert time.monotonic() < deadline, "the first run took no lock"
            time.sleep(0.1)
        yield run
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    lock.unlink(missing_ok=True)


@pytest.mark.parametrize("playbook", ["site", "start", "stop", "restart", "down", "destroy", "backup"])
def test_second_run_is_refused_with_time_and_process_of_the_first(
    held: Instance, first: subprocess.Popen[bytes], playbook: str
) -> None:
    before = held.snapshot()
    second = held.play(playbook, "-e", f"confirm_destroy={held.name}")
    assert second.code != 0
    assert f"Another run is changing this: process {first.pid} of " in second.text
    assert "begun 20" in second.text
    assert "postgres_common_replace_lock" in second.text
    assert held.snapshot() == before


def test_killed_run_keeps_nobody_out(held: Instance, first: subprocess.Popen[bytes]) -> None:
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = held.play("start")
    assert f"A lock left by process {first.pid} of " in second.text
    # What start says of an instance that was never made; the lock is no longer in its way.
    assert f"There is no container {held.name}" in second.text
    assert not Path(f"/run/ai_micro.postgres/{held.name}.lock").exists()


@pytest.mark.parametrize("hours", [0, 72])
def test_another_controllers_lock_is_taken_over_only_by_name(instance: Instance, hours: int) -> None:
    """However old it is: a restore of another controller's may take that long."""
    lock = Path(f"/run/ai_micro.postgres/{instance.name}.lock")
    holder = {
        "id": "0badcafe",
        "controller": "elsewhere",
        "realm": "elsewhere",
        "user": "deploy",
        "process": 1,
        "process_started": "1",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - hours * 3600)),
    }
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(json.dumps(holder))
    try:
        refused = instance.play("start")
        assert "process 1 of deploy on elsewhere" in refused.text
        assert "to 0badcafe" in refused.text
        assert json.loads(lock.read_text()) == holder
        taken = instance.play("start", postgres_common_replace_lock="0badcafe")
        assert f"There is no container {instance.name}" in taken.text
        assert not lock.exists()
    finally:
        lock.unlink(missing_ok=True)
