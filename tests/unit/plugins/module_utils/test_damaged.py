"""What a check finds is noted where retention and restores look for it, and forgotten when a check finds it whole again."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._damaged import NOTE, note_damaged, read_damaged


def test_note_is_what_the_last_check_has_found(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    assert read_damaged(str(catalog)) == []
    assert not note_damaged(str(catalog), [])
    assert not catalog.exists()
    assert note_damaged(str(catalog), ["B", "A"])
    assert read_damaged(str(catalog)) == ["A", "B"]
    assert not note_damaged(str(catalog), ["A", "B"])
    assert note_damaged(str(catalog), ["A"])
    assert (catalog / NOTE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in catalog.iterdir()] == [NOTE]
    assert note_damaged(str(catalog), [])
    assert list(catalog.iterdir()) == []


def test_check_mode_says_what_it_would_note(tmp_path: Path) -> None:
    assert note_damaged(str(tmp_path), ["A"], dry=True)
    assert list(tmp_path.iterdir()) == []
    note_damaged(str(tmp_path), ["A"])
    assert note_damaged(str(tmp_path), [], dry=True)
    assert read_damaged(str(tmp_path)) == ["A"]


def test_note_that_cannot_be_read_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text("[")
    with pytest.raises(ValueError, match="Expecting value"):
        read_damaged(str(tmp_path))
    assert note_damaged(str(tmp_path), ["A"])
    assert read_damaged(str(tmp_path)) == ["A"]
