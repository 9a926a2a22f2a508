"""The provisioned host: its secrets, its server, and clients in containers beside it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from testinfra.host import Host as Target

from tests.hosts.run import Run

CONTAINER = "ai-micro-postgres"
IMAGE = "ai-micro-postgres:pgvector-15"
CA = f"/etc/{CONTAINER}/tls/ca.crt"
SERVICES = f"/etc/{CONTAINER}/services"


@dataclass
class Answer:
    """What a client was told."""

    code: int
    output: str
    errors: str


class Server:
    """The server of the host under test, asked by real connections."""

    def __init__(self, host: Target) -> None:
        """Remember the host."""
        self.host = host

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Ask as the superuser through the socket in the container."""
        command = ["docker", "exec", CONTAINER, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        return str(self.host.check_output(shlex.join([*command, "-d", database, "-c", statement]))).strip()

    def inspect(self) -> dict[str, Any]:
        """Give what Docker knows of the container."""
        found: list[dict[str, Any]] = json.loads(self.host.check_output(f"docker inspect {CONTAINER}"))
        return found[0]

    def url(self, service: str) -> str:
        """Read a service's connection file."""
        content = str(self.host.file(f"{SERVICES}/{service}.env").content_string)
        assert content.startswith("DATABASE_URL="), "the file holds something else than a DATABASE_URL"
        return content.removeprefix("DATABASE_URL=").strip()

    def client(self, url: str, statement: str = "SELECT current_user", *options: str) -> Answer:
        """Connect from another container of the image, which has the CA's certificate and nothing else of the host."""
        given = options or ("--add-host=host.docker.internal:host-gateway",)
        command = ["docker", "run", "--rm", "--user=999:999", *given, f"--volume={CA}:{CA}:ro", "--entrypoint=psql"]
        done = self.host.run(shlex.join([*command, IMAGE, "-XqAt", url, "-c", statement]))
        return Answer(done.rc, done.stdout.strip(), done.stderr)


@pytest.fixture
def server(host: Target) -> Server:
    """Give the server on the host under test."""
    return Server(host)


@pytest.fixture(scope="session")
def secrets(ansible: Callable[..., Run]) -> dict[str, str]:
    """Give the passwords that the inventory generated, by role."""
    found: dict[str, str] = {}
    for name in ("postgres_common_superuser_password", "postgres_common_role_passwords"):
        run = ansible("ansible", "postgres", "-m", "ansible.builtin.debug", "-a", f"var={name}")
        assert run.code == 0, run.report()
        value = next(run.results())[1][name]
        found |= value if isinstance(value, dict) else {"postgres": value}
    return found
