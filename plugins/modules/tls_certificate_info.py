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
    V(expired), V(renew), V(ca_renew), V(names) and V(mode).
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

import datetime
import os
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.ai_micro.postgres.plugins.module_utils import _certificate


def read(path: str) -> bytes:
    """Return the content of a file."""
    with open(path, "rb") as file:
        return file.read()


def mode_problems(path: str, group: int) -> list[dict[str, str]]:
    """Say what of a key's owner, group and mode PostgreSQL or an auditor refuses."""
    info = os.stat(path)
    mode = stat.S_IMODE(info.st_mode)
    if (info.st_uid, info.st_gid, mode) == (0, group, 0o640):
        return []
    found = f"{info.st_uid}:{info.st_gid} {mode:04o}"
    return [{"check": "mode", "message": f"The private key {path} is {found} where 0:{group} 0640 is wanted."}]


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
    result: dict[str, Any] = {"changed": False, "problems": [], "not_after": "", "names": []}
    paths = {part: params[part] for part in ("certificate", "private_key", "ca")}
    result["problems"] = [
        {"check": "missing", "message": f"{path} does not exist."}
        for path in paths.values()
        if not os.path.exists(path)
    ]
    if not result["problems"]:
        pems = {part: read(path) for part, path in paths.items()}
        now = datetime.datetime.now(datetime.timezone.utc)
        problems = _certificate.certificate_problems(pems, params["names"], params["renew_days"], now)
        result["problems"] = problems + mode_problems(params["private_key"], params["key_group"])
        if not any(problem["check"] == "certificate" for problem in problems):
            leaf = _certificate.load_chain(pems["certificate"])[0]
            result["not_after"] = _certificate.not_after(leaf).isoformat()
            result["names"] = _certificate.names_of(leaf)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
