# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a program of PostgreSQL failed, in one sentence."""

from __future__ import annotations

import re

_ERROR = re.compile(r"(ERROR|FATAL|PANIC|error):")
# What is wrong with a configuration stands in a LOG line; the FATAL one that follows only names the file.
_REASON = re.compile(
    r"LOG: +(?!.*(?:startup packet|from client|to client))"
    r".*(?:unrecognized|invalid|syntax error|outside the valid range|could not|requires|end-of-line before)"
)
# What clients were told that came too early is not why the server failed.
_WAITING = re.compile(r"FATAL: +the database system is (starting up|not yet accepting connections|shutting down)")
_DETAIL = re.compile(r"^(?:psql:\S+ )?(?:.*\] ?user=\S* )?\s*(DETAIL|HINT|CONTEXT):\s*(.*)$")
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\](?:: \[\d+-\d+\] user=\S*)? *")


def explain_failure(output: str) -> str:
    """Return why a program of PostgreSQL failed, from its output."""
    lines = [_LOG_PREFIX.sub("", line).strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not _WAITING.search(line)] or lines
    for index, line in enumerate(lines):
        if _ERROR.search(line) or _REASON.match(line):
            details = [line]
            for following in lines[index + 1 : index + 4]:
                if _DETAIL.match(following) or following.startswith(("LINE ", "^")):
                    details.append(following)
            return _sentence(" ".join(detail for detail in details if detail != "^"))
    return _sentence(" ".join(lines[-3:])) if lines else "it printed nothing."


def _sentence(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text if text.endswith(".") else text + "."
