# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_logins
short_description: Say which logins show a client certificate
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns both logins of each service whose database has C(client_certificate), so that a rotation of its password finds a certificate for
    the login that comes next.
options:
  _input:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who has a client certificate
  ansible.builtin.debug:
    msg: "{{ postgres_databases | ai_micro.postgres.certificate_logins }}"
"""

RETURN = r"""
_value:
  description: The logins.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import certificate_logins


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"certificate_logins": certificate_logins}
