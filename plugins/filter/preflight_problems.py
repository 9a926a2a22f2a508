# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_problems
short_description: Say what speaks against a run on a host
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Compares what M(ai_micro.postgres.postgres_host_info) saw with what the inventory wants.
  - Each problem is one sentence that names the object or variable and the remedy.
options:
  _input:
    description: The result of M(ai_micro.postgres.postgres_host_info).
    type: dict
    required: true
  wanted:
    description:
      - What is wanted, with the keys C(name), C(volume), C(kept_as), C(port), C(addresses), C(databases), C(min_memory_mb), C(min_free_mb) and C(choice).
    type: dict
    required: true
positional: wanted
"""

EXAMPLES = r"""
- name: Refuse a host that cannot carry the instance
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ host | ai_micro.postgres.preflight_problems(wanted) }}"
"""

RETURN = r"""
_value:
  description: The problems, empty where there is none.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._preflight import preflight_problems


class FilterModule:
    """Filters of preflight."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"preflight_problems": preflight_problems}
