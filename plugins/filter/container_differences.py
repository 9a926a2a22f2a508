# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: container_differences
short_description: Name the attributes in which a container is not as it is declared
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Compares each declared attribute with what a look at the host saw of the container, so that M(community.docker.docker_container), which
    judges and acts, is asked only where there may be something to do.
  - What it does not know counts as a difference.
options:
  _input:
    description: Options of M(community.docker.docker_container).
    type: dict
    required: true
  look:
    description: The result of M(ai_micro.postgres.postgres_host_info).
    type: dict
    required: true
positional: look
"""

EXAMPLES = r"""
- name: Say in what the container differs
  ansible.builtin.debug:
    msg: "{{ {'read_only': true, 'memory': '1g'} | ai_micro.postgres.container_differences(host) | join(', ') }}"
"""

RETURN = r"""
_value:
  description:
    - Names of options, sorted; V(exists) where there is no container of an instance, V(env) where the environment is not that of the image.
      Empty where the container is as it is declared.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._container import container_differences


class FilterModule:
    """Filters over containers."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"container_differences": container_differences}
