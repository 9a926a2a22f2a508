# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that somebody has set on the server and that stand in no inventory.

Pure functions over what ai_micro.postgres.postgres_settings and ai_micro.postgres.postgres_host_info saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import logins_of


def settings_by_hand(
    judged: Sequence[Mapping[str, Any]],
    system_settings: Mapping[str, str],
    permitted: Mapping[str, str],
    safeguards: Iterable[str],
    roles: Iterable[str],
    volume: str,
) -> list[str]:
    """Say which values of ALTER SYSTEM nobody declared, and what takes a safeguard from some sessions.

    ``judged`` are the declared settings as the module returns them; ``permitted`` is what an adoption found in
    postgresql.auto.conf. What is set for one of ``roles`` is M(ai_micro.postgres.postgres_access)'s to compare.
    """
    declared = {str(each["name"]).lower() for each in judged}
    sentences = [
        f"postgresql.auto.conf in the volume {volume} sets {name} = {value}, which nobody declared: take it away by ALTER SYSTEM RESET {name} "
        "and a reload, or declare it in postgres_instance_settings."
        for name, value in sorted(system_settings.items())
        if name not in declared and permitted.get(name) != value
    ]
    guarded = set(safeguards)
    compared = tuple(
        f"ALTER ROLE {name} " for role in roles for login in logins_of(role) for name in (login, f'"{login}"')
    )
    return sentences + [
        f"{override}: takes a safeguard from the sessions that it is for, and nobody declared it: take it back by RESET in place of SET, or "
        "declare it in the settings of a role."
        for each in judged
        if str(each["name"]).lower() in guarded
        for override in each["overrides"]
        if not override.startswith(compared)
    ]
