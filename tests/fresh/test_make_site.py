"""`make site` on a bare Debian host: python3 and make are there, and no Docker, no venv, no image, no cache."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.host import Host
from tests.hosts.run import JSON_OUTPUT, TAIL, Run

REPOSITORY = Path(__file__).resolve().parents[2]
LOGS = REPOSITORY / ".cache" / "test-logs"
CHECKOUT = "/root/ai_micro.postgres"
PLAYBOOK = (".venv/bin/ansible-playbook", "site.yml", "-i", "inventories/local")
DATABASES = ("authdb", "apidb", "admindb")
TAGS = ("docker", "image", "tls", "instance", "databases", "access", "verify")

# The checkout is the controller's side: byte code is no trace of a change there, but a generated secret would be.
CHECKOUT_FILES = f"find {CHECKOUT} \\( -name .venv -o -name .cache -o -name __pycache__ \\) -prune -o -type f -print"


def play(host: Host, *arguments: str) -> Run:
    """Run site.yml on the host for its local inventory."""
    done = host.exec(
        *PLAYBOOK,
        *arguments,
        check=False,
        directory=CHECKOUT,
        environment=JSON_OUTPUT,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def snapshot(host: Host) -> set[str]:
    """Describe the host and the checkout on it."""
    return host.snapshot() | set(host.shell(CHECKOUT_FILES).splitlines())


def make(host: Host, target: str) -> str:
    """Run make, which must succeed, and say how long it took; the log can be followed while it runs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (LOGS / f"fresh-make-{target}.log").open("w", encoding="utf-8") as log:
        done = host.exec("make", target, check=False, directory=CHECKOUT, timeout=900, log=log)
    end = "\n".join(done.stdout.splitlines()[-TAIL:])
    assert done.returncode == 0, f"make {target}, the end of {log.name}:\n{end}"
    print(f"make {target}: {time.monotonic() - started:.1f} s")
    return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Start a bare host that holds a fresh clone of what is committed."""
    clone = tmp_path_factory.mktemp("clone") / "ai_micro.postgres"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(REPOSITORY), str(clone)], check=True)
    with Host.start(f"amh-fresh-{os.getpid()}") as host:
        for program in ("docker", "dockerd", "psql", "pip"):
            assert host.exec("sh", "-c", f"command -v {program}", check=False).returncode != 0, f"{program} is there"
        host.copy_in(clone, CHECKOUT)
        yield host


@dataclass
class Checked:
    """The host before and after a run in check mode."""

    host: Host
    run: Run
    before: set[str]
    after: set[str]


@pytest.fixture(scope="module")
def checked(bare: Host) -> Checked:
    """Run in check mode where nothing but the venv has been made."""
    make(bare, "venv")
    before = snapshot(bare)
    run = play(bare, "--check")
    return Checked(bare, run, before, snapshot(bare))


@pytest.fixture(scope="module")
def provisioned(checked: Checked) -> Host:
    """Run `make site`, which must succeed."""
    output = make(checked.host, "site")
    assert re.search(r"^localhost\s.*\bfailed=0\b", output, re.MULTILINE), output[-4000:]
    assert "psql -h localhost -p 5432 -U postgres -d authdb" in output, "The summary does not say how to connect."
    return checked.host


def test_check_mode_reports_what_would_be_made(checked: Checked) -> None:
    """Image, volume, container and each database are changes that check mode announces."""
    assert checked.run.code == 0, checked.run.report()
    changed = "\n".join(checked.run.changed())
    wanted = [
        "ai-micro-postgres:pgvector-15 would be built",
        "Would create the volume ai-micro-postgres_postgres_data",
        "Would create the container ai-micro-postgres",
        *(f"Would create the database {database}" for database in DATABASES),
    ]
    missing = [text for text in wanted if text not in changed]
    assert not missing, f"not reported as changed: {missing}\n{checked.run.report()}"


def test_check_mode_changes_nothing(checked: Checked) -> None:
    """Packages, files and secrets are what they were."""
    difference = sorted(checked.before ^ checked.after)
    assert not difference, "\n".join(difference[:TAIL])
    secrets = checked.host.exec("test", "-e", f"{CHECKOUT}/inventories/local/.secrets", check=False)
    assert secrets.returncode == 1, "check mode kept generated secrets"


def test_make_site_serves(provisioned: Host) -> None:
    """After `make site` PostgreSQL answers, and the generated secrets are for root's eyes only."""
    listed = provisioned.shell(
        "docker exec ai-micro-postgres psql -U postgres -qAt -c 'SELECT datname FROM pg_database'"
    )
    assert set(DATABASES) <= set(listed.split())
    modes = provisioned.shell(
        f"stat -c %a {CHECKOUT}/inventories/local/.secrets {CHECKOUT}/inventories/local/.secrets/*"
    )
    assert modes.split()[0] == "700"
    assert set(modes.split()[1:]) == {"600"}


@pytest.mark.parametrize("arguments", [(), ("--check", "--diff"), *(("--tags", tag) for tag in TAGS)], ids=" ".join)
def test_another_run_changes_nothing(provisioned: Host, arguments: tuple[str, ...]) -> None:
    """The same again, in check mode, and each tag alone: nothing is left to do."""
    started = time.monotonic()
    run = play(provisioned, *arguments)
    print(f"site.yml {' '.join(arguments)}: {time.monotonic() - started:.1f} s")
    assert run.code == 0, run.report()
    assert run.count("failures") == 0, run.report()
    assert run.count("changed") == 0, run.report()


def test_ordinary_user_with_sudo_gets_the_same(provisioned: Host) -> None:
    """A user who may use sudo owns the checkout and its venv, and finds nothing left to do."""
    home = "/home/deploy"
    provisioned.shell(
        f"""
        useradd --create-home --home-dir {home} deploy
        echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
        cp -r {CHECKOUT} {home}/checkout
        rm -rf {home}/checkout/.venv {home}/checkout/.cache
        chown -R deploy: {home}/checkout
        """
    )
    output = provisioned.shell(f"sudo -i -u deploy make -C {home}/checkout site", timeout=900)
    assert re.search(r"^localhost\s.*\bchanged=0\b.*\bfailed=0\b", output, re.MULTILINE), output[-4000:]
    assert provisioned.shell(f"stat -c %U {home}/checkout/.venv").strip() == "deploy"
