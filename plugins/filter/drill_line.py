# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_line
short_description: Show a drill in one line
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns time, RTO and RPO of a drill that M(ai_micro.postgres.postgres_backup_info) lists, or why it failed.
options:
  _input:
    description: The drill.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the last drill
  ansible.builtin.debug:
    msg: "{{ backups.drills[-1] | ai_micro.postgres.drill_line }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._drills import line


class FilterModule:
    """Filters over drills."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"drill_line": line}
