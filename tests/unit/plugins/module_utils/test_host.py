"""What a host's files in /proc and /etc say."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _host


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for directory in ("proc/sys/vm", "etc/sysctl.d"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 24000 kB\nHugePages_Total: 0\nHugepagesize:       2048 kB\n")
    (tmp_path / "proc/sys/vm/nr_overcommit_hugepages").write_text("12\n")
    return tmp_path


def test_huge_pages_are_described(root: Path) -> None:
    seen = {"size_kb": 2048, "limit": 12, "writable": True}
    assert _host.huge_pages("db", str(root)) == {**seen, "kept": False}
    (root / "etc/sysctl.d/60-db-huge-pages.conf").touch()
    assert _host.huge_pages("db", str(root)) == {**seen, "kept": True}
    assert _host.huge_pages("other", str(root)) == {**seen, "kept": False}


@pytest.mark.parametrize("gone", ["proc/meminfo", "proc/sys/vm/nr_overcommit_hugepages"])
def test_kernel_without_huge_pages_has_none(root: Path, gone: str) -> None:
    (root / gone).unlink()
    assert _host.huge_pages("db", str(root)) is None


def test_kernel_that_names_no_size_has_none(root: Path) -> None:
    (root / "proc/meminfo").write_text("MemTotal: 24000 kB\n")
    assert _host.huge_pages("db", str(root)) is None
