"""A copy for development: the rows of the instance, none of its passwords, and nothing of it reaches the repository."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from instance import SECRETS, SUFFIX, Instance, run

NAME = f"amt-clone{SUFFIX}"
VOLUME = f"amt-dev{SUFFIX}_postgres_data"
SERVER = f"amt-dev{SUFFIX}"
RULES = "local all all peer map=superuser\nhost all all all scram-sha-256\n"


@pytest.fixture
def backed(image: str, tmp_path: Path) -> Iterator[Instance]:
    """Give an instance with a backup and a row that is younger."""
    made = Instance(NAME, 25483, tmp_path, image, {"postgres_backup_enabled": True})
    made.remove()
    made.site()
    # The second login of a rotation, which nobody declares.
    made.sql("CREATE ROLE auth_service_2 LOGIN PASSWORD 'Second-Canary-8'")
    assert made.site("--tags", "backup", postgres_backup_verify=False).code == 0
    made.sql("INSERT INTO users (email, password_hash) VALUES ('ann@example.com', 'h')", "authdb")
    yield made
    run("docker", "rm", "-f", SERVER, check=False)
    run("docker", "volume", "rm", "-f", VOLUME, check=False)
    made.remove()


def serve(instance: Instance, folder: Path) -> None:
    """Start what a developer would start on the copy: a server that knows nothing of this collection."""
    (folder / "hba.conf").write_text(RULES)
    (folder / "hba.conf").chmod(0o644)
    run(
        *("docker", "run", "--detach", f"--name={SERVER}", "--user=999:999", "--network=none"),
        *("-v", f"{VOLUME}:/var/lib/postgresql/data", "-v", f"{folder}/hba.conf:/etc/hba.conf:ro"),
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


def test_copy_has_the_rows_and_other_passwords(backed: Instance, tmp_path: Path) -> None:
    archive = backed.repository / "pgbackrest" / "archive" / NAME
    before = (backed.snapshot(), backed.dump("authdb"), backed.dump("apidb"), backed.dump("admindb"))
    unnamed = backed.play("clone")
    assert "Name the volume to make" in unnamed.text
    own = backed.play("clone", "-e", f"clone_volume={backed.volume}")
    assert "which is none of the instance's own" in own.text
    made = backed.play("clone", "-e", f"clone_volume={VOLUME}", "-vvv", "--diff")
    assert made.code == 0, made.output
    assert f"The volume {VOLUME} holds a copy of {NAME}" in made.text
    assert "and auth_service_2 none" in made.text
    again = backed.play("clone", "-e", f"clone_volume={VOLUME}")
    assert f"The volume {VOLUME} is there already" in again.text

    path = backed.directory / "clones" / f"{VOLUME}.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    passwords = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert set(passwords) == set(SECRETS)
    assert [password for password in passwords.values() if password in made.output] == []
    files = {item: kept for item, kept in backed.snapshot()["files"].items() if "/clones" not in item}
    after = ({**backed.snapshot(), "files": files}, *(backed.dump(name) for name in ("authdb", "apidb", "admindb")))
    assert after == before

    archived = sorted(path.name for path in archive.rglob("*"))
    serve(backed, tmp_path)
    assert ask("postgres", passwords["postgres"], "SELECT count(*) FROM users") == "1"
    assert ask("postgres", passwords["postgres"], "SHOW archive_mode") == "off"
    for role in ("auth_service", "postgres"):
        assert ask(role, passwords[role]) == role
        assert "password authentication failed" in ask(role, SECRETS[role])
    assert "password authentication failed" in ask("auth_service_2", "Second-Canary-8")
    assert "password authentication failed" in ask("readonly_user", SECRETS["readonly_user"])
    words = "CHECKPOINT; SELECT pg_switch_wal(); CREATE TABLE amt_new (); SELECT pg_switch_wal()"
    run("docker", "exec", SERVER, "psql", "-X", "-q", "-h", "127.0.0.1", "-U", "postgres", "-c", words, check=False)
    assert sorted(path.name for path in archive.rglob("*")) == archived
    assert [
        name
        for name in run("docker", "volume", "ls", "-q", "-f", f"name={NAME}").stdout.split()
        if name != backed.volume
    ] == []
