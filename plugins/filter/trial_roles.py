# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: trial_roles
short_description: Say which roles are tried
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns entries for the O(ai_micro.postgres.postgres_access_trial#module:roles) argument of M(ai_micro.postgres.postgres_access_trial), one for
    each login of the services and the read-only role.
options:
  _input:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
  readonly_role:
    description: Role that may read in each database.
    type: str
    required: true
  logins:
    description: Who logs in for each role whose password was rotated.
    type: dict
    required: true
positional: readonly_role, logins
"""

EXAMPLES = r"""
- name: Show who is tried
  ansible.builtin.debug:
    msg: "{{ postgres_databases | ai_micro.postgres.trial_roles('readonly_user', {}) }}"
"""

RETURN = r"""
_value:
  description: The roles, with C(name) and C(member_of).
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import trial_roles


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"trial_roles": trial_roles}
