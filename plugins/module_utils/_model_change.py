# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A collection on its way to another embedding model: how far it is, and what forbids the next step.

The vectors of the new model grow in a column of their own, beside those that serve searches meanwhile. How far that is, is
in the catalog and in the rows alone, so that a run that was killed is followed by one that goes on from there. The column
is shared by all collections of its table, so they move together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_clients import CONTENTS
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import distance_of, over_column
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Column, Index, Look, Table
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import MAX_INDEXED

NEXT, PREVIOUS = "next", "previous"
NAME_BYTES = 63


class ChangeError(Exception):
    """What keeps the change from going on, as one sentence."""


class Unfilled(ChangeError):
    """Rows lack a vector of the next model."""


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


class About(NamedTuple):
    """What a column has that a new one beside it does not get by itself."""

    comment: Optional[str] = None
    storage: Optional[str] = None  # as the catalog says it, where it is not its type's own
    grants: Sequence[Sequence[Any]] = ()  # role (none: everybody), privilege, whether it may be passed on


@dataclass
class Change:
    """Where the change stands."""

    wanted: Wanted
    look: Look
    table: Table
    column: Column
    about: dict[str, About]  # by column
    quoted: Mapping[str, str] = field(
        default_factory=dict
    )  # names as a command writes them, by their environment variable
    strangers: Sequence[str] = ()  # other collections with rows in the column
    views: Sequence[str] = ()  # that read the column
    shares_function: bool = False  # whether the change of another table needs the trigger's function
    guarded: bool = False  # whether the triggers that watch the texts are there
    unproved: bool = False  # whether a switch was cut off before the column was NOT NULL again
    rows: int = 0  # with a vector of the model that serves
    filled: int = 0  # of these, with one of the next model

    @property
    def remaining(self) -> int:
        return self.rows - self.filled if self.next else 0

    def beside(self, what: str) -> str:
        """The name of the column that holds the next model's vectors, or the previous one's."""
        return f"{self.column.name}_{what}"

    @property
    def told(self) -> str:
        """The column in which is said what text a vector of the next model was made of."""
        return f"{self.beside(NEXT)}_of"

    @property
    def texts(self) -> list[str]:
        """Columns that hold what is embedded; where there are none, the old vector tells one text from another."""
        return [name for name in CONTENTS if name in self.look.columns]

    @property
    def not_null(self) -> str:
        """The constraint that stands for NOT NULL until the rows were read."""
        return f"{self.column.name}_not_null"

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

    @property
    def refuses_old(self) -> Optional[bool]:
        """Whether the server refuses vectors of the old model after the switch, which it knows by their dimensions alone."""
        if self.stage == "done":
            return None
        old = self.previous or self.column
        return old.modifier != self.wanted.dimensions

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


def read_note(comment: Optional[str]) -> dict[str, Any]:
    """What the change has noted on a column, which may have a comment of another's."""
    try:
        noted = json.loads(comment or "{}")
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def check_target(change: Change) -> None:
    """Refuse to fill one column with the vectors of two models."""
    wanted, column = change.wanted, change.next
    if column is None:
        return
    noted = read_note(change.about[column.name].comment).get("model")
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
    check_readers(change)
    if change.previous:
        raise ChangeError(
            f"{table.label} still holds {change.previous.name} of the change before: drop it by its name first."
        )
    if len(change.beside(PREVIOUS).encode()) > NAME_BYTES:
        raise ChangeError(f"Column {column.name} has too long a name to keep another beside it: rename it first.")
    most = MAX_INDEXED[change.kind]
    if change.indexes(column.name) and wanted.dimensions > most:
        raise ChangeError(
            f"An index of type {change.kind} takes up to {most} dimensions, and {wanted.model} has {wanted.dimensions}"
            + (": set type to halfvec." if wanted.dimensions <= MAX_INDEXED["halfvec"] else ".")
        )


def check_readers(change: Change) -> None:
    """Nobody else may use the column, before it is begun with as when it is switched."""
    if change.strangers:
        raise ChangeError(
            f"{change.table.label} holds rows of {', '.join(change.strangers)} in the same column: declare the new model for "
            "them too (option beside), or move them to a table of their own."
        )
    if change.views:
        raise ChangeError(
            f"{', '.join(change.views)} reads column {change.column.name} of {change.table.label} and would go on with the old "
            "vectors: drop it, and create it again after the change."
        )


def check_switch(change: Change, fills: bool = False) -> None:
    """Searches must not become incomplete or slow by the switch; with C(fills), missing vectors are filled before it."""
    if change.next is None:
        raise ChangeError(f"{change.table.label} has no column {change.beside(NEXT)} to switch to: prepare it first.")
    check_readers(change)
    if not change.guarded:
        raise ChangeError(
            f"The triggers embedding_change* of {change.table.label} are missing or disabled, so texts may have changed without "
            f"notice: give this change up by dropping {change.next.name}, and prepare it again."
        )
    if change.remaining and not fills:
        raise Unfilled(
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
