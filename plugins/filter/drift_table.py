# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drift_table
short_description: Show differences as a table
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns a line per difference below a head, columns aligned, long definitions cut off.
options:
  _input:
    description: What P(ai_micro.postgres.schema_drift#filter) returned.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what differs
  ansible.builtin.debug:
    msg: "{{ compared.results | ai_micro.postgres.schema_drift | ai_micro.postgres.drift_table }}"
"""

RETURN = r"""
_value:
  description: Lines; none where nothing differs.
  type: list
  elements: str
  sample:
    - "database  kind    object              attribute  declared  found    hazard"
    - "admindb   column  documents.category  -          present   missing  -"
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._drift import drift_table


class FilterModule:
    """Filters over differences."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"drift_table": drift_table}
