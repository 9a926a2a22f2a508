"""A container that somebody has changed between two runs: the look at the host sees it, and the run mends it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from instance import NETWORK, Instance, run


def wait_until_healthy(instance: Instance) -> None:
    """Wait, so that what the next run mends is not found because the container is still starting."""
    end = time.monotonic() + 60
    while instance.inspect()["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < end, run("docker", "logs", "--tail=20", instance.name).stderr
        time.sleep(0.5)


def recreate(instance: Instance, **changes: Any) -> None:
    """Make the container anew as it was but for what is changed of the Engine's HostConfig."""
    before = instance.inspect()
    wanted = {
        **before["Config"],
        "HostConfig": {**before["HostConfig"], **changes},
        "NetworkingConfig": {"EndpointsConfig": {NETWORK: {"Aliases": [instance.name]}}},
    }
    run("docker", "stop", instance.name)
    run("docker", "rm", instance.name)
    create = ["curl", "-sS", "--fail-with-body", "--unix-socket", "/var/run/docker.sock", "--json", json.dumps(wanted)]
    run(*create, f"http://localhost/containers/create?name={instance.name}")
    run("docker", "start", instance.name)
    wait_until_healthy(instance)


def test_container_as_it_is_declared_is_left_to_itself(guarded: Instance) -> None:
    again = guarded.site()
    assert again.count("changed") == 0
    assert "Run the container" not in again.output


def test_changed_limit_is_put_right_while_the_server_runs(guarded: Instance) -> None:
    started = guarded.inspect()["State"]["StartedAt"]
    run("docker", "update", "--memory", "700m", guarded.name)
    assert str(700 << 20) in guarded.site("--check", "--diff").output
    assert guarded.inspect()["HostConfig"]["Memory"] == 700 << 20
    assert guarded.site().count("changed") == 1
    assert guarded.inspect()["HostConfig"]["Memory"] == 1 << 30
    assert guarded.inspect()["State"]["StartedAt"] == started


def test_container_taken_off_its_network_comes_back(guarded: Instance) -> None:
    run("docker", "network", "disconnect", NETWORK, guarded.name)
    assert guarded.site().count("changed") == 1
    assert guarded.name in guarded.inspect()["NetworkSettings"]["Networks"][NETWORK]["Aliases"]
    assert guarded.site().count("changed") == 0


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("CapDrop", ["NET_RAW"]),
        ("PortBindings", {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}),
        ("ReadonlyRootfs", False),
    ],
    ids=str,
)
def test_container_made_anew_with_another_attribute_is_replaced(guarded: Instance, attribute: str, value: Any) -> None:
    declared = guarded.inspect()["HostConfig"][attribute]
    recreate(guarded, **{attribute: value})
    assert guarded.inspect()["HostConfig"][attribute] != declared
    made = guarded.inspect()["Id"]
    waiting = guarded.site(postgres_instance_restart_permitted=False)
    assert f"The container {guarded.name} differs from the declared in" in waiting.text
    assert guarded.inspect()["Id"] == made
    assert guarded.site().count("changed") == 1
    assert guarded.inspect()["HostConfig"][attribute] == declared
    assert guarded.site().count("changed") == 0
