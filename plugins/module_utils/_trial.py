# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles may do against what they are declared to: by the catalog's answers, and by statements that are really sent.

The catalog alone says what ought to happen; a statement says what does. What would do harm if it were allowed (TRUNCATE, a file
written by the server) is sent only where the catalog has said that it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import Right
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import PUBLIC

DENIED = "42501"
# The server gave up for another reason before it was clear whether the role may.
UNDECIDED = ("55P03", "57014", "40P01", "53", "57", "08")
CATALOG, STATEMENT = "catalog", "statement"


class Deviation(NamedTuple):
    """One thing that a role may do and should not, or the other way round."""

    database: str
    role: str
    verb: str
    name: str
    allowed: bool
    by: tuple[str, ...]
    reason: str = ""

    def line(self) -> str:
        place = f"{self.database}: " if self.database else ""
        what = f"{self.verb} {self.name}".strip()
        if self.allowed:
            return f"{place}{self.role} may {what}, which is not declared ({' and '.join(self.by)})."
        reason = f": {self.reason}" if self.reason else f" ({' and '.join(self.by)})"
        return f"{place}{self.role} may not {what}, which is declared{reason}."

    def as_result(self) -> dict[str, Any]:
        return {**self._asdict(), "by": list(self.by), "line": self.line()}


class Table(NamedTuple):
    """A relation as far as trying it needs to know."""

    schema: str
    name: str
    kind: str
    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


class Expected:
    """What the declaration lets each role do in one database; a role has what its groups and PUBLIC have."""

    def __init__(self, rights: Iterable[Right], groups: Mapping[str, Sequence[str]]) -> None:
        self.rights = frozenset(rights)
        self.groups = groups

    def may(self, role: str, privilege: str, kind: str, *path: str) -> bool:
        holders = (role, PUBLIC, *self.groups.get(role, ()))
        return any(Right(Target(kind, path), holder, privilege) in self.rights for holder in holders)

    def columns(self, role: str, privilege: str, table: Table) -> frozenset[str]:
        """Columns of a table with which the role may do something that columns can be granted for."""
        if self.may(role, privilege, "table", table.schema, table.name):
            return frozenset(table.columns)
        path = (table.schema, table.name)
        return frozenset(name for name in table.columns if self.may(role, privilege, "column", *path, name))


def compare_columns(
    database: str, role: str, privilege: str, table: Table, expected: frozenset[str], held: frozenset[str]
) -> list[Deviation]:
    """By the catalog: one line for a table that differs as a whole, one a column otherwise."""
    found = []
    for allowed, columns in ((True, held - expected), (False, expected - held)):
        whole = len(columns) == len(table.columns)
        names = [table.label] if whole and columns else [f"{table.label}.{name}" for name in sorted(columns)]
        found += [Deviation(database, role, privilege, name, allowed, (CATALOG,)) for name in names]
    return found


def compare_one(database: str, role: str, verb: str, name: str, expected: bool, held: bool) -> list[Deviation]:
    """By the catalog, where there is nothing but yes or no."""
    return [] if expected == held else [Deviation(database, role, verb, name, held, (CATALOG,))]


def verdict(code: str) -> Optional[bool]:
    """Whether a statement that ended with an SQLSTATE was allowed; None where that is not known.

    What fails after the permissions were looked at (a constraint, a remote server) was permitted.
    """
    if code.startswith(UNDECIDED):
        return None
    return code != DENIED


def merge(deviations: Iterable[Deviation]) -> list[Deviation]:
    """The same found in two ways is one line."""
    gathered: dict[tuple[Any, ...], Deviation] = {}
    for each in deviations:
        key = each[:5]
        known = gathered.get(key)
        if known is None:
            gathered[key] = each
        else:
            by = known.by + tuple(way for way in each.by if way not in known.by)
            gathered[key] = known._replace(by=by, reason=known.reason or each.reason)
    return sorted(gathered.values())
