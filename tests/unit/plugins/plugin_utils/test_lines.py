"""A backup in one line says whether it counts, a finding which collection it is about."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._lines import backup_line, collection_findings

BACKUP: dict[str, Any] = {
    "label": "A",
    "type": "full",
    "age": 5400,
    "size": 3 << 20,
    "verified_at": "2026-11-25T23:43:20Z",
    "annotations": {},
    "damaged": False,
}


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "verified 2026-11-25T23:43:20Z"),
        ({"verified_at": None}, "NOT verified"),
        ({"verified_at": None, "damaged": True}, "DAMAGED"),
        ({"annotations": {"reason": "before destroy"}}, "verified 2026-11-25T23:43:20Z, before destroy"),
    ],
)
def test_line_says_whether_a_backup_counts(changes: dict[str, Any], end: str) -> None:
    assert backup_line({**BACKUP, **changes}) == f"A (full): 1.5 h old, 3.0 MB, {end}"


def test_findings_name_their_collection() -> None:
    def finding(check: str, level: str) -> dict[str, str]:
        return {"check": check, "level": level, "message": "It is so.", "remedy": "mend it"}

    findings = [
        finding("index", "error"),
        finding("index_building", "info"),
        finding("extension_flaw", "info"),
        finding("model_change", "info"),
    ]
    results: list[dict[str, Any]] = [
        {"item": [{"name": "d"}, {"name": "a"}], "findings": findings},
        {"item": [{"name": "d"}, {"name": "b", "table": "s.t"}], "findings": findings[:1]},
        {"item": [{"name": "e"}, {"name": "c"}], "skipped": True},
    ]
    found = collection_findings(results)
    assert [(one["message"], one["level"]) for one in found] == [
        ("d, a in langchain_pg_embedding: It is so.", "error"),
        ("d, a in langchain_pg_embedding: It is so.", "info"),
        ("d, a in langchain_pg_embedding: It is so.", "info"),
        ("d, b in s.t: It is so.", "error"),
    ]
    assert {one["remedy"] for one in found} == {"mend it"}
