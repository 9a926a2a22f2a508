# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schema_drift
short_description: Put the differences of several databases into one list
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Joins absent databases, pending migrations and the differences that M(ai_micro.postgres.postgres_schema) found, each with the name of its
    database.
options:
  _input:
    description: RV(ai_micro.postgres.postgres_schema#module:databases).
    type: list
    elements: dict
    required: true
  migrations:
    description: Results of a loop over M(ai_micro.postgres.postgres_migration) whose items hold the database's C(name).
    type: list
    elements: dict
    default: []
  absent:
    description: Databases that do not exist.
    type: list
    elements: str
    default: []
positional: migrations, absent
"""

EXAMPLES = r"""
- name: Show what differs
  ansible.builtin.debug:
    msg: "{{ compared.databases | ai_micro.postgres.schema_drift | ai_micro.postgres.drift_table }}"
"""

RETURN = r"""
_value:
  description: One entry per difference, with the keys of RV(ai_micro.postgres.postgres_schema#module:drift) and C(database).
  type: list
  elements: dict
  sample:
    - {database: admindb, kind: column, object: documents.category, attribute: null, change: missing, expected: null, actual: null, hazard: null,
       sql: []}
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._drift import schema_drift


class FilterModule:
    """Filters over differences."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"schema_drift": schema_drift}
