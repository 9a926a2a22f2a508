# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: collection_settings
short_description: Give roles the settings that searching their collections needs
version_added: 1.0.0
author:
  - ai-micro-service team (@ai-micro-service)
description:
  - Adds C(database_settings) to roles of M(ai_micro.postgres.postgres_access), because a C(SET) dies with a pooled connection.
    They are the widest search (C(hnsw.ef_search), C(ivfflat.probes)) that a collection of the role's database declares, and an
    iterative scan.
options:
  _input:
    description: The roles.
    type: list
    elements: dict
    required: true
  databases:
    description: The list V(postgres_databases), with C(role) and C(collections).
    type: list
    elements: dict
    required: true
positional: databases
"""

EXAMPLES = r"""
- name: Make a role that searches
  ai_micro.postgres.postgres_access:
    roles: >-
      {{ ['admin_api_service'] | ai_micro.postgres.login_roles({'admin_api_service': secret})
         | ai_micro.postgres.collection_settings(postgres_databases) }}
  no_log: true
"""

RETURN = r"""
_value:
  description: The roles with their settings.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import collection_settings


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"collection_settings": collection_settings}
