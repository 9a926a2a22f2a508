#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_certificate_info
short_description: Say whether a server's certificate, key and CA on a host serve
version_added: 1.0.0
description:
  - Checks that the key belongs to the certificate, that the CA issued it, that it is valid and for how long, that it holds the names
    that clients use, and that owner and mode of the key are what PostgreSQL accepts.
requirements:
  - cryptography (python3-cryptography on Debian) on the host
attributes:
  check_mode:
    support: full
    description: Reads only, in check mode as well as out of it.
  diff_mode:
    support: none
    description: There is nothing to compare.
  platform:
    support: full
    platforms: posix
    description: POSIX hosts.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  certificate:
    description: File with the certificate, intermediates after it.
    type: path
    required: true
  private_key:
    description: File with the private key.
    type: path
    required: true
  ca:
    description: File with the certificate of the CA that clients trust.
    type: path
    required: true
  names:
    description: DNS names and addresses that the certificate must hold.
    type: list
    elements: str
    default: []
  renew_days:
    description: A certificate with fewer days left is to be renewed.
    type: int
    default: 30
  key_group:
    description: Number of the group that reads the key beside its owner root.
    type: int
    default: 999
"""

EXAMPLES = r"""
- name: Check the certificate of the server
  ai_micro.postgres.tls_certificate_info:
    certificate: /etc/ai-micro-postgres/tls/server.crt
    private_key: /etc/ai-micro-postgres/tls/server.key
    ca: /etc/ai-micro-postgres/tls/ca.crt
    names: [localhost, host.docker.internal]
  register: tls

- name: Stop where it does not serve
  ansible.builtin.assert:
    that: tls.problems | length == 0
    fail_msg: "{{ tls.problems | map(attribute='message') | join(' ') }}"
"""

RETURN = r"""
problems:
  description: >-
    What is wrong, each with C(message) (one sentence) and C(check), one of V(missing), V(certificate), V(private_key), V(ca), V(key), V(chain),
    V(expired), V(ca_expired), V(renew), V(ca_renew), V(names) and V(mode).
  returned: success
  type: list
  elements: dict
  sample: [{check: renew, message: "The certificate expires on 2026-12-01, in 8 days."}]
not_after:
  description: End of the certificate's validity in UTC, empty where it cannot be read.
  returned: success
  type: str
  sample: "2029-02-26T10:00:00+00:00"
names:
  description: Names and addresses that the certificate holds.
  returned: success
  type: list
  elements: str
  sample: [localhost, 127.0.0.1]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.ai_micro.postgres.plugins.module_utils import _certificate
from ansible_collections.ai_micro.postgres.plugins.module_utils._certificate_judge import judge_certificate


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "certificate": {"type": "path", "required": True},
            "private_key": {"type": "path", "required": True, "no_log": False},
            "ca": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "renew_days": {"type": "int", "default": 30},
            "key_group": {"type": "int", "default": 999, "no_log": False},
        },
        supports_check_mode=True,
    )
    if not _certificate.HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography (python3-cryptography)"))
    params = module.params
    facts = _certificate.look_at_certificate({part: params[part] for part in ("certificate", "private_key", "ca")})
    module.exit_json(
        changed=False,
        problems=judge_certificate(facts, params["names"], params["renew_days"], params["key_group"]),
        not_after=facts["not_after"],
        names=facts["names"],
    )


if __name__ == "__main__":
    main()
