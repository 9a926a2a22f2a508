"""One instance of the collection on this machine, under names of its own, provisioned by site.yml."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
CALLBACKS = Path(__file__).with_name("callbacks")
SECRETS = {
    "postgres": "Superuser-Canary-1",
    "auth_service": "Auth-Canary-2@/:",
    "user_api_service": "User-Canary-3",
    "admin_api_service": "Admin-Canary-4",
    "readonly_user": "Readonly-Canary-5",
}
PASSPHRASE = "Passphrase-Canary-6"
# Let several checkouts run the tests on one machine, each with names and ports of its own.
SUFFIX = os.environ.get("AI_MICRO_TEST_SUFFIX", "")
PORT_OFFSET = int(os.environ.get("AI_MICRO_TEST_PORT_OFFSET", "0"))
# Removed when the tests end: those that run side by side have one each.
NETWORK = os.environ.get("AI_MICRO_TEST_NETWORK", f"amt-network{SUFFIX}")


def run(*command: str, check: bool = True, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output as text."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result


@dataclass
class PlaybookResult:
    """What a run of ansible-playbook came to."""

    code: int
    output: str
    text: str = field(init=False)

    def __post_init__(self) -> None:
        # Messages are wrapped by the YAML output; a sentence is looked for in one line.
        self.text = re.sub(r"\s+", " ", self.output.replace("''", "'"))

    def count(self, what: str) -> int:
        """Return a number of the recap, 0 where no host got that far."""
        return sum(int(number) for number in re.findall(rf"\b{what}=(\d+)", self.output))


def play(playbook: str, inventory: Path, *arguments: str, **options: Any) -> PlaybookResult:
    """Run a playbook of the collection on an inventory; the options are those of the process."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    path = REPOSITORY / "playbooks" / f"{playbook}.yml"
    result = run(program, str(path), "-i", str(inventory), *arguments, check=False, cwd=REPOSITORY, **options)
    return PlaybookResult(result.returncode, result.stdout + result.stderr)


@dataclass
class Instance:
    """Names and variables of an instance under test."""

    name: str
    port: int
    folder: Path
    image: str
    variables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port += PORT_OFFSET

    @property
    def volume(self) -> str:
        """Name of the data volume."""
        return f"{self.name}_postgres_data"

    @property
    def directory(self) -> Path:
        """Directory of the instance on the host."""
        return Path("/etc") / self.name

    @property
    def huge_pages(self) -> Path:
        """File that keeps the kernel's bound of huge pages over a restart of the host."""
        return Path(f"/etc/sysctl.d/60-{self.name}-huge-pages.conf")

    @property
    def repository(self) -> Path:
        """Directory of the host that backups go to."""
        return Path("/var/backups") / self.name

    def password(self, role: str) -> str:
        """Give the password that the inventory has for a role."""
        if role == "postgres":
            return str(self.variables.get("postgres_common_superuser_password", SECRETS[role]))
        return str(self.variables.get("postgres_common_role_passwords", SECRETS)[role])

    def inventory(self, **changes: Any) -> Path:
        """Write the inventory with changed variables and return its path."""
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
            "postgres_common_name": self.name,
            "postgres_common_port": self.port,
            "postgres_common_image": self.image,
            "postgres_common_network": NETWORK,
            "postgres_common_memory": "1g",
            "postgres_common_superuser_password": SECRETS["postgres"],
            "postgres_backup_repository": str(self.repository),
            "postgres_backup_passphrase": PASSPHRASE,
            # The machine that runs the tests is not to take backups by itself; test_schedule.py says otherwise.
            "postgres_backup_schedule": False,
            "postgres_common_role_passwords": {k: v for k, v in SECRETS.items() if k != "postgres"},
            "postgres_image_source": "packages",
            **self.variables,
            **changes,
        }
        path = self.folder / "inventory.json"
        hosts = {"this_machine": variables}
        path.write_text(json.dumps({"all": {"children": {"postgres": {"hosts": hosts}}}}))
        path.chmod(0o600)
        return path

    def play(self, playbook: str, *arguments: str, **changes: Any) -> PlaybookResult:
        """Run a playbook of the collection on the instance."""
        return play(playbook, self.inventory(**changes), *arguments)

    def at_task(self, task: str, command: str, playbook: str, *arguments: str) -> PlaybookResult:
        """Run a playbook in a process group of its own, and a command, which sh in that group runs, when that task begins."""
        hook = {"ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS), "AMT_AT_TASK": task, "AMT_COMMAND": command}
        return play(playbook, self.inventory(), *arguments, start_new_session=True, env={**os.environ, **hook})

    def site(self, *arguments: str, **changes: Any) -> PlaybookResult:
        """Run site.yml, which must succeed."""
        result = self.play("site", *arguments, **changes)
        assert result.code == 0, result.output
        return result

    def refused(self, *arguments: str, **changes: Any) -> PlaybookResult:
        """Run site.yml, which must fail at a task and not by a traceback."""
        result = self.play("site", *arguments, **changes)
        assert result.code != 0, result.output
        assert "Traceback" not in result.output, result.output
        return result

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Ask the server through the socket in its container."""
        command = ["docker", "exec", self.name, "psql", "-X", "-qAt", "-U", "postgres", "-d", database, "-c", statement]
        return run(*command).stdout.rstrip("\n")

    def dump(self, database: str) -> str:
        """Return what pg_dump writes of a database, without the key that it draws anew each time."""
        command = ["docker", "exec", self.name, "pg_dump", "-U", "postgres", database]
        return re.sub(r"(?m)^\\(un)?restrict .*\n", "", run(*command).stdout)

    def beside(self) -> list[str]:
        """Return the containers and then the volumes that carry the instance's name and are not its own: copies, and what restores have kept."""
        containers = run("docker", "ps", "-a", "--format", "{{.Names}}", "-f", f"name={self.name}").stdout.split()
        volumes = run("docker", "volume", "ls", "-q", "-f", f"name={self.name}").stdout.split()
        return [name for name in containers + volumes if name not in (self.name, self.volume)]

    def kept(self) -> list[str]:
        """Return the volumes that restores have kept, oldest first."""
        return sorted(name for name in self.beside() if name.startswith(f"{self.name}_kept_"))

    def inspect(self) -> dict[str, Any]:
        """Return what docker inspect says of the container."""
        return dict(json.loads(run("docker", "inspect", self.name).stdout)[0])

    def pages_of_shared_memory(self) -> str:
        """Return what kind of pages the server's shared memory lies in, as the kernel names the mapping."""
        maps = run("docker", "exec", "-u", "999:999", self.name, "cat", "/proc/1/maps").stdout
        return "huge" if "/anon_hugepage" in maps else "ordinary"

    def snapshot(self) -> dict[str, Any]:
        """Return the state that a refused run must leave as it was: container, volume and files."""
        container = run(
            "docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}", self.name, check=False
        )
        mount = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", self.volume, check=False).stdout.strip()
        data = sorted(str(path) for path in Path(mount).rglob("*")) if mount and not container.stdout else []
        files = {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in sorted(self.directory.rglob("*"))
        }
        return {"container": container.stdout, "volume": mount, "data": data, "files": files}

    def who_comes_in(self) -> set[str]:
        """Log in by each connection file, as its service does, and give who came into which database."""
        asked = set()
        for path in (self.directory / "services").glob("*.env"):
            url = path.read_text().strip().removeprefix("DATABASE_URL=").replace("host.docker.internal", "localhost")
            words = ("psql", "-X", "-qAt", url, "-c", "SELECT session_user || ' ' || current_database()")
            asked.add(run(*words).stdout.strip())
        return asked

    def remove(self) -> None:
        """Remove everything that carries the instance's name."""
        firewall = self.directory / "firewall" / "firewall.sh"
        if firewall.exists():
            run(str(firewall), "remove", check=False)
        suffixes = ("", "-init", "-proof", "-verify", "-restore", "-drill", "-clone")
        run("docker", "rm", "-f", *(self.name + suffix for suffix in suffixes), check=False)
        copies = [f"{self.name}_{purpose}" for purpose in ("verify", "restore", "drill", "clone")]
        run("docker", "volume", "rm", "-f", self.volume, *copies, *self.kept(), check=False)
        for left in (Path("/etc/cron.d") / f"{self.name}-backup", self.huge_pages):
            left.unlink(missing_ok=True)
        for directory in (self.directory, self.repository, Path("/opt") / self.name, Path("/var/lib") / self.name):
            shutil.rmtree(directory, ignore_errors=True)
