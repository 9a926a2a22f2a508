# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hba_lines
short_description: Write the lines of pg_hba.conf
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the lines of the whole file. The superuser comes in by the socket, then there is one C(hostssl) line for each rule, names quoted where
    they are no word of pg_hba.conf, and the last line rejects the rest.
options:
  _input:
    description: Rules with C(database), C(role), C(source), C(method) and C(options), as C(postgres_instance_hba) takes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the lines
  ansible.builtin.debug:
    msg: "{{ [{'database': ['authdb'], 'role': ['auth_service']}] | ai_micro.postgres.hba_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import file_lines


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"hba_lines": file_lines}
