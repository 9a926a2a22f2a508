# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: row_line
short_description: Show a row that differs in one line
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns what happened to a row that M(ai_micro.postgres.postgres_table_rows) lists, its key, and which columns changed.
options:
  _input:
    description: The row.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the first row that differs
  ansible.builtin.debug:
    msg: "{{ compared.rows[0] | ai_micro.postgres.row_line }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
"""

from collections.abc import Mapping
from typing import Any, Callable


def row_line(row: Mapping[str, Any]) -> str:
    """Write a row that differs in one line."""
    columns = f" ({', '.join(row['columns'])})" if row["columns"] else ""
    return f"{row['what']} {row['key']}{columns}"


class FilterModule:
    """Filters over rows."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"row_line": row_line}
