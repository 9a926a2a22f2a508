# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: collections_named
short_description: Find the pgvector collections of a name in the inventory
version_added: 1.0.0
author:
  - ai-micro-service team (@ai-micro-service)
description:
  - Gives each collection of a name with its database, the role of the service, and the collections that declare the same model
    for the same column, as M(ai_micro.postgres.pgvector_model) takes them.
options:
  _input:
    description: The list V(postgres_databases).
    type: list
    elements: dict
    required: true
  name:
    description: Name of the collection.
    type: str
    required: true
  database:
    description: Name of the database; an empty one means each.
    type: str
    default: ""
positional: name, database
"""

EXAMPLES = r"""
- name: Say where a collection is
  ansible.builtin.debug:
    msg: "{{ postgres_databases | ai_micro.postgres.collections_named('admin_documents') | map(attribute='database') }}"
"""

RETURN = r"""
_value:
  description: C(database), C(role), C(collection) and C(beside) of each.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import collections_named


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"collections_named": collections_named}
