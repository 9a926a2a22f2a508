# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: access_deviations
short_description: Say in lines what roles may and should not
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns a line for each entry of what M(ai_micro.postgres.postgres_access) found missing or in excess, and for each deviation that
    M(ai_micro.postgres.postgres_access_trial) found.
options:
  _input:
    description: Result of M(ai_micro.postgres.postgres_access).
    type: dict
    required: true
  deviations:
    description: Deviations that M(ai_micro.postgres.postgres_access_trial) found.
    type: list
    elements: dict
    required: true
positional: deviations
"""

EXAMPLES = r"""
- name: Show who may do what they should not
  ansible.builtin.debug:
    msg: "{{ granted | ai_micro.postgres.access_deviations(trial.deviations) }}"
"""

RETURN = r"""
_value:
  description: The lines; none where everything is as declared.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._deviations import deviation_lines


class FilterModule:
    """Filters over what was found."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"access_deviations": deviation_lines}
