# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hba_certificates
short_description: Say whether a rule of pg_hba.conf wants a client's certificate
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns whether the method C(cert) or the option C(clientcert) is in a rule; then the server needs to know a CA.
options:
  _input:
    description: Rules with C(database), C(role), C(source), C(method) and C(options), as C(postgres_instance_hba) takes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whether the server needs ssl_ca_file
  ansible.builtin.debug:
    msg: "{{ [{'database': ['authdb'], 'role': ['auth_service']}] | ai_micro.postgres.hba_certificates }}"
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import asks_for_certificates


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"hba_certificates": asks_for_certificates}
