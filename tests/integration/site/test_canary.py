"""Marked secrets through whole runs at -vvv --diff: whatever is written, shown or started meanwhile holds none of them, nor a verifier."""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator
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
PLACES = (
    *("/dev/shm", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp"),
    *("/var/backups", "/var/cache", "/var/log", "/var/tmp"),
)
LARGEST = 64 << 20
# What the server keeps of a password: who has it can pretend to be the server, and try passwords in peace.
VERIFIER = re.compile(rb"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]{16,}\$[A-Za-z0-9+/=]{40,}:[A-Za-z0-9+/=]{40,}")


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
    """Look at every process and container until the block ends.

    Give those with a secret, the verifiers that were seen (of whatever server), and the programs and containers.
    """
    seen: dict[str, set[str]] = {"leaks": set(), "verifiers": set(), "programs": set(), "containers": set()}
    ended = threading.Event()
    containers = Path(run("docker", "info", "-f", "{{.DockerRootDir}}").stdout.strip()) / "containers"

    def look(path: str) -> str:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            return ""  # it ended
        if MARK.encode() in content:
            seen["leaks"].add(f"{path}: {content[:80]!r}")
        seen["verifiers"].update(found.decode() for found in VERIFIER.findall(content))
        return content.decode(errors="replace")

    def written(path: str) -> tuple[int, int, int]:
        try:
            about = os.stat(path)
        except OSError:
            return (0, 0, 0)
        return about.st_ino, about.st_size, about.st_mtime_ns

    def watch() -> None:
        as_read: dict[str, tuple[int, int, int]] = {}
        while not ended.wait(0.02):
            for process in filter(str.isdigit, os.listdir("/proc")):
                look(f"/proc/{process}/environ")
                seen["programs"].add(os.path.basename(look(f"/proc/{process}/cmdline").split("\0")[0]))
            # Those that live for a moment too: what docker inspect says of them, and their logs. Not what stays as it was read: others' logs are long.
            for name in (*glob.glob(f"{containers}/*/*.json"), *glob.glob(f"{containers}/*/*-json.log")):
                now = written(name)
                if as_read.get(name) != now:
                    as_read[name] = now
                    seen["containers"].update(re.findall(r'"Name":"/([^"]+)"', look(name)))

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


def holds(path: Path, secrets_: Iterable[str] = (MARK,)) -> bool:
    """Whether a file has the mark, or another secret, in it."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return any(secret.encode() in content for secret in secrets_)


def verifiers(instance: Instance) -> set[str]:
    """Give what the server keeps of each role's password."""
    return set(instance.sql("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL").splitlines())


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
    outputs: list[str] = []
    kept: set[str] = set()
    with watched() as seen:
        for playbook, end in RUNS:
            result = marked.play(playbook, "-vvv", "--diff", **marked_variables(end))
            assert result.code == 0, result.output
            assert MARK not in result.output, playbook
            outputs.append(result.output)
            kept |= verifiers(marked)
            assert ("The restore point before_rotation_" in result.output) == (playbook == "rotate_secrets")
        facts = [str(Path(sys.executable).with_name("ansible")), "all", "-m", "ansible.builtin.setup", "-i"]
        outputs.append(run(*facts, str(marked.inventory(**marked_variables(end)))).stdout)
        assert MARK not in outputs[-1]
    assert seen["leaks"] == set()
    # Of each role before and after the rotation, which gave the services their second logins.
    assert len(kept) >= 2 * len(SECRETS)
    assert all(VERIFIER.fullmatch(verifier.encode()) for verifier in kept)
    assert seen["verifiers"] & kept == set()
    # That the short-lived ones were seen too.
    assert {"initdb", "psql"} <= seen["programs"]
    assert {marked.name, f"{marked.name}-init", f"{marked.name}-proof", f"{marked.name}-verify"} <= seen["containers"]

    inspected = marked.inspect()
    logs = run("docker", "logs", marked.name)
    text = logs.stdout + logs.stderr
    assert "AUDIT: SESSION" in text
    assert "duration:" in text
    shown = json.dumps(inspected) + text
    assert MARK not in shown
    assert not [verifier for verifier in kept for said in (*outputs, shown) if verifier in said]
    volume = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", marked.volume).stdout.strip()
    places = [*map(Path, PLACES), Path(volume), Path(inspected["LogPath"]).parent, tmp_path]
    # The inventory itself, the connection files, and pgBackRest's configuration with its passphrase.
    allowed = (marked.folder, marked.directory / "services", marked.directory / "pgbackrest")
    written = list(files_since(begun, places))
    assert tmp_path / "ansible.log" in written
    assert [path for path in written if cache in path.parents] != []
    assert [str(path) for path in written if not set(allowed) & set(path.parents) and holds(path)] == []
    # The cluster itself has the verifiers, and so have its backups.
    inside = {Path(volume), marked.repository}
    assert [str(path) for path in written if not inside & set(path.parents) and holds(path, kept)] == []
    # That the search finds what is there.
    for folder in allowed:
        assert any(holds(path) for path in files_since(begun, [folder])), folder
    assert any(holds(path, kept) for path in files_since(begun, [Path(volume)]))
