# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: overridden_settings
short_description: Say which values of ALTER SYSTEM come before those of the configuration
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Compares postgresql.auto.conf with the configuration; each difference is one sentence that names both values and the remedy.
options:
  _input:
    description: The settings of the configuration by name.
    type: dict
    required: true
  system_settings:
    description: The settings of postgresql.auto.conf by name.
    type: dict
    required: true
positional: system_settings
"""

EXAMPLES = r"""
- name: Say what overrides the configuration
  ansible.builtin.debug:
    msg: "{{ {'work_mem': '4MB'} | ai_micro.postgres.overridden_settings({'work_mem': '8MB'}) }}"
"""

RETURN = r"""
_value:
  description: The sentences, empty where nothing differs.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._adoption import overridden_settings


class FilterModule:
    """Filters over settings."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"overridden_settings": overridden_settings}
