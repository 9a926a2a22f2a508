# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether logins come in as clients do: over TCP with verified TLS by their password, and without TLS not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    APPLICATION_NAME,
    CONNECT_TIMEOUT,
    Session,
    refusal,
)

# A trial that took the last connection would shut out the client that it is for.
ROOM_SQL = """
SELECT r.rolname AS name, r.rolconnlimit AS allowed,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid) AS used,
       pg_catalog.current_setting('max_connections')::integer
       - pg_catalog.current_setting('superuser_reserved_connections')::integer
       - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'client backend') AS free
FROM pg_catalog.pg_roles r WHERE r.rolname = ANY (%(logins)s::text[])
"""
# The server looks at a role's limit only once it has taken the password.
ACCEPTED = r"too many connections for role"
# The server says nothing yet of who may come in.
UNDECIDED = r"too many clients|remaining connection slots|starting up|shutting down|recovery"
# What to do about a login that is refused, by what libpq or the server says; the first match wins.
REMEDIES: tuple[tuple[str, str], ...] = (
    (r"pg_hba\.conf", "run site.yml --tags instance, which puts the declared pg_hba.conf in force"),
    (
        r"certificate|private key|SSL|tlsv1",
        "run site.yml --tags tls, which issues what has expired, and name what it lacks in postgres_tls_names",
    ),
    (
        r"Connection refused|timeout|timed out|No route to host|unexpectedly",
        "run site.yml --tags instance, which publishes the port, and see whether a firewall is in between",
    ),
    ("", "run site.yml --tags access, which gives the role its password and its privileges"),
)


def arguments_of(login: Mapping[str, Any], ssl_mode: str) -> dict[str, Any]:
    """What psycopg2 connects by: verified by the name that clients use, at the address that is published."""
    wanted = {
        "host": login["host"],
        "hostaddr": login["address"],
        "port": login["port"],
        "dbname": login["database"],
        "user": login["name"],
        "password": login["password"],
        "sslmode": ssl_mode,
        "sslrootcert": login["ca_cert"],
        "sslcert": login.get("ssl_cert"),
        "sslkey": login.get("ssl_key"),
        "application_name": APPLICATION_NAME,
        "connect_timeout": CONNECT_TIMEOUT,
    }
    return {name: value for name, value in wanted.items() if value not in ("", None)}


def has_room(row: Mapping[str, Any]) -> bool:
    """Whether a client still finds a connection while the trial has one."""
    allowed = row["allowed"]
    return bool(row["free"] >= 2 and (allowed < 0 or allowed - row["used"] >= min(2, allowed)))


def judge(login: Mapping[str, Any], verified: str, plain: str) -> tuple[str, str]:
    """Return what is wrong with a login, and what could not be tried, each one sentence or nothing.

    ``verified`` and ``plain`` say why it was refused with TLS and without, and are empty where it came in.
    """
    place = f"{login['database']}: {login['name']}"
    for said in (verified, plain):
        if re.search(UNDECIDED, said):
            return "", f"{place} could not be tried over TCP: {said}"
    if verified and not re.search(ACCEPTED, verified):
        remedy = next(text for pattern, text in REMEDIES if re.search(pattern, verified))
        return f"{place} does not come in over TLS by the password of the inventory: {remedy}. [{verified}]", ""
    if "pg_hba.conf" in plain:
        return "", ""
    does = "is turned away only after it was asked for its password" if plain else "comes in"
    remedy = "run site.yml --tags instance, which puts the declared pg_hba.conf in force"
    return f"{place} {does} without TLS: {remedy}.{f' [{plain}]' if plain else ''}", ""


def try_logins(shared: Session, logins: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Connect by each login and close again: who came in, what is wrong, what could not be tried."""
    found: dict[str, list[str]] = {"came_in": [], "problems": [], "undecided": []}
    if not logins:
        return found
    room = {row["name"]: row for row in shared.query(ROOM_SQL, {"logins": [login["name"] for login in logins]})}
    for login in logins:
        name = login["name"]
        if name in room and not has_room(room[name]):
            found["undecided"].append(
                f"{login['database']}: {name} was not tried over TCP, because its clients leave no connection to spare."
            )
            continue
        verified = refusal(arguments_of(login, "verify-full"))
        problem, undecided = judge(login, verified, refusal(arguments_of(login, "disable")))
        found["problems"] += [problem] if problem else []
        found["undecided"] += [undecided] if undecided else []
        found["came_in"] += [] if problem or undecided else [name]
    return found
