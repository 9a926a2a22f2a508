# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several modules found in several databases, as one list and as a table to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("database", "kind", "object", "attribute", "declared", "found", "hazard")
# As much of a definition as tells it from another; the whole of it is in the list.
WIDTH = 40


def schema_drift(
    schemas: Sequence[Mapping[str, Any]], migrations: Sequence[Mapping[str, Any]] = (), absent: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return one entry per difference: absent databases, pending migrations, and what M(ai_micro.postgres.postgres_schema) says.

    ``schemas`` names the database as ``login_db``; ``migrations`` are results of a loop, whose item holds its name.
    """
    found = [entry(name, kind="database", object=name, change="missing") for name in absent]
    for result in migrations:
        name = result["item"]["name"]
        found += [entry(name, kind="migration", object=each, change="missing") for each in result.get("pending") or []]
    for result in schemas:
        found += [entry(result["login_db"], **each) for each in result.get("drift") or []]
    return found


def entry(database: str, **given: Any) -> dict[str, Any]:
    return {
        "database": database,
        "attribute": None,
        "expected": None,
        "actual": None,
        "hazard": None,
        "sql": [],
        **given,
    }


def drift_table(drift: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table, its head first; nothing where nothing differs."""
    if not drift:
        return []
    rows = [COLUMNS, *(row(each) for each in drift)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(COLUMNS))]
    return ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows]


def row(each: Mapping[str, Any]) -> tuple[str, ...]:
    values = {"missing": ("present", "missing"), "extra": ("absent", "present")}
    declared, actual = values.get(each["change"], (each["expected"], each["actual"]))
    cells = (each["database"], each["kind"], each["object"], each["attribute"], declared, actual, each["hazard"])
    return tuple(cell(value) for value in cells)


def cell(value: Any) -> str:
    """Return a value in one line that is short enough for a table."""
    if value is None:
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
