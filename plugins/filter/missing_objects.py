# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_objects
short_description: Name declared databases, extensions and tables that are not there
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Compares the inventory's list of databases with what M(ai_micro.postgres.postgres_info) found.
options:
  _input:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
  present:
    description: What M(ai_micro.postgres.postgres_info) returned as C(databases).
    type: dict
    required: true
positional: present
"""

EXAMPLES = r"""
- name: Stop where something is missing
  ansible.builtin.assert:
    that: missing | length == 0
    fail_msg: "{{ missing | join(', ') }}"
  vars:
    missing: "{{ postgres_databases | ai_micro.postgres.missing_objects(server.databases) }}"
"""

RETURN = r"""
_value:
  description: What is missing, in words.
  type: list
  elements: str
  sample: ["admindb: table documents missing"]
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import missing_objects


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"missing_objects": missing_objects}
