"""A copy is made only where it leaves the server room on the disk."""

from __future__ import annotations

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._room import needed, shortage
from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE


@pytest.mark.parametrize(("size", "reserve", "wanted"), [(0, 0, 0), (1000, 0, 1100), (0, 3, 3), (1000, 1024, 2124)])
def test_what_a_copy_needs(size: int, reserve: int, wanted: int) -> None:
    assert needed(size * MEBIBYTE, reserve) == wanted * MEBIBYTE


def test_what_fits_is_no_shortage() -> None:
    assert shortage("A copy", 1000 * MEBIBYTE, "/d", 2124 * MEBIBYTE, 1024) == ""


def test_shortage_names_both_numbers_and_the_remedy() -> None:
    said = shortage("A copy of the backup A", 1000 * MEBIBYTE, "/var/lib/docker", 2123 * MEBIBYTE, 1024)
    assert said.startswith("A copy of the backup A needs 2124 MB on the disk of /var/lib/docker (its size of 1000 MB, ")
    assert said.endswith(
        "postgres_backup_copy_reserve_mb, 1024 MB, for the server), and 2123 MB are free: make room there"
    )
