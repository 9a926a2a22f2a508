"""Marked secrets through whole runs at -vvv --diff: whatever is written, shown or started meanwhile holds none of them."""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from instance import SECRETS, SUFFIX, Instance, run

# Nobody else's on this machine, so that a find is of these runs.
MARK = f"Nightingale{secrets.token_hex(4)}"
# Playbooks in their order, each with what its passwords end with: another end is another password.
RUNS = (
    ("site", "first"),
    ("backup", "first"),
    ("verify", "first"),
    ("rotate_secrets", "second"),
    ("site", "second"),
)
PLACES = ("/etc", "/root", "/run", "/tmp", "/var/backups", "/var/cache", "/var/log", "/var/tmp")
LARGEST = 64 << 20


def marked_variables(end: str) -> dict[str, object]:
    """Give the secrets of an inventory, each with the mark."""
    passwords = {role: f"{MARK}-{number}@/:{end}" for number, role in enumerate(SECRETS)}
    return {
        "postgres_common_superuser_password": passwords.pop("postgres"),
        "postgres_common_role_passwords": passwords,
        "postgres_backup_passphrase": f"{MARK}-Passphrase-9",
    }


@contextmanager
def watched() -> Iterator[dict[str, set[str]]]:
    """Look at every process and container until the block ends; give those with a secret, and the programs and containers that were seen."""
    seen: dict[str, set[str]] = {"leaks": set(), "programs": set(), "containers": set()}
    ended = threading.Event()
    containers = Path(run("docker", "info", "-f", "{{.DockerRootDir}}").stdout.strip()) / "containers"

    def look(path: Path) -> str:
        try:
            content = path.read_bytes()
        except OSError:
            return ""  # it ended
        if MARK.encode() in content:
            seen["leaks"].add(f"{path}: {content[:80]!r}")
        return content.decode(errors="replace")

    def watch() -> None:
        while not ended.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                look(process / "environ")
                seen["programs"].add(Path(look(process / "cmdline").split("\0")[0]).name)
            # Those that live for a moment too: what docker inspect says of them, and their logs.
            for name in (*glob.glob(f"{containers}/*/*.json"), *glob.glob(f"{containers}/*/*-json.log")):
                seen["containers"].update(re.findall(r'"Name":"/([^"]+)"', look(Path(name))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
        assert thread.is_alive(), "nobody looked to the end"
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
    """Whether a file has the mark in it."""
    try:
        return MARK.encode() in path.read_bytes()
    except OSError:
        return False


@pytest.fixture
def marked(image: str, tmp_path: Path) -> Iterator[Instance]:
    """Give an instance that is not there yet, whose server logs each statement."""
    switches = {
        "postgres_instance_audit": ["all"],
        "postgres_instance_settings": {"log_min_duration_statement": 0},
        "postgres_backup_enabled": True,
        "postgres_databases_rotate_grace": 1,
    }
    made = Instance(f"amt-canary{SUFFIX}", 25465, tmp_path / "secrets", image, switches)
    made.folder.mkdir()
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
    with watched() as seen:
        for playbook, end in RUNS:
            result = marked.play(playbook, "-vvv", "--diff", **marked_variables(end))
            assert result.code == 0, result.output
            assert MARK not in result.output, playbook
            assert ("The restore point before_rotation_" in result.output) == (playbook == "rotate_secrets")
        facts = [str(Path(sys.executable).with_name("ansible")), "all", "-m", "ansible.builtin.setup", "-i"]
        assert MARK not in run(*facts, str(marked.inventory(**marked_variables(end)))).stdout
    assert seen["leaks"] == set()
    # That the short-lived ones were seen too.
    assert {"initdb", "psql"} <= seen["programs"]
    assert {marked.name, f"{marked.name}-init", f"{marked.name}-proof", f"{marked.name}-verify"} <= seen["containers"]

    inspected = marked.inspect()
    logs = run("docker", "logs", marked.name)
    text = logs.stdout + logs.stderr
    assert "AUDIT: SESSION" in text
    assert "duration:" in text
    assert MARK not in json.dumps(inspected) + text
    volume = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", marked.volume).stdout.strip()
    places = [*map(Path, PLACES), Path(volume), Path(inspected["LogPath"]).parent, tmp_path]
    # The inventory itself, the connection files, and pgBackRest's configuration with its passphrase.
    allowed = (marked.folder, marked.directory / "services", marked.directory / "pgbackrest")
    written = list(files_since(begun, places))
    assert tmp_path / "ansible.log" in written
    assert [path for path in written if cache in path.parents] != []
    assert [str(path) for path in written if not set(allowed) & set(path.parents) and holds(path)] == []
    # That the search finds what is there.
    for folder in allowed:
        assert any(holds(path) for path in files_since(begun, [folder])), folder
