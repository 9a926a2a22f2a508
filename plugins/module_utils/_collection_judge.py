# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts judged: what is not in order, how bad it is, and what to do about it.

An error is what makes answers wrong, slow or impossible, or what C(state=present) would mend; a warning is what will
come to that; an information is worth knowing and no fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_clients import clients
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK, Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    Judged,
    Target,
    has_link_index,
    limit_problem,
    link_leftovers,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Look
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import (
    SHM_BESIDE,
    Budget,
    mebibytes,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_search import Measured, Planned, Scan
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import (
    DISTANCES,
    ITERATIVE_SCAN,
    PARALLEL_FLAW,
    flaws,
    numbers,
)

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
    wanted: Optional[Target] = None
    judged: Judged = field(default_factory=Judged)
    scan: Optional[Scan] = None
    planned: Planned = field(default_factory=Planned)
    measured: Measured = field(default_factory=Measured)
    budget: Optional[Budget] = None

    @property
    def rows(self) -> int:
        return self.scan.rows if self.scan else 0


def judge_all(facts: Facts) -> list[Finding]:
    """Every check, in the order in which a reader would mend things."""
    checks = (extension, table, collection, dimensions, rows, index, link_index, statistics, planner, recall, memory)
    found = [finding for check in checks for finding in check(facts)]
    return [*found, *role_settings(facts), *compatibility(facts)]


def extension(facts: Facts) -> Iterator[Finding]:
    server = facts.look.server
    installed, available = server["installed"], server["available"]
    if not available:
        yield Finding(
            "extension", "error", "The server has no extension vector to install.", "use an image that holds pgvector"
        )
        return
    if not installed:
        yield Finding("extension", "error", "The extension vector is not installed in the database.", PRESENT)
        return
    if numbers(installed) < numbers(available):
        yield Finding(
            "extension_version",
            "error",
            f"The extension vector is of version {installed}, the server holds {available}.",
            f"{PRESENT}, which runs ALTER EXTENSION vector UPDATE",
        )
    elif numbers(installed) > numbers(available):
        yield Finding(
            "extension_version",
            "error",
            f"The extension vector is of version {installed}, but the server only holds {available}.",
            "start the image that the database was used with",
        )
    for flaw in flaws(available):
        mitigated = flaw == PARALLEL_FLAW[2] and server["parallel_workers"] == 0
        remedy = "build the image with a newer pgvector"
        if flaw == PARALLEL_FLAW[2] and not mitigated:
            remedy += "; until then set max_parallel_maintenance_workers to 0"
        yield Finding(
            "extension_flaw",
            "info" if mitigated else "warning",
            f"pgvector {available} has {flaw}" + (" (no parallel build is allowed here)." if mitigated else "."),
            remedy,
        )


def table(facts: Facts) -> Iterator[Finding]:
    declared, look = facts.declared, facts.look
    if look.table is None:
        yield Finding(
            "table",
            "error",
            f"There is no table {declared.table}.",
            "create it (the schema's files do), or correct table",
        )
    elif not look.can_be_indexed:
        kind = {"p": "partitioned", "v": "a view", "f": "foreign"}[look.table.kind]
        yield Finding(
            "table",
            "error",
            f"{look.table.label} is {kind}: it cannot have an index built CONCURRENTLY.",
            "name a partition or the table below as table",
        )
    elif look.column is None:
        names = ", ".join(column.name for column in look.vectors)
        yield Finding(
            "column",
            "error",
            f"{look.table.label} has no column {declared.column} of type vector or halfvec."
            if declared.column
            else f"{look.table.label} has several vector columns ({names})."
            if names
            else f"{look.table.label} has no column of type vector or halfvec.",
            "name the column with the option column" if names else "add the column, or correct table",
        )


def collection(facts: Facts) -> Iterator[Finding]:
    """The collection's own row, and what it says of itself."""
    declared, look = facts.declared, facts.look
    if not look.wants_collections:
        return
    if look.table and LINK not in look.columns:
        yield Finding(
            "collection_table",
            "error",
            f"{look.table.label} has no column {LINK}, so its rows belong to no collection.",
            "set collection_table to an empty string, or correct table",
        )
    if not look.usable_collections:
        name = declared.collection_table or "langchain_pg_collection"
        yield Finding(
            "collection_table",
            "error",
            f"The collection table {name} "
            + ("lacks uuid, name or cmetadata." if look.collections else "does not exist."),
            "create it (the schema's files do), or correct collection_table",
        )
    elif not look.rows:
        yield Finding("collection", "error", f"There is no collection named {declared.name}.", PRESENT)
    elif len(look.rows) > 1:
        yield Finding(
            "collection",
            "error",
            f"{len(look.rows)} collections are named {declared.name}; clients take any one of them.",
            "move the rows to one of them, delete the others and add a UNIQUE constraint on name",
        )
    else:
        yield from metadata(facts)


def said(cmetadata: Mapping[str, Any], declared: Declaration) -> dict[str, tuple[Any, Any]]:
    """What the row says other than declared: name → (says, declared)."""
    wanted = {"model": declared.model, "dimensions": declared.dimensions, "distance": declared.distance}
    words = DISTANCES[declared.distance].words
    return {
        name: (cmetadata.get(name), value)
        for name, value in wanted.items()
        if value is not None
        and str(cmetadata.get(name)) != str(value)
        and not (name == "distance" and str(cmetadata.get(name)).lower() in words)
    }


def metadata(facts: Facts) -> Iterator[Finding]:
    cmetadata = facts.look.rows[0].cmetadata
    if cmetadata is not None and not isinstance(cmetadata, dict):
        yield Finding(
            "cmetadata",
            "error",
            "cmetadata is no JSON object, so it cannot say the model.",
            "make it an object by hand",
        )
        return
    for name, (says, wanted) in said(cmetadata or {}, facts.declared).items():
        if says is None:
            yield Finding("cmetadata", "error", f"cmetadata does not say {name}; declared is {wanted}.", PRESENT)
        else:
            empty = facts.scan is not None and facts.rows == 0
            yield Finding(
                name if name != "dimensions" else "cmetadata_dimensions",
                "error",
                f"The collection's {name} is {says}, declared is {wanted}.",
                PRESENT
                if empty
                else f"correct {name} if the rows are of {says}; otherwise embed them again as {wanted}, then correct "
                "cmetadata",
            )


def dimensions(facts: Facts) -> Iterator[Finding]:
    declared, look = facts.declared, facts.look
    if look.column is None:
        return
    has, wanted = look.dimensions, declared.dimensions
    if has is None and declared.method != "none":
        yield Finding(
            "dimensions",
            "error",
            f"Column {look.column.name} is declared without dimensions: it cannot be indexed, and takes rows of any.",
            f"ALTER TABLE … ALTER COLUMN … TYPE {look.column.type}({wanted or 'n'}) when no writer is active",
        )
    elif has is not None and wanted is not None and has != wanted:
        yield Finding(
            "dimensions",
            "error",
            f"Column {look.column.name} is {look.column.type}({has}), declared are {wanted} dimensions.",
            "correct dimensions, or move the collection to a column of the new model's dimensions",
        )
    most = limit_problem(declared, look)
    if most:
        kind = declared.kind or look.column.type
        yield Finding(
            "dimension_limit",
            "error",
            f"An index of type {kind} takes up to {most} dimensions, and the vectors have {has or wanted}.",
            "set index.type to halfvec, which takes 4000"
            if kind == "vector" and (has or wanted or 0) <= 4000
            else "set index.method to none, or use a model of fewer dimensions",
        )
    elif declared.kind == "vector" and look.column.type == "halfvec":
        yield Finding(
            "index_type",
            "error",
            f"Column {look.column.name} is of type halfvec, so an index of type vector gains nothing.",
            "set index.type to halfvec",
        )


def rows(facts: Facts) -> Iterator[Finding]:
    scan, most = facts.scan, facts.declared.thresholds
    if scan is None:
        return
    about = "" if scan.share >= 1 else f" (estimated from {100 * scan.share:.1f} % of the table)"
    if scan.null_embeddings > most.null_embeddings:
        yield Finding(
            "null_embeddings",
            "error",
            f"{scan.null_embeddings} rows have no embedding: no search finds them{about}.",
            "embed them, or delete them",
        )
    if facts.declared.distance == "cosine" and scan.zero_norm > most.zero_norm:
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
            f"{scan.orphans} references of the table's rows lead nowhere (collection_id or document_id).",
            "delete these rows, and add the foreign key that is missing",
        )
    if scan.duplicates is not None and scan.duplicates > most.duplicates:
        yield Finding(
            "duplicates",
            "error",
            f"{scan.duplicates} rows repeat a custom_id of the collection: a search returns the same text again.",
            "delete all but the newest of each custom_id",
        )


def index(facts: Facts) -> Iterator[Finding]:
    wanted, judged = facts.wanted, facts.judged
    if wanted is None:
        return
    for one in judged.building:
        yield Finding("index_building", "info", f"Index {one.name} is being built: {one.progress}.", "wait for its end")
    for one in judged.leftovers:
        yield Finding(
            "index_valid",
            "error",
            f"Index {one.name} is not valid: its build was interrupted, and no query uses it.",
            f"{PRESENT}, which drops it and builds it again",
        )
    for one in judged.replaced:
        yield Finding(
            "index_definition",
            "warning" if judged.right else "error",
            f"Index {one.name} is not as declared: {judged.wrong[one.name]}.",
            f"{PRESENT}, which builds the declared one before it drops this one",
        )
    for one in judged.duplicates:
        yield Finding(
            "index_duplicate",
            "warning",
            f"Index {one.name} repeats {judged.right.name if judged.right else ''}: every write pays for it twice.",
            f"{PRESENT}, which drops it",
        )
    if judged.right is None and not judged.building and not judged.leftovers and not judged.replaced:
        others = "; ".join(
            f"{one.name}: {judged.wrong[one.name]}" for one in judged.foreign if one.name in judged.wrong
        )
        yield Finding(
            "index",
            "error",
            f"{facts.declared.table} has no {wanted.method} index with operator class {wanted.opclass}"
            + (f" ({others})." if others else "."),
            f"{PRESENT}, which builds it CONCURRENTLY",
        )
    if wanted.casts:
        yield Finding(
            "index_cast",
            "info",
            f"The index holds {wanted.kind} of a {wanted.column_type} column: only queries that write the cast use it, "
            "and LangChain's clients do not.",
            f"make the column {wanted.kind}({wanted.dimensions}) where LangChain is used",
        )


def link_index(facts: Facts) -> Iterator[Finding]:
    look = facts.look
    if not look.wants_collections or not look.can_be_indexed or LINK not in look.columns:
        return
    if not has_link_index(look.indexes):
        half = "only an interrupted build's" if link_leftovers(look.indexes) else "no"
        yield Finding(
            "collection_id_index",
            "error",
            f"Column {LINK} has {half} index, so a small collection is found by reading all rows.",
            PRESENT,
        )


def stale(facts: Facts) -> bool:
    """Whether the planner knows another table than there is."""
    table = facts.look.table
    if table is None or facts.scan is None or facts.scan.total <= STALE_FLOOR:
        return False
    limit = STALE_FLOOR + facts.declared.thresholds.stale_fraction * facts.scan.total
    far = abs(max(table.estimate, 0) - facts.scan.total) > limit and facts.scan.share >= 1
    return table.modified > limit or table.analysed == 0 or far


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
    # Reading all of few rows is right; but a switch that is off stays off when they are many.
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
    due = facts.judged.right is None
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
    return wanted


def role_settings(facts: Facts) -> Iterator[Finding]:
    role = facts.declared.role
    if role and not facts.look.role_exists:
        yield Finding("role", "error", f"There is no role {role}.", "create it first, or correct role")
    for name, value in wanted_settings(facts).items():
        has = facts.look.effective(name)
        yield Finding(
            "role_settings",
            "error",
            f"Sessions of role {role} have {name} = {has}, and search needs {value}.",
            f"{PRESENT}, which sets it for the role in this database",
        )


def compatibility(facts: Facts) -> Iterator[Finding]:
    """Clients that a table of LangChain's shape is expected to serve."""
    if not facts.look.table or not facts.look.column or not facts.look.usable_collections:
        return
    if not facts.look.can_be_indexed or LINK not in facts.look.columns:
        return
    for client, reasons in clients(facts.look).items():
        if reasons and not any("always" in reason for reason in reasons):
            yield Finding(
                "client",
                "warning",
                f"{client} cannot work on {facts.look.table.label}: {'; '.join(reasons)}.",
                "bring the table to the schema's superset, which serves all clients",
            )
