"""Pairs of schemas, an old and a declared one, with what has to come of them. Every file holds pairs of one kind."""

from __future__ import annotations

from . import (
    cascades,
    columns,
    comments,
    constraints,
    equal,
    indexes,
    names,
    privileges,
    programs,
    realistic,
    relations,
    routines,
    sequences,
    tables,
    types,
)
from .pair import Pair
from .shuffled import compositions

PAIRS: tuple[Pair, ...] = tuple(
    pair
    for group in (
        tables,
        columns,
        constraints,
        indexes,
        types,
        sequences,
        relations,
        routines,
        programs,
        comments,
        privileges,
        names,
        cascades,
        equal,
        realistic,
    )
    for pair in group.PAIRS
)

#: Every pair that can be moved into a schema of its own, in one of these.
COMPOSITIONS: dict[Pair, list[Pair]] = compositions(PAIRS)

__all__ = ["COMPOSITIONS", "PAIRS", "Pair"]
