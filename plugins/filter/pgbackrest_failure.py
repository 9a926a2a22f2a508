# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pgbackrest_failure
short_description: Find in the output of pgBackRest why it failed
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the first error with its cause and the remedy in one sentence, or the last line of the output where none says error.
options:
  _input:
    description: Output of pgbackrest.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say why a restore failed
  ansible.builtin.debug:
    msg: "{{ 'ERROR: [082]: WAL segment 000000010000000000000007 was not archived before the 60000ms timeout' | ai_micro.postgres.pgbackrest_failure }}"
"""

RETURN = r"""
_value:
  description: The reason and what to do, with a full stop.
  type: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import failure


class FilterModule:
    """Filters over the output of pgBackRest."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"pgbackrest_failure": lambda output: failure([output])}
