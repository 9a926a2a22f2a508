# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading files in the form of postgresql.conf without a server."""

from __future__ import annotations

import re

MASK = "********"
# Values that may hold a password: connection strings, commands, and whatever an extension defines.
_SECRET = re.compile(r"^(?:primary_conninfo|\w+_command|.*\..*)$")
_LINE = re.compile(r"^\s*([A-Za-z_][\w.]*)(?:\s*=\s*|\s+)('(?:[^'\\]|''|\\.)*'|[^\s#']+)")
_ESCAPE = re.compile(r"''|\\(.)")


def parse_settings(text: str) -> dict[str, str]:
    """Return the settings of a configuration file by name; the last one of a name counts, as in the server.

    A value that may hold a password is masked.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            name, value = match[1].lower(), match[2]
            found.pop(name, None)
            found[name] = MASK if _SECRET.match(name) else _unquote(value)
    return found


def _unquote(value: str) -> str:
    if not value.startswith("'"):
        return value
    return _ESCAPE.sub(lambda match: match[1] or "'", value[1:-1])


def read_settings(path: str) -> dict[str, str]:
    """Return the settings of a file, none where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_settings(file.read())
    except OSError:
        return {}
