"""The Engine restarts, the host reboots: the container comes back by itself, nothing is lost, and nobody else gets in meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.hosts.host import Host
from tests.hosts.run import Run

if TYPE_CHECKING:
    from .conftest import Server

HEALTHY_WITHIN = 60

# Two other machines, as namespaces with a link each; a reboot takes them away.
NEIGHBOURS = """
for number in 1 2; do
    ip netns add neighbour$number
    ip link add neighbour$number type veth peer name eth0 netns neighbour$number
    ip address add 10.250.$number.1/24 dev neighbour$number
    ip link set neighbour$number up
    ip -n neighbour$number address add 10.250.$number.2/24 dev eth0
    ip -n neighbour$number link set eth0 up
    ip -n neighbour$number route add default via 10.250.$number.1
done
"""
ALLOWED = {"postgres_instance_allowed_sources": ["10.250.1.0/24"]}


def who_gets_in(machine: Host) -> list[str]:
    """Give the neighbours whom the server answers at the address of the Docker bridge."""
    if machine.exec("ip", "netns", "pids", "neighbour1", check=False).returncode != 0:
        machine.shell(NEIGHBOURS)
    template = "{{(index .IPAM.Config 0).Gateway}}"
    gateway = machine.exec("docker", "network", "inspect", "--format", template, "bridge").stdout.strip()
    ask = f"ip netns exec {{}} pg_isready -q -t 3 -h {gateway} -p 5432"
    names = ("neighbour1", "neighbour2")
    return [name for name in names if machine.exec(*ask.format(name).split(), check=False).returncode == 0]


def restart_engine(machine: Host) -> None:
    """Restart the Docker Engine under the running container."""
    machine.exec("systemctl", "restart", "docker")


@pytest.fixture(scope="module", autouse=True)
def restricted(machine: Host, ansible: Callable[..., Run]) -> Iterator[None]:
    """Let one neighbour in and no other, and everybody again at the end."""
    tag = ("ansible-playbook", "playbooks/site.yml", "--tags", "instance")
    machine.shell(NEIGHBOURS)
    assert who_gets_in(machine) == ["neighbour1", "neighbour2"]
    run = ansible(*tag, "-e", json.dumps(ALLOWED))
    assert run.code == 0, run.report()
    assert who_gets_in(machine) == ["neighbour1"]
    yield
    run = ansible(*tag)
    assert run.code == 0, run.report()
    assert who_gets_in(machine) == ["neighbour1", "neighbour2"]


@pytest.mark.parametrize("restart", [restart_engine, Host.restart], ids=["engine", "host"])
def test_restart_loses_nothing(
    server: Server, machine: Host, ansible: Callable[..., Run], restart: Callable[[Host], None]
) -> None:
    """A row written before is there afterwards, by the same connection file, and site.yml finds nothing to do."""
    url = server.url("ai-micro-api-auth")
    begun = server.sql("SELECT pg_postmaster_start_time()")
    insert = "INSERT INTO users (email, password_hash) VALUES ('restart@example.org', '-')"
    written = server.client(url, insert)
    assert written.code == 0, written.errors

    restart(machine)

    deadline = time.monotonic() + HEALTHY_WITHIN
    while server.inspect()["State"].get("Health", {}).get("Status") != "healthy":
        assert time.monotonic() < deadline, machine.shell("docker logs --tail=50 ai-micro-postgres 2>&1", check=False)
        time.sleep(0.5)
    assert server.sql("SELECT pg_postmaster_start_time()") != begun
    answer = server.client(url, "DELETE FROM users WHERE email = 'restart@example.org' RETURNING email")
    assert answer.output == "restart@example.org", answer.errors

    assert who_gets_in(machine) == ["neighbour1"]

    run = ansible("ansible-playbook", "playbooks/site.yml", "-e", json.dumps(ALLOWED))
    assert run.code == 0, run.report()
    assert run.count("changed") == 0, run.report()
