# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences of several databases as one list and as a table."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._drift import COLUMNS, drift_table, schema_drift

COLUMN: dict[str, Any] = {
    "kind": "column",
    "object": "documents.category",
    "attribute": None,
    "expected": {"type": "text"},
    "actual": None,
    "change": "missing",
    "hazard": None,
    "sql": ["ALTER TABLE …"],
}
DEFAULT = {**COLUMN, "attribute": "default", "change": "different", "expected": "'a\n  b'", "actual": "x" * 60}
EXTRA = {**COLUMN, "object": "notes", "kind": "table", "change": "extra", "hazard": "drop_table"}
ADMINDB = {"name": "admindb"}


def test_everything_is_in_one_list() -> None:
    schemas: list[dict[str, Any]] = [
        {"login_db": "authdb", "drift": []},
        {"login_db": "admindb", "drift": [COLUMN]},
        {"login_db": "other", "failed": True, "msg": "No connection."},
    ]
    migrations: list[dict[str, Any]] = [
        {"item": ADMINDB, "pending": ["0001_x.sql"]},
        {"item": {"name": "apidb"}, "skipped": True},
    ]
    found = schema_drift(schemas, migrations, ["reports"])
    assert [(each["database"], each["kind"], each["object"], each["change"]) for each in found] == [
        ("reports", "database", "reports", "missing"),
        ("admindb", "migration", "0001_x.sql", "missing"),
        ("admindb", "column", "documents.category", "missing"),
    ]
    assert len({tuple(sorted(each)) for each in found}) == 1, "every entry has the same keys"


def test_table_is_aligned_and_in_one_line_each() -> None:
    lines = drift_table(schema_drift([{"login_db": "admindb", "drift": [COLUMN, DEFAULT, EXTRA]}]))
    assert lines[0].split() == list(COLUMNS)
    assert lines[1].split() == ["admindb", "column", "documents.category", "-", "present", "missing", "-"]
    assert lines[3].split() == ["admindb", "table", "notes", "-", "absent", "present", "drop_table"]
    assert "'a b'" in lines[2]
    assert "x" * 39 + "…" in lines[2]
    assert {line.index(word) for line, word in zip(lines[1:], ("column", "column", "table"))} == {
        lines[0].index("kind")
    }


def test_lists_are_joined() -> None:
    grants = {**DEFAULT, "expected": ["SELECT TO a", "INSERT TO b"], "actual": []}
    assert "SELECT TO a, INSERT TO b" in drift_table(schema_drift([{"login_db": "admindb", "drift": [grants]}]))[1]


def test_nothing_differs() -> None:
    assert schema_drift([]) == []
    assert drift_table([]) == []
