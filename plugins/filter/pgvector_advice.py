# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pgvector_advice
short_description: What a version of pgvector forbids
version_added: 1.0.0
author:
  - ai-micro-service team (@ai-micro-service)
description:
  - Compares a version of pgvector with the versions that are known to be flawed.
  - Versions 0.6.0 to 0.8.1 have CVE-2026-3172 in parallel HNSW builds, so that C(max_parallel_maintenance_workers) must be 0.
  - Versions up to 0.8.2 can corrupt an HNSW index while vacuuming it.
options:
  _input:
    description: The version, for example V(0.8.0). An empty one, of an image that is not built yet, forbids nothing.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say what this version forbids
  ansible.builtin.debug:
    msg: "{{ ('0.8.0' | ai_micro.postgres.pgvector_advice).reason }}"
"""

RETURN = r"""
_value:
  description: What follows from the version.
  type: dict
  contains:
    max_parallel_maintenance_workers:
      description: V(0) where parallel HNSW builds are unsafe, otherwise nothing.
      type: int
    reason:
      description: One sentence, empty where nothing is wrong.
      type: str
    vulnerable:
      description: Whether parallel HNSW builds are unsafe.
      type: bool
"""

import re
from typing import Any, Callable

# What is wrong in which versions: from, up to but not including, what it is.
FLAWS: tuple[tuple[tuple[int, ...], tuple[int, ...], str], ...] = (
    ((0, 6, 0), (0, 8, 2), "CVE-2026-3172 in parallel HNSW builds, mended in 0.8.2"),
    ((0, 5, 0), (0, 8, 3), "a corruption by the vacuum of HNSW indexes, mended in 0.8.3"),
)


def pgvector_advice(version: str) -> dict[str, Any]:
    """What a version of pgvector forbids, and the sentence that says so."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version.split("-")[0])[:3])
    numbers += (0,) * (3 - len(numbers)) if numbers else ()
    flaws = [text for first, mended, text in FLAWS if numbers and first <= numbers < mended]
    parallel = bool(numbers) and FLAWS[0][0] <= numbers < FLAWS[0][1]
    reason = ""
    if flaws:
        reason = f"pgvector {version} has {' and '.join(flaws)}"
        reason += (
            ": max_parallel_maintenance_workers is 0 until the image holds a newer one."
            if parallel
            else ": build the image with a newer one."
        )
    return {
        "max_parallel_maintenance_workers": 0 if parallel else None,
        "reason": reason,
        "vulnerable": parallel,
    }


class FilterModule:
    """The filter of that name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map the filter's name to its function."""
        return {"pgvector_advice": pgvector_advice}
