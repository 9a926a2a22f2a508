"""The Engine restarts, the host reboots: the container comes back by itself, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
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


def addresses(machine: Host) -> set[str]:
    """Give the machine's own addresses."""
    return set(machine.exec("hostname", "--all-ip-addresses").stdout.split())


@pytest.mark.parametrize("restart", [restart_engine, Host.restart], ids=["engine", "host"])
def test_restart_loses_nothing(
    server: Server, machine: Host, ansible: Callable[..., Run], restart: Callable[[Host], None]
) -> None:
    """A row written before is there afterwards, by the same connection file, and site.yml finds nothing to do.

    What stands for the host is a container, which may come back with another address, as others took its own meanwhile: the certificate names it then.
    """
    url = server.url("ai-micro-api-auth")
    known = addresses(machine)
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

    moved = not addresses(machine) <= known
    run = ansible("ansible-playbook", "playbooks/site.yml")
    assert run.code == 0, run.report()
    changed = [name.rpartition(" : ")[2] for name, result in run.results() if result.get("changed")]
    assert changed == (["Issue the certificate of the server"] if moved else []), run.report()
    if moved:
        again = ansible("ansible-playbook", "playbooks/site.yml")
        assert again.count("changed") == 0, again.report()
