"""Check mode on a host where nothing has been installed: it announces everything and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.hosts.host import Host
from tests.hosts.run import Run

WANTED = (
    "ai-micro-postgres:pgvector-15 would be built",
    "Would create the volume ai-micro-postgres_postgres_data",
    "Would create the container ai-micro-postgres",
    "Would create the database authdb",
    "Would create the database apidb",
    "Would create the database admindb",
)


@dataclass
class Checked:
    """A run in check mode, with the host before and after it."""

    run: Run
    before: set[str]
    after: set[str]


@pytest.fixture(scope="module")
def checked(machine: Host, ansible: Callable[..., Run]) -> Checked:
    """Run site.yml in check mode on the bare host."""
    before = machine.snapshot()
    run = ansible("ansible-playbook", "playbooks/site.yml", "--check")
    return Checked(run, before, machine.snapshot())


def test_host_is_bare(machine: Host) -> None:
    """Only a host without Docker and psql shows what check mode is good for."""
    for program in ("docker", "dockerd", "psql"):
        assert machine.exec("sh", "-c", f"command -v {program}", check=False).returncode != 0, f"{program} is there"


def test_run_succeeds(checked: Checked) -> None:
    """Nothing that a later task needs is missed in check mode."""
    assert checked.run.code == 0, checked.run.report()


@pytest.mark.parametrize("sentence", WANTED)
def test_change_is_announced(checked: Checked, sentence: str) -> None:
    """Each object counts as changed under its own name."""
    assert any(sentence in change for change in checked.run.changed()), checked.run.report()


def test_nothing_has_changed(checked: Checked) -> None:
    """Packages and files are what they were."""
    assert sorted(checked.before ^ checked.after) == []
