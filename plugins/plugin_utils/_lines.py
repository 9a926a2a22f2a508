# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup, a dump and a row, each in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def backup_line(backup: Mapping[str, Any]) -> str:
    """Write one backup in one line."""
    hours, size = backup["age"] / 3600, backup["size"] / 1024**2
    verified = f"verified {backup['verified_at']}" if backup["verified_at"] else "NOT verified"
    reason = backup["annotations"].get("reason", "")
    return f"{backup['label']} ({backup['type']}): {hours:.1f} h old, {size:.1f} MB, {verified}{f', {reason}' if reason else ''}"


def dump_line(dump: Mapping[str, Any]) -> str:
    """Write the dumps of one moment in one line."""
    hours, size = dump["age"] / 3600, dump["size"] / 1024**2
    state = f"dumps of {', '.join(dump['databases'])}" if dump["whole"] else "NOT whole"
    return f"{dump['label']} (logical): {hours:.1f} h old, {size:.1f} MB, {state}"


def row_line(row: Mapping[str, Any]) -> str:
    """Write a row that differs in one line."""
    columns = f" ({', '.join(row['columns'])})" if row["columns"] else ""
    return f"{row['what']} {row['key']}{columns}"
