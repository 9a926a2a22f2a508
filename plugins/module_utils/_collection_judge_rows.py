# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about rows and searches: what no search finds, the planner's choice, recall, the memory of a build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_facts import PRESENT, Facts, Finding, stale
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import SHM_BESIDE, mebibytes


def rows(facts: Facts) -> Iterator[Finding]:
    scan, most = facts.scan, facts.declared.thresholds
    if scan is None:
        return
    about = estimated(scan.own_share)
    if scan.null_embeddings > most.null_embeddings:
        yield Finding(
            "null_embeddings",
            "error",
            f"{scan.null_embeddings} rows have no embedding: no search finds them{about}.",
            "embed them, or delete them",
        )
    if scan.zero_norm is not None and scan.zero_norm > most.zero_norm:
        yield Finding(
            "zero_norm",
            "error",
            f"{scan.zero_norm} rows have a zero vector, which has no cosine distance: no search finds them{about}.",
            "embed their text again, or delete them",
        )
    if scan.wrong_dimensions > most.wrong_dimensions and not facts.look.dimensions:
        yield Finding(
            "wrong_dimensions",
            "error",
            f"{scan.wrong_dimensions} rows have other dimensions than {facts.declared.dimensions}: searches that meet "
            f"one of them fail{about}.",
            "delete them, or embed them again with the declared model",
        )
    if scan.orphans is not None and scan.orphans > most.orphans:
        yield Finding(
            "orphans",
            "error",
            f"{scan.orphans} rows of the table name a collection or a document that is not there, or no collection"
            f"{estimated(scan.share)}.",
            "delete these rows, and add the foreign key that is missing",
        )
    if scan.duplicates is not None and scan.duplicates > most.duplicates:
        yield Finding(
            "duplicates",
            "error",
            f"{scan.duplicates} rows repeat a custom_id of the collection: a search returns the same text again{about}.",
            "delete all but the newest of each custom_id",
        )


def estimated(share: float) -> str:
    """What to say of a count over a share of the table."""
    return "" if share >= 1 else f" (estimated from {100 * share:.1f} % of the table)"


def statistics(facts: Facts) -> Iterator[Finding]:
    if stale(facts) and facts.look.table and facts.scan:
        known = "nothing" if not facts.look.table.analysed else f"{max(facts.look.table.estimate, 0):.0f} rows"
        yield Finding(
            "statistics",
            "warning",
            f"Statistics are stale: the planner knows {known} of {facts.scan.total} rows, and "
            f"{facts.look.table.modified} rows changed since the last ANALYZE.",
            f"{PRESENT}, which runs ANALYZE",
        )


def planner(facts: Facts) -> Iterator[Finding]:
    planned, right = facts.planned, facts.judged.right
    if right is None or planned.uses_index is not False:
        return
    if planned.bars:
        yield Finding(
            "planner",
            "error",
            f"The planner does not use index {right.name}, because of {', '.join(planned.bars)}.",
            "reset these settings where they were set (server, database or role)",
        )
    elif not planned.can_use_index:
        yield Finding(
            "planner",
            "error",
            f"The planner cannot use index {right.name} for the client's query.",
            "compare operator, operator class and the query's cast; check that the index is not hidden by a policy",
        )
    elif facts.rows >= facts.declared.thresholds.exact_rows:
        yield Finding(
            "planner",
            "error",
            f"The planner reads all {facts.rows} rows of the collection instead of index {right.name}.",
            "run ANALYZE, and lower random_page_cost (1.1 suits SSDs)",
        )


def recall(facts: Facts) -> Iterator[Finding]:
    measured, declared = facts.measured, facts.declared
    if facts.unsearchable:
        yield Finding(
            "recall",
            "warning",
            "Neither planner nor recall was tried: no row of the collection has a vector to search with.",
            "embed its rows, and run again",
        )
    if measured.recall is None or measured.returned is None:
        return
    setting = "ivfflat.probes" if declared.method == "ivfflat" else "hnsw.ef_search"
    value = declared.ef_search or facts.look.effective(setting)
    if measured.returned < measured.expected:
        yield Finding(
            "rows_returned",
            "error",
            f"A search for {measured.expected} rows returned {measured.returned}: {too_few(facts, setting, value)}.",
            widen(facts, setting),
        )
    if measured.recall < declared.minimum:
        where = " over the whole table" if measured.whole_table else ""
        yield Finding(
            "recall",
            "error",
            f"recall@{declared.k}{where} is {measured.recall:.3f} with {setting} = {value}, declared are "
            f"{declared.minimum}.",
            f"raise {setting} (recall.ef_search), or build a denser index"
            + (" (index.m, index.ef_construction)" if declared.method == "hnsw" else " (index.lists)"),
        )


def filtered(facts: Facts) -> Iterator[Finding]:
    """Searches that filter by metadata, of which the index knows nothing."""
    found, method = facts.filtered, facts.declared.method
    if found is None or found.returned >= found.expected:
        return
    iterates = facts.look.effective(f"{method}.iterative_scan") not in (None, "off")
    furthest = "hnsw.max_scan_tuples" if method == "hnsw" else "ivfflat.max_probes"
    yield Finding(
        "filtered_rows",
        "warning",
        f"A search for {found.expected} rows with a filter on {found.key} of cmetadata, which no fewer rows pass, returned "
        f"{found.returned}: the filter takes the index's candidates away.",
        f"raise {furthest} for the service's role"
        if iterates
        else widen(facts, "hnsw.ef_search" if method == "hnsw" else "ivfflat.probes"),
    )


def too_few(facts: Facts, setting: str, value: Any) -> str:
    """Why a search returned fewer rows than it was asked for."""
    if facts.declared.method == "hnsw" and value is not None and int(value) < facts.declared.k:
        return f"the index gives {setting} = {value} candidates at most"
    if facts.scan and facts.rows < facts.scan.total and not facts.measured.whole_table:
        return (
            f"the index gives its candidates ({setting} = {value}) of all collections, and the filter takes most away"
        )
    return f"the index reaches no more of its rows with {setting} = {value}"


def widen(facts: Facts, setting: str) -> str:
    """What makes a search go on until it has enough rows."""
    iterative = f"{facts.declared.method}.iterative_scan"
    if facts.look.effective(iterative) not in (None, "off"):
        return f"raise {setting} for the service's role, or build a denser index"
    mend = "strict_order" if facts.declared.method == "hnsw" else "relaxed_order"
    return f"set {iterative} to {mend} for the service's role (option role), or raise {setting}"


def memory(facts: Facts) -> Iterator[Finding]:
    budget = facts.budget
    if budget is None:
        return
    due = facts.judged.right is None and not facts.judged.building
    if budget.needed > budget.configured:
        yield Finding(
            "build_memory",
            "warning" if due and not budget.fits else "info",
            f"A build takes {mebibytes(budget.needed)} MB in memory, and maintenance_work_mem is "
            f"{mebibytes(budget.configured)} MB.",
            f"state=present builds with {mebibytes(budget.memory)} MB"
            + ("" if budget.fits else "; raise thresholds.build_memory_mb, or the build will be several times slower"),
        )
    short = budget.shm_size is not None and budget.shm_size < budget.memory + SHM_BESIDE
    if short and budget.shm_size is not None and budget.configured_workers > 0 and due and facts.rows > 0:
        yield Finding(
            "shm_size",
            "warning",
            f"The server's shared memory holds {mebibytes(budget.shm_size)} MB, a parallel build takes "
            f"{mebibytes(budget.memory + SHM_BESIDE)} MB there: the build is serial.",
            "give the container a larger shm_size",
        )
