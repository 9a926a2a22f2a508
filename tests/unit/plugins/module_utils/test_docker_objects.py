# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of the Engine's inspections."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_objects import (
    describe_container,
    first_gateway,
    mounts,
)

VOLUME = {"Type": "volume", "Name": "pg_postgres_data", "Destination": "/var/lib/postgresql/data"}
BIND = {"Type": "bind", "Source": "/srv", "Destination": "/srv"}


def inspected(**changes: Any) -> dict[str, Any]:
    """Give an inspection as the Engine returns it, as far as it is read."""
    return {
        "Id": "db4f5e0a1b2c" + "0" * 52,
        "Name": "/pg",
        "Image": "sha256:1",
        "Config": {"Image": "postgres:15", "Labels": {"a": "b"}},
        "State": {"Running": True, "Pid": 7, "ExitCode": 0, "Health": {"Status": "healthy"}},
        "HostConfig": {
            "PortBindings": {
                "5432/tcp": [{"HostIp": "", "HostPort": "5432"}, {"HostIp": "10.0.0.1", "HostPort": "15432"}]
            },
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        },
        "Mounts": [BIND, VOLUME],
        "NetworkSettings": {
            "Networks": {
                "pg_default": {"Aliases": ["db4f5e0a1b2c", "db", "postgres"]},
                "bridge": {"Aliases": None},
                "another": {"Aliases": None},
            }
        },
        **changes,
    }


def test_a_container() -> None:
    assert describe_container(inspected()) == {
        "id": "db4f5e0a1b2c" + "0" * 52,
        "name": "pg",
        "image": "postgres:15",
        "image_id": "sha256:1",
        "labels": {"a": "b"},
        "running": True,
        "restarting": False,
        "pid": 7,
        "exit_code": 0,
        "health": "healthy",
        "ports": ["0.0.0.0:5432", "10.0.0.1:15432"],
        "volumes": ["pg_postgres_data"],
        "data_volume": "pg_postgres_data",
        "restart_policy": "unless-stopped",
        # The Engine gives each container its short identifier for an alias; one that it begins with is somebody's.
        "networks": [{"name": "another", "aliases": []}, {"name": "pg_default", "aliases": ["db", "postgres"]}],
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"Name": "", "MaximumRetryCount": 0}, "no"),
        ({"Name": "no"}, "no"),
        ({"Name": "always"}, "always"),
        ({"Name": "on-failure", "MaximumRetryCount": 5}, "on-failure:5"),
        (None, "no"),
    ],
)
def test_restart_policy_as_docker_update_takes_it(policy: Any, expected: str) -> None:
    assert describe_container(inspected(HostConfig={"RestartPolicy": policy}))["restart_policy"] == expected


def test_a_volume_elsewhere_holds_no_data() -> None:
    found = describe_container(inspected(Mounts=[{**VOLUME, "Destination": "/backup"}]))
    assert (found["data_volume"], found["volumes"]) == ("", ["pg_postgres_data"])


@pytest.mark.parametrize(
    ("row", "expected"),
    [({"Mounts": [BIND, VOLUME]}, True), ({"Mounts": [BIND]}, False), ({"Mounts": None}, False), ({}, False)],
)
def test_mounts(row: dict[str, Any], expected: bool) -> None:
    assert mounts(row, "pg_postgres_data") is expected


@pytest.mark.parametrize(
    ("network", "gateway"),
    [
        (None, ""),
        ({"IPAM": {"Config": None}}, ""),
        ({"IPAM": {"Config": [{"Gateway": "fd00::1"}, {"Gateway": "172.18.0.1"}]}}, "172.18.0.1"),
    ],
)
def test_first_gateway(network: Any, gateway: str) -> None:
    assert first_gateway(network) == gateway
