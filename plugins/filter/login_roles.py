# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: login_roles
short_description: Declare roles that log in
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns entries for the O(ai_micro.postgres.postgres_access#module:roles) argument of M(ai_micro.postgres.postgres_access).
options:
  _input:
    description: Names of roles.
    type: list
    elements: str
    required: true
  passwords:
    description: Passwords by name of the role.
    type: dict
    required: true
  settings:
    description: Settings that each of the roles gets.
    type: dict
    default: {}
positional: passwords, settings
"""

EXAMPLES = r"""
- name: Make a role that logs in
  ai_micro.postgres.postgres_access:
    roles: "{{ ['auth_service'] | ai_micro.postgres.login_roles({'auth_service': secret}) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The roles.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import login_roles


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"login_roles": login_roles}
