"""Several test hosts as operators have them: reached over SSH as an ordinary user who may become root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts.host import Host
from tests.hosts.run import JSON_OUTPUT, Run

REPOSITORY = Path(__file__).resolve().parents[2]
SUFFIX = os.environ.get("AI_MICRO_TEST_SUFFIX", "")
USER = "ops"
SECRETS = {
    "postgres": "Fleet-Superuser-1",
    "auth_service": "Fleet-Auth-2@/:",
    "user_api_service": "Fleet-User-3",
    "admin_api_service": "Fleet-Admin-4",
    "readonly_user": "Fleet-Readonly-5",
}
VAULT_PASSWORD = "fleet-vault-password"

# The package starts sshd, and generates the host's keys, by itself.
GIVE_SSH = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends openssh-server
useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
install -d -m 0700 -o {USER} -g {USER} /home/{USER}/.ssh
install -m 0600 -o {USER} -g {USER} /root/authorized_keys /home/{USER}/.ssh/authorized_keys
"""


@dataclass
class Fleet:
    """Hosts by their name in the inventory, and a controller that has a key to them."""

    folder: Path
    hosts: dict[str, Host] = field(default_factory=dict)

    @classmethod
    def start(cls, folder: Path, releases: Mapping[str, str]) -> Fleet:
        """Start a host of each release, at the same time, with sshd; the image's tarball is shown to all, where there is one."""
        fleet = cls(folder)
        key = folder / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        tarball = Path(os.environ.get("AI_MICRO_TEST_IMAGE_TAR") or REPOSITORY / ".cache" / "image.tar")
        mounts = {tarball: Path("/mnt/image.tar")} if tarball.is_file() else {}
        fleet.hosts = {name: Host(f"amh-fleet-{name}{SUFFIX}") for name in releases}
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: fleet._start_one(name, releases[name], mounts), releases))
        except BaseException:
            fleet.remove()
            raise
        known = [f"{fleet.address(name)} {line}" for name in releases for line in fleet._host_keys(name)]
        (folder / "known_hosts").write_text("\n".join(known) + "\n", encoding="utf-8")
        return fleet

    def _start_one(self, name: str, release: str, mounts: Mapping[Path, Path]) -> None:
        host = Host.start(self.hosts[name].name, release, mounts)
        host.copy_in(self.folder / "id.pub", "/root/authorized_keys")
        host.shell(GIVE_SSH)

    def _host_keys(self, name: str) -> list[str]:
        return self.hosts[name].shell("cat /etc/ssh/ssh_host_*_key.pub").splitlines()

    def address(self, name: str) -> str:
        """Return a host's address on this machine's bridge."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        command = ["docker", "inspect", "--format", template, self.hosts[name].name]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def connection(self, name: str) -> dict[str, Any]:
        """Return the variables that lead to a host: its address, the user, the key and the host's own key."""
        return {
            "ansible_host": self.address(name),
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.folder / "id"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.folder}/known_hosts",
        }

    def inventory(self, example: str, hosts: Mapping[str, Mapping[str, Any]], **variables: Any) -> Path:
        """Take an example inventory over as an operator does: hosts of one's own, secrets in an encrypted vault.yml.

        Variables that this network asks for (there is no registry) stand in a file of their own. The backups that the examples ask for
        have tests of their own.
        """
        place = self.folder / example
        shutil.copytree(REPOSITORY / "inventories" / example, place, dirs_exist_ok=True)
        shared = {"ansible_become": True, "ansible_python_interpreter": "/usr/bin/python3"}
        content = {"postgres": {"hosts": dict(hosts), "vars": shared}}
        (place / "hosts.yml").write_text(json.dumps(content), encoding="utf-8")
        group = place / "group_vars" / "postgres"
        local = {
            "postgres_image_source": "packages",
            "postgres_common_memory": "512m",
            "postgres_backup_enabled": False,
            **variables,
        }
        (group / "test.yml").write_text(json.dumps(local), encoding="utf-8")
        secrets = {
            "vault_postgres_common_superuser_password": SECRETS["postgres"],
            "vault_postgres_backup_passphrase": "Fleet-Passphrase-6",
            "vault_postgres_common_role_passwords": {k: v for k, v in SECRETS.items() if k != "postgres"},
        }
        vault = group / "vault.yml"
        vault.write_text(json.dumps(secrets), encoding="utf-8")
        (self.folder / "vault-password").write_text(VAULT_PASSWORD, encoding="utf-8")
        subprocess.run(
            [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", *self.vault_options(), str(vault)],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
        return place

    def vault_options(self) -> Sequence[str]:
        """Return what opens the vault."""
        return ("--vault-password-file", str(self.folder / "vault-password"))

    def run(
        self, playbook: str, inventory: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the checkout, with its ansible.cfg and so with pipelining."""
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return subprocess.run(
            [program, playbook, "-i", str(inventory), *self.vault_options(), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=inherited | environment,
        )

    def play(self, playbook: str, inventory: Path, *arguments: str) -> Run:
        """Run a playbook and read what it did."""
        done = self.run(playbook, inventory, *arguments, **JSON_OUTPUT)
        return Run(done.returncode, done.stdout, done.stderr)

    def sql(self, host: str, statement: str, database: str = "postgres", container: str = "ai-micro-postgres") -> str:
        """Ask a host's server through the socket in its container."""
        command = ["docker", "exec", container, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        return self.hosts[host].exec(*command, "-d", database, "-c", statement).stdout.strip()

    def remove(self) -> None:
        """Remove all hosts with what they hold."""
        for host in self.hosts.values():
            host.remove()

    def __enter__(self) -> Fleet:
        """Give the fleet itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the hosts, whatever happened."""
        self.remove()
