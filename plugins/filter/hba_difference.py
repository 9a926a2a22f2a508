# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hba_difference
short_description: Compare a server's pg_hba.conf with the declared rules
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the first difference between declared rules and what the server's view C(pg_hba_file_rules) shows, or an empty text.
options:
  _input:
    description: The declared rules, as C(postgres_instance_hba) takes them.
    type: list
    elements: dict
    required: true
  rows:
    description: Rows of C(pg_hba_file_rules), in their order and with all its columns.
    type: list
    elements: dict
    required: true
positional: rows
"""

EXAMPLES = r"""
- name: Refuse another pg_hba.conf than the declared
  ansible.builtin.assert:
    that: rules | ai_micro.postgres.hba_difference(asked.query_result) == ''
"""

RETURN = r"""
_value:
  description: The difference in words.
  type: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import difference_in_force


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"hba_difference": difference_in_force}
