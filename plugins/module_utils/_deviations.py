# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles may and should not, or the other way round, in lines to read. No connection: the controller has no psycopg2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def deviation_lines(granted: Mapping[str, Any], deviations: Iterable[Mapping[str, Any]]) -> list[str]:
    """What M(ai_micro.postgres.postgres_access) found in the entries of the catalog, then what the trial found of their effect."""
    lines = []
    for key, verb in (("missing", "lacks"), ("excess", "has")):
        for entry in granted[key]:
            place = f"{entry['database']}: " if entry["database"] else ""
            what = f"{', '.join(entry['privileges'])} ({entry['kind']} {entry['name']})"
            state = "declared" if key == "missing" else "not declared"
            lines.append(f"{place}{entry['role']} {verb} {what}, which is {state}.")
    return [*lines, *(str(each["line"]) for each in deviations)]
