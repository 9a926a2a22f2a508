# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which declared databases are there, and which of them have had exactly the migrations that they are declared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._migration import HISTORY, READ_SQL, checksum
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Module, session

EXISTING_SQL = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
RECORDED_SQL = f"SELECT pg_catalog.to_regclass('{HISTORY}') IS NOT NULL AS recorded"


class Unready(NamedTuple):
    """Names of databases that are not to be compared yet."""

    absent: list[str]
    unsettled: list[str]

    def sentences(self) -> list[str]:
        """Say what each lacks."""
        return [
            *(f"Database {name} does not exist: create it." for name in self.absent),
            *(
                f"Database {name} has not had exactly the migrations that it is declared with: apply them by postgres_migration."
                for name in self.unsettled
            ),
        ]


def differs(files: Sequence[Mapping[str, Any]], recorded: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a database's record is not exactly its files: some wait, were changed, or are gone."""
    wanted = sorted((file["name"], checksum(file["content"])) for file in files)
    return wanted != sorted((entry["name"], entry["checksum"]) for entry in recorded)


def look(module: Module, databases: Sequence[Mapping[str, Any]]) -> Unready:
    """Look at those that say which migrations they have; one query for all, and two for each."""
    declared = {each["login_db"]: each["migrations"] for each in databases if each["migrations"] is not None}
    if not declared:
        return Unready([], [])
    with session(module, module.params["login_db"] or "postgres", readonly=True) as server:
        existing = {row["datname"] for row in server.query(EXISTING_SQL)}
    unsettled = []
    for name in (name for name in declared if name in existing):
        with session(module, name, readonly=True) as database:
            (found,) = database.query(RECORDED_SQL)
            recorded = database.query(READ_SQL) if found["recorded"] else []
        if differs(declared[name], recorded):
            unsettled.append(name)
    return Unready([name for name in declared if name not in existing], unsettled)
