# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: judge_certificate
short_description: Say what is wrong with the certificate that a look at the host has seen
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - The same checks as M(ai_micro.postgres.tls_certificate_info), over what M(ai_micro.postgres.postgres_host_info) has read already.
options:
  _input:
    description: C(certificate) of the result of M(ai_micro.postgres.postgres_host_info), or null where the host could not read it.
    type: dict
    required: true
  names:
    description: DNS names and addresses that the certificate must hold.
    type: list
    elements: str
    required: true
  renew_days:
    description: A certificate with fewer days left is to be renewed.
    type: int
    required: true
  key_group:
    description: Number of the group that reads the key beside its owner root; without it owner and mode are not judged.
    type: int
positional: names, renew_days, key_group
"""

EXAMPLES = r"""
- name: Stop where the certificate does not serve
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | map(attribute='message') | join(' ') }}"
  vars:
    problems: "{{ host.certificate | ai_micro.postgres.judge_certificate(['localhost'], 30, 999) }}"
"""

RETURN = r"""
_value:
  description:
    - The problems, each with C(message) (one sentence) and C(check), as in RV(ai_micro.postgres.tls_certificate_info#module:problems); V(unknown)
      where the host could not read the certificate. Empty where there is none.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._certificate_judge import judge_certificate


class FilterModule:
    """Filters over certificates."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"judge_certificate": judge_certificate}
