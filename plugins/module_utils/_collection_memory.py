# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a build of an index takes, and what the server has for it."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import Thresholds
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Look
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import (
    build_memory,
    memory_to_build,
    parallel_build_is_unsafe,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE

# Docker's /dev/shm holds a parallel build's memory and what else the server shares.
SHM_BESIDE = 64 * MEBIBYTE


class Budget(NamedTuple):
    """How an index will be built."""

    needed: int
    memory: int  # maintenance_work_mem of the build
    workers: int
    configured: int
    configured_workers: int
    shm_size: Optional[int]

    @property
    def fits(self) -> bool:
        return self.needed <= self.memory


def budget(look: Look, wanted: Target, rows: int, thresholds: Thresholds, shm_size: Optional[int]) -> Budget:
    """As much memory as is needed, within bounds.

    Workers of a parallel build share their memory in /dev/shm; where it is too small for that, or where the version's
    parallel build is flawed, the build is serial, in memory of its own.
    """
    server = look.server
    configured = int(server["maintenance_work_mem"])
    needed = build_memory(rows, wanted.dimensions, wanted.method, wanted.kind, dict(wanted.options))
    most = thresholds.build_memory_mb
    cache = int(server["effective_cache_size"])
    memory = memory_to_build(needed, configured, cache, None if most is None else most * MEBIBYTE)
    workers = int(server["parallel_workers"])
    if wanted.method == "hnsw" and parallel_build_is_unsafe(server["available"] or ""):
        workers = 0
    if shm_size is not None and shm_size < memory + SHM_BESIDE:
        workers = 0
    return Budget(needed, memory, workers, configured, int(server["parallel_workers"]), shm_size)


def measure_shm(connection: Any, shared_memory: str, given_mb: Optional[int]) -> Optional[int]:
    """The size of the server's /dev/shm, where it can be known.

    No statement tells it. Over a Unix-domain socket the kernel says which process listens (seen from here, even where it
    runs in a container), and the root of that process is in /proc.
    """
    if given_mb is not None:
        return given_mb * MEBIBYTE
    if shared_memory != "posix":
        return None
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as here:
            if here.family != socket.AF_UNIX:
                return None
            pid = struct.unpack("3i", here.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        about = os.statvfs(f"/proc/{pid}/root/dev/shm")
    except OSError:
        return None  # not this machine's, or not ours to see
    return about.f_blocks * about.f_frsize or None


def mebibytes(size: int) -> int:
    return -(-size // MEBIBYTE)
