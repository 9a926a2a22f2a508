"""Clients that connect without a pause and without a retry, while passwords are rotated under them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from instance import SECRETS, Instance, run

SERVICES = {
    "ai-micro-api-auth": "auth_service",
    "ai-micro-api-user": "user_api_service",
    "ai-micro-api-admin": "admin_api_service",
}
# One connection after the other by the URL that the file has at that moment; the first error is kept, and nothing is tried again.
LOOP = """
while :; do
    read -r line < "/etc/$1/services/$2.env"
    psql -X -qAt "${line#DATABASE_URL=}" -c "SELECT session_user, current_user, current_setting('statement_timeout')" || echo FAILED
done
"""


def client_command(instance: Instance, *command: str) -> list[str]:
    """Run a program in another container, which sees the connection files and reaches the host."""
    mounts = ["-v", f"{instance.directory}:{instance.directory}:ro"]
    options = ["--rm", "--user=0:0", "--add-host=host.docker.internal:host-gateway", *mounts]
    return ["docker", "run", *options, f"--entrypoint={command[0]}", instance.image, *command[1:]]


@contextmanager
def clients(instance: Instance, folder: Path, services: Iterable[str] = tuple(SERVICES)) -> Iterator[dict[str, Path]]:
    """Let a client of each service connect in a loop; give the files with what each got."""
    outputs = {service: folder / f"{service}.log" for service in services}
    names = {service: f"{instance.name}-{service}" for service in outputs}
    running = []
    try:
        for service, path in outputs.items():
            command = client_command(instance, "bash", "-c", LOOP, "loop", instance.name, service)
            command.insert(2, f"--name={names[service]}")
            with path.open("wb") as file:
                running.append(subprocess.Popen(command, stdout=file, stderr=file))
        yield outputs
    finally:
        for name in names.values():
            run("docker", "rm", "-f", "-v", name, check=False)
        for process in running:
            process.wait(timeout=30)


def wait_for(path: Path, line: str) -> None:
    """Wait until a client's file ends with a line, or holds an error."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = path.read_text("utf-8").splitlines()
        if "FAILED" in lines or line in lines[-2:]:
            break
        time.sleep(0.1)
    assert line in path.read_text("utf-8").splitlines()[-2:], path.read_text("utf-8")[-500:]


def come_in(instance: Instance, login: str, password: str, database: str) -> bool:
    """Say whether a login with a password comes in over TCP and TLS."""
    account: dict[str, Any] = {"user": login, "password": password, "dbname": database, "sslmode": "require"}
    refusal = ""
    try:
        psycopg2.connect(host="127.0.0.1", port=instance.port, **account).close()
    except psycopg2.OperationalError as error:
        refusal = str(error)
    assert not refusal or "password authentication failed" in refusal
    return not refusal


def passwords(**changed: str) -> dict[str, Any]:
    """Give the inventory's variables with changed passwords."""
    secrets = {**SECRETS, **changed}
    superuser = secrets.pop("postgres")
    return {"postgres_common_role_passwords": secrets, "postgres_common_superuser_password": superuser}
