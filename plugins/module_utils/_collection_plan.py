# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mends a collection, or removes it: one list of steps gives the statements, C(changed) and the diff."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_facts import (
    Facts,
    said,
    stale,
    wanted_settings,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    Target,
    has_link_index,
    index_name,
    link_leftovers,
    over_column,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Index, Look, Table
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import mebibytes
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import numbers
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import sql


class Step(NamedTuple):
    """A statement, and the line that it takes from the state before and adds to the state after."""

    statement: Any
    before: str = ""
    after: str = ""
    builds: Optional[tuple[str, str]] = None  # schema and name of the index that it builds


def diff(steps: Sequence[Step]) -> dict[str, str]:
    return {
        "before": "".join(f"{step.before}\n" for step in steps if step.before),
        "after": "".join(f"{step.after}\n" for step in steps if step.after),
    }


def present(facts: Facts) -> list[Step]:
    """In their order; each can be interrupted, and the next run goes on from there."""
    look, declared = facts.look, facts.declared
    steps = extension(look)
    contradicted = look.dimensions and declared.dimensions and look.dimensions != declared.dimensions
    if look.table is None or not look.can_be_indexed or contradicted:
        return steps
    steps += collection(facts)
    steps += link_index(look, look.table)
    if facts.wanted and not distance_conflicts(facts):
        steps += vector_index(facts, facts.wanted, look.table)
    if stale(facts):
        steps.append(
            Step(
                sql.SQL("ANALYZE {}").format(look.table.identifier),
                f"statistics of {look.table.label}: stale",
                f"statistics of {look.table.label}: fresh",
            )
        )
    return steps + settings(facts)


def extension(look: Look) -> list[Step]:
    installed, available = look.server["installed"], look.server["available"]
    if not available:
        return []
    if not installed:
        return [Step(sql.SQL("CREATE EXTENSION vector SCHEMA public"), "", f"extension vector {available}")]
    if numbers(installed) < numbers(available):
        update = sql.SQL("ALTER EXTENSION vector UPDATE TO {}").format(sql.Literal(available))
        return [Step(update, f"extension vector {installed}", f"extension vector {available}")]
    return []


def declaration_of(facts: Facts) -> dict[str, Any]:
    """What a collection's cmetadata has to say."""
    declared = facts.declared
    wanted = {
        "model": declared.model,
        "dimensions": declared.dimensions or (facts.look.dimensions if facts.look.serves else None),
        "distance": declared.distance,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def collection(facts: Facts) -> list[Step]:
    """The collection's row. What contradicts the declaration is kept as long as there are rows that it is true of."""
    look, declared = facts.look, facts.declared
    if not look.wants_collections or not look.usable_collections or look.collections is None or len(look.rows) > 1:
        return []
    column = look.collection_columns["cmetadata"]
    kind = sql.Identifier(column.type_schema, column.type)
    if not look.rows:
        columns = [sql.Identifier("name"), sql.Identifier("cmetadata")]
        metadata = json.dumps(declaration_of(facts), ensure_ascii=False)
        values = [sql.Literal(declared.name), sql.SQL("{}::{}").format(sql.Literal(metadata), kind)]
        if not look.collection_columns["uuid"].has_default:
            columns.insert(0, sql.Identifier("uuid"))
            values.insert(0, sql.SQL("pg_catalog.gen_random_uuid()"))
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            look.collections.identifier, sql.SQL(", ").join(columns), sql.SQL(", ").join(values)
        )
        return [Step(statement, "", f"collection {declared.name}: {metadata}")]
    has = look.rows[0].cmetadata
    if has is not None and not isinstance(has, dict):
        return []
    changes = {
        name: wanted for name, (says, wanted) in said(has or {}, declared, look).items() if says is None or facts.empty
    }
    if not changes:
        return []
    statement = sql.SQL(
        "UPDATE {} SET cmetadata = (CASE pg_catalog.jsonb_typeof(cmetadata::jsonb) WHEN 'object' THEN cmetadata::jsonb "
        "ELSE '{{}}' END || {}::jsonb)::{} WHERE uuid = {}"
    ).format(
        look.collections.identifier,
        sql.Literal(json.dumps(changes, ensure_ascii=False)),
        kind,
        sql.Literal(look.rows[0].uuid),
    )
    after = json.dumps({**(has or {}), **changes}, ensure_ascii=False)
    before = json.dumps(has, ensure_ascii=False)
    return [Step(statement, f"collection {declared.name}: {before}", f"collection {declared.name}: {after}")]


def distance_conflicts(facts: Facts) -> bool:
    """Whether the collection's row names another distance, for which its index may be in use."""
    has = facts.look.rows[0].cmetadata if facts.look.rows else None
    says = said(has, facts.declared, facts.look).get("distance") if isinstance(has, dict) else None
    return says is not None and says[0] is not None and not facts.empty


def drop(index: Index, why: str) -> Step:
    statement = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(index.identifier)
    return Step(statement, f"index {index.name}: {why}")


def link_index(look: Look, table: Table) -> list[Step]:
    """Without it, a small collection among large ones is found by reading all of them."""
    if not look.wants_collections or LINK not in look.columns or has_link_index(look.indexes):
        return []
    if any(index.builder for index in look.indexes if index.keys == (LINK,)):
        return []
    leftovers = link_leftovers(look.indexes)
    taken = look.relation_names - {index.name for index in leftovers}
    name = index_name(table.name, LINK, "idx", taken)
    statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ({})").format(
        sql.Identifier(name), table.identifier, sql.Identifier(LINK)
    )
    made = Step(statement, "", f"index {name} on {LINK}", builds=(table.schema, name))
    return [*(drop(index, "not valid") for index in leftovers), made]


def vector_index(facts: Facts, wanted: Target, table: Table) -> list[Step]:
    """Invalid ones away, the declared one built beside what serves meanwhile, then the others away."""
    judged, look = facts.judged, facts.look
    if judged.building:
        return []
    steps = [drop(index, "not valid") for index in judged.leftovers]
    if judged.right is None:
        steps += session_settings(facts)
        taken = look.relation_names - {index.name for index in judged.leftovers}
        name = own_name(wanted, table, taken)
        steps.append(Step(create(name, wanted, look, table), "", describe(name, wanted), builds=(table.schema, name)))
    steps += [drop(index, judged.wrong[index.name]) for index in judged.replaced if not index.constraint]
    steps += [drop(index, "a duplicate") for index in judged.duplicates]
    return steps


def own_name(wanted: Target, table: Table, taken: frozenset[str]) -> str:
    return index_name(table.name, wanted.column, f"{wanted.distance}_{wanted.method}_idx", taken)


def describe(name: str, wanted: Target) -> str:
    options = ", ".join(f"{option} = {value}" for option, value in wanted.options)
    return f"index {name}: {wanted.method} {wanted.opclass} ({options})"


def create(name: str, wanted: Target, look: Look, table: Table) -> Any:
    extension_schema = sql.Identifier(look.schema)
    held: Any = sql.Identifier(wanted.column)
    if wanted.casts:
        held = sql.SQL("({}::{}.{}({}))").format(
            held, extension_schema, sql.Identifier(wanted.kind), sql.Literal(wanted.dimensions)
        )
    options = sql.SQL(", ").join(
        [sql.SQL("{} = {}").format(sql.SQL(option), sql.Literal(value)) for option, value in wanted.options]
    )
    return sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} USING {} ({} {}.{}) WITH ({})").format(
        sql.Identifier(name),
        table.identifier,
        sql.SQL(wanted.method),
        held,
        extension_schema,
        sql.Identifier(wanted.opclass),
        options,
    )


def session_settings(facts: Facts) -> list[Step]:
    """What the build needs, for this session alone."""
    budget = facts.budget
    if budget is None:
        return []
    steps = []
    if budget.memory != budget.configured:
        size = sql.Literal(f"{mebibytes(budget.memory)}MB")
        steps.append(Step(sql.SQL("SET maintenance_work_mem = {}").format(size)))
    if budget.workers != budget.configured_workers:
        workers = sql.Literal(budget.workers)
        steps.append(Step(sql.SQL("SET max_parallel_maintenance_workers = {}").format(workers)))
    return steps


def settings(facts: Facts) -> list[Step]:
    """A SET dies with a pooled connection, so the role carries what search needs."""
    role, database = facts.declared.role or "", str(facts.look.server["database"])
    steps = []
    for name, value in wanted_settings(facts).items():
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}").format(
            sql.Identifier(role), sql.Identifier(database), sql.Identifier(*name.split(".")), sql.Literal(value)
        )
        has = facts.look.role_here.get(name)
        before = f"role {role} in {database}: {name} = {has}" if has else ""
        steps.append(Step(statement, before, f"role {role} in {database}: {name} = {value}"))
    return steps


def absent(facts: Facts) -> list[Step]:
    """The collection and its own rows; without a collection table the index that present would make, and no row."""
    look, declared = facts.look, facts.declared
    if not look.wants_collections:
        return absent_index(facts)
    steps = []
    for row in look.rows if look.collections else ():
        member = sql.Literal(row.uuid)
        if look.table and LINK in look.columns:
            statement = sql.SQL("DELETE FROM {} WHERE {} = {}").format(
                look.table.identifier, sql.Identifier(LINK), member
            )
            steps.append(Step(statement, f"rows of collection {declared.name} in {look.table.label}"))
        if look.collections:
            statement = sql.SQL("DELETE FROM {} WHERE uuid = {}").format(look.collections.identifier, member)
            before = json.dumps(row.cmetadata, ensure_ascii=False)
            steps.append(Step(statement, f"collection {declared.name}: {before}"))
    return steps


def absent_index(facts: Facts) -> list[Step]:
    look, wanted = facts.look, facts.wanted
    if look.table is None or wanted is None:
        return []
    name = own_name(wanted, look.table, frozenset())
    return [
        drop(index, f"{index.method} {index.opclass}")
        for index in look.indexes
        if index.name == name and over_column(index, wanted.column) and not index.builder
    ]
