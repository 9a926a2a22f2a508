# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two directories that change places, and what forbids it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._exchange import (
    ExchangeError,
    check,
    exchange,
    mount_point,
    refuse_volume,
)

MOUNTINFO = """\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
42 27 254:1 / /var/lib/docker rw,relatime shared:1 - ext4 /dev/vdb rw
43 42 254:1 /volumes/a /var/lib/docker/volumes/a rw,relatime shared:1 - ext4 /dev/vdb rw
44 42 0:51 / /var/lib/docker/volumes/with\\040blank/_data rw - tmpfs tmpfs rw
"""


def volume(**changes: Any) -> dict[str, Any]:
    return {"Name": "pg_postgres_data", "Driver": "local", "Options": None, **changes}


def users(*names: str) -> list[dict[str, Any]]:
    return [{"Names": [f"/{name}"]} for name in names]


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/var/lib/docker/volumes/b/_data", "/var/lib/docker"),
        # The same device as its neighbour's, and yet nothing can be renamed from one to the other.
        ("/var/lib/docker/volumes/a/_data", "/var/lib/docker/volumes/a"),
        ("/var/lib/docker/volumes/abc/_data", "/var/lib/docker"),
        ("/var/lib/docker/volumes/with blank/_data", "/var/lib/docker/volumes/with blank/_data"),
        ("/srv", "/"),
    ],
)
def test_where_a_path_is_mounted(path: str, point: str) -> None:
    assert mount_point(path, MOUNTINFO) == point


def test_a_plain_volume_is_not_refused() -> None:
    refuse_volume(volume(), users())
    refuse_volume(volume(Options={"o": "size=1g"}), users("pg"), permitted="pg")


@pytest.mark.parametrize(
    ("changes", "holders", "reason"),
    [
        ({}, ("pg", "report"), "pg_postgres_data is in use by the container report, stop it first"),
        ({"Options": {"type": "none", "o": "bind", "device": "/srv/pg"}}, ("pg",), "is mounted from /srv/pg, so that its data does not follow"),
        ({"Driver": "nfs"}, (), "is mounted by the driver nfs, so that its data does not follow"),
    ],
)  # fmt: skip
def test_a_volume_is_refused(changes: dict[str, Any], holders: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ExchangeError, match=reason):
        refuse_volume(volume(**changes), users(*holders), permitted="pg")


def test_directories_change_places(tmp_path: Path) -> None:
    first, second = tmp_path / "first" / "_data", tmp_path / "second" / "_data"
    for path in (first, second):
        path.mkdir(parents=True)
        (path / path.parent.name).touch()
    exchange(os.fspath(first), os.fspath(second))
    assert [path.name for path in first.iterdir()] == ["second"]
    assert [path.name for path in second.iterdir()] == ["first"]


def test_directories_that_cannot_are_left(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with pytest.raises(ExchangeError, match="gone is not there"):
        check(os.fspath(here), os.fspath(tmp_path / "gone"))
    with pytest.raises(ExchangeError, match="and /proc on that at /proc"):
        check(os.fspath(here), "/proc")
