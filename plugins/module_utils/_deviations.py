# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles may and should not, or the other way round, in lines to read. No connection: the controller has no psycopg2."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any


def deviation_lines(
    granted: Mapping[str, Any], deviations: Iterable[Mapping[str, Any]], locked_out: Collection[str] = ()
) -> list[str]:
    """What M(ai_micro.postgres.postgres_access) found in the entries of the catalog, then what the trial found of their effect.

    Undeclared roles that may log in come first; those in C(locked_out) are known and no deviation, unless they are superusers.
    """
    lines = []
    for key, verb in (("missing", "lacks"), ("excess", "has")):
        for entry in granted[key]:
            place = f"{entry['database']}: " if entry["database"] else ""
            # The value of a setting may be a secret.
            privileges = ["a value"] if entry["kind"] == "setting" else entry["privileges"]
            what = f"{', '.join(privileges)} ({entry['kind']} {entry['name']})"
            state = "declared" if key == "missing" else "not declared"
            lines.append(f"{place}{entry['role']} {verb} {what}, which is {state}.")
    return [*_undeclared(granted, locked_out), *lines, *(str(each["line"]) for each in deviations)]


def _undeclared(granted: Mapping[str, Any], known: Collection[str]) -> list[str]:
    superusers = granted.get("undeclared_superusers", ())
    strangers = [name for name in granted.get("undeclared_logins", ()) if name not in (*superusers, *known)]
    remedy = "no declaration names it, and no run takes that away: DROP ROLE"
    return [
        *(f"{name} is a superuser, {remedy} it, or ALTER ROLE … NOSUPERUSER NOLOGIN." for name in superusers),
        *(
            f"{name} may log in, {remedy} it, ALTER ROLE … NOLOGIN, or name it in postgres_instance_lock_out."
            for name in strangers
        ),
    ]
