# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which passwords change and how, so that at no time a service's connection file names a login that is refused.

One role has one password, so a service has two logins that take turns: the idle one gets the new password, the connection file
changes over to it, and only then the other one's old password dies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import SUPERUSER, logins_of


def rotation_targets(
    wanted: Union[str, Sequence[str]],
    databases: Sequence[Mapping[str, Any]],
    readonly_role: str,
    keeps_superuser: bool,
) -> dict[str, list[str]]:
    """Return the C(roles) whose passwords are to change, and the C(problems) with the names that were given.

    A name is a role or a service; none at all means everybody.
    """
    names = [name.strip() for name in wanted.split(",")] if isinstance(wanted, str) else list(wanted)
    of_service = {database["service"]: database["role"] for database in databases}
    known = [database["role"] for database in databases] + [readonly_role, SUPERUSER]
    roles = [of_service.get(name, name) for name in names if name]
    problems = [
        f"{name} in postgres_databases_rotate is no role or service of this instance: use {', '.join(known)}."
        for name in roles
        if name not in known
    ]
    if SUPERUSER in roles and keeps_superuser:
        problems.append(
            f"{SUPERUSER} keeps the password of the deployment that was taken over, because services may still use it: set "
            "postgres_instance_superuser_from_network to false first."
        )
    everybody = [name for name in known if name != SUPERUSER or not keeps_superuser]
    return {"roles": list(dict.fromkeys(roles)) or everybody, "problems": problems}


def plan_rotation(
    roles: Sequence[str], stale: Sequence[str], databases: Sequence[Mapping[str, Any]], logins: Mapping[str, str]
) -> dict[str, Any]:
    """Say what happens to each role, given the logins that are C(stale): whose password is not the new one yet.

    C(switched) are services whose file goes over to the other login, C(ended) those whose file did so already while the old
    password is alive, C(in_place) roles without a file. C(logins) is who logs in for whom afterwards.
    """
    services = {database["role"] for database in databases}
    plan: dict[str, Any] = {"switched": [], "ended": [], "in_place": [], "logins": dict(logins), "idle": {}}
    for role in roles:
        if role not in services:
            plan["in_place"] += [role] if role in stale else []
            continue
        active = logins.get(role, role)
        (idle,) = [login for login in logins_of(role) if login != active]
        if active in stale:
            plan["switched"].append(role)
            plan["logins"][role] = idle
            plan["idle"][role] = active
        elif role in logins and idle in stale:
            plan["ended"].append(role)
            plan["idle"][role] = idle
    plan["unchanged"] = [role for role in roles if role not in plan["switched"] + plan["ended"] + plan["in_place"]]
    return plan


def stage_roles(
    declared: Sequence[Mapping[str, Any]], roles: Sequence[str], idle: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Of the declared roles those of ``roles`` and their second logins, without a password where it must live on (``idle``)."""
    names = {login for role in roles for login in logins_of(role)}
    alive = {idle[role] for role in roles if role in idle}
    return [
        {key: value for key, value in role.items() if key != "password" or role["name"] not in alive}
        for role in declared
        if role["name"] in names
    ]
