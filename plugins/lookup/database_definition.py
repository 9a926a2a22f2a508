# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_definition
short_description: Read the part of a psql script that declares one database
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Reads a psql script on the controller and returns what it does in one database, as SQL for O(ai_micro.postgres.postgres_schema#module:definition).
  - C(\\connect) and C(\\c) tell the databases apart, whether all of them stand in one file or in files that C(\\i) and C(\\ir) include. Variables of C(\\set)
    are filled in. Statements that C(\\gexec) would have executed become a block that does the same.
  - Quotes, dollar quotes and comments are left as they are. A metacommand that only a running psql could carry out is an error.
options:
  _terms:
    description: Paths of scripts; they are read one after the other, as psql reads several C(-f).
    type: list
    elements: path
    required: true
  database:
    description: Name of the database whose definition is wanted.
    type: str
    required: true
  initial:
    description: The database that psql would be connected to at the beginning. A script without C(\\connect) is that of this database.
    type: str
    default: postgres
seealso:
  - module: ai_micro.postgres.postgres_schema
"""

EXAMPLES = r"""
- name: Verify admindb against the one script that declares all databases
  ai_micro.postgres.postgres_schema:
    login_db: admindb
    definition: "{{ lookup('ai_micro.postgres.database_definition', 'files/init.sql', database='admindb') }}"
"""

RETURN = r"""
_raw:
  description: SQL text, one element for all paths together.
  type: list
  elements: str
  sample: ["CREATE TABLE users (id uuid PRIMARY KEY);"]
"""

import os
import re
from typing import Any, Optional

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.ai_micro.postgres.plugins.module_utils._psql import (
    Command,
    ScriptError,
    Statement,
    parse,
)

# What has no bearing on the schema.
_IGNORED = {"echo", "qecho", "warn", "pset", "timing", "x", "t", "a", "encoding", "restrict", "unrestrict"}
_INCLUDES = {"i", "include", "ir", "include_relative"}
_MAXIMUM_DEPTH = 50
_DATABASE = re.compile(r"\bdbname\s*=\s*(?:'(?P<quoted>[^']*)'|(?P<plain>\S+))")


class Reader:
    """Follows a script as psql would, and keeps what it does in one database."""

    def __init__(self, wanted: str, initial: str) -> None:
        self.wanted = wanted
        self.current = initial
        self.variables: dict[str, str] = {}
        self.found: list[str] = []
        self.seen = initial == wanted

    def read(self, path: str, depth: int = 0) -> None:
        """Go through one file and those that it includes."""
        if depth > _MAXIMUM_DEPTH:
            raise AnsibleLookupError(f"The psql script {path} includes itself: end the circle.")
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise AnsibleLookupError(f"The psql script {path} cannot be read: {reason}.") from error
        try:
            for item in parse(text, self.variables):
                if isinstance(item, Statement):
                    self.take(item, path)
                elif not self.obey(item, path, depth):
                    return
        except ScriptError as error:
            raise AnsibleLookupError(f"{path}: {error}") from error

    def take(self, statement: Statement, path: str) -> None:
        if self.current != self.wanted:
            return
        if statement.ended_by == "gexec":
            self.found.append(executed(statement.sql))
        elif statement.ended_by in ("", "g", "gx"):
            rows = f"\n{statement.data}\\.\n" if statement.data is not None else ""
            self.found.append(f"{statement.sql};{rows}")
        else:
            raise AnsibleLookupError(
                f"{path}, line {statement.line}: \\{statement.ended_by} needs a running psql: leave it out."
            )

    def obey(self, command: Command, path: str, depth: int) -> bool:
        """Do what a metacommand says; false where it ends the file."""
        name, arguments = command.name, command.arguments
        if name in ("c", "connect"):
            self.connect(arguments)
        elif name in _INCLUDES and arguments:
            beside = os.path.dirname(os.path.abspath(path)) if name in ("ir", "include_relative") else os.getcwd()
            target = os.path.join(beside, arguments[0])
            if name in ("i", "include") and not os.path.exists(target):
                # psql is mostly started where the script is.
                target = os.path.join(os.path.dirname(os.path.abspath(path)), arguments[0])
            self.read(target, depth + 1)
        elif name == "set" and arguments:
            self.variables[arguments[0]] = "".join(arguments[1:])
        elif name == "unset" and arguments:
            self.variables.pop(arguments[0], None)
        elif name in ("q", "quit"):
            return False
        elif name not in _IGNORED:
            raise AnsibleLookupError(f"{path}, line {command.line}: \\{name} needs a running psql: leave it out.")
        return True

    def connect(self, arguments: tuple[str, ...]) -> None:
        names = [argument for argument in arguments if not argument.startswith("-reuse-previous")]
        if not names or names[0] == "-":
            return
        name = names[0]
        if "dbname=" in name:
            found = _DATABASE.search(name)
            name = (found["quoted"] or found["plain"] or "") if found else ""
        elif "://" in name:
            name = name.partition("://")[2].partition("/")[2].partition("?")[0]
        self.current = name
        self.seen = self.seen or name == self.wanted


def read_definition(paths: list[str], database: str, initial: str) -> str:
    """Return what the scripts do in one database, as SQL."""
    reader = Reader(database, initial)
    for path in paths:
        reader.read(os.path.abspath(os.path.expanduser(path)))
    if not reader.seen:
        raise AnsibleLookupError(
            f"The psql script {', '.join(paths)} never connects to database {database}: correct the name, or set initial."
        )
    return "\n".join(reader.found) + "\n"


def executed(query: str) -> str:
    """Write a block that runs every value of a query's rows as a statement, as C(\\gexec) does."""
    tag = "$gexec$"
    while tag in query:
        tag = tag[:-1] + "x$"
    inner = tag[:-1] + "q$"
    return (
        f"DO {tag} DECLARE made record; made_sql text; BEGIN FOR made IN EXECUTE {inner}{query}{inner} LOOP "
        "FOR made_sql IN SELECT value FROM pg_catalog.json_each_text(pg_catalog.row_to_json(made)) "
        f"WHERE value IS NOT NULL LOOP EXECUTE made_sql; END LOOP; END LOOP; END {tag};"
    )


class LookupModule(LookupBase):
    """Lookup of one database's part of psql scripts."""

    def run(self, terms: list[str], variables: Optional[dict[str, Any]] = None, **kwargs: Any) -> list[str]:
        """Return the SQL of the wanted database."""
        self.set_options(var_options=variables, direct=kwargs)
        return [read_definition(terms, str(self.get_option("database")), str(self.get_option("initial")))]
