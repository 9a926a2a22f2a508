"""What a pair is, and the three ways to write some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Outcome = Literal["equal", "additive", "hazard", "repairable", "impossible"]


@dataclass(frozen=True, eq=False)
class Pair:
    """An old schema, the declared one, and what the module has to make of them.

    ``outcome`` is one of:

    - equal: the two are written differently and mean the same; there is no drift.
    - additive: what is missing is added without any hazard being allowed, and every row stays.
    - hazard: refused before anything is executed; with all hazards allowed, the declared schema.
    - repairable: whether it is a hazard is the planner's choice; either of the two above.
    - impossible: PostgreSQL itself, or the rows, forbid the way there; the module says so in a sentence and leaves the database
      as it was, or finds a way when all hazards are allowed.

    ``drift`` holds words, all of which one entry of the drift names by its kind, object and attribute.
    """

    name: str
    old: str
    new: str
    outcome: Outcome
    drift: str = ""
    rows: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the scripts work under another search_path, so that compositions can hold the pair in a schema of its own.
    movable: bool = True


def two(scripts: Iterable[str]) -> tuple[str, str]:
    """Give an old and a declared script that are made alike."""
    old, new = scripts
    return old, new


def step(
    name: str,
    base: str,
    change: str,
    drift: str,
    *,
    rows: str = "",
    outcome: Outcome = "additive",
    undo: Outcome | None = "hazard",
    movable: bool = True,
) -> list[Pair]:
    """Pair a base with the base and a change, and the way back."""
    there = Pair(name, base, f"{base};\n{change}", outcome, drift, rows, movable=movable)
    if undo is None:
        return [there]
    return [there, Pair(f"{name}, undone", there.new, base, undo, drift, rows, movable=movable)]


def change(
    name: str,
    old: str,
    new: str,
    drift: str,
    outcome: Outcome = "repairable",
    *,
    back: Outcome | None = "repairable",
    rows: str = "",
    movable: bool = True,
) -> list[Pair]:
    """Pair two schemas that differ, and the way back."""
    there = Pair(name, old, new, outcome, drift, rows, movable=movable)
    if back is None:
        return [there]
    return [there, replace(there, name=f"{name}, back", old=new, new=old, outcome=back)]


def same(name: str, one: str, other: str, *, rows: str = "", movable: bool = True) -> list[Pair]:
    """Pair two spellings of one schema, both ways."""
    return change(name, one, other, "", "equal", back="equal", rows=rows, movable=movable)
