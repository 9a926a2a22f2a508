# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The declared SQL of one database, made fit for a transaction in a scratch database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._psql import Command, ScriptError, Statement, parse
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import SchemaError
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident

# What pg_dump writes around its output, and what only speaks to a person.
_QUIET_COMMANDS = {"restrict", "unrestrict", "echo", "qecho", "warn", "pset", "timing", "x", "t", "a", "encoding"}
# Each statement is a transaction's part here anyway, and nothing is there to be vacuumed.
_SKIPPED = ("BEGIN", "START", "COMMIT", "END", "VACUUM", "ANALYZE", "CHECKPOINT", "REINDEX")
_REFUSED = (
    (("CREATE", "DATABASE"), "the definition is that of one database: leave CREATE DATABASE out"),
    (("DROP", "DATABASE"), "the definition is that of one database: leave DROP DATABASE out"),
    (("CREATE", "TABLESPACE"), "a tablespace belongs to the server: leave CREATE TABLESPACE out"),
    (("DROP", "TABLESPACE"), "a tablespace belongs to the server: leave DROP TABLESPACE out"),
    (("ALTER", "SYSTEM"), "ALTER SYSTEM changes the server: leave it out"),
    (("CREATE", "SUBSCRIPTION"), "a subscription would connect to another server: leave it out"),
    (("DROP", "SUBSCRIPTION"), "a subscription belongs to another server too: leave it out"),
    (("ROLLBACK",), "a definition cannot take back what it did: leave ROLLBACK out"),
    (("ABORT",), "a definition cannot take back what it did: leave ABORT out"),
    (("PREPARE", "TRANSACTION"), "PREPARE TRANSACTION would outlive the scratch database: leave it out"),
)


class Piece(NamedTuple):
    """A statement to be sent, and the line that it came from."""

    sql: str
    line: int
    data: Optional[str] = None
    commits: bool = False  # what it makes can be used only in another transaction


def read_definition(text: str, target: str, scratch: str) -> list[Piece]:
    """Turn SQL text into statements; C(target), the database that they speak of, becomes C(scratch)."""
    pieces = []
    try:
        for item in parse(text):
            if isinstance(item, Command):
                _refuse_command(item)
            else:
                piece = _piece(item, target, scratch)
                if piece:
                    pieces.append(piece)
    except ScriptError as error:
        raise SchemaError(f"definition: {error}") from error
    return pieces


def _refuse_command(command: Command) -> None:
    if command.name not in _QUIET_COMMANDS:
        raise SchemaError(
            f"definition, line {command.line}: \\{command.name} is a command of psql; read the file with the lookup "
            "ai_micro.postgres.database_definition, which follows \\connect, \\i, \\ir, \\set and \\gexec."
        )


def _piece(statement: Statement, target: str, scratch: str) -> Optional[Piece]:
    if statement.ended_by not in ("", "g", "gx"):
        _refuse_command(Command(statement.ended_by, (), statement.line))
    for words, reason in _REFUSED:
        if statement.starts(*words):
            raise SchemaError(f"definition, line {statement.line}: {reason}.")
    if statement.words and not statement.words[0].quoted and statement.words[0].text in _SKIPPED:
        return None
    sql = _without_concurrently(statement)
    return Piece(_renamed(sql, statement, target, scratch), statement.line, statement.data, _adds_label(statement))


def _adds_label(statement: Statement) -> bool:
    """Whether it adds a label to an enumeration, which no statement of the same transaction may use."""
    words = [word.text for word in statement.words if not word.quoted]
    return statement.starts("ALTER", "TYPE") and ("ADD", "VALUE") in zip(words, words[1:])


def _without_concurrently(statement: Statement) -> str:
    """Blank the word, so that places in the text stay what they are."""
    sql = statement.sql
    if statement.words and statement.words[0].text in ("CREATE", "DROP", "ALTER", "REFRESH"):
        for word in statement.words:
            if word.text == "CONCURRENTLY" and not word.quoted:
                sql = sql[: word.start] + " " * (word.end - word.start) + sql[word.end :]
    return sql


def _renamed(sql: str, statement: Statement, target: str, scratch: str) -> str:
    """What is said about the database by its name is said about the scratch database."""
    words = statement.words
    if not words or words[0].text not in ("GRANT", "REVOKE", "ALTER", "COMMENT"):
        return sql
    for at, word in enumerate(words[:-1]):
        spoken = word.text == "DATABASE" and not word.quoted and (at == 1 or words[at - 1].text == "ON")
        named = words[at + 1]
        if spoken and (named.text if named.quoted else named.text.lower()) == target:
            return sql[: named.start] + ident(scratch) + sql[named.end :]
    return sql


def batches(pieces: Sequence[Piece], size: int) -> list[list[Piece]]:
    """Group statements; rows to copy in stand alone, and what has to be committed ends its group."""
    found: list[list[Piece]] = []
    for piece in pieces:
        if piece.data is not None:
            found.append([piece])
        elif found and found[-1][-1].data is None and not found[-1][-1].commits and len(found[-1]) < size:
            found[-1].append(piece)
        else:
            found.append([piece])
    return found
