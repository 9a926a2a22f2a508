# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a certificate that the inventory gives."""

from __future__ import annotations

import datetime

from ansible.errors import AnsibleFilterError


def problems_of(pems: dict[str, str], names: list[str]) -> list[str]:
    """Return the sentences on a given certificate; one that is only near its end is no problem yet."""
    # Here: a controller needs the package for this filter alone.
    from ansible_collections.ai_micro.postgres.plugins.module_utils import _certificate

    if not _certificate.HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("Python's package cryptography is missing on the controller: install it.")
    now = datetime.datetime.now(datetime.timezone.utc)
    encoded = {part: text.encode() for part, text in pems.items()}
    return [problem["message"] for problem in _certificate.certificate_problems(encoded, names, 0, now)]
