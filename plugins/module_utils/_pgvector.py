# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of pgvector: its limits, its operators, its flawed versions, the memory that its builds take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE


class Flaw(NamedTuple):
    """What is wrong in which versions, and what it does to data and searches."""

    since: tuple[int, ...]
    mended: tuple[int, ...]  # the first version without it
    text: str
    consequence: str
    remedy: str


PARALLEL_FLAW = Flaw(
    (0, 6, 0),
    (0, 8, 2),
    "CVE-2026-3172 in parallel HNSW builds, mended in 0.8.2",
    "who may build an index can read other tables' data or crash the server",
    "build the image with a newer pgvector; until then set max_parallel_maintenance_workers to 0",
)
VACUUM_FLAW = Flaw(
    (0, 5, 0),
    (0, 8, 3),
    "a corruption by the vacuum of HNSW indexes, mended in 0.8.3",
    "searches can fail or miss rows that the table still holds, until the index is built again",
    "build the image with a newer pgvector, then REINDEX INDEX CONCURRENTLY what was built before",
)
FLAWS = (PARALLEL_FLAW, VACUUM_FLAW)
# The first version whose index scans go on when a filter takes rows away.
ITERATIVE_SCAN = (0, 8, 0)
# Dimensions that an index takes, by the type that it holds.
MAX_INDEXED = {"vector": 2000, "halfvec": 4000}
MAX_DIMENSIONS = 16000

# What an HNSW build keeps of a row beside its vector: 785 bytes at m = 16 (measured), of which 32 per unit of m.
HNSW_ROW = 273
HNSW_LINK = 32
# The prediction is of what fills the memory; a full one is slow, so a tenth more is asked for.
MARGIN = 1.1
# Rows per list of which ivfflat's k-means takes its sample, and the least sample.
IVFFLAT_SAMPLE = 50
IVFFLAT_LEAST = 10000


class Distance(NamedTuple):
    """An order of nearness: its operator, its operator class's ending, and what clients call it in cmetadata."""

    operator: str
    opclass: str
    words: tuple[str, ...]


DISTANCES: Mapping[str, Distance] = {
    "cosine": Distance("<=>", "cosine_ops", ("cosine", "cosine_distance")),
    "l2": Distance("<->", "l2_ops", ("l2", "euclidean")),
    "inner_product": Distance("<#>", "ip_ops", ("inner_product", "inner", "ip")),
}
# Index options left out of WITH, as PostgreSQL resolves them.
DEFAULT_OPTIONS: Mapping[str, Mapping[str, int]] = {
    "hnsw": {"m": 16, "ef_construction": 64},
    "ivfflat": {"lists": 100},
}


def numbers(version: str) -> tuple[int, ...]:
    """Three numbers of a version such as 0.8.0; none of an empty one."""
    found = tuple(int(number) for number in re.findall(r"\d+", version.split("-")[0])[:3])
    return found + (0,) * (3 - len(found)) if found else ()


def flawed(version: str) -> list[Flaw]:
    """What is wrong with a version."""
    return [flaw for flaw in FLAWS if numbers(version) and flaw.since <= numbers(version) < flaw.mended]


def flaws(version: str) -> list[str]:
    """What is wrong with a version, in a few words each."""
    return [flaw.text for flaw in flawed(version)]


def parallel_build_is_unsafe(version: str) -> bool:
    return PARALLEL_FLAW in flawed(version)


def build_memory(rows: int, dimensions: int, method: str, kind: str, options: Mapping[str, int]) -> int:
    """Bytes that building an index takes in memory, so that nothing is spilt."""
    width = dimensions * (4 if kind == "vector" else 2)
    if method == "hnsw":
        return rows * (width + HNSW_ROW + HNSW_LINK * options["m"])
    if method == "ivfflat":
        lists = options["lists"]
        sample = min(rows, max(lists * IVFFLAT_SAMPLE, IVFFLAT_LEAST))
        # The sample, the centres twice, and Elkan's bounds between samples and centres.
        return sample * (width + 4 * lists) + 2 * lists * width + 4 * lists * lists
    return 0


def memory_to_build(needed: int, configured: int, cache: int, most: Optional[int] = None) -> int:
    """Bytes of maintenance_work_mem for a build: as many as it needs, but not more than half of effective_cache_size (or C(most)), nor less than configured."""
    if needed <= configured:
        return configured
    asked = -(-int(needed * MARGIN) // MEBIBYTE) * MEBIBYTE
    return max(configured, min(asked, cache // 2 if most is None else most))
