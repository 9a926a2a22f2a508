# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: service_roles
short_description: Declare the roles of services and owners
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns entries for the O(ai_micro.postgres.postgres_access#module:roles) argument of M(ai_micro.postgres.postgres_access). Each service has
    its role, with the connections of its pools as limit and with what its sessions need to search their collections.
  - A role whose password was rotated has a second login that takes turns with it; another role's second login is absent.
  - Owners of databases do not log in.
options:
  _input:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
  passwords:
    description: Passwords by name of the role.
    type: dict
    required: true
  logins:
    description: Who logs in for each role whose password was rotated.
    type: dict
    required: true
  settings:
    description: Settings of every service's sessions, over which those of its database come.
    type: dict
    default: {}
positional: passwords, logins, settings
"""

EXAMPLES = r"""
- name: Make the roles of the services
  ai_micro.postgres.postgres_access:
    roles: "{{ postgres_databases | ai_micro.postgres.service_roles(passwords, {}) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The roles.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import service_roles


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"service_roles": service_roles}
