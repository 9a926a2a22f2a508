# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memory_settings
short_description: PostgreSQL settings that follow from memory
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns C(shared_buffers) (25 %), C(effective_cache_size) (60 %) and C(maintenance_work_mem) (6 %, from 64 MB to 2 GB) for a server that may use
    the given memory.
options:
  _input:
    description: Memory in bytes.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the settings for 1 GiB
  ansible.builtin.debug:
    msg: "{{ 1073741824 | ai_micro.postgres.memory_settings }}"
"""

RETURN = r"""
_value:
  description: Settings with their units.
  type: dict
  sample: {effective_cache_size: 614MB, maintenance_work_mem: 64MB, shared_buffers: 256MB}
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._budget import memory_settings


class FilterModule:
    """Filters over memory."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"memory_settings": memory_settings}
