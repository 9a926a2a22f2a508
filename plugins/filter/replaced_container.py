# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: replaced_container
short_description: Describe the container that an instance takes the place of
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Finds among the containers that mount the instance's volume the one that a docker-compose deployment left, by its labels.
options:
  _input:
    description: The result of M(ai_micro.postgres.postgres_host_info).
    type: dict
    required: true
  wanted:
    description: What is wanted, with the keys C(name), C(volume) and C(kept_as).
    type: dict
    required: true
positional: wanted
"""

EXAMPLES = r"""
- name: Say what would be replaced
  ansible.builtin.debug:
    msg: "{{ (host | ai_micro.postgres.replaced_container(wanted)).name | default('nothing') }}"
"""

RETURN = r"""
_value:
  description:
    - The container as it was before a run changed it, with its name, restart policy, image, networks and ports; C(now) is what it is called
      at present and C(serving) whether it runs. Empty where there is none.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._adoption import replaced_container


class FilterModule:
    """Filters over containers."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"replaced_container": replaced_container}
