"""Instances for the tests of site.yml, removed when their test is over."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from instance import NETWORK, SUFFIX, Instance, run


@pytest.fixture(scope="session")
def image() -> str:
    """Return the name of the image under test."""
    name = os.environ.get("AI_MICRO_TEST_IMAGE", "")
    assert name, "AI_MICRO_TEST_IMAGE is not set: run the tests by make test, which builds the image and sets it."
    return name


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[None]:
    """Remove the tests' network at the end."""
    yield
    run("docker", "network", "rm", NETWORK, check=False)


@pytest.fixture
def instance(image: str, tmp_path: Path) -> Iterator[Instance]:
    """Give a name and port on which there is nothing yet."""
    made = Instance(f"amt-bad{SUFFIX}", 25433, tmp_path, image)
    made.remove()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def provisioned(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance that site.yml has provisioned, shared by the tests of a module."""
    made = Instance(f"amt-life{SUFFIX}", 25434, tmp_path_factory.mktemp("life"), image)
    made.remove()
    made.site()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def guarded(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance for the tests of who gets in and may what; each leaves it as site.yml makes it."""
    made = Instance(f"amt-access{SUFFIX}", 25466, tmp_path_factory.mktemp("access"), image)
    made.remove()
    made.site()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def backed_up(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance with one verified backup; each test that has it leaves it served and as site.yml makes it, with more rows and volumes kept."""
    made = Instance(
        f"amt-backed{SUFFIX}", 25482, tmp_path_factory.mktemp("backed"), image, {"postgres_backup_enabled": True}
    )
    made.remove()
    made.site()
    assert "verified: restored in" in made.site("--tags", "backup").text
    yield made
    made.remove()


@pytest.fixture(scope="session")
def hardened(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance with all that an auditor may ask for, shared by tests that leave it as it was."""
    switches = {
        "postgres_instance_audit": ["ddl", "role"],
        "postgres_instance_auth_delay_ms": 200,
        "postgres_instance_superuser_from_network": False,
    }
    made = Instance(f"amt-audit{SUFFIX}", 25461, tmp_path_factory.mktemp("audit"), image, switches)
    made.remove()
    made.site()
    yield made
    made.remove()
