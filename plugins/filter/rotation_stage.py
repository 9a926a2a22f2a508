# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_stage
short_description: Leave old passwords alive
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns of declared roles those of the named services with their second logins, without the password of the logins that must live on.
options:
  _input:
    description: Roles as M(ai_micro.postgres.postgres_access) takes them.
    type: list
    elements: dict
    required: true
  roles:
    description: Roles of the services.
    type: list
    elements: str
    required: true
  idle:
    description: The login of each service whose password is left alone.
    type: dict
    required: true
positional: roles, idle
"""

EXAMPLES = r"""
- name: Prepare the other login
  ai_micro.postgres.postgres_access:
    roles: "{{ declared | ai_micro.postgres.rotation_stage(['auth_service'], {'auth_service': 'auth_service'}) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The roles.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._rotation import stage_roles


class FilterModule:
    """Filters over roles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"rotation_stage": stage_roles}
