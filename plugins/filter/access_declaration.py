# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: access_declaration
short_description: Turn the list of databases into privileges
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the O(ai_micro.postgres.postgres_access#module:databases) argument of M(ai_micro.postgres.postgres_access) that the inventory's list of
    databases stands for.
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
  hidden:
    description: Columns that the read-only role does not see, by database and table.
    type: dict
    required: true
positional: readonly_role, hidden
"""

EXAMPLES = r"""
- name: Give each service its own database
  ai_micro.postgres.postgres_access:
    databases: "{{ postgres_databases | ai_micro.postgres.access_declaration('readonly_user', {}) }}"
"""

RETURN = r"""
_value:
  description: The argument.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import access_declaration


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"access_declaration": access_declaration}
