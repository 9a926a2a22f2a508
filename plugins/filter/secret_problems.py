# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_problems
short_description: Name the variables whose secret is missing or weak
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - A secret is strong with 12 or more characters, upper and lower case letters, a digit and a symbol.
  - Each problem is one sentence that names the variable and the remedy, never the secret.
options:
  _input:
    description: The secrets by name.
    type: dict
    required: true
  required:
    description: Names that must be there; by default all that are in the input.
    type: list
    elements: str
  prefix:
    description: Text before a name that makes it the name of a variable.
    type: str
    default: ""
positional: required, prefix
"""

EXAMPLES = r"""
- name: Refuse a weak password
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ {'my_password': my_password} | ai_micro.postgres.secret_problems }}"
"""

RETURN = r"""
_value:
  description: The problems, empty where there is none.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._preflight import secret_problems


class FilterModule:
    """Filters over secrets."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"secret_problems": secret_problems}
