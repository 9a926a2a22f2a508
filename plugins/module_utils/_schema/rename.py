# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Indexes and constraints that differ in nothing but their name are renamed: nothing is built, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Drift,
    Key,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident


def renames(drift: Sequence[Drift], expected: Snapshot, actual: Snapshot) -> tuple[list[Step], list[Drift]]:
    """Give the statements, and the differences that they leave."""
    extra: dict[str, list[Key]] = {}
    for item in drift:
        key = (item.kind, item.identity)
        if item.change == "extra" and item.kind in ("index", "constraint"):
            extra.setdefault(_likeness(actual.things[key]), []).append(key)
    steps: list[Step] = []
    settled: set[tuple[Key, str]] = set()
    for item in drift:
        key = (item.kind, item.identity)
        if item.change != "missing" or item.kind not in ("index", "constraint"):
            continue
        wanted = expected.things[key]
        twins = extra.get(_likeness(wanted), [])
        if twins:
            twin = twins.pop(0)
            steps.append(Step(_rename(actual.things[twin], wanted.identity[-1]), key=key))
            settled |= {(key, "missing"), (twin, "extra")}
    rest = [item for item in drift if ((item.kind, item.identity), item.change) not in settled]
    return steps, rest


def _likeness(thing: Thing) -> str:
    has = {name: value for name, value in thing.attributes.items() if name != "comment"}
    return json.dumps([thing.kind, thing.identity[:-1], has], sort_keys=True)


def _rename(thing: Thing, name: str) -> str:
    if thing.kind == "index":
        return f"ALTER INDEX {dotted(thing.identity)} RENAME TO {ident(name)}"
    old = ident(thing.identity[-1])
    return f"ALTER TABLE {dotted(thing.identity[:2])} RENAME CONSTRAINT {old} TO {ident(name)}"
