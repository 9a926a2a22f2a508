"""A container that somebody has changed between two runs: the look at the host sees it, and the run mends it."""

from __future__ import annotations

import json
import time
from typing import Any

from instance import NETWORK, Instance, PlaybookResult, run


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


def instance_run(instance: Instance, *arguments: str, **changes: Any) -> PlaybookResult:
    """Run what has a part in the container."""
    return instance.site("--tags", "instance", *arguments, **changes)


def test_limit_and_network_are_put_right_while_the_server_runs(guarded: Instance) -> None:
    before = guarded.inspect()
    run("docker", "update", "--memory", "700m", guarded.name)
    run("docker", "network", "disconnect", NETWORK, guarded.name)
    assert instance_run(guarded, "--check", "--diff").count("changed") == 1
    changed = guarded.inspect()
    assert changed["HostConfig"]["Memory"] == 700 << 20
    assert NETWORK not in changed["NetworkSettings"]["Networks"]
    assert instance_run(guarded).count("changed") == 1
    mended = guarded.inspect()
    assert mended["HostConfig"]["Memory"] == before["HostConfig"]["Memory"]
    assert guarded.name in mended["NetworkSettings"]["Networks"][NETWORK]["Aliases"]
    assert mended["State"]["StartedAt"] == before["State"]["StartedAt"]


def test_container_made_anew_with_another_capability_and_port_is_replaced(guarded: Instance) -> None:
    declared = guarded.inspect()["HostConfig"]
    changes = {"CapDrop": ["NET_RAW"], "PortBindings": {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}}
    recreate(guarded, **changes)
    made = guarded.inspect()
    assert {name: made["HostConfig"][name] for name in changes} == changes
    waiting = instance_run(guarded, postgres_instance_restart_permitted=False)
    assert f"The container {guarded.name} differs from the declared in cap_drop, published_ports" in waiting.text
    assert guarded.inspect()["Id"] == made["Id"]
    assert instance_run(guarded).count("changed") == 1
    mended = guarded.inspect()["HostConfig"]
    assert {name: mended[name] for name in changes} == {name: declared[name] for name in changes}


def test_container_as_it_is_declared_is_left_to_itself(guarded: Instance) -> None:
    # Docker's own verdict comes ten seconds after the start that the test before has caused.
    wait_until_healthy(guarded)
    again = guarded.site()
    assert again.count("changed") == 0
    assert "Run the container" not in again.output
