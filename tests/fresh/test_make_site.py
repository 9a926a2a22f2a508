"""`make site` on a bare Debian host: python3 and make are there, and no Docker, no venv, no image, no cache."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.host import Host

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKOUT = "/root/ai_micro.postgres"
PLAYBOOK = (".venv/bin/ansible-playbook", "site.yml", "-i", "inventories/local")
DATABASES = ("authdb", "apidb", "admindb")
TAGS = ("docker", "image", "tls", "instance", "databases", "access", "verify")
TAIL = 60

# What belongs to the running system and not to the run: random seeds and the stamps of timers, apt's indexes.
SNAPSHOT = """
dpkg-query -W
find /etc /usr/bin /usr/sbin /usr/local /var/lib \\
    \\( -path /var/lib/apt/lists -o -path /var/lib/apt/periodic -o -path /var/lib/systemd \\) -prune \\
    -o -printf '%p %y %m %u %g %l\\n' | sort
find /etc /usr/bin /usr/sbin /usr/local /var/lib -xdev \\
    \\( -path /var/lib/apt/lists -o -path /var/lib/apt/periodic -o -path /var/lib/systemd \\) -prune \\
    -o -type f -print0 | sort -z | xargs -0 sha256sum
find /root/ai_micro.postgres -path '*/.venv' -prune -o -path '*/.cache' -prune -o -type f -print | sort
"""


@dataclass
class Run:
    """What a run of ansible-playbook did, as its JSON output tells."""

    code: int
    output: str
    errors: str

    def __post_init__(self) -> None:
        """Read the JSON output; a run that ends before its first play has none."""
        start = self.output.find("{")
        self.data: dict[str, Any] = json.loads(self.output[start:]) if start >= 0 else {}

    def results(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each task's name and result, the items of a loop one by one."""
        for play in self.data.get("plays", []):
            for task in play["tasks"]:
                for result in task["hosts"].values():
                    for item in result.get("results") or [result]:
                        yield task["task"]["name"], item

    def changed(self) -> list[str]:
        """Describe what was changed, or would be."""
        return [f"{name}: {result.get('msg', '')}" for name, result in self.results() if result.get("changed")]

    def count(self, what: str) -> int:
        """Give a number of the recap, -1 where there is none."""
        stats = self.data.get("stats", {}).get("localhost", {})
        return int(stats.get(what, -1))

    def report(self) -> str:
        """Say what failed, what changed and what was printed to the standard error."""
        failed = [f"{name}: {result.get('msg', result)}" for name, result in self.results() if result.get("failed")]
        parts = [f"exit code {self.code}", "failed:", *failed, "changed:", *self.changed(), "stderr:"]
        return "\n".join([*parts, *self.errors.splitlines()[-TAIL:]])


def play(host: Host, *arguments: str) -> Run:
    """Run site.yml on the host for its local inventory."""
    done = host.exec(
        *PLAYBOOK,
        *arguments,
        check=False,
        directory=CHECKOUT,
        environment={"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    )
    return Run(done.returncode, done.stdout, done.stderr)


def make(host: Host, target: str) -> str:
    """Run make, which must succeed, and say how long it took."""
    started = time.monotonic()
    done = host.exec("make", target, check=False, directory=CHECKOUT, timeout=900)
    output = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, f"make {target}:\n" + "\n".join(output.splitlines()[-TAIL:])
    print(f"make {target}: {time.monotonic() - started:.1f} s")
    return output


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
    before: list[str]
    after: list[str]


@pytest.fixture(scope="module")
def checked(bare: Host) -> Checked:
    """Run in check mode where nothing but the venv has been made."""
    make(bare, "venv")
    before = bare.shell(SNAPSHOT).splitlines()
    run = play(bare, "--check")
    return Checked(bare, run, before, bare.shell(SNAPSHOT).splitlines())


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
    difference = sorted(set(checked.before) ^ set(checked.after))
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
