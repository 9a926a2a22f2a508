"""The Engine restarts, the host reboots: the container comes back by itself, nothing is lost, and nobody gets in who must not."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.hosts.host import Host
from tests.hosts.run import Run

if TYPE_CHECKING:
    from .conftest import Server

HEALTHY_WITHIN = 60


def restart_engine(machine: Host) -> None:
    """Restart the Docker Engine under the running container."""
    machine.exec("systemctl", "restart", "docker")


def gateway() -> str:
    """Give the address by which this machine is another one to the host under test."""
    # Docker names it, the first one, only from its second start on.
    command = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"]
    subnet = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return str(next(ipaddress.ip_network(subnet).hosts()))


def answers(machine: Host, network: str) -> bool:
    """Say whether the server answers this machine, by the network called host, or another machine beside it, by bridge."""
    (address,) = (each for each in addresses(machine) if each.startswith(gateway().rpartition(".")[0]))
    asking = ["pg_isready", "-q", "-t", "2", "-h", address, "-p", "5432"]
    image = os.environ["AI_MICRO_TEST_IMAGE"]
    command = ["docker", "run", "--rm", f"--network={network}", f"--entrypoint={asking[0]}", image, *asking[1:]]
    return subprocess.run(command, check=False).returncode == 0


@pytest.fixture(scope="module")
def published(ansible: Callable[..., Run]) -> Iterator[tuple[str, ...]]:
    """Publish the port to other machines, of which one may reach it; give the arguments that say so."""
    wanted = {"postgres_common_addresses": ["0.0.0.0"], "postgres_instance_allowed_sources": [gateway()]}
    arguments = ("playbooks/site.yml", "--extra-vars", json.dumps(wanted))
    run = ansible("ansible-playbook", *arguments)
    assert run.code == 0, run.report()
    yield arguments
    run = ansible("ansible-playbook", "playbooks/site.yml")
    assert run.code == 0, run.report()


def addresses(machine: Host) -> set[str]:
    """Give the machine's own addresses."""
    return set(machine.exec("hostname", "--all-ip-addresses").stdout.split())


@pytest.mark.parametrize("restart", [restart_engine, Host.restart], ids=["engine", "host"])
def test_restart_loses_nothing(
    server: Server,
    machine: Host,
    ansible: Callable[..., Run],
    published: tuple[str, ...],
    restart: Callable[[Host], None],
) -> None:
    """A row written before is there afterwards, by the same connection file, who may reach it is the same, and site.yml finds nothing to do.

    What stands for the host is a container, which may come back with another address, as others took its own meanwhile: the certificate names it then.
    """
    url = server.url("ai-micro-api-auth")
    known = addresses(machine)
    begun = server.sql("SELECT pg_postmaster_start_time()")
    insert = "INSERT INTO users (email, password_hash) VALUES ('restart@example.org', '-')"
    written = server.client(url, insert)
    assert written.code == 0, written.errors
    assert (answers(machine, "host"), answers(machine, "bridge")) == (True, False)

    restart(machine)

    deadline = time.monotonic() + HEALTHY_WITHIN
    while server.inspect()["State"].get("Health", {}).get("Status") != "healthy":
        assert time.monotonic() < deadline, machine.shell("docker logs --tail=50 ai-micro-postgres 2>&1", check=False)
        time.sleep(0.5)
    assert server.sql("SELECT pg_postmaster_start_time()") != begun
    answer = server.client(url, "DELETE FROM users WHERE email = 'restart@example.org' RETURNING email")
    assert answer.output == "restart@example.org", answer.errors
    assert (answers(machine, "host"), answers(machine, "bridge")) == (True, False)

    moved = not addresses(machine) <= known
    run = ansible("ansible-playbook", *published)
    assert run.code == 0, run.report()
    changed = [name.rpartition(" : ")[2] for name, result in run.results() if result.get("changed")]
    assert changed == (["Issue the certificate of the server"] if moved else []), run.report()
    if moved:
        again = ansible("ansible-playbook", *published)
        assert again.count("changed") == 0, again.report()
