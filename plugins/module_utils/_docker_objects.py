# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of the Docker Engine's objects decides a run, from their inspections."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils import _host
from ansible_collections.ai_micro.postgres.plugins.module_utils._cluster_files import describe_cluster

INSTANCE_LABEL = "ai_micro.postgres.instance"
DATA_DIRECTORY = "/var/lib/postgresql/data"
# Docker's own, which have no names to reach a container by.
PREDEFINED_NETWORKS = ("bridge", "host", "none")
# What an instance's container was created with, by the Engine's own names.
_CONFIG = ("Cmd", "Healthcheck", "StopTimeout", "User")
_HOST_CONFIG = (
    "Binds",
    "CapAdd",
    "CapDrop",
    "Devices",
    "ExtraHosts",
    "IpcMode",
    "LogConfig",
    "Memory",
    "Mounts",
    "NetworkMode",
    "PidMode",
    "PortBindings",
    "Privileged",
    "ReadonlyRootfs",
    "SecurityOpt",
    "ShmSize",
    "Tmpfs",
)


def describe_container(raw: dict[str, Any]) -> dict[str, Any]:
    """Keep of a container's inspection what decides a run."""
    state = raw["State"]
    bindings = (raw["HostConfig"].get("PortBindings") or {}).get("5432/tcp") or []
    policy = raw["HostConfig"].get("RestartPolicy") or {}
    retries = policy.get("MaximumRetryCount") or 0
    mounted = {mount["Destination"]: mount["Name"] for mount in raw["Mounts"] if mount["Type"] == "volume"}
    return {
        "id": raw["Id"],
        "name": raw["Name"].lstrip("/"),
        "image": raw["Config"]["Image"],
        "image_id": raw["Image"],
        "labels": raw["Config"].get("Labels") or {},
        "running": state["Running"],
        "restarting": state.get("Restarting", False),
        "pid": state["Pid"],
        "exit_code": state["ExitCode"],
        "health": (state.get("Health") or {}).get("Status", ""),
        "ports": [f"{binding['HostIp'] or '0.0.0.0'}:{binding['HostPort']}" for binding in bindings],
        "volumes": list(mounted.values()),
        "data_volume": mounted.get(DATA_DIRECTORY, ""),
        "restart_policy": (policy.get("Name") or "no") + (f":{retries}" if retries else ""),
        "networks": [
            {"name": name, "aliases": [alias for alias in network.get("Aliases") or [] if alias != raw["Id"][:12]]}
            for name, network in sorted((raw["NetworkSettings"].get("Networks") or {}).items())
            if name not in PREDEFINED_NETWORKS
        ],
    }


def describe_creation(raw: dict[str, Any], image: Optional[dict[str, Any]]) -> Optional[dict[str, Any]]:
    """Return what a container was created with, or nothing for one that is no instance's: its command may hold a secret.

    ``environment`` names what its image does not set so, without the values.
    """
    config, host_config = raw["Config"], raw["HostConfig"]
    if INSTANCE_LABEL not in (config.get("Labels") or {}):
        return None
    of_image = ((image or {}).get("Config") or {}).get("Env") or []
    return {
        **{name: config.get(name) for name in _CONFIG},
        **{name: host_config.get(name) for name in _HOST_CONFIG},
        "environment": sorted({line.split("=", 1)[0] for line in set(config.get("Env") or []) ^ set(of_image)}),
    }


def describe_volume(raw: dict[str, Any]) -> dict[str, Any]:
    """Say where a volume is and what cluster its files belong to."""
    return {
        "mountpoint": raw["Mountpoint"],
        "labels": raw.get("Labels") or {},
        "cluster": describe_cluster(raw["Mountpoint"]),
    }


def first_gateway(network: Optional[dict[str, Any]]) -> str:
    """Return the first IPv4 gateway of a network, or nothing."""
    for pool in ((network or {}).get("IPAM") or {}).get("Config") or []:
        if "." in (pool.get("Gateway") or ""):
            return str(pool["Gateway"])
    return ""


def bridge_gateway(network: Optional[dict[str, Any]]) -> str:
    """Return the host's address on the default bridge; the Engine names it only once a container was there."""
    name = ((network or {}).get("Options") or {}).get("com.docker.network.bridge.name", "docker0")
    return first_gateway(network) or _host.interface_address(name)


def mounts(row: dict[str, Any], volume: str) -> bool:
    """Say whether a container of the Engine's list mounts a volume."""
    return any(mount.get("Name") == volume for mount in row.get("Mounts") or [])
