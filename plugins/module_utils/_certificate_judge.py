# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server's certificate serves, from the facts that _certificate gathers.

Pure functions that need no library: the controller judges what the look at a host has seen.
"""

from __future__ import annotations

import datetime
import ipaddress
from typing import Any, Optional, Union


def _same_name(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def covers(present: list[str], name: str) -> bool:
    """Say whether a name is among the alternative names, a wildcard standing for one label (RFC 6125)."""
    known = {_same_name(item) for item in present}
    wanted = _same_name(name)
    _label, dot, parent = wanted.partition(".")
    return wanted in known or (bool(dot) and f"*.{parent}" in known)


def judge_certificate(
    facts: Optional[dict[str, Any]], names: list[str], renew_days: Union[int, str], key_group: Optional[int] = None
) -> list[dict[str, str]]:
    """Return what is wrong with a certificate as dicts of check and message.

    To the checks of the facts it adds ``expired`` and ``ca_expired``, ``renew`` and ``ca_renew`` (fewer than ``renew_days``
    days left), ``names`` and, where a group is given that reads the key beside root, ``mode``. Without facts the
    one check is ``unknown``.
    """
    if facts is None:
        message = (
            "Whether it serves is known once Python's cryptography (python3-cryptography) is installed on the host."
        )
        return [{"check": "unknown", "message": message}]
    # An inventory, or -e, may give the number as text.
    days = int(renew_days)
    problems = list(facts["problems"])

    def add(check: str, message: str) -> None:
        problems.append({"check": check, "message": message})

    now = datetime.datetime.fromisoformat(facts["now"])
    if facts["not_after"]:
        begin, end = (datetime.datetime.fromisoformat(facts[name]) for name in ("not_before", "not_after"))
        left = end - now
        if left <= datetime.timedelta(0):
            add("expired", f"The certificate expired on {end:%Y-%m-%d}.")
        elif now < begin:
            add("expired", f"The certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC.")
        elif left < datetime.timedelta(days=days):
            add("renew", f"The certificate expires on {end:%Y-%m-%d}, in {left.days} days.")
        lacking = [name for name in names if not covers(facts["names"], name)]
        if lacking:
            add("names", f"The certificate lacks the names {', '.join(lacking)}.")
    if facts["ca_not_after"]:
        end = datetime.datetime.fromisoformat(facts["ca_not_after"])
        if end <= now:
            add("ca_expired", f"The CA certificate expired on {end:%Y-%m-%d}.")
        elif end - now < datetime.timedelta(days=days):
            add("ca_renew", f"The CA certificate expires on {end:%Y-%m-%d}.")
    key = facts["key"]
    if key and key_group is not None and (key["owner"], key["group"], key["mode"]) != (0, key_group, "0640"):
        found = f"{key['owner']}:{key['group']} {key['mode']}"
        add("mode", f"The private key {key['path']} is {found} where 0:{key_group} 0640 is wanted.")
    return problems
