"""The ways in which inventories/prod takes its secrets: Ansible Vault, and AWS Secrets Manager with moto in its place."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from instance import PASSPHRASE, REPOSITORY, SECRETS, SUFFIX, Instance, PlaybookResult, run

from tests.hosts.controller import make_controller

PINS = dict(
    line.split("==") for line in (REPOSITORY / "requirements.txt").read_text("utf-8").splitlines() if "==" in line
)
PACKAGES = (f"ansible-core=={PINS['ansible-core']}", "boto3==1.44.5", "moto[secretsmanager,server]==5.2.5")
PROD = REPOSITORY / "inventories" / "prod"
ROTATED = "Rotated-Canary-6"
STORE = """
import boto3, json, sys
client = boto3.client("secretsmanager")
name, value = sys.argv[1], sys.stdin.read()
try:
    client.create_secret(Name=name, SecretString=value)
except client.exceptions.ResourceExistsException:
    client.put_secret_value(SecretId=name, SecretString=value)
"""


@dataclass
class Operator:
    """An inventory made of inventories/prod, and the controller that it is run from."""

    instance: Instance
    place: Path
    programs: Path = field(default_factory=lambda: Path(sys.executable).parent)
    environment: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> Path:
        """Copy the example, with this machine as its host and what this network asks for; give the directory of group_vars."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(PROD, self.place)
        host = json.loads(self.instance.inventory().read_text("utf-8"))["all"]["children"]["postgres"]["hosts"]
        for variables in host.values():
            del variables["postgres_common_superuser_password"]
            del variables["postgres_common_role_passwords"], variables["postgres_backup_passphrase"]
        (self.place / "hosts.yml").write_text(json.dumps({"postgres": {"hosts": host}}), encoding="utf-8")
        return self.place / "group_vars" / "postgres"

    def site(self, *arguments: str) -> PlaybookResult:
        """Run site.yml on the inventory, which must succeed."""
        command = [str(self.programs / "ansible-playbook"), str(REPOSITORY / "site.yml"), "-i", str(self.place)]
        environment = {**os.environ, **self.environment}
        done = run(*command, *arguments, check=False, cwd=REPOSITORY, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return PlaybookResult(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def operator(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Give an operator of an instance that is not there yet."""
    folder = tmp_path_factory.mktemp("secrets")
    # The backups that the example asks for have tests of their own.
    instance = Instance(f"amt-secrets{SUFFIX}", 25443, folder, image, {"postgres_backup_enabled": False})
    instance.remove()
    yield Operator(instance, folder / "prod")
    instance.remove()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Serve the API of AWS Secrets Manager; give the controller's programs and the environment that leads there."""
    programs = make_controller("aws", PACKAGES)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        server = subprocess.Popen([programs / "moto_server", "-p", str(port)], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
                assert server.poll() is None, f"moto_server ended: {Path(log.name).read_text('utf-8')}"
                assert time.monotonic() < deadline, "moto_server does not listen"
                time.sleep(0.1)
            yield (
                programs,
                {
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                    "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
                    "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
                    "AWS_DEFAULT_REGION": "eu-central-1",
                },
            )
        finally:
            server.terminate()
            server.wait(timeout=20)


def login(instance: Instance, password: str) -> bool:
    """Say whether the superuser comes in over TCP with that password."""
    command = ["psql", "-h", "localhost", "-p", str(instance.port), "-U", "postgres", "-c", "SELECT 1"]
    return run(*command, check=False, env={**os.environ, "PGPASSWORD": password}).returncode == 0


def test_ansible_vault(operator: Operator, tmp_path: Path) -> None:
    """As vault.yml.example says: copied, filled in, encrypted, read with the vault's password."""
    group = operator.prepare()
    vault = group / "vault.yml"
    content = yaml.safe_load((group / "vault.yml.example").read_text("utf-8"))
    content["vault_postgres_common_superuser_password"] = SECRETS["postgres"]
    content["vault_postgres_backup_passphrase"] = PASSPHRASE
    roles = content["vault_postgres_common_role_passwords"]
    content["vault_postgres_common_role_passwords"] = {role: SECRETS[role] for role in roles}
    vault.write_text(yaml.safe_dump(content), encoding="utf-8")
    password = tmp_path / "password"
    password.write_text(secrets.token_hex(16), encoding="utf-8")
    opened = ("--vault-password-file", str(password))
    run(str(operator.programs / "ansible-vault"), "encrypt", *opened, str(vault), cwd=tmp_path)
    assert SECRETS["postgres"] not in vault.read_text("utf-8")
    first = operator.site(*opened, "-vvv", "--diff")
    canaries = {**SECRETS, "backup_passphrase": PASSPHRASE}
    assert [role for role, secret in canaries.items() if secret in first.output] == []
    assert login(operator.instance, SECRETS["postgres"])
    assert operator.site(*opened).count("changed") == 0


def test_aws_secrets_manager(operator: Operator, aws: tuple[Path, dict[str, str]]) -> None:
    """As aws.yml.example says; a rotated password is in force after the next run, and the old one is not."""
    programs, environment = aws
    group = operator.prepare()
    example = yaml.safe_load((group / "aws.yml.example").read_text("utf-8"))
    shutil.copy(group / "aws.yml.example", group / "aws.yml")
    service = Operator(operator.instance, operator.place, programs, environment)
    stored = {**SECRETS, "backup_passphrase": PASSPHRASE}
    for values, changed in (
        (stored, None),
        ({**stored, "postgres": ROTATED}, 1),
        ({**stored, "postgres": ROTATED}, 0),
    ):
        store = [str(programs / "python"), "-c", STORE, example["aws_secret_name"]]
        run(*store, input=json.dumps(values), env={**os.environ, **environment})
        result = service.site("-vvv", "--diff")
        assert changed is None or result.count("changed") == changed, result.output
        assert [role for role, secret in values.items() if secret in result.output] == []
    assert login(operator.instance, ROTATED)
    assert not login(operator.instance, SECRETS["postgres"])
