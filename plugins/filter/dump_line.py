# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: dump_line
short_description: Show a generation of dumps in one line
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns label, age, size and databases of the dumps that M(ai_micro.postgres.postgres_backup_info) lists.
options:
  _input:
    description: The dumps.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the newest dumps
  ansible.builtin.debug:
    msg: "{{ backups.dumps[-1] | ai_micro.postgres.dump_line }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
"""

from collections.abc import Mapping
from typing import Any, Callable


def dump_line(dump: Mapping[str, Any]) -> str:
    """Write the dumps of one moment in one line."""
    hours, size = dump["age"] / 3600, dump["size"] / 1024**2
    state = f"dumps of {', '.join(dump['databases'])}" if dump["whole"] else "NOT whole"
    return f"{dump['label']} (logical): {hours:.1f} h old, {size:.1f} MB, {state}"


class FilterModule:
    """Filters over dumps."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"dump_line": dump_line}
