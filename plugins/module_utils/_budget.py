# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL settings that follow from the memory the server may use.

Sources: PostgreSQL's documentation, chapter "Resource Consumption" (shared_buffers: 25 % of memory is
a reasonable start; effective_cache_size: what the kernel and PostgreSQL cache together), and
pgvector's README (an HNSW build is fast while its graph fits maintenance_work_mem).
"""

from __future__ import annotations

MEBIBYTE = 1024 * 1024


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def memory_settings(memory_bytes: int) -> dict[str, str]:
    """Return settings with their units for a server that may use ``memory_bytes``.

    shared_buffers is 25 %, effective_cache_size 60 % of it; maintenance_work_mem is 6 %, at least
    64 MB and at most 2 GB, which three autovacuum workers and one index build can hold at a time
    beside the buffers (25 + 4 × 6 = 49 %).
    """
    megabytes = max(memory_bytes // MEBIBYTE, 1)
    return {
        "shared_buffers": f"{max(megabytes // 4, 32)}MB",
        "effective_cache_size": f"{max(megabytes * 60 // 100, 64)}MB",
        "maintenance_work_mem": f"{_clamp(megabytes * 6 // 100, 64, 2048)}MB",
    }
