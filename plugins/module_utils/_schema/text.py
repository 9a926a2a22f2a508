# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and literals as SQL text and as words.

Plans are pure data made without a connection, so quoting is done here, by PostgreSQL's own rules. Every session that
runs a plan has C(standard_conforming_strings) on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

# What a name may hold to be shown as it is; a dot in a name would read as a separator.
# What has to make room for something of the same name gets this before its own, or goes to a schema of this name.
ASIDE = "ai_micro_old"
_PLAIN = re.compile(r'[^\s."\x00-\x1f]+')


def ident(name: str) -> str:
    """Quote a name, always: which words are reserved depends on the server's version."""
    return '"' + name.replace('"', '""') + '"'


def quoted(name: str) -> str:
    """Quote a name as PostgreSQL writes it in the name of a type."""
    plain = name.replace("_", "a").isalnum() and name == name.lower() and not name[0].isdigit()
    return name if plain else '"' + name.replace('"', '""') + '"'


def old_name(name: str) -> str:
    """Name what has stepped aside; a name has 63 bytes at most, and PostgreSQL would cut it in the middle."""
    return f"{ASIDE}_{name.encode()[: 62 - len(ASIDE)].decode(errors='ignore')}"


def dotted(names: Iterable[str]) -> str:
    return ".".join(ident(name) for name in names)


def idents(names: Iterable[str]) -> str:
    return ", ".join(ident(name) for name in names)


def literal(value: Any) -> str:
    """Quote a text constant; None is NULL."""
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def shown(names: Sequence[str]) -> str:
    """Name an object in a message: schema public left out, quoted only where it could be misread."""
    parts = list(names)
    if len(parts) > 1 and parts[0] == "public":
        parts = parts[1:]
    return ".".join(part if _PLAIN.fullmatch(part) else ident(part) for part in parts)


def options_clause(options: Iterable[str]) -> str:
    """Turn C(name=value) entries of a catalog into the inside of WITH (...)."""
    pairs = (option.partition("=") for option in options)
    return ", ".join(f"{dotted(name.split('.', 1))} = {literal(value)}" for name, _equals, value in pairs)


def names_clause(options: Iterable[str]) -> str:
    """Turn C(name=value) entries into the inside of RESET (...)."""
    return ", ".join(dotted(option.partition("=")[0].split(".", 1)) for option in options)


def words(value: Any) -> str:
    """Show a value in one short line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(words(item) for item in value) + ")"
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else text[:117] + "..."
