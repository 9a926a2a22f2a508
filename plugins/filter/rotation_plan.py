# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_plan
short_description: Say how each password changes
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns which services' connection files go over to their other login (C(switched)), which did so in a run that was cut short (C(ended)),
    which roles have no such file (C(in_place)), and which have the new password already (C(unchanged)).
options:
  _input:
    description: The roles.
    type: list
    elements: str
    required: true
  stale:
    description: Logins whose password is not the new one.
    type: list
    elements: str
    required: true
  databases:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
  logins:
    description: Who logs in for each role whose password was rotated.
    type: dict
    required: true
positional: stale, databases, logins
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ ['auth_service'] | ai_micro.postgres.rotation_plan(['auth_service'], postgres_databases, {}) }}"
"""

RETURN = r"""
_value:
  description: The lists, with C(logins) as they are afterwards and the C(idle) login of each service.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._rotation import plan_rotation


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"rotation_plan": plan_rotation}
