# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A collection on its way to another embedding model: how far it is, what forbids the next step, and the statements of each.

The vectors of the new model grow in a column of their own, beside those that serve searches meanwhile. How far that is, is
in the catalog and in the rows alone, so that a run that was killed is followed by one that goes on from there. The column
is shared by all collections of its table, so they move together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_clients import CONTENTS
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    distance_of,
    index_name,
    over_column,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Column, Index, Look, Table
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_plan import Step
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import MAX_INDEXED
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import sql

NEXT, PREVIOUS = "next", "previous"
TRIGGER = "embedding_change"
NAME_BYTES = 63
# In the schema that the collection keeps for itself, which no comparison of a schema looks at.
FUNCTION = ("ai_micro", "forget_embedding")
# The base record keeps what the JSON does not name, so the function serves every table.
FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $body$
BEGIN
    RETURN pg_catalog.jsonb_populate_record(NEW, pg_catalog.jsonb_build_object(TG_ARGV[0], NULL));
END
$body$
"""
# A row that gets another text or another vector of the old model has to be embedded by the new one again. Who writes the
# new vector in the same statement knows what they do.
TRIGGER_SQL = """
CREATE OR REPLACE TRIGGER {trigger} BEFORE UPDATE ON {table} FOR EACH ROW
WHEN (NEW.{next} IS NOT NULL AND NEW.{next} {equal} OLD.{next}
      AND ((OLD.{column} IS NULL) <> (NEW.{column} IS NULL) OR OLD.{column} {unequal} NEW.{column}{texts}))
EXECUTE FUNCTION {function}({argument})
"""


class ChangeError(Exception):
    """What keeps the change from going on, as one sentence."""


@dataclass(frozen=True)
class Wanted:
    """The model to come to."""

    name: str
    beside: tuple[str, ...]
    model: str
    dimensions: int
    kind: Optional[str]

    @property
    def names(self) -> list[str]:
        return [self.name, *self.beside]


@dataclass
class Change:
    """Where the change stands."""

    wanted: Wanted
    look: Look
    table: Table
    column: Column
    comments: dict[str, Optional[str]]  # by column
    strangers: Sequence[str] = ()  # other collections with rows in the column
    views: Sequence[str] = ()  # that read the column
    shares_function: bool = False  # whether the change of another table needs the trigger's function
    rows: int = 0  # with a vector of the model that serves
    filled: int = 0  # of these, with one of the next model

    @property
    def remaining(self) -> int:
        return self.rows - self.filled if self.next else 0

    def beside(self, what: str) -> str:
        """The name of the column that holds the next model's vectors, or the previous one's."""
        return f"{self.column.name}_{what}"

    @property
    def next(self) -> Optional[Column]:
        return self.look.columns.get(self.beside(NEXT))

    @property
    def previous(self) -> Optional[Column]:
        return self.look.columns.get(self.beside(PREVIOUS))

    @property
    def kind(self) -> str:
        return self.wanted.kind or self.column.type

    @property
    def arrived(self) -> bool:
        """Whether the column holds the wanted model; without a row that names models, its dimensions are all there is."""
        if self.next or self.column.modifier != self.wanted.dimensions:
            return False
        models = [row.cmetadata.get("model") for row in self.look.rows if isinstance(row.cmetadata, dict)]
        return not self.look.wants_collections or models == [self.wanted.model]

    @property
    def stage(self) -> str:
        if self.arrived:
            return "switched" if self.previous else "done"
        if not self.next:
            return "unchanged"
        return "filling" if self.remaining else "filled"

    def indexes(self, column: str) -> list[Index]:
        """Approximate indexes that serve searches of a column."""
        return [index for index in self.look.indexes if over_column(index, column) and index.valid]


def embedding_column(look: Look, table_name: str, named: Optional[str]) -> tuple[Table, Column]:
    """The table and the column that serve searches, or the sentence that says what is missing."""
    if look.table is None:
        raise ChangeError(f"There is no table {table_name}: create it, or correct table.")
    if look.table.kind != "r":
        raise ChangeError(f"{look.table.label} is no plain table, so it cannot get a column: correct table.")
    if look.column is not None:
        return look.table, look.column
    # With the other model's vectors beside it, the only column is one of several.
    ends = (f"_{NEXT}", f"_{PREVIOUS}")
    serving = [column for column in look.vectors if not column.name.endswith(ends)]
    if named is None and len(serving) == 1:
        return look.table, serving[0]
    raise ChangeError(
        f"{look.table.label} has "
        + (f"no column {named} of type vector or halfvec" if named else "no one column of type vector or halfvec")
        + ": name the column that searches use with the option column."
    )


def comment(change: Change, column: str) -> dict[str, Any]:
    """What the change has noted on a column."""
    try:
        noted = json.loads(change.comments.get(column) or "{}")
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def check_target(change: Change) -> None:
    """Refuse to fill one column with the vectors of two models."""
    wanted, column = change.wanted, change.next
    if column is None:
        return
    noted = comment(change, column.name).get("model")
    if (noted, column.modifier) != (wanted.model, wanted.dimensions):
        raise ChangeError(
            f"Column {column.name} of {change.table.label} is for the model {noted or 'unknown'} of {column.modifier} dimensions, "
            f"declared is {wanted.model} of {wanted.dimensions}: finish that change first, or give it up by dropping {column.name}."
        )


def check_start(change: Change) -> None:
    """What has to be settled before a second column is worth filling."""
    wanted, table, column = change.wanted, change.table, change.column
    if change.look.wants_collections and len(change.look.rows) != 1:
        raise ChangeError(
            f"There are {len(change.look.rows)} collections named {wanted.name} in {table.label}'s collection table: "
            "correct name, or have one made by pgvector_collection."
        )
    if change.strangers:
        raise ChangeError(
            f"{table.label} holds rows of {', '.join(change.strangers)} in the same column: declare the new model for them "
            "too (option beside), or move them to a table of their own."
        )
    if change.previous:
        raise ChangeError(
            f"{table.label} still holds {change.previous.name} of the change before: drop it by its name first."
        )
    if change.views:
        raise ChangeError(
            f"{', '.join(change.views)} reads column {column.name} of {table.label} and would go on with the old vectors: "
            "drop it, and create it again after the change."
        )
    if len(change.beside(PREVIOUS).encode()) > NAME_BYTES:
        raise ChangeError(f"Column {column.name} has too long a name to keep another beside it: rename it first.")
    most = MAX_INDEXED[change.kind]
    if change.indexes(column.name) and wanted.dimensions > most:
        raise ChangeError(
            f"An index of type {change.kind} takes up to {most} dimensions, and {wanted.model} has {wanted.dimensions}"
            + (": set type to halfvec." if wanted.dimensions <= MAX_INDEXED["halfvec"] else ".")
        )


def check_switch(change: Change) -> None:
    """Searches must not become incomplete or slow by the switch."""
    if change.next is None:
        raise ChangeError(f"{change.table.label} has no column {change.beside(NEXT)} to switch to: prepare it first.")
    if change.remaining:
        raise ChangeError(
            f"{change.remaining} of {change.rows} rows of {change.table.label} have no vector of {change.wanted.model} yet: "
            "fill them first."
        )
    served = {distance_of(index) for index in change.indexes(change.column.name)}
    missing = served - {distance_of(index) for index in change.indexes(change.next.name)}
    if missing:
        raise ChangeError(
            f"Column {change.next.name} of {change.table.label} has no valid index for {', '.join(sorted(missing))}, as "
            f"{change.column.name} has: build it first (pgvector_collection with column: {change.next.name})."
        )


def prepare(change: Change) -> list[Step]:
    """The column, what is noted on it, and what empties it where a row changes."""
    if change.arrived or change.next:
        return []
    look, table, wanted, new = change.look, change.table, change.wanted, change.beside(NEXT)
    extension = sql.Identifier(look.schema)
    kind = sql.SQL("{}.{}({})").format(extension, sql.Identifier(change.kind), sql.Literal(wanted.dimensions))
    function = sql.Identifier(*FUNCTION)
    noted = json.dumps({"model": wanted.model, "dimensions": wanted.dimensions}, ensure_ascii=False)
    add = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(table.identifier, sql.Identifier(new), kind)
    return [
        Step(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(FUNCTION[0]))),
        Step(sql.SQL(FUNCTION_SQL.strip()).format(function=function)),
        Step(sql.SQL("REVOKE ALL ON FUNCTION {}() FROM PUBLIC").format(function)),
        Step(add, "", f"{table.label}.{new}: {change.kind}({wanted.dimensions}) for {wanted.model}"),
        Step(note(table, new, noted)),
        Step(trigger(change, new), "", f"trigger {TRIGGER} on {table.label}"),
    ]


def trigger(change: Change, new: str) -> Any:
    texts = [name for name in CONTENTS if name in change.look.columns]
    changed = [
        sql.SQL(" OR OLD.{name} IS DISTINCT FROM NEW.{name}").format(name=sql.Identifier(name)) for name in texts
    ]
    extension = sql.Identifier(change.look.schema)
    return sql.SQL(TRIGGER_SQL.strip()).format(
        trigger=sql.Identifier(TRIGGER),
        table=change.table.identifier,
        next=sql.Identifier(new),
        column=sql.Identifier(change.column.name),
        equal=sql.SQL("OPERATOR({}.=)").format(extension),
        unequal=sql.SQL("OPERATOR({}.<>)").format(extension),
        texts=sql.Composed(changed),
        function=sql.Identifier(*FUNCTION),
        argument=sql.Literal(new),
    )


def note(table: Table, column: str, text: Optional[str]) -> Any:
    return sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(table.identifier, sql.Identifier(column), sql.Literal(text))


def switch(change: Change) -> list[Step]:
    """Both names, what belongs to them, and what the collections say of themselves; the caller makes it one transaction."""
    table, column, wanted = change.table, change.column, change.wanted
    old, new = change.beside(PREVIOUS), change.beside(NEXT)
    before = {row.cmetadata.get("model") for row in change.look.rows if isinstance(row.cmetadata, dict)}
    noted = {"model": next(iter(before), None), "dimensions": column.modifier, "replaced_by": wanted.model}
    steps = [
        *forget(change),
        rename(table, column.name, old),
        rename(table, new, column.name),
        Step(note(table, old, json.dumps(noted, ensure_ascii=False))),
        Step(note(table, column.name, change.comments.get(column.name))),
    ]
    if column.required:
        for name, words in ((old, "DROP"), (column.name, "SET")):
            statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} {} NOT NULL")
            steps.append(Step(statement.format(table.identifier, sql.Identifier(name), sql.SQL(words))))
    return [*steps, *index_names(change), *metadata(change)]


def rename(table: Table, name: str, to: str) -> Step:
    statement = sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}")
    return Step(
        statement.format(table.identifier, sql.Identifier(name), sql.Identifier(to)),
        f"{table.label}.{name}",
        f"{table.label}.{to} (was {name})",
    )


def forget(change: Change) -> list[Step]:
    """The trigger, and its function where no other table needs it."""
    drop = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(TRIGGER), change.table.identifier)
    steps = [Step(drop, f"trigger {TRIGGER} on {change.table.label}")]
    if not change.shares_function:
        steps.append(Step(sql.SQL("DROP FUNCTION IF EXISTS {}()").format(sql.Identifier(*FUNCTION))))
    return steps


def index_names(change: Change) -> list[Step]:
    """Indexes that bear the name of their column follow it to the new one."""
    table, taken, steps = change.table, set(change.look.relation_names), []
    for name, to in ((change.column.name, change.beside(PREVIOUS)), (change.beside(NEXT), change.column.name)):
        for index in change.look.indexes:
            ending = f"{distance_of(index)}_{index.method}_idx"
            if not over_column(index, name) or index.name != index_name(table.name, name, ending, frozenset()):
                continue
            free = index_name(table.name, to, ending, frozenset(taken - {index.name}))
            taken = (taken - {index.name}) | {free}
            statement = sql.SQL("ALTER INDEX {} RENAME TO {}").format(index.identifier, sql.Identifier(free))
            steps.append(Step(statement))
    return steps


def metadata(change: Change) -> list[Step]:
    """What clients read of their collection's model."""
    look, wanted = change.look, change.wanted
    if not look.wants_collections or look.collections is None:
        return []
    says = json.dumps({"model": wanted.model, "dimensions": wanted.dimensions}, ensure_ascii=False)
    statement = sql.SQL(
        "UPDATE {} SET cmetadata = (CASE pg_catalog.jsonb_typeof(cmetadata::jsonb) WHEN 'object' THEN cmetadata::jsonb "
        "ELSE '{{}}' END || {}::jsonb)::{} WHERE name = ANY ({})"
    ).format(
        look.collections.identifier,
        sql.Literal(says),
        sql.SQL(look.collection_columns["cmetadata"].type),
        sql.Literal(wanted.names),
    )
    return [Step(statement, "", f"{', '.join(wanted.names)}: {says}")]


def drop(change: Change, name: str) -> list[Step]:
    """One of the two columns that a change keeps beside the one that serves, by its name."""
    allowed = (change.beside(PREVIOUS), change.beside(NEXT))
    if name not in allowed:
        raise ChangeError(
            f"drop is {name}: only {allowed[0]}, which a finished change keeps, or {allowed[1]}, to give one up, can be dropped."
        )
    if name not in change.look.columns:
        return []
    statement = sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(change.table.identifier, sql.Identifier(name))
    gone = Step(statement, f"{change.table.label}.{name}: {change.comments.get(name) or 'vectors'}")
    return [*(forget(change) if name == change.beside(NEXT) else ()), gone]
