"""Many pairs at once, each in a schema of its own: what one change needs must not hinder another, and it takes less time.

Every pair that can be moved is in exactly one composition. The order is drawn with a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from .pair import Outcome, Pair

SEED = 20261124
#: Equal pairs by themselves, additive ones by themselves; the others mixed, because one hazard makes all of it one.
SIZES: dict[tuple[Outcome, ...], int] = {("equal",): 50, ("additive",): 20, ("hazard", "repairable"): 20}


def outcome(parts: Sequence[Pair]) -> Outcome:
    """Give the gravest of what the parts come to."""
    found = {part.outcome for part in parts}
    grave: tuple[Outcome, ...] = ("hazard", "repairable", "additive")
    return next((each for each in grave if each in found), "equal")


def moved(parts: Sequence[Pair], which: str) -> str:
    """Put one script of each part into a schema of its own."""
    scripts = [(number, getattr(part, which)) for number, part in enumerate(parts)]
    schemas = "".join(f"CREATE SCHEMA part_{number};\n" for number, _script in scripts) if which != "rows" else ""
    return schemas + "\n".join(f"SET search_path = part_{number};\n{script};" for number, script in scripts if script)


def composition(name: str, parts: Sequence[Pair]) -> Pair:
    """Join pairs into one; a word of one part's drift stands for all."""
    different = [part for part in parts if part.outcome != "equal"]
    drift = different[0].drift.rsplit(" ", 1)[-1].rsplit(".", 1)[-1] if different else ""
    old, new, rows = (moved(parts, which) for which in ("old", "new", "rows"))
    return Pair(name, old, new, outcome(parts), drift, rows, movable=False)


def compositions(pairs: Sequence[Pair]) -> dict[Pair, list[Pair]]:
    """Give every composition with its parts."""
    draw = random.Random(SEED)  # noqa: S311
    found: dict[Pair, list[Pair]] = {}
    for outcomes, size in SIZES.items():
        pool = [
            pair for pair in pairs if pair.movable and pair.outcome in outcomes and "public." not in pair.old + pair.new
        ]
        draw.shuffle(pool)
        for start in range(0, len(pool), size):
            parts = pool[start : start + size]
            found[composition(f"composition of {len(parts)} ({' or '.join(outcomes)}), from {start}", parts)] = parts
    return found
