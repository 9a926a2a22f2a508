# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: judge_adoption
short_description: Decide whether a cluster on first contact can be served
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Judges what M(ai_micro.postgres.postgres_adoption) told of a cluster that the host does not know.
options:
  _input:
    description: The result of M(ai_micro.postgres.postgres_adoption).
    type: dict
    required: true
  look:
    description: The result of M(ai_micro.postgres.postgres_host_info).
    type: dict
    required: true
  wanted:
    description:
      - What is wanted, with the keys C(name), C(volume), C(kept_as), C(port), C(published), C(databases), C(readonly_role), C(lock_out),
        C(superuser_from_network), C(pgvector_version) and C(choice).
    type: dict
    required: true
positional: look, wanted
"""

EXAMPLES = r"""
- name: Refuse a cluster that cannot be served
  ansible.builtin.assert:
    that: verdict.problems | length == 0
    fail_msg: "{{ verdict.problems | join(' ') }}"
  vars:
    verdict: "{{ cluster | ai_micro.postgres.judge_adoption(host, wanted) }}"
"""

RETURN = r"""
_value:
  description:
    - C(adopt) says whether the cluster is another deployment's, C(complete) whether the first start's scripts shall add what is missing,
      C(problems) forbids to go on, C(notes) is worth knowing and C(adopted) is what the host shall remember.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._adoption import judge_adoption


class FilterModule:
    """Filters over clusters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"judge_adoption": judge_adoption}
