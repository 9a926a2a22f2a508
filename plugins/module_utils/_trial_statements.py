# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statements by which a role is tried. None touches a row, and all are rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._session import sql
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial import Expected, Table

# Made in a transaction that is rolled back, and only where a role may do what it should not.
NAME = "ai_micro_trial"
# A file of the server's that never holds a secret, and a place where nothing is kept.
READ_FILE = "/etc/hostname"
WRITE_FILE = "/tmp/ai_micro_trial"  # noqa: S108


class Trial(NamedTuple):
    """One statement, what it is called in a report, and whether it should be allowed."""

    verb: str
    name: str
    statement: Any
    expected: bool


def table_trials(role: str, table: Table, expected: Expected, held: frozenset[str], owns: bool) -> Iterator[Trial]:
    """What can be done with a table. ``held`` are the table's privileges that the catalog gives the role."""
    path = sql.Identifier(table.schema, table.name)
    readable = expected.columns(role, "SELECT", table)
    if not table.columns:
        # Of a table without columns nothing can be read, and the catalog has been asked.
        pass
    elif readable in (frozenset(), frozenset(table.columns)):
        yield Trial("SELECT", table.label, sql.SQL("SELECT * FROM {} LIMIT 0").format(path), bool(readable))
    else:
        for name in table.columns:
            statement = sql.SQL("SELECT {} FROM {} LIMIT 0").format(sql.Identifier(name), path)
            yield Trial("SELECT", f"{table.label}.{name}", statement, name in readable)
    # A view refuses rows before anybody's privileges are looked at.
    if table.kind in ("r", "p"):
        yield from _row_trials(role, table, expected, path)
        if "TRUNCATE" not in held:
            yield Trial("TRUNCATE", table.label, sql.SQL("TRUNCATE {}").format(path), False)
        if not owns:
            statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} integer").format(path, sql.Identifier(NAME))
            yield Trial("ALTER", table.label, statement, False)


def _row_trials(role: str, table: Table, expected: Expected, path: Any) -> Iterator[Trial]:
    insertable = expected.columns(role, "INSERT", table)
    if table.columns and insertable in (frozenset(), frozenset(table.columns)):
        yield Trial("INSERT", table.label, sql.SQL("INSERT INTO {} SELECT WHERE false").format(path), bool(insertable))
    updatable = expected.columns(role, "UPDATE", table)
    for name in table.columns[:1]:
        statement = sql.SQL("UPDATE {} SET {} = DEFAULT WHERE false").format(path, sql.Identifier(name))
        yield Trial("UPDATE", table.label, statement, name in updatable)
    may_delete = expected.may(role, "DELETE", "table", table.schema, table.name)
    yield Trial("DELETE", table.label, sql.SQL("DELETE FROM {} WHERE false").format(path), may_delete)


def schema_trials(role: str, schema: str, expected: Expected) -> Iterator[Trial]:
    statement = sql.SQL("CREATE TABLE {} ()").format(sql.Identifier(schema, NAME))
    may = expected.may(role, "CREATE", "schema", schema) and expected.may(role, "USAGE", "schema", schema)
    yield Trial("CREATE TABLE in", schema, statement, may)


def database_trials(installed: list[str], available: str, may_create: bool, may_temporary: bool) -> Iterator[Trial]:
    """LangChain's clients ask for their extension first, so what is there must be no error for a role without CREATE."""
    for name in installed:
        statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name))
        yield Trial("CREATE EXTENSION IF NOT EXISTS", name, statement, True)
    if available:
        statement = sql.SQL("CREATE EXTENSION {} SCHEMA pg_catalog").format(sql.Identifier(available))
        yield Trial("CREATE EXTENSION", available, statement, may_create)
    statement = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(NAME))
    yield Trial("CREATE SCHEMA", "", statement, may_create)
    statement = sql.SQL("CREATE TEMPORARY TABLE {} ()").format(sql.Identifier(NAME))
    yield Trial("CREATE TEMPORARY TABLE", "", statement, may_temporary)


def system_trials(held: frozenset[str]) -> Iterator[Trial]:
    """Functions and tables of the system, for which each database has grants of its own."""
    for verb, statement in SYSTEM_STATEMENTS.items():
        if verb not in held:
            yield Trial(verb, "", statement, False)


def server_trials(role: str, others: dict[str, bool], held: frozenset[str]) -> Iterator[Trial]:
    """What belongs to no database. ``others`` says of each other role whether it may be taken on."""
    for name, expected in others.items():
        yield Trial("SET ROLE", name, sql.SQL("SET ROLE {}").format(sql.Identifier(name)), expected)
    for verb, statement in SERVER_STATEMENTS.items():
        if verb not in held:
            yield Trial(verb, "", statement, False)


SYSTEM_STATEMENTS = {
    "read a file (pg_read_file)": f"SELECT pg_catalog.length(pg_catalog.pg_read_file('{READ_FILE}'))",
    "list a directory (pg_ls_dir)": "SELECT pg_catalog.count(*) FROM pg_catalog.pg_ls_dir('.')",
    "read a file (lo_import)": f"SELECT pg_catalog.lo_import('{READ_FILE}')",
    "read verifiers (pg_authid)": "SELECT pg_catalog.count(rolpassword) FROM pg_catalog.pg_authid",
}
SERVER_STATEMENTS = {
    "COPY TO a file": f"COPY (SELECT 1) TO '{WRITE_FILE}'",
    "COPY TO PROGRAM": "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'",
    # Who may not run a program is refused before the table is looked for.
    "COPY FROM PROGRAM": f"COPY {NAME} FROM PROGRAM 'true'",
    "CREATE ROLE": f"CREATE ROLE {NAME} NOLOGIN",
    "SET a superuser's setting": "SET LOCAL log_statement = 'none'",
}
