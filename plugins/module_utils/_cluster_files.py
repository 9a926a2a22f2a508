# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the files of a data directory tell about its cluster, without a server and without writing."""

from __future__ import annotations

import os
import struct
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._conf_file import read_settings

# The head of ControlFileData in PostgreSQL's src/include/catalog/pg_control.h: system_identifier
# (uint64), pg_control_version (uint32), catalog_version_no (uint32), state (enum DBState, int32).
_CONTROL_HEAD = struct.Struct("=QIIi")
_STATES = (
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
)
# What a file system or a volume driver puts there by itself.
_NOT_DATA = frozenset({"lost+found", ".snapshot"})


def describe_cluster(data_directory: str) -> dict[str, Any]:
    """Describe the cluster in a data directory.

    Returns ``entries`` (names at the top, at most 20), ``empty``, ``pg_version`` (major version as
    text, or empty), ``system_identifier`` (decimal text, or empty where pg_control cannot be read),
    ``state`` (pg_controldata's words, or empty), ``owner`` (user id, or nothing where the directory is not
    there), ``outside`` (links that lead out of it), ``settings`` (of its own postgresql.conf) and
    ``system_settings`` (of postgresql.auto.conf, which ALTER SYSTEM writes).
    """
    try:
        entries = sorted(name for name in os.listdir(data_directory) if name not in _NOT_DATA)
    except OSError:
        entries = []
    identifier, state = _read_control(os.path.join(data_directory, "global", "pg_control"))
    return {
        "entries": entries[:20],
        "empty": not entries,
        "pg_version": _read_text(os.path.join(data_directory, "PG_VERSION")),
        "system_identifier": identifier,
        "state": state,
        "owner": _owner(data_directory),
        "outside": _links(data_directory, "") + _links(data_directory, "pg_tblspc"),
        "settings": read_settings(os.path.join(data_directory, "postgresql.conf")),
        "system_settings": read_settings(os.path.join(data_directory, "postgresql.auto.conf")),
    }


def _owner(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def _links(data_directory: str, below: str) -> list[str]:
    try:
        with os.scandir(os.path.join(data_directory, below)) as found:
            return sorted(os.path.join(below, entry.name) for entry in found if entry.is_symlink())
    except OSError:
        return []


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(64).strip()
    except OSError:
        return ""


def _read_control(path: str) -> tuple[str, str]:
    try:
        with open(path, "rb") as file:
            head = file.read(_CONTROL_HEAD.size)
    except OSError:
        return "", ""
    if len(head) < _CONTROL_HEAD.size:
        return "", ""
    identifier, _version, _catalog, state = _CONTROL_HEAD.unpack(head)
    return str(identifier), _STATES[state] if 0 <= state < len(_STATES) else ""
