# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data directories read without a server."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._cluster_files import describe_cluster

BARE: dict[str, Any] = {"outside": [], "settings": {}, "system_settings": {}}
NOTHING = {"entries": [], "empty": True, "pg_version": "", "system_identifier": "", "state": "", **BARE}


def make(directory: Path, control: bytes | None = None, version: str | None = "15\n") -> Path:
    """Lay out the files that are read."""
    (directory / "global").mkdir()
    if version is not None:
        (directory / "PG_VERSION").write_text(version)
    if control is not None:
        (directory / "global" / "pg_control").write_bytes(control)
    return directory


def head(identifier: int, state: int) -> bytes:
    """Give a pg_control of PostgreSQL 15 (version 1300, catalog 202209061) as far as it is read, and more."""
    return struct.pack("=QIIi", identifier, 1300, 202209061, state) + bytes(8172)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (0, "starting up"),
        (1, "shut down"),
        (2, "shut down in recovery"),
        (3, "shutting down"),
        (4, "in crash recovery"),
        (5, "in archive recovery"),
        (6, "in production"),
        (7, ""),
        (-1, ""),
    ],
)
def test_a_cluster(tmp_path: Path, state: int, word: str) -> None:
    found = describe_cluster(str(make(tmp_path, head(7565432109876543210, state))))
    assert found == {
        "entries": ["PG_VERSION", "global"],
        "empty": False,
        "pg_version": "15",
        "system_identifier": "7565432109876543210",
        "state": word,
        "owner": os.getuid(),
        **BARE,
    }


def test_an_identifier_beyond_the_signed_range(tmp_path: Path) -> None:
    assert describe_cluster(str(make(tmp_path, head(2**64 - 1, 6))))["system_identifier"] == str(2**64 - 1)


@pytest.mark.parametrize("control", [None, b"", bytes(19)], ids=["none", "empty", "cut off"])
def test_the_remains_of_an_initdb(tmp_path: Path, control: bytes | None) -> None:
    found = describe_cluster(str(make(tmp_path, control)))
    assert (found["pg_version"], found["system_identifier"], found["state"]) == ("15", "", "")


def test_nothing_there(tmp_path: Path) -> None:
    assert describe_cluster(str(tmp_path / "absent")) == {**NOTHING, "owner": None}


def test_what_a_file_system_puts_there_is_not_data(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert describe_cluster(str(tmp_path)) == {**NOTHING, "owner": os.getuid()}


def test_foreign_files(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"file{number:02d}").touch()
    found = describe_cluster(str(tmp_path))
    assert not found["empty"]
    assert found["pg_version"] == ""
    assert found["entries"] == [f"file{number:02d}" for number in range(20)]


def test_a_version_file_that_is_no_text(tmp_path: Path) -> None:
    make(tmp_path, version=None)
    (tmp_path / "PG_VERSION").write_bytes(b"\xff\xfe")
    assert describe_cluster(str(tmp_path))["pg_version"] not in ("", "15")


def test_links_that_lead_out_of_it(tmp_path: Path) -> None:
    make(tmp_path, head(1, 1))
    (tmp_path / "pg_tblspc").mkdir()
    for link in ("pg_wal", "pg_tblspc/16400"):
        (tmp_path / link).symlink_to("/elsewhere")
    assert describe_cluster(str(tmp_path))["outside"] == ["pg_wal", "pg_tblspc/16400"]


def test_settings_of_both_files(tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").write_text(
        "lc_messages = 'en_US.utf8'\t# locale\n#port = 5432\nmax_connections 100\n"
    )
    (tmp_path / "postgresql.auto.conf").write_text("# Do not edit\nwork_mem = '7MB'\nwork_mem = '8MB'\n")
    found = describe_cluster(str(tmp_path))
    assert found["settings"] == {"lc_messages": "en_US.utf8", "max_connections": "100"}
    assert found["system_settings"] == {"work_mem": "8MB"}
