"""postgres_backup: what it reads of the catalogue."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.ai_micro.postgres.plugins.modules.postgres_backup import served_timeline


def test_served_timeline_is_known_off_site_too(tmp_path: Path) -> None:
    """The instance has one note of it, beside the local repository; the catalogue of the other lies in that one's."""
    catalog = tmp_path / "catalog"
    (catalog / "offsite").mkdir(parents=True)
    assert (served_timeline(str(catalog)), served_timeline(str(catalog / "offsite"))) == (0, 0)
    (catalog / "served_timeline").write_text("3\n")
    assert (served_timeline(str(catalog)), served_timeline(str(catalog / "offsite"))) == (3, 3)
