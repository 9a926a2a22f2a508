"""What both rounds of tests share: the host under test, and Ansible as a user would run it on that host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.host import Host
from tests.hosts.run import JSON_OUTPUT, Run

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = f"amh-molecule-{os.environ['MOLECULE_SCENARIO_NAME']}{os.environ.get('AI_MICRO_TEST_SUFFIX', '')}"


def _ansible(program: str, *arguments: str) -> Run:
    """Run a program of Ansible on the scenario's inventory, with the repository's configuration and not Molecule's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), "-i", str(inventory), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment | JSON_OUTPUT,
    )
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def ansible() -> Callable[..., Run]:
    """Give the means to run a program of Ansible."""
    return _ansible


@pytest.fixture(scope="session")
def machine() -> Host:
    """Give the host under test as something that can be rebooted."""
    return Host(HOST)
