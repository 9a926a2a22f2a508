# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_line
short_description: Show a backup in one line
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns label, type, age, size and when it was verified of a backup that M(ai_micro.postgres.postgres_backup_info) lists.
options:
  _input:
    description: The backup.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the newest backup
  ansible.builtin.debug:
    msg: "{{ backups.backups[-1] | ai_micro.postgres.backup_line }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
"""

from collections.abc import Mapping
from typing import Any, Callable


def backup_line(backup: Mapping[str, Any]) -> str:
    """Write one backup in one line."""
    hours, size = backup["age"] / 3600, backup["size"] / 1024**2
    verified = f"verified {backup['verified_at']}" if backup["verified_at"] else "NOT verified"
    reason = backup["annotations"].get("reason", "")
    return f"{backup['label']} ({backup['type']}): {hours:.1f} h old, {size:.1f} MB, {verified}{f', {reason}' if reason else ''}"


class FilterModule:
    """Filters over backups."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"backup_line": backup_line}
