# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What speaks against two of the inventory's hosts that are one machine: names that meet, and work at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_NAME = "ai-micro-postgres"


def machine(host: str, variables: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells the machine behind an inventory's host from another: its address and port, as far as the inventory says."""
    if variables.get("ansible_connection") == "local":
        return ("the controller", "")
    return (str(variables.get("ansible_host") or host), str(variables.get("ansible_port") or ""))


def neighbour_problems(
    hosts: Mapping[str, Mapping[str, Any]], own: str, play: list[str], batch: list[str]
) -> list[str]:
    """Say which hosts of a play are the same machine as one of them, and would be in its way.

    ``hosts`` are the variables by host, ``play`` the hosts of the play, ``batch`` those that run now.
    """
    place = machine(own, hosts[own])
    name = hosts[own].get("postgres_common_name", DEFAULT_NAME)
    problems = []
    for other in play:
        if other == own or machine(other, hosts[other]) != place:
            continue
        if hosts[other].get("postgres_common_name", DEFAULT_NAME) == name:
            problems.append(
                f"{own} and {other} are one machine ({place[0]}) and have the same postgres_common_name {name}: give each its own."
            )
        elif other in batch:
            problems.append(
                f"{own} and {other} are one machine ({place[0]}) and would be provisioned at the same time: let one follow the "
                "other by -e site_serial=1 (serial: 1 in a playbook of your own)."
            )
    return problems
