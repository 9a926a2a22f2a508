# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_targets
short_description: Say whose passwords are to change
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Resolves names of roles and services to roles; none at all means everybody.
options:
  _input:
    description: Names of roles or services, as a list or separated by commas.
    type: raw
    required: true
  databases:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
  readonly_role:
    description: Role that may read in each database.
    type: str
    required: true
  keeps_superuser:
    description: Whether C(postgres) keeps the password of a deployment that was taken over.
    type: bool
    required: true
positional: databases, readonly_role, keeps_superuser
"""

EXAMPLES = r"""
- name: Show whose passwords would change
  ansible.builtin.debug:
    msg: "{{ ['ai-micro-api-auth'] | ai_micro.postgres.rotation_targets(postgres_databases, 'readonly_user', false) }}"
"""

RETURN = r"""
_value:
  description: C(roles), and C(problems) as sentences.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._rotation import rotation_targets


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"rotation_targets": rotation_targets}
