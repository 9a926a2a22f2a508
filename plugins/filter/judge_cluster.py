# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: judge_cluster
short_description: Decide what a data volume needs
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Compares the cluster in the volume with the one that the host remembers.
options:
  _input:
    description: The result of M(ai_micro.postgres.postgres_host_info).
    type: dict
    required: true
  wanted:
    description: What is wanted, with the keys C(name), C(volume), C(kept_as) and C(choice).
    type: dict
    required: true
positional: wanted
"""

EXAMPLES = r"""
- name: Say what the volume needs
  ansible.builtin.debug:
    msg: "{{ (host | ai_micro.postgres.judge_cluster(wanted)).action }}"
"""

RETURN = r"""
_value:
  description: >-
    C(action) is one of V(initialise), V(discard), V(complete), V(serve), V(adopt) and V(refuse); C(problem) is the sentence that
    goes with V(refuse).
  type: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._preflight import judge_look


def judge(look: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """Apply the judgement to a look at the host."""
    action, problem = judge_look(look, wanted)
    return {"action": action, "problem": problem}


class FilterModule:
    """Filters over a data volume."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"judge_cluster": judge}
