# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from an image's version of pgvector."""

from __future__ import annotations

from typing import Any

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
