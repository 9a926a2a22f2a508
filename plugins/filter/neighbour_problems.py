# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: neighbour_problems
short_description: Say which instances of a play are in each other's way on one machine
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Finds the hosts of a play that are the same machine as one of them, and says where they have the same instance's name or would be provisioned
    at the same time.
  - Machines are told apart by C(ansible_host) and C(ansible_port), a local connection being the controller.
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  own:
    description: Name of the host that is looked at.
    type: str
    required: true
  play:
    description: Names of the hosts of the play.
    type: list
    elements: str
    required: true
  batch:
    description: Names of the hosts that run now.
    type: list
    elements: str
    required: true
positional: own, play, batch
"""

EXAMPLES = r"""
- name: Refuse instances that are in each other's way
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ hostvars | ai_micro.postgres.neighbour_problems(inventory_hostname, ansible_play_hosts_all, ansible_play_batch) }}"
"""

RETURN = r"""
_value:
  description: The problems, empty where there is none.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._neighbours import neighbour_problems


class FilterModule:
    """Filters of preflight."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"neighbour_problems": neighbour_problems}
