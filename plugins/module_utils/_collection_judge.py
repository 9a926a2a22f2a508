# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts judged: what is not in order, how bad it is, and what to do about it.

An error is what makes answers wrong, slow or impossible, or what C(state=present) would mend; a warning is what will
come to that; an information is worth knowing and no fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_clients import clients, meant_for
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_facts import (
    PRESENT,
    Facts,
    Finding,
    said,
    wanted_settings,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    cast_problem,
    has_link_index,
    limit_problem,
    link_leftovers,
    serving,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_judge_rows import (
    filtered,
    memory,
    planner,
    recall,
    rows,
    statistics,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import (
    MAX_INDEXED,
    PARALLEL_FLAW,
    flawed,
    numbers,
)


def judge_all(facts: Facts) -> list[Finding]:
    """Every check, in the order in which a reader would mend things."""
    checks = (
        extension,
        table,
        collection,
        change,
        dimensions,
        rows,
        index,
        link_index,
        statistics,
        planner,
        recall,
        filtered,
        memory,
    )
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
    for flaw in flawed(available):
        mitigated = flaw == PARALLEL_FLAW and server["parallel_workers"] == 0
        yield Finding(
            "extension_flaw",
            "info" if mitigated else "warning",
            f"pgvector {available} has {flaw.text}: {flaw.consequence}"
            + (" (no parallel build is allowed here)." if mitigated else "."),
            "build the image with a newer pgvector" if mitigated else flaw.remedy,
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
    for name, (says, wanted) in said(cmetadata or {}, facts.declared, facts.look).items():
        undeclared = name == "dimensions" and facts.declared.dimensions is None
        if says is None:
            truth = f"the column has {wanted}" if undeclared else f"declared is {wanted}"
            yield Finding("cmetadata", "error", f"cmetadata does not say {name}; {truth}.", PRESENT)
        else:
            yield Finding(
                name if name != "dimensions" else "cmetadata_dimensions",
                "error",
                f"The collection's {name} is {says}, {'the column has' if undeclared else 'declared is'} {wanted}.",
                PRESENT
                if facts.empty
                else "correct cmetadata, or bring the collection to the model that it names by playbooks/change_embedding_model.yml"
                if undeclared
                else f"correct {name} if the rows are to stay of {says}; otherwise bring the collection to {wanted} by "
                "playbooks/change_embedding_model.yml"
                if name != "distance"
                else f"correct distance if the rows are searched by {says}; otherwise correct cmetadata",
            )


def change(facts: Facts) -> Iterator[Finding]:
    """A change of model that is under way; what holds until the switch is judged like any other collection."""
    coming, scan = facts.coming, facts.scan
    if coming is None or scan is None or facts.look.column is None:
        return
    yield Finding(
        "model_change",
        "info",
        f"The collection is on its way to the model {coming.model}: {scan.filled} of {scan.rows - scan.null_embeddings} rows have a "
        f"vector of it in {coming.column}, and searches use {facts.look.column.name} until the switch.",
        "run playbooks/change_embedding_model.yml until it has switched",
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
            "correct dimensions, or bring the collection to the declared model by playbooks/change_embedding_model.yml",
        )
    most = limit_problem(declared, look)
    if most:
        kind = declared.kind or look.column.type
        yield Finding(
            "dimension_limit",
            "error",
            f"An index of type {kind} takes up to {most} dimensions, and the vectors have {has or wanted}.",
            half_precision(facts)
            if kind == "vector" and (has or wanted or 0) <= MAX_INDEXED["halfvec"]
            else "set index.method to none, or use a model of fewer dimensions",
        )
    elif declared.kind == "vector" and look.column.type == "halfvec":
        yield Finding(
            "index_type",
            "error",
            f"Column {look.column.name} is of type halfvec, so an index of type vector gains nothing.",
            "set index.type to halfvec",
        )
    elif cast_problem(declared, look):
        yield Finding(
            "index_type",
            "error",
            f"Column {look.column.name} is of type vector, and LangChain's clients search it as such: they would never use an "
            "index of type halfvec.",
            f"leave index.type out, or make the column halfvec({has or wanted or 'n'})",
        )


def half_precision(facts: Facts) -> str:
    """How vectors get an index that takes more dimensions, where their clients can write a cast and where they cannot."""
    look, most = facts.look, MAX_INDEXED["halfvec"]
    if look.wants_collections and look.column and look.column.type == "vector":
        return f"make the column halfvec({look.dimensions or facts.declared.dimensions}), which takes {most}"
    return f"set index.type to halfvec, which takes {most}"


def index(facts: Facts) -> Iterator[Finding]:
    wanted, judged = facts.wanted, facts.judged
    if wanted is None:
        return
    served = bool(serving(facts.look, wanted, judged))
    for one in judged.building:
        yield Finding(
            "index_building",
            "info" if served else "error",
            f"Index {one.name} is being built: {one.progress}.",
            "wait for its end" + ("" if served else ", as no other index serves searches until then"),
        )
    for one in judged.leftovers:
        yield Finding(
            "index_valid",
            "error",
            f"Index {one.name} is not ready: new rows do not get into it, so that no search by it finds them."
            if one.unready
            else f"Index {one.name} is not valid: its build was interrupted, and no query uses it.",
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
        if reasons and meant_for(client, facts.look):
            yield Finding(
                "client",
                "warning",
                f"{client} cannot work on {facts.look.table.label}: {'; '.join(reasons)}.",
                "bring the table to the schema's superset, which serves all clients",
            )
