# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several databases of an inventory are declared to hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader


def look(script: Path, *databases: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lookup_loader.get("ai_micro.postgres.database_declarations").run(
        [list(databases)], {}, script=str(script)
    )
    return found


def test_shared_script_own_script_extensions_and_rows(tmp_path: Path) -> None:
    shared, own = tmp_path / "init.sql", tmp_path / "own.sql"
    shared.write_text("\\c one\nSELECT 1;\n\\c two\nSELECT 2;\n", encoding="utf-8")
    own.write_text("SELECT 3;\n", encoding="utf-8")
    rows = [{"table": "t", "key": ["id"]}]
    assert look(
        shared,
        {"name": "one", "extensions": ["uuid-ossp", "vector"]},
        {"name": "two", "rows": rows, "definition": ""},
        {"name": "three", "definition": str(own)},
    ) == [
        {
            "login_db": "one",
            "definition": 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE EXTENSION IF NOT EXISTS "vector"; SELECT 1;\n',
            "rows": [],
        },
        {"login_db": "two", "definition": "SELECT 2;\n", "rows": rows},
        {"login_db": "three", "definition": "SELECT 3;\n", "rows": []},
    ]


def test_database_that_the_script_does_not_know(tmp_path: Path) -> None:
    script = tmp_path / "init.sql"
    script.write_text("\\c one\nSELECT 1;\n", encoding="utf-8")
    with pytest.raises(AnsibleLookupError, match="never connects to database two"):
        look(script, {"name": "two"})
