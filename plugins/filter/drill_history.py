# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_history
short_description: Add a drill to the history
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the text of the history with one more drill, a line of JSON for each, without the oldest where there are too many.
options:
  _input:
    description: The drills that M(ai_micro.postgres.postgres_backup_info) lists, oldest first.
    type: list
    elements: dict
    required: true
  newest:
    description: The drill to add.
    type: dict
    required: true
  kept:
    description: How many drills are kept.
    type: int
    required: true
positional: newest, kept
"""

EXAMPLES = r"""
- name: Show the history with a drill that failed
  ansible.builtin.debug:
    msg: "{{ backups.drills | ai_micro.postgres.drill_history({'at': '2026-11-25T05:00:00Z', 'passed': false, 'reason': 'No space left.'}, 36) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._drills import history


class FilterModule:
    """Filters over drills."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"drill_history": history}
