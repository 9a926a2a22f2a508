"""A copy for development: the rows of the instance, none of its passwords, and nothing of it reaches the repository."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from instance import REPOSITORY, SECRETS, SUFFIX, Instance, run

VOLUME = f"amt-dev{SUFFIX}_postgres_data"
# Stands for the volume of that name on another host.
CARRIED = f"amt-dev{SUFFIX}_carried"
SERVER = f"amt-dev{SUFFIX}"
TIMELINE = "SELECT upper(lpad(to_hex(timeline_id), 8, '0')) FROM pg_control_checkpoint()"
RULES = "local all all peer map=superuser\nhost all all all scram-sha-256\n"


@pytest.fixture
def cloned(backed_up: Instance) -> Iterator[Instance]:
    """Give an instance with a row that is younger than its backup, and the second login of a rotation, which nobody declares."""
    backed_up.sql("CREATE ROLE auth_service_2 LOGIN PASSWORD 'Second-Canary-8'")
    backed_up.sql("INSERT INTO users (email, password_hash) VALUES ('ann@example.com', 'h')", "authdb")
    yield backed_up
    run("docker", "rm", "-f", SERVER, check=False)
    run("docker", "volume", "rm", "-f", VOLUME, CARRIED, check=False)
    backed_up.sql("DROP ROLE auth_service_2")


def archived(instance: Instance) -> set[str]:
    """Return the names of the files of WAL and of timelines' histories in the instance's repository; its own server goes on adding some."""
    archive = instance.repository / "pgbackrest" / "archive" / instance.name
    names = {path.name for path in archive.rglob("*")}
    return {name for name in names if re.match(r"[0-9A-F]{8}(\.history|[0-9A-F]{16}\b)", name)}


def volumes(instance: Instance) -> list[str]:
    """Return the volumes that carry the instance's name."""
    return run("docker", "volume", "ls", "-q", "-f", f"name={instance.name}").stdout.split()


def carry(instance: Instance, folder: Path) -> Path:
    """Carry the copy to another host by the commands of the role's README, here to another volume, and give the file of its passwords."""
    text = (REPOSITORY / "roles/postgres_backup/README.md").read_text()
    commands = re.findall(r"^    ((?:docker|ssh).*\bdev_postgres_data\b.*)$", text, re.MULTILINE)
    assert len(commands) == 3
    # What would be said to the other host is done here, with the other volume.
    renamed = f"sed -e s/{VOLUME}:/{CARRIED}:/ -e s/{VOLUME}$/{CARRIED}/"
    (folder / "ssh").write_text(f'#!/bin/sh\ncd {folder} && shift && exec sh -ec "$(echo "$*" | {renamed})"\n')
    (folder / "ssh").chmod(0o755)
    for command in commands:
        done = command.replace("dev_postgres_data", VOLUME).replace("ai-micro-postgres:pgvector-15", instance.image)
        done = done.replace("/etc/ai-micro-postgres/", f"{instance.directory}/")
        run("bash", "-o", "pipefail", "-ec", done, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
    return folder / f"{VOLUME}.env"


def serve(instance: Instance, folder: Path) -> None:
    """Start what a developer would start on the copy: a server that knows nothing of this collection."""
    (folder / "hba.conf").write_text(RULES)
    (folder / "hba.conf").chmod(0o644)
    run(
        *("docker", "run", "--detach", f"--name={SERVER}", "--user=999:999", "--network=none"),
        *("-v", f"{CARRIED}:/var/lib/postgresql/data", "-v", f"{folder}/hba.conf:/etc/hba.conf:ro"),
        *("--tmpfs", "/var/run/postgresql:uid=999,gid=999", "--entrypoint=postgres", instance.image),
        *("-c", "hba_file=/etc/hba.conf", "-c", "shared_preload_libraries="),
    )
    give_up = time.monotonic() + 60
    while run("docker", "exec", SERVER, "pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode:
        assert time.monotonic() < give_up, run("docker", "logs", SERVER, check=False).stderr
        time.sleep(0.2)


def ask(role: str, password: str, statement: str = "SELECT current_user", database: str = "authdb") -> str:
    """Log in to the copy over its network with a password; give the answer, or what was said instead."""
    words = ["psql", "-X", "-qAt", "-h", "127.0.0.1", "-U", role, "-d", database, "-c", statement]
    done = run("docker", "exec", "-e", f"PGPASSWORD={password}", SERVER, *words, check=False)
    return (done.stdout or done.stderr).strip()


def test_copy_has_the_rows_and_other_passwords(cloned: Instance, tmp_path: Path) -> None:
    known, users = volumes(cloned), cloned.sql("SELECT count(*) FROM users", "authdb")
    before = (cloned.snapshot(), cloned.dump("authdb"), cloned.dump("apidb"), cloned.dump("admindb"))
    unnamed = cloned.play("clone")
    assert "Name the volume to make" in unnamed.text
    own = cloned.play("clone", "-e", f"clone_volume={cloned.volume}")
    assert "which is none of the instance's own" in own.text
    made = cloned.play("clone", "-e", f"clone_volume={VOLUME}", "-vvv", "--diff")
    assert made.code == 0, made.output
    assert f"The volume {VOLUME} holds a copy of {cloned.name}" in made.text
    assert "and auth_service_2 none" in made.text
    again = cloned.play("clone", "-e", f"clone_volume={VOLUME}")
    assert f"The volume {VOLUME} is there already" in again.text

    path = cloned.directory / "clones" / f"{VOLUME}.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    passwords = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert set(passwords) == set(SECRETS)
    assert [password for password in passwords.values() if password in made.output] == []
    files = {item: kept for item, kept in cloned.snapshot()["files"].items() if "/clones" not in item}
    after = ({**cloned.snapshot(), "files": files}, *(cloned.dump(name) for name in ("authdb", "apidb", "admindb")))
    assert after == before

    carried = carry(cloned, tmp_path)
    assert stat.S_IMODE(carried.stat().st_mode) == 0o600
    assert carried.read_text() == path.read_text()
    serve(cloned, tmp_path)
    assert ask("postgres", passwords["postgres"], "SELECT count(*) FROM users") == users
    assert ask("postgres", passwords["postgres"], "SHOW archive_mode") == "off"
    for role in ("auth_service", "postgres"):
        assert ask(role, passwords[role]) == role
        assert "password authentication failed" in ask(role, SECRETS[role])
    assert "password authentication failed" in ask("auth_service_2", "Second-Canary-8")
    assert "password authentication failed" in ask("readonly_user", SECRETS["readonly_user"])
    words = "CHECKPOINT; SELECT pg_switch_wal(); CREATE TABLE amt_new (); SELECT pg_switch_wal()"
    ask("postgres", passwords["postgres"], words)
    timeline = ask("postgres", passwords["postgres"], TIMELINE)
    assert re.fullmatch("[0-9A-F]{8}", timeline)
    assert timeline > cloned.sql(TIMELINE)
    assert timeline not in {name[:8] for name in archived(cloned)}
    assert volumes(cloned) == known
    asked = cloned.play("destroy")
    assert (
        f"The file {path}: nowhere else are the passwords of the copy in the volume {VOLUME}, which is not deleted"
        in asked.text
    )
    assert "Nothing was deleted" in asked.text
