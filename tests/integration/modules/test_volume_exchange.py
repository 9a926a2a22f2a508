"""volume_exchange on real volumes of the Engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.module_call import call_module

ROOT = Path(__file__).parents[3]
SUFFIX = os.environ.get("AI_MICRO_TEST_SUFFIX", "")
FIRST, SECOND, GUEST = (f"amt-exchange-{name}{SUFFIX}" for name in ("first", "second", "guest"))


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def data(volume: str) -> Path:
    return Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume))


def names(volume: str) -> list[str]:
    return [path.name for path in data(volume).iterdir()]


def remove() -> None:
    subprocess.run(["docker", "rm", "-f", "-v", GUEST], capture_output=True, check=False)
    subprocess.run(["docker", "volume", "rm", "-f", FIRST, SECOND], capture_output=True, check=False)


@pytest.fixture
def volumes() -> Iterator[None]:
    """Make two volumes, each with a file of its name."""
    remove()
    for volume in (FIRST, SECOND):
        docker("volume", "create", volume)
        (data(volume) / volume).touch()
    yield
    remove()


@pytest.fixture
def guest(volumes: None) -> str:
    """Run a container that mounts the first."""
    docker(
        "run", "-d", "--name", GUEST, "--entrypoint", "sleep", "-v", f"{FIRST}:/data", os.environ["AI_MICRO_TEST_IMAGE"], "600"
    )  # fmt: skip
    return GUEST


def call(tmp_path: Path, check: bool = False, **changes: str) -> dict[str, Any]:
    """Call the module and return its result."""
    return call_module("volume_exchange", tmp_path, {"first": FIRST, "second": SECOND, **changes}, check)


def test_exchange(volumes: None, tmp_path: Path) -> None:
    inodes = {"first": data(FIRST).stat().st_ino, "second": data(SECOND).stat().st_ino}
    foreseen = call(tmp_path, check=True)
    assert (foreseen["changed"], foreseen["inodes"]) == (True, inodes)
    assert names(FIRST) == [FIRST]
    assert call(tmp_path) == foreseen
    assert (names(FIRST), names(SECOND)) == ([SECOND], [FIRST])
    assert data(FIRST).stat().st_ino == inodes["second"]


def test_container_that_will_be_stopped_is_permitted_until_then(guest: str, tmp_path: Path) -> None:
    assert "failed" not in call(tmp_path, check=True, permitted_holder=guest)
    refusal = f"{FIRST} is in use by the container {guest}, stop it first"
    for result in (call(tmp_path, check=True), call(tmp_path, permitted_holder=guest)):
        assert result["failed"]
        assert refusal in result["msg"]
    assert names(FIRST) == [FIRST]


def test_volume_that_is_mounted_from_elsewhere_is_refused(volumes: None, tmp_path: Path) -> None:
    """What would be exchanged is the empty directory below, and the next start would mount the old data over the new."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    docker("volume", "rm", FIRST)
    docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={elsewhere}", FIRST)
    result = call(tmp_path, check=True)
    assert result["failed"]
    assert f"{FIRST} is mounted from {elsewhere}, so that its data does not follow its directory" in result["msg"]
    assert "restore_database" in result["msg"]


@pytest.mark.parametrize("bind", [True, False])
def test_volumes_on_two_mounts_are_refused(volumes: None, tmp_path: Path, bind: bool) -> None:
    """Another file system, and the same one mounted once more: rename(2) goes from neither to the other."""
    place = data(SECOND).parent
    words = ["--bind", str(place), str(place)] if bind else ["-t", "tmpfs", "tmpfs", str(place)]
    subprocess.run(["mount", *words], check=True)
    try:
        (place / "_data").mkdir(exist_ok=True)
        result = call(tmp_path, check=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert result["failed"]
    assert f"{SECOND}/_data on that at {place}: have both on one" in result["msg"]


def test_volume_that_is_not_there_is_named(volumes: None, tmp_path: Path) -> None:
    docker("volume", "rm", SECOND)
    result = call(tmp_path)
    assert (
        result["msg"]
        == f"The volumes {FIRST} and {SECOND} are as they were: there is no volume {SECOND}, create it first."
    )
