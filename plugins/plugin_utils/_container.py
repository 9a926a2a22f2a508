# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which of its declared attributes a container differs from what the look at the host saw of it.

It only says when community.docker.docker_container, which judges and acts, need not be asked: whatever it
does not know, or cannot read, counts as a difference.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Callable

from ansible.module_utils.common.text.formatters import human_to_bytes

_PUBLISHED = re.compile(r"^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):([0-9]+):([0-9]+)$")
_DURATION = re.compile(r"^(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?$")
_HEALTHCHECK = {"test": "Test", "interval": "Interval", "timeout": "Timeout", "retries": "Retries"}
_MOUNT = {"type": "Type", "source": "Source", "target": "Target", "read_only": "ReadOnly"}


def nanoseconds(duration: str) -> int:
    """Return a duration such as 1m30s as the Engine keeps it."""
    parts = _DURATION.match(duration)
    if not duration or not parts:
        raise ValueError(f"{duration} is no duration")
    span = datetime.timedelta(**{unit: int(number) for unit, number in parts.groupdict(default="0").items()})
    return span // datetime.timedelta(microseconds=1) * 1000


def port_bindings(published: list[str]) -> dict[str, list[dict[str, str]]]:
    """Return published ports, each with the address that it is on, as the Engine keeps them."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in published:
        parts = _PUBLISHED.match(port)
        if not parts:
            raise ValueError(f"{port} is not address, port and port of the container")
        binding = {"HostIp": parts[1] or parts[2], "HostPort": parts[3]}
        bindings.setdefault(f"{parts[4]}/tcp", []).append(binding)
    return bindings


def _healthcheck(declared: dict[str, Any]) -> dict[str, Any]:
    check = {_HEALTHCHECK[name]: value for name, value in declared.items()}
    check["Retries"] = int(check["Retries"])
    return {**check, **{name: nanoseconds(check[name]) for name in ("Interval", "Timeout")}}


def _set(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the Engine, or an inventory, may as well not write."""
    return {name: item for name, item in value.items() if item}


def _mounts(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(map(_set, mounts), key=lambda mount: str(mount["Target"]))


def _same_image(declared: str, look: dict[str, Any]) -> bool:
    container = look["container"]
    return bool(container["image"] == declared and container["image_id"] == look["image"]["id"])


def _same_networks(declared: list[dict[str, Any]], look: dict[str, Any]) -> bool:
    # One more network does no harm, and docker_container leaves it alone.
    seen = {network["name"]: set(network["aliases"]) for network in look["container"]["networks"]}
    return look["container"]["created"]["NetworkMode"] == declared[0]["name"] and all(
        network.keys() <= {"name", "aliases"}
        and network["name"] in seen
        and set(network.get("aliases", [])) <= seen[network["name"]]
        for network in declared
    )


def _created(name: str, read: Callable[[Any], Any] = lambda value: value) -> Callable[[Any, dict[str, Any]], bool]:
    return lambda declared, look: bool(read(declared) == look["container"]["created"][name])


def _created_set(name: str) -> Callable[[Any, dict[str, Any]], bool]:
    return lambda declared, look: sorted(declared) == sorted(look["container"]["created"][name] or [])


# By docker_container's own names of its options.
COMPARISONS: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
    "cap_drop": _created_set("CapDrop"),
    "capabilities": _created_set("CapAdd"),
    "command": _created("Cmd"),
    "devices": lambda declared, look: declared == (look["container"]["created"]["Devices"] or []),
    # Without any declared, docker_container leaves the container's alone.
    "etc_hosts": lambda declared, look: (
        not declared or _created_set("ExtraHosts")(map(":".join, declared.items()), look)
    ),
    "healthcheck": lambda declared, look: _healthcheck(declared) == _set(look["container"]["created"]["Healthcheck"]),
    "image": _same_image,
    "ipc_mode": _created("IpcMode"),
    "labels": lambda declared, look: all(look["container"]["labels"].get(name) == declared[name] for name in declared),
    "log_driver": lambda declared, look: declared == look["container"]["created"]["LogConfig"]["Type"],
    "log_options": lambda declared, look: declared == look["container"]["created"]["LogConfig"]["Config"],
    "memory": _created("Memory", human_to_bytes),
    "mounts": lambda declared, look: (
        _mounts([{_MOUNT[name]: value for name, value in mount.items()} for mount in declared])
        == _mounts(look["container"]["created"]["Mounts"])
    ),
    "name": lambda declared, look: bool(declared == look["container"]["name"]),
    "networks": _same_networks,
    "pid_mode": _created("PidMode"),
    "privileged": _created("Privileged"),
    "published_ports": _created("PortBindings", port_bindings),
    "read_only": _created("ReadonlyRootfs"),
    "restart_policy": lambda declared, look: bool(declared == look["container"]["restart_policy"]),
    "security_opts": _created_set("SecurityOpt"),
    "shm_size": _created("ShmSize", human_to_bytes),
    "state": lambda declared, look: declared == "started" and look["container"]["running"] is True,
    "stop_timeout": _created("StopTimeout", int),
    "tmpfs": _created("Tmpfs", lambda declared: dict(item.split(":", 1) for item in declared)),
    "user": _created("User"),
    "volumes": _created_set("Binds"),
}


def container_differences(declared: dict[str, Any], look: dict[str, Any]) -> list[str]:
    """Name the attributes in which the container is not, or may not be, as it is declared.

    ``declared`` holds options of docker_container, ``look`` what ai_micro.postgres.postgres_host_info saw.
    ``exists`` stands for a container that is not there or is not an instance's, ``env`` for an environment
    that is not its image's.
    """
    container = look["container"]
    if not container or not container["created"]:
        return ["exists"]
    differing = [] if not container["created"]["environment"] else ["env"]
    for name, value in declared.items():
        try:
            same = COMPARISONS[name](value, look)
        except (AttributeError, LookupError, TypeError, ValueError):
            same = False
        if not same:
            differing.append(name)
    return sorted(differing)
