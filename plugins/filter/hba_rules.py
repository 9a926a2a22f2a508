# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hba_rules
short_description: Say who may try to log in where, by the list of databases
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the rules that C(postgres_instance_hba) stands for where it is empty, most specific first. Each service's logins may enter its
    database, so may the read-only role, and the superuser any database where it may come over the network.
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
  superuser_from_network:
    description: Whether C(postgres) may connect over the network.
    type: bool
    required: true
positional: readonly_role, superuser_from_network
"""

EXAMPLES = r"""
- name: Show who may try to log in where
  ansible.builtin.debug:
    msg: "{{ postgres_databases | ai_micro.postgres.hba_rules('readonly_user', false) }}"
"""

RETURN = r"""
_value:
  description: The rules, with C(database), C(role) and C(options).
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import default_rules


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"hba_rules": default_rules}
