# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""postgres_host_info, called as Ansible calls it, on what the host remembers; the Engine does not answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.module_call import call_module

ROOT = Path(__file__).parents[4]
PREPARED = {
    "state": "prepared",
    "doing": "restore",
    "served": True,
    "volume": "pg_postgres_data",
    "time": "2026-11-26 14:00:00 UTC",
    "inodes": {"volume": 11, "kept": 22},
}


def look(tmp_path: Path, restores: Any = None) -> dict[str, Any]:
    """Call the module with a journal and return its result."""
    if restores is not None:
        (tmp_path / "restores.json").write_text(json.dumps(restores))
    options = {
        "container": "pg",
        "image": "pg:15",
        "volume": "pg_postgres_data",
        "network": "pg",
        "port": 5432,
        "directory": str(tmp_path),
        "docker_socket": str(tmp_path / "docker.sock"),
    }
    return call_module("postgres_host_info", tmp_path, options)


def test_without_a_journal_nothing_was_interrupted(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert (found["restores"], found["interrupted"]) == ({}, None)


def test_a_journal_of_what_is_done(tmp_path: Path) -> None:
    restores = {"pg_kept_1": {**PREPARED, "state": "swapped"}}
    found = look(tmp_path, restores)
    assert (found["restores"], found["interrupted"]) == (restores, None)


def test_what_was_interrupted_is_not_guessed_while_the_engine_does_not_answer(tmp_path: Path) -> None:
    found = look(tmp_path, {"pg_kept_1": PREPARED})["interrupted"]
    assert (found["kept"], found["exchanged"], found["state"]) == ("pg_kept_1", None, "prepared")


@pytest.mark.parametrize(
    "restores", [{"pg_kept_1": {}}, {"pg_kept_1": "swapped"}, {"pg_kept_1": {"state": "prepared"}}]
)
def test_a_journal_that_somebody_has_changed_is_named(tmp_path: Path, restores: Any) -> None:
    found = look(tmp_path, restores)
    assert found["failed"]
    assert found["msg"].startswith(f"{tmp_path}/restores.json is not as restores write it: correct it, or move it away")
