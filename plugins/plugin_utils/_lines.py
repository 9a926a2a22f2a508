# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup, a dump, a row and a finding, each in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LANGCHAIN_TABLE


def backup_line(backup: Mapping[str, Any]) -> str:
    """Write one backup in one line."""
    hours, size = backup["age"] / 3600, backup["size"] / 1024**2
    verified = f"verified {backup['verified_at']}" if backup["verified_at"] else "NOT verified"
    verified = "DAMAGED" if backup["damaged"] else verified
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


# Of what is only worth knowing, that which explains a moment.
TOLD = ("index_building", "model_change")


def collection_findings(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write of each finding which collection it is about; a database that is not there was skipped, and has none."""
    return [
        {**finding, "message": f"{collection_label(*result['item'])}: {finding['message']}"}
        for result in results
        for finding in result.get("findings", ())
        if finding["level"] != "info" or finding["check"] in TOLD
    ]


def collection_label(database: Mapping[str, Any], collection: Mapping[str, Any]) -> str:
    """Write where a collection is."""
    return f"{database['name']}, {collection['name']} in {collection.get('table', LANGCHAIN_TABLE)}"
