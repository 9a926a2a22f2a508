# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories and small files of a host, compared with what is wanted of them."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Node:
    """What is wanted of, or found at, a path. ``content`` is None for a directory."""

    path: str
    uid: int
    gid: int
    mode: int
    content: Optional[str]


class BadNode(Exception):
    """What is wanted cannot be, or stands in the way; the text is one sentence."""


def resolve_id(value: str, kind: str) -> int:
    """Return the number of a user or group given by number or name."""
    if value.isdigit():
        return int(value)
    try:
        return pwd.getpwnam(value).pw_uid if kind == "user" else grp.getgrnam(value).gr_gid
    except KeyError as error:
        raise BadNode(f"There is no {kind} {value} on the host: give one that exists, or its number.") from error


def find_node(wanted: Node) -> Optional[Node]:
    """Return what is at a wanted path, None where nothing is; the wrong kind of thing is refused."""
    try:
        info = os.lstat(wanted.path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    is_directory = stat.S_ISDIR(info.st_mode)
    if is_directory != (wanted.content is None) or not (is_directory or stat.S_ISREG(info.st_mode)):
        kind = "directory" if wanted.content is None else "plain file"
        raise BadNode(f"{wanted.path} is in the way: a {kind} is wanted there, move what is there elsewhere.")
    content = None
    if not is_directory:
        # newline: what is written with carriage returns is read with them, or it would differ on every run.
        with open(wanted.path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            content = file.read()
    return Node(wanted.path, info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode), content)


def describe(node: Optional[Node]) -> str:
    """Return owner, group and mode of a node as a header and its content below, for a diff."""
    if node is None:
        return ""
    return f"# {node.uid}:{node.gid} {node.mode:04o}\n{node.content or ''}"
