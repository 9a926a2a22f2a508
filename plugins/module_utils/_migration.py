# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbered migrations of one database and its history of them: which are to be run, and what forbids it. No connection."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._psql import Command, ScriptError, Statement, parse

HISTORY = "ai_micro.schema_migration"
# Read by the role's script of the first start too, so it must not mind being run again.
HISTORY_SQL = """CREATE SCHEMA IF NOT EXISTS ai_micro;
CREATE TABLE IF NOT EXISTS ai_micro.schema_migration (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    baseline   boolean NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    applied_by name NOT NULL DEFAULT CURRENT_USER
);
COMMENT ON TABLE ai_micro.schema_migration IS 'Migrations that this database has had; baseline: it was created with what they bring.'"""
READ_SQL = "SELECT name, checksum, baseline FROM ai_micro.schema_migration ORDER BY name"
BASELINE_SQL = """INSERT INTO ai_micro.schema_migration (name, checksum, baseline) VALUES (%s, %s, true) ON CONFLICT DO NOTHING;
"""
RECORD_SQL = "INSERT INTO ai_micro.schema_migration (name, checksum, baseline) VALUES (%s, %s, %s)"

_NAME = re.compile(r"(\d{4})_[A-Za-z0-9_-]+\.sql")
_HEAD = re.compile(r"(?:[ \t]*(?:--[^\n]*)?(?:\n|\Z))*?[ \t]*--[ \t]*migration:[ \t]*(?P<words>[^\n]*)")
_ALONE = "no transaction"
# What would end the transaction that holds a migration and its record together.
_CONTROL = ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION")


class MigrationError(Exception):
    """What the user has to mend, as one sentence."""


class Applied(NamedTuple):
    """One line of a database's history."""

    name: str
    checksum: str
    baseline: bool


class Migration(NamedTuple):
    """One file."""

    name: str
    content: str
    transaction: bool
    statements: tuple[str, ...]

    @property
    def number(self) -> int:
        return int(self.name[:4])

    @property
    def checksum(self) -> str:
        return checksum(self.content)


def checksum(content: str) -> str:
    """Hash a file, the same for either end of line: git may change them on its way to a controller."""
    return "sha256:" + hashlib.sha256(content.replace("\r\n", "\n").encode()).hexdigest()


def read_migrations(files: Sequence[Mapping[str, Any]]) -> list[Migration]:
    """Check names, numbers and contents, and give the migrations in their order."""
    found = sorted((_read(file["name"], file["content"]) for file in files), key=lambda migration: migration.name)
    for place, migration in enumerate(found, 1):
        if migration.number < place:
            raise MigrationError(
                f"{found[place - 2].name} and {migration.name} have the same number: give the later one the next number."
            )
        if migration.number > place:
            raise MigrationError(
                f"Number {place:04d} is missing before {migration.name}: numbers begin with 0001 and leave none out."
            )
    return found


def _read(name: str, content: str) -> Migration:
    if not _NAME.fullmatch(name):
        raise MigrationError(f"{name} is no name of a migration: call it as 0001_what_it_does.sql.")
    head = _HEAD.match(content)
    if head and head["words"].strip().rstrip(".") != _ALONE:
        raise MigrationError(
            f"{name}: its head says `-- migration: {head['words'].strip()}`, but only `{_ALONE}` is known."
        )
    transaction = head is None
    try:
        statements = tuple(_statement(name, item, transaction) for item in parse(content))
    except ScriptError as error:
        raise MigrationError(f"{name}: {error}") from error
    if not statements:
        raise MigrationError(f"{name} holds no statement: a migration that does nothing is not needed.")
    return Migration(name, content, transaction, statements)


def _statement(name: str, item: Statement | Command, transaction: bool) -> str:
    if isinstance(item, Command):
        raise MigrationError(
            f"{name}, line {item.line}: \\{item.name} is a command of psql, and migrations are plain SQL."
        )
    if item.data is not None or item.ended_by:
        raise MigrationError(
            f"{name}, line {item.line}: COPY FROM stdin and \\g are psql's: write INSERT and a semicolon."
        )
    if any(item.starts(*words.split()) for words in _CONTROL):
        remedy = f"leave it out, or begin the file with `-- migration: {_ALONE}`" if transaction else "leave it out"
        raise MigrationError(f"{name}, line {item.line}: a migration begins and ends no transaction itself: {remedy}.")
    return item.sql


def pending(migrations: Sequence[Migration], history: Sequence[Applied]) -> list[Migration]:
    """Give those that the database has not had, or say why its history and the files do not fit."""
    applied = {entry.name: entry for entry in history}
    files = {migration.name: migration for migration in migrations}
    for entry in history:
        if entry.name not in files:
            raise MigrationError(f"{entry.name} was applied, and its file is not there any more: put it back.")
        if files[entry.name].checksum != entry.checksum:
            raise MigrationError(
                f"{entry.name} was changed after it had been applied: restore it, and write a new migration for what is new."
            )
    waiting = [migration for migration in migrations if migration.name not in applied]
    newest = max(applied, default="")
    for migration in waiting:
        if migration.name < newest:
            raise MigrationError(
                f"{migration.name} comes before {newest}, which was applied already: give it the next number."
            )
    return waiting


def first_start(databases: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Write the psql scripts around the one that creates databases, by which those that it creates get their baseline.

    Only what did not exist when psql began counts as created: the variables that say so live as long as psql does.
    """
    before, after = [], []
    for number, (name, files) in enumerate(sorted(databases.items()), 1):
        migrations = read_migrations(files)
        if not migrations:
            continue
        exists = f"EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {literal(name)})"
        before.append(f"SELECT NOT {exists} AS ai_micro_new_{number} \\gset\n")
        records = "".join(BASELINE_SQL % (literal(each.name), literal(each.checksum)) for each in migrations)
        after.append(
            f"SELECT :'ai_micro_new_{number}'::boolean AND {exists} AS ai_micro_new_{number} \\gset\n"
            f"\\if :ai_micro_new_{number}\n\\connect {quoted(name)}\n"
            f"SET client_min_messages = warning;\nBEGIN;\n{HISTORY_SQL};\n{records}COMMIT;\n\\endif\n"
        )
    return {"before": "".join(before), "after": "".join(after)}


def literal(text: str) -> str:
    """Quote a string for SQL, a backslash not escaping anything."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Quote an argument of a command of psql."""
    return '"' + name.replace('"', '""') + '"'


def lines(entries: Sequence[Applied]) -> str:
    """Write a history for a diff, a line per migration."""
    return "".join(f"{entry.name}{' (baseline)' if entry.baseline else ''}\n" for entry in entries)
