# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""By which logins, and at which door, a trial comes in as clients do. No connection: the controller has no psycopg2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import SUPERUSER
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import first_match

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the place to knock where it is published on all


def door(published: Sequence[str]) -> Optional[tuple[str, int]]:
    """Address and port by which the host itself comes in: loopback where that is published, which no firewall is asked about."""
    places = []
    for place in published:
        address, _colon, port = place.rpartition(":")
        # A container that was made by hand may leave the port to the Engine.
        if port.isdigit():
            places.append((_EVERYWHERE.get(address, address), int(port)))
    own = [place for place in places if place[0] == "::1" or place[0].startswith("127.")]
    return next(iter(own or places), None)


def trial_logins(
    databases: Sequence[Mapping[str, Any]],
    passwords: Mapping[str, str],
    logins: Mapping[str, str],
    readonly_role: str,
    hba: Sequence[Mapping[str, Any]],
    published: Sequence[str],
    host: str,
    directory: str,
) -> list[dict[str, Any]]:
    """Return the C(logins) of M(ai_micro.postgres.postgres_access_trial).

    Of a service it is the login that has its turn, whose password is the inventory's at every moment of a rotation that counts.
    Left out is who has no password, whom pg_hba.conf does not let in from everywhere, and everybody where nothing is published.
    """
    entrance = door(published)
    if entrance is None:
        return []
    address, port = entrance
    wanted = [(database["role"], logins.get(database["role"], database["role"]), database) for database in databases]
    for name in (readonly_role, SUPERUSER):
        open_to = [database for database in databases if first_match(hba, database["name"], name)]
        wanted += [(name, name, database) for database in open_to[:1]]
    found: list[dict[str, Any]] = []
    for role, login, database in wanted:
        if not passwords.get(role) or not first_match(hba, database["name"], login):
            continue
        entry = {
            "name": login,
            "password": passwords[role],
            "database": database["name"],
            "host": host,
            "address": address,
            "port": port,
            "ca_cert": f"{directory}/tls/ca.crt",
        }
        if database.get("client_certificate") and login != SUPERUSER and role != readonly_role:
            entry["ssl_cert"], entry["ssl_key"] = (f"{directory}/clients/{login}.{end}" for end in ("crt", "key"))
        found.append(entry)
    return found
