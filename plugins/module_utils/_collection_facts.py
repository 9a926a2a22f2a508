# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that is known of a collection, and what follows from it for those who judge and for those who mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK, Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_filtered import Filtered
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import Judged, Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Look
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_meanwhile import Coming
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import Budget
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_scan import Scan
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_search import Measured, Planned
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import DISTANCES, ITERATIVE_SCAN, numbers

# Changes since ANALYZE that autovacuum would not care about either.
STALE_FLOOR = 50
PRESENT = "run with state=present"


class Finding(NamedTuple):
    check: str
    level: str
    message: str
    remedy: str


@dataclass
class Facts:
    """All that is known of a collection when it is judged."""

    declared: Declaration
    look: Look
    coming: Optional[Coming] = None  # the model that a change is about to bring
    wanted: Optional[Target] = None
    judged: Judged = field(default_factory=Judged)
    scan: Optional[Scan] = None
    planned: Planned = field(default_factory=Planned)
    measured: Measured = field(default_factory=Measured)
    filtered: Optional[Filtered] = None  # what searches came to that filter by metadata, where rows have any
    budget: Optional[Budget] = None
    unsearchable: bool = False  # whether there are rows, and none with a vector to search with

    @property
    def rows(self) -> int:
        return self.scan.rows if self.scan else 0

    @property
    def empty(self) -> bool:
        """Whether no row is there that the collection's metadata could be true of."""
        return self.scan is not None and self.scan.empty


def said(cmetadata: Mapping[str, Any], declared: Declaration, look: Look) -> dict[str, tuple[Any, Any]]:
    """What the row says other than declared: name → (says, declared); of dimensions left out, what the column has."""
    dimensions = declared.dimensions or (look.dimensions if look.serves else None)
    wanted = {"model": declared.model, "dimensions": dimensions, "distance": declared.distance}
    words = DISTANCES[declared.distance].words
    return {
        name: (cmetadata.get(name), value)
        for name, value in wanted.items()
        if value is not None
        and str(cmetadata.get(name)) != str(value)
        and not (name == "distance" and str(cmetadata.get(name)).lower() in words)
    }


def stale(facts: Facts) -> bool:
    """Whether the planner knows another table than there is."""
    table = facts.look.table
    if table is None or facts.scan is None or facts.scan.total <= STALE_FLOOR:
        return False
    limit = STALE_FLOOR + facts.declared.thresholds.stale_fraction * facts.scan.total
    far = abs(max(table.estimate, 0) - facts.scan.total) > limit and facts.scan.share >= 1
    return table.modified > limit or table.analysed == 0 or far


def wanted_settings(facts: Facts) -> dict[str, str]:
    """What a service's sessions need for the declared index, beyond what they have."""
    declared, look = facts.declared, facts.look
    if not declared.role or not look.role_exists or declared.method == "none":
        return {}
    wanted = {}
    count = "hnsw.ef_search" if declared.method == "hnsw" else "ivfflat.probes"
    if declared.ef_search is not None and int(look.effective(count) or 0) < declared.ef_search:
        wanted[count] = str(declared.ef_search)
    name = f"{declared.method}.iterative_scan"
    available = numbers(look.server["available"] or "") >= ITERATIVE_SCAN
    if available and look.effective(name) in (None, "off"):
        wanted[name] = "strict_order" if declared.method == "hnsw" else "relaxed_order"
    # A prepared statement's plan for any collection takes the vector index for a small one too.
    if LINK in look.columns and look.effective("plan_cache_mode") != "force_custom_plan":
        wanted["plan_cache_mode"] = "force_custom_plan"
    return wanted
