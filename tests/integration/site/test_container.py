"""A container that somebody has changed between two runs: the look at the host sees it, and the run mends it."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from instance import NETWORK, Instance, PlaybookResult, run


def wait_until_healthy(instance: Instance) -> None:
    """Wait, so that what the next run mends is not found because the container is still starting."""
    end = time.monotonic() + 60
    while instance.inspect()["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < end, run("docker", "logs", "--tail=20", instance.name).stderr
        time.sleep(0.5)


def recreate(instance: Instance, config: dict[str, Any], **changes: Any) -> None:
    """Make the container anew as it was but for what is changed of the Engine's Config and HostConfig."""
    before = instance.inspect()
    wanted = {
        **before["Config"],
        **config,
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


def test_container_made_anew_with_other_rights_mounts_and_another_port_is_replaced(guarded: Instance) -> None:
    before = guarded.inspect()
    declared = before["HostConfig"]
    more = {"Type": "bind", "Source": "/etc/hostname", "Target": "/run/more", "ReadOnly": True}
    device = {"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rwm"}
    changes = {
        "Binds": ["/etc/hostname:/run/given:ro"],
        "CapAdd": ["SYS_PTRACE"],
        "CapDrop": ["NET_RAW"],
        "Devices": [device],
        "IpcMode": "shareable",
        "Mounts": [*declared["Mounts"], more],
        "PidMode": "host",
        "PortBindings": {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
    }
    recreate(guarded, {"StopTimeout": 5}, **changes)
    made = guarded.inspect()
    assert {name: made["HostConfig"][name] for name in changes} == changes
    assert made["Config"]["StopTimeout"] == 5
    # The inventory lifts the limit as well, which holds, and is counted with, until the container is replaced.
    unlimited = {"postgres_common_memory": ""}
    waiting = instance_run(guarded, postgres_instance_restart_permitted=False, **unlimited)
    assert waiting.count("changed") == 0
    assert re.search(r"may be used +1024\.0 MB", waiting.text), waiting.output
    differing = (
        "cap_drop, capabilities, devices, ipc_mode, memory, mounts, pid_mode, published_ports,"
        # The Engine's own addition where the host's processes are in sight.
        " security_opts, stop_timeout, volume_binds"
    )
    assert f"The container {guarded.name} differs from the declared in {differing}" in waiting.text, waiting.output
    assert guarded.inspect()["Id"] == made["Id"]
    instance_run(guarded, **unlimited)
    assert guarded.inspect()["HostConfig"]["Memory"] == 0
    assert instance_run(guarded, "--check", **unlimited).count("changed") == 0
    instance_run(guarded)
    mended = guarded.inspect()
    # The Engine keeps none at all, or an empty list of them, as it was asked.
    assert {name: mended["HostConfig"][name] or None for name in changes} == {
        name: declared[name] or None for name in changes
    }
    assert mended["Config"]["StopTimeout"] == before["Config"]["StopTimeout"]


def test_container_as_it_is_declared_is_left_to_itself(guarded: Instance) -> None:
    # Docker's own verdict comes ten seconds after the start that the test before has caused.
    wait_until_healthy(guarded)
    again = guarded.site()
    assert again.count("changed") == 0
    assert "Run the container" not in again.output
