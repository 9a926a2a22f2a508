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

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import flaws, parallel_build_is_unsafe


def pgvector_advice(version: str) -> dict[str, Any]:
    """What a version of pgvector forbids, and the sentence that says so."""
    found = flaws(version)
    parallel = parallel_build_is_unsafe(version)
    reason = ""
    if found:
        reason = f"pgvector {version} has {' and '.join(found)}"
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
