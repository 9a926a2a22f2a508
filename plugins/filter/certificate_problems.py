# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_problems
short_description: Say what is wrong with a certificate, its key and its CA
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - The same checks as M(ai_micro.postgres.tls_certificate_info), over texts on the controller, before they are brought to a host.
options:
  _input:
    description: PEM texts with the keys C(certificate), C(private_key) and C(ca).
    type: dict
    required: true
  names:
    description: DNS names and addresses that the certificate must hold.
    type: list
    elements: str
    required: true
positional: names
"""

EXAMPLES = r"""
- name: Refuse a certificate that does not serve
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ {'certificate': crt, 'private_key': key, 'ca': ca} | ai_micro.postgres.certificate_problems(['localhost']) }}"
"""

RETURN = r"""
_value:
  description: The problems, each one sentence; empty where there is none.
  type: list
  elements: str
"""

import datetime
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_micro.postgres.plugins.module_utils._certificate_judge import judge_certificate


def problems_of(pems: dict[str, str], names: list[str]) -> list[str]:
    """Return the sentences on a given certificate; one that is only near its end is no problem yet."""
    # Here, as Ansible loads every filter of a collection to find one, in each task anew, and cryptography takes its time.
    from ansible_collections.ai_micro.postgres.plugins.module_utils import _certificate

    if not _certificate.HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("Python's package cryptography is missing on the controller: install it.")
    now = datetime.datetime.now(datetime.timezone.utc)
    facts = _certificate.certificate_facts({part: text.encode() for part, text in pems.items()}, now)
    return [problem["message"] for problem in judge_certificate(facts, names, 0)]


class FilterModule:
    """Filters over certificates."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"certificate_problems": problems_of}
