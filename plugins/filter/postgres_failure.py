# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_failure
short_description: Find in the output of PostgreSQL's programs why they failed
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the first error with its file, line and details in one line, or the last lines of the output where none says error.
options:
  _input:
    description: Output of initdb, psql, pg_ctl or the server.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say why a script failed
  ansible.builtin.debug:
    msg: "{{ 'psql:init.sql:3: ERROR:  syntax error' | ai_micro.postgres.postgres_failure }}"
"""

RETURN = r"""
_value:
  description: The reason in one line, with a full stop.
  type: str
"""

import re
from typing import Any, Callable

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


class FilterModule:
    """Filters over output."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"postgres_failure": explain_failure}
