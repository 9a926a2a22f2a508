"""Marked secrets through whole runs at -vvv --diff: whatever is written, shown or started meanwhile holds none of them."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from instance import SECRETS, SUFFIX, Instance, run

# Nobody else's on this machine, so that a find is of these runs.
MARK = f"Nightingale{secrets.token_hex(4)}"
MARKED = {role: f"{MARK}-{number}@/:" for number, role in enumerate(SECRETS)}
PLACES = ("/etc", "/root", "/run", "/tmp", "/var/cache", "/var/log", "/var/tmp")
LARGEST = 64 << 20


@contextmanager
def watched_processes() -> Iterator[set[str]]:
    """Look at the command line and environment of every process until the block ends; give those with a secret."""
    found: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for what in ("cmdline", "environ"):
                    try:
                        content = (process / what).read_bytes()
                    except OSError:
                        continue  # it ended
                    if MARK.encode() in content:
                        found.add(f"{what} of {content[:80]!r}")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def files_since(moment: float, places: list[Path]) -> Iterator[Path]:
    """Give the files below some places that were written since a moment."""
    for place in places:
        for folder, _folders, names in os.walk(place):
            for path in (Path(folder, name) for name in names):
                try:
                    about = path.lstat()
                except OSError:
                    continue
                if path.is_file() and not path.is_symlink() and about.st_mtime >= moment and about.st_size < LARGEST:
                    yield path


def holds(path: Path) -> bool:
    try:
        return MARK.encode() in path.read_bytes()
    except OSError:
        return False


@pytest.fixture
def marked(image: str, tmp_path: Path) -> Iterator[Instance]:
    """Give an instance that is not there yet, whose secrets are marked."""
    made = Instance(f"amt-canary{SUFFIX}", 25465, tmp_path / "secrets", image)
    made.folder.mkdir()
    made.variables = {
        "postgres_common_superuser_password": MARKED["postgres"],
        "postgres_common_role_passwords": {role: secret for role, secret in MARKED.items() if role != "postgres"},
        "postgres_instance_audit": ["all"],
        "postgres_instance_settings": {"log_min_duration_statement": 0},
    }
    made.remove()
    yield made
    made.remove()


def test_no_secret_is_left_anywhere(marked: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a server that logs each statement, a cache of facts, and a log of the runs."""
    cache = tmp_path / "facts"
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "ansible.builtin.jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(cache))
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "ansible.log"))
    begun = time.time()
    with watched_processes() as processes:
        for playbook in ("site", "verify", "site"):
            result = marked.play(playbook, "-vvv", "--diff")
            assert result.code == 0, result.output
            assert MARK not in result.output
    assert processes == set()
    assert (tmp_path / "ansible.log").stat().st_size > 0

    inspected = marked.inspect()
    logs = run("docker", "logs", marked.name)
    assert "AUDIT: SESSION" in logs.stdout + logs.stderr
    assert MARK not in json.dumps(inspected) + logs.stdout + logs.stderr
    volume = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", marked.volume).stdout.strip()
    places = [*map(Path, PLACES), Path(volume), Path(inspected["LogPath"]).parent, tmp_path]
    allowed = (marked.folder, marked.directory / "services")
    leaks = [
        str(path)
        for path in files_since(begun, places)
        if not any(folder in path.parents for folder in allowed) and holds(path)
    ]
    assert leaks == []
    # That the search finds what is there.
    assert [path for path in files_since(begun, [marked.directory / "services"]) if holds(path)] != []
