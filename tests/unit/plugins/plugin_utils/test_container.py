# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container as Docker 20.10 inspected it, against the declaration that it was made from: each attribute changed alone is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_objects import (
    describe_container,
    describe_creation,
)
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._container import (
    COMPARISONS,
    container_differences,
    nanoseconds,
    port_bindings,
)

RECORDED = json.loads((Path(__file__).parent / "container.json").read_text(encoding="utf-8"))
DECLARED: dict[str, Any] = {
    "name": "ai-micro-postgres",
    "image": "ai-micro-postgres:pgvector-15",
    "state": "started",
    "command": ["postgres", "-c", "config_file=/etc/postgresql-config/postgresql.conf"],
    "user": "999:999",
    "cap_drop": ["ALL"],
    "capabilities": [],
    "privileged": False,
    "devices": [],
    "pid_mode": "",
    "ipc_mode": "private",
    "security_opts": ["no-new-privileges"],
    "read_only": True,
    "tmpfs": ["/var/run/postgresql:uid=999,gid=999,mode=0755", "/tmp:mode=1777"],
    "shm_size": "128M",
    "memory": "1g",
    "stop_timeout": 120,
    "restart_policy": "unless-stopped",
    "log_driver": "json-file",
    "log_options": {"max-size": "10m", "max-file": "3"},
    "labels": {"ai_micro.postgres.instance": "ai-micro-postgres"},
    "networks": [{"name": "ai-micro", "aliases": ["ai-micro-postgres"]}],
    "etc_hosts": {"backups.s3.example.com": "192.0.2.9"},
    "published_ports": ["127.0.0.1:5432:5432", "172.17.0.1:5432:5432"],
    "healthcheck": {
        "test": ["CMD-SHELL", "pg_isready -q"],
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
    },
    "mounts": [
        {"type": "volume", "source": "ai-micro-postgres_postgres_data", "target": "/var/lib/postgresql/data"},
        {
            "type": "bind",
            "source": "/etc/ai-micro-postgres/postgresql",
            "target": "/etc/postgresql-config",
            "read_only": True,
        },
    ],
    "volumes": [],
}
VOLUME, CONFIGURATION = RECORDED["container"]["HostConfig"]["Mounts"]


def look(container: dict[str, Any]) -> dict[str, Any]:
    """Give what postgres_host_info says of an inspected container."""
    image = RECORDED["image"]
    return {
        "container": {**describe_container(container), "created": describe_creation(container, image)},
        "image": {"id": image["Id"]},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """Give the recorded container with one attribute changed."""
    container = copy.deepcopy(RECORDED["container"])
    *parents, last = path.split("/")
    place = container
    for name in parents:
        place = place[name]
    place[last] = value
    return container


def test_a_container_as_it_was_made_differs_in_nothing() -> None:
    assert container_differences(DECLARED, look(RECORDED["container"])) == []


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("Name", "/another", "name"),
        ("Image", "sha256:another", "image"),
        ("Config/Image", "another:15", "image"),
        ("State/Running", False, "state"),
        ("Config/Cmd", ["postgres"], "command"),
        ("Config/Cmd", None, "command"),
        ("Config/User", "", "user"),
        ("HostConfig/CapDrop", None, "cap_drop"),
        ("HostConfig/CapDrop", ["NET_RAW"], "cap_drop"),
        ("HostConfig/CapAdd", ["SYS_ADMIN"], "capabilities"),
        ("HostConfig/Privileged", True, "privileged"),
        ("HostConfig/Devices", [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda"}], "devices"),
        ("HostConfig/PidMode", "host", "pid_mode"),
        ("HostConfig/IpcMode", "host", "ipc_mode"),
        ("HostConfig/SecurityOpt", None, "security_opts"),
        ("HostConfig/SecurityOpt", ["no-new-privileges", "seccomp=unconfined"], "security_opts"),
        ("HostConfig/ReadonlyRootfs", False, "read_only"),
        ("HostConfig/Tmpfs", None, "tmpfs"),
        ("HostConfig/Tmpfs", {"/tmp": "mode=1777"}, "tmpfs"),
        ("HostConfig/ShmSize", 67108864, "shm_size"),
        ("HostConfig/Memory", 0, "memory"),
        ("HostConfig/Memory", 536870912, "memory"),
        ("Config/StopTimeout", 10, "stop_timeout"),
        ("Config/StopTimeout", None, "stop_timeout"),
        ("HostConfig/RestartPolicy", {"Name": "no", "MaximumRetryCount": 0}, "restart_policy"),
        ("HostConfig/RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}, "restart_policy"),
        ("HostConfig/LogConfig/Type", "journald", "log_driver"),
        ("HostConfig/LogConfig/Config", {}, "log_options"),
        ("HostConfig/LogConfig/Config", {"max-size": "10m", "max-file": "30"}, "log_options"),
        ("Config/Labels", {"ai_micro.postgres.instance": "another"}, "labels"),
        ("NetworkSettings/Networks", {}, "networks"),
        ("NetworkSettings/Networks", {"another": {"Aliases": ["ai-micro-postgres"]}}, "networks"),
        ("NetworkSettings/Networks", {"ai-micro": {"Aliases": None}}, "networks"),
        ("HostConfig/NetworkMode", "bridge", "networks"),
        ("HostConfig/ExtraHosts", None, "etc_hosts"),
        ("HostConfig/ExtraHosts", ["backups.s3.example.com:192.0.2.10"], "etc_hosts"),
        ("HostConfig/PortBindings", None, "published_ports"),
        ("HostConfig/PortBindings", {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5432"}]}, "published_ports"),
        ("HostConfig/PortBindings", {"5432/tcp": [{"HostIp": "", "HostPort": "5432"}]}, "published_ports"),
        ("Config/Healthcheck", None, "healthcheck"),
        ("Config/Healthcheck/Test", ["NONE"], "healthcheck"),
        ("Config/Healthcheck/Interval", 30000000000, "healthcheck"),
        ("Config/Healthcheck/Timeout", 5000000, "healthcheck"),
        ("Config/Healthcheck/Retries", 4, "healthcheck"),
        ("Config/Healthcheck/StartPeriod", 1000000000, "healthcheck"),
        ("HostConfig/Mounts", None, "mounts"),
        ("HostConfig/Mounts", [VOLUME], "mounts"),
        ("HostConfig/Mounts", [{**VOLUME, "Source": "another"}, CONFIGURATION], "mounts"),
        ("HostConfig/Mounts", [VOLUME, {**CONFIGURATION, "ReadOnly": False}], "mounts"),
        ("HostConfig/Mounts", [VOLUME, {**CONFIGURATION, "BindOptions": {"Propagation": "shared"}}], "mounts"),
        ("HostConfig/Mounts", [VOLUME, CONFIGURATION, {**CONFIGURATION, "Target": "/more"}], "mounts"),
        ("HostConfig/Binds", ["/etc:/host-etc:ro"], "volumes"),
        ("Config/Env", ["PATH=/bin", "LANG=C", "PGDATA=/var/lib/postgresql/data"], "env"),
        ("Config/Env", ["PATH=/bin"], "env"),
    ],
    ids=str,
)
def test_attribute_changed_behind_our_back_is_named_alone(path: str, value: Any, name: str) -> None:
    assert container_differences(DECLARED, look(changed(path, value))) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image", "ai-micro-postgres:pgvector-16"),
        ("state", "stopped"),
        ("command", ["postgres"]),
        ("user", "0:0"),
        ("cap_drop", []),
        ("capabilities", ["SYS_ADMIN"]),
        ("privileged", True),
        ("devices", ["/dev/sda:/dev/sda"]),
        ("pid_mode", "host"),
        ("ipc_mode", "shareable"),
        ("security_opts", []),
        ("read_only", False),
        ("tmpfs", []),
        ("tmpfs", ["/tmp"]),
        ("shm_size", "129M"),
        ("shm_size", "a lot"),
        ("memory", "2g"),
        ("memory", "0"),
        ("memory", "much"),
        ("stop_timeout", 121),
        ("restart_policy", "always"),
        ("log_driver", "local"),
        ("log_options", {"max-size": "20m", "max-file": "3"}),
        ("labels", {"ai_micro.postgres.instance": "ai-micro-postgres", "another": "one"}),
        ("networks", [*DECLARED["networks"], {"name": "another"}]),
        ("networks", [{"name": "ai-micro", "aliases": ["ai-micro-postgres", "another"]}]),
        ("networks", [{"name": "ai-micro", "ipv4_address": "172.18.0.9"}]),
        ("networks", []),
        ("published_ports", ["127.0.0.1:5433:5432", "172.17.0.1:5433:5432"]),
        ("published_ports", ["5432:5432"]),
        ("published_ports", []),
        ("healthcheck", {**DECLARED["healthcheck"], "start_period": "1s"}),
        ("healthcheck", {**DECLARED["healthcheck"], "interval": "0.5s"}),
        ("mounts", DECLARED["mounts"][:1]),
        ("mounts", [{**DECLARED["mounts"][0], "no_copy": True}, DECLARED["mounts"][1]]),
        ("volumes", ["/srv:/srv"]),
        ("entrypoint", ["docker-entrypoint.sh"]),
    ],
    ids=str,
)
def test_changed_declaration_is_named_alone(name: str, value: Any) -> None:
    assert container_differences({**DECLARED, name: value}, look(RECORDED["container"])) == [name]


def test_every_comparison_is_tried_here() -> None:
    assert sorted(DECLARED) == sorted(COMPARISONS)


@pytest.mark.parametrize(
    "harmless",
    [
        {"etc_hosts": {}},
        {"stop_timeout": "120"},
        {"labels": {}},
        {"mounts": DECLARED["mounts"][::-1]},
        {"networks": [{"name": "ai-micro", "aliases": []}]},
    ],
    ids=str,
)
def test_what_says_the_same_is_no_difference(harmless: dict[str, Any]) -> None:
    assert container_differences({**DECLARED, **harmless}, look(RECORDED["container"])) == []


def test_one_more_network_is_left_alone() -> None:
    networks = {**RECORDED["container"]["NetworkSettings"]["Networks"], "another": {"Aliases": None}}
    assert container_differences(DECLARED, look(changed("NetworkSettings/Networks", networks))) == []


def test_no_container_and_another_deployments_container() -> None:
    assert container_differences(DECLARED, {"container": None, "image": None}) == ["exists"]
    assert container_differences(DECLARED, look(changed("Config/Labels", None))) == ["exists"]


def test_image_that_is_gone() -> None:
    seen = {**look(RECORDED["container"]), "image": None}
    assert container_differences(DECLARED, seen) == ["image"]


def test_of_another_deployments_container_and_of_values_nothing_is_kept() -> None:
    assert describe_creation(changed("Config/Labels", {}), None) is None
    with_secret = changed("Config/Env", [*RECORDED["container"]["Config"]["Env"], "POSTGRES_PASSWORD=canary"])
    kept = describe_creation(with_secret, RECORDED["image"])
    assert kept
    assert kept["environment"] == ["POSTGRES_PASSWORD"]
    assert "canary" not in json.dumps(kept)


@pytest.mark.parametrize(("duration", "expected"), [("10s", 10), ("1m30s", 90), ("2h", 7200)])
def test_duration(duration: str, expected: int) -> None:
    assert nanoseconds(duration) == expected * 10**9


@pytest.mark.parametrize("duration", ["", "10", "1.5s", "5 s"])
def test_duration_that_is_not_known(duration: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        nanoseconds(duration)


def test_ports_of_both_families() -> None:
    assert port_bindings(["[::1]:5433:5432", "10.0.0.1:5433:5432"]) == {
        "5432/tcp": [{"HostIp": "::1", "HostPort": "5433"}, {"HostIp": "10.0.0.1", "HostPort": "5433"}]
    }
