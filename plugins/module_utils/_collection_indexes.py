# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which index serves the collection, and which others on the same vectors are in its way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import LINK, Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Index, Look
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import (
    DEFAULT_OPTIONS,
    DISTANCES,
    MAX_INDEXED,
)

NAME_BYTES = 63


@dataclass(frozen=True)
class Target:
    """The index that the declaration asks for, on the column that there is."""

    column: str
    column_type: str
    kind: str  # vector or halfvec: the type that the index holds
    dimensions: int
    distance: str
    method: str
    options: tuple[tuple[str, int], ...]

    @property
    def opclass(self) -> str:
        return f"{self.kind}_{DISTANCES[self.distance].opclass}"

    @property
    def casts(self) -> bool:
        """Whether the index holds another type than the column, so that queries have to write the cast."""
        return self.kind != self.column_type


@dataclass
class Judged:
    """The indexes of the table, sorted by what they are to the collection."""

    right: Optional[Index] = None
    duplicates: list[Index] = field(default_factory=list)  # as good as the right one
    wrong: dict[str, str] = field(default_factory=dict)  # name → what is wrong with it
    replaced: list[Index] = field(default_factory=list)  # valid, of the collection, and not what is declared
    leftovers: list[Index] = field(default_factory=list)  # of an interrupted build
    building: list[Index] = field(default_factory=list)
    # On the same vectors for what another user of the table may search by, or partial.
    foreign: list[Index] = field(default_factory=list)


def target(declared: Declaration, look: Look) -> Optional[Target]:
    """The index to have; none where none is asked for, or where the column cannot have one."""
    if declared.method == "none" or not look.can_be_indexed or look.column is None or look.dimensions is None:
        return None
    kind = declared.kind or look.column.type
    if limit_problem(declared, look) or (kind == "vector" and look.column.type == "halfvec"):
        return None
    if cast_problem(declared, look):
        return None
    return Target(
        look.column.name,
        look.column.type,
        kind,
        look.dimensions,
        declared.distance,
        declared.method,
        tuple(declared.options.items()),
    )


def cast_problem(declared: Declaration, look: Look) -> bool:
    """Whether the index would be over a cast that LangChain's clients, whose rows these are, do not write."""
    casts = declared.kind == "halfvec" and look.column is not None and look.column.type == "vector"
    return casts and declared.method != "none" and look.wants_collections and LINK in look.columns


def limit_problem(declared: Declaration, look: Look) -> Optional[int]:
    """The most dimensions that an index takes, where the vectors have more."""
    dimensions = look.dimensions or declared.dimensions
    kind = declared.kind or (look.column.type if look.column else "vector")
    most = MAX_INDEXED[kind]
    return most if declared.method != "none" and dimensions and dimensions > most else None


def holds(index: Index, wanted: Target) -> bool:
    """Whether an index is over these vectors: the column itself, or the column cast to the index's type."""
    if index.keys == (wanted.column,):
        return not wanted.casts
    if len(index.keys) != 1 or index.keys[0] or index.uses != (wanted.column,):
        return False
    return (
        wanted.casts
        and index.type == wanted.kind
        and index.modifier == wanted.dimensions
        and is_cast(index.expression, wanted.column)
    )


def is_cast(expression: str, column: str) -> bool:
    """Whether an expression is the column and a cast, and nothing else."""
    quoted = '"' + column.replace('"', '""') + '"'
    names = "|".join(re.escape(name) for name in (column, quoted))
    return re.fullmatch(rf'\(*(?:{names})\)*::(?:(?:"(?:[^"]|"")+"|\w+)\.)?halfvec\(\d+\)\)*', expression) is not None


def over_column(index: Index, column: str) -> bool:
    """Whether an index is an approximate one over the column in any form."""
    return index.method in DEFAULT_OPTIONS and (index.keys == (column,) or index.uses == (column,))


def faults(index: Index, wanted: Target) -> list[str]:
    """What an index has other than declared."""
    found = []
    if index.method != wanted.method:
        found.append(f"method is {index.method}, declared is {wanted.method}")
    if not holds(index, wanted):
        held = index.type + (f"({index.modifier})" if index.modifier > 0 else "")
        found.append(f"it holds {held} of {index.expression}, declared is {wanted.kind}({wanted.dimensions})")
    if index.opclass != wanted.opclass:
        found.append(f"operator class is {index.opclass}, {wanted.distance} needs {wanted.opclass}")
    if index.method == wanted.method:
        defaults = DEFAULT_OPTIONS[index.method]
        for name, value in wanted.options:
            has = int(index.options.get(name, defaults[name]))
            if has != value:
                found.append(f"{name} is {has}, declared is {value}")
    return found


def distance_of(index: Index) -> str:
    """The distance that an index serves."""
    return next((name for name, about in DISTANCES.items() if index.opclass.endswith(about.opclass)), "")


def named_distance(word: Optional[str]) -> str:
    """The distance that a collection's row names; none where it names none, or one that is not known."""
    return next((name for name, about in DISTANCES.items() if (word or "").lower() in about.words), "")


def is_plain(index: Index, column: str) -> bool:
    """Whether an index holds the vectors themselves, in full or in half precision, and nothing computed from them."""
    return index.keys == (column,) or (index.uses == (column,) and is_cast(index.expression, column))


def is_foreign(index: Index, wanted: Target, look: Look) -> bool:
    """Whether another user of the table may need an index that is not the declared one."""
    serves = distance_of(index)
    if index.partial or not serves or not is_plain(index, wanted.column):
        return True
    if serves == wanted.distance:
        return False
    # A collection that does not name its distance may be searched by any.
    others = {named_distance(word) for word in look.other_distances}
    return not look.usable_collections or bool(others & {"", serves})


def judge(look: Look, wanted: Target) -> Judged:
    """Sort the approximate indexes of the column."""
    candidates = [index for index in look.indexes if over_column(index, wanted.column)]
    judged = Judged(
        building=[index for index in candidates if index.builder],
        leftovers=[index for index in candidates if not index.valid and not index.builder],
    )
    whole = [index for index in candidates if index.valid and not index.builder]
    right: list[Index] = []
    for index in whole:
        wrong = faults(index, wanted)
        if not wrong and not index.partial:
            right.append(index)
            continue
        if wrong:
            judged.wrong[index.name] = "; ".join(wrong)
        (judged.foreign if is_foreign(index, wanted, look) else judged.replaced).append(index)
    judged.right = right[0] if right else None
    judged.duplicates = right[1:]
    return judged


def serving(look: Look, wanted: Target, judged: Judged) -> list[Index]:
    """Indexes that can answer the declared search, the declared one first."""
    usable = [
        index
        for index in look.indexes
        if over_column(index, wanted.column)
        and index.valid
        and not index.partial
        and index.opclass == wanted.opclass
        and holds(index, wanted)
    ]
    return sorted(usable, key=lambda index: index is not judged.right)


def has_link_index(indexes: Sequence[Index]) -> bool:
    """Whether rows of one collection are found without reading all."""
    return any(
        index.method == "btree" and index.keys[:1] == (LINK,) and index.valid and not index.partial for index in indexes
    )


def link_leftovers(indexes: Sequence[Index]) -> list[Index]:
    """Interrupted builds of that index."""
    return [
        index
        for index in indexes
        if index.method == "btree" and index.keys == (LINK,) and not index.valid and not index.builder
    ]


def index_name(table: str, column: str, ending: str, taken: frozenset[str]) -> str:
    """A name as PostgreSQL would choose it, shortened with a hash where it is too long, and free."""
    stem, suffix = f"{table}_{column}", f"_{ending}"
    if len((stem + suffix).encode()) > NAME_BYTES:
        mark = "_" + hashlib.sha256(stem.encode()).hexdigest()[:8]
        room = NAME_BYTES - 4 - len((mark + suffix).encode())
        stem = stem.encode()[:room].decode(errors="ignore") + mark
    name, count = stem + suffix, 0
    while name in taken:
        count += 1
        name = f"{stem}{suffix}{count}"
    return name
