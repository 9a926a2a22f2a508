# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between a declared and a live snapshot: pure functions over data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Drift,
    Key,
    Kind,
    Snapshot,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import shown, words

Ignored = Callable[[Thing], bool]


def ignoring(patterns: Sequence[str]) -> Ignored:
    """Build the test for things that others own, from C(schema.name) and C(kind:schema.name) patterns."""
    split = []
    for pattern in patterns:
        kind, colon, name = pattern.partition(":")
        split.append((kind, name) if colon and kind.replace("_", " ") in KINDS else ("*", pattern))

    def named(kind: str, identity: Sequence[str]) -> bool:
        names = {".".join(identity), shown(identity)}
        return any(
            (wanted == "*" or wanted.replace("_", " ") == kind) and any(fnmatchcase(name, pattern) for name in names)
            for wanted, pattern in split
        )

    def test(thing: Thing) -> bool:
        if named(thing.kind, thing.identity):
            return True
        parent = KINDS[thing.kind].parent(thing)
        while parent:
            if named(*parent):
                return True
            # Only columns have a parent that has one too: their table's schema.
            parent = ("schema", parent[1][:1]) if parent[0] != "schema" else None
        return False

    return test if split else lambda _thing: False


def compared(kind: Kind, privileges: bool) -> list[str]:
    """Attributes that count."""
    return [name for name, attribute in kind.attributes.items() if privileges or not attribute.access]


def declared_database(expected: Snapshot) -> Mapping[str, bool]:
    """Which attributes of the database the declaration speaks about; the rest is not its business."""
    thing = expected.things.get(("database", ("",)))
    if thing is None:
        return {}
    has = thing.attributes
    return {
        "owner": has["owner"] != expected.user,
        "privileges": True,
        "settings": bool(has["settings"]),
        "comment": has["comment"] is not None,
    }


def compare(
    expected: Snapshot, actual: Snapshot, privileges: bool = True, ignored: Ignored = lambda _thing: False
) -> list[Drift]:
    """List every difference, objects in the order of creation."""
    found: list[Drift] = []
    about_database = declared_database(expected)
    attributes = {name: compared(kind, privileges) for name, kind in KINDS.items()}
    for key in {**expected.things, **actual.things}:
        wanted, present = expected.things.get(key), actual.things.get(key)
        if wanted is not None and present is not None and wanted.attributes == present.attributes:
            continue
        thing = wanted or present
        if thing is None or ignored(thing) or (thing.kind == "default privileges" and not privileges):
            continue
        if wanted is None or present is None:
            change = "missing" if present is None else "extra"
            found.append(Drift(*key, "", summary(wanted), summary(present), change))
            continue
        found += [
            Drift(*key, name, wanted.attributes[name], present.attributes[name], "different")
            for name in attributes[key[0]]
            if wanted.attributes[name] != present.attributes[name]
            and not (key[0] == "database" and not about_database.get(name))
        ]
    ranks = {name: place for place, name in enumerate(KINDS)}
    return sorted(found, key=lambda drift: (ranks[drift.kind], drift.identity, drift.attribute))


def summary(thing: Optional[Thing]) -> Any:
    """Say what an object is that only one side has: the attributes that say something."""
    if thing is None:
        return None
    return {name: value for name, value in thing.attributes.items() if value not in (None, [], False)}


def reported(drift: Sequence[Drift], expected: Snapshot, actual: Snapshot) -> list[Drift]:
    """Leave out what goes without saying: parts of an object that is missing or extra as a whole."""
    whole = {(item.kind, item.identity) for item in drift if item.change != "different"}

    def implied(item: Drift) -> bool:
        if item.change == "different":
            return False
        side = expected if item.change == "missing" else actual
        thing = side.things[item.kind, item.identity]
        if KINDS[item.kind].silent(thing):
            return True
        # A schema holds what has rows: whoever permits to drop it has to know of each.
        return any(parent in whole for parent in ancestors(thing, side) if parent[0] != "schema")

    return [item for item in drift if not implied(item)]


def ancestors(thing: Thing, side: Snapshot) -> Iterable[Key]:
    parent = KINDS[thing.kind].parent(thing)
    while parent is not None:
        yield parent
        holder = side.things.get(parent)
        parent = KINDS[holder.kind].parent(holder) if holder else None


def sentence(item: Drift) -> str:
    """Name one difference in words, such as C(documents.category: column missing)."""
    name = object_name(item.kind, item.identity)
    if item.change != "different":
        return f"{name}: {item.kind} {item.change}"
    if isinstance(item.expected, list) and isinstance(item.actual, list):
        missing = [entry for entry in item.expected if entry not in item.actual]
        extra = [entry for entry in item.actual if entry not in item.expected]
        parts = [f"lacks {words(missing)}"] if missing else []
        parts += [f"has {words(extra)} too much"] if extra else []
        said = " and ".join(parts) or f"are in the order {words(item.actual)}, declared {words(item.expected)}"
        return f"{name}: {item.kind} {item.attribute} {said}"
    return f"{name}: {item.kind} {item.attribute} is {words(item.actual)}, declared {words(item.expected)}"


def object_name(kind: str, identity: Sequence[str]) -> str:
    if kind == "database":
        return "database"
    if kind in ("function", "aggregate"):
        return f"{shown(identity[:2])}({identity[2]})"
    if kind == "row":
        return f"{shown(identity[:2])}[{', '.join(identity[2:])}]"
    if kind == "default privileges":
        role, schema, what = identity
        return f"{role}{' in ' + schema if schema else ''} on {what}"
    if kind == "cast":
        return f"{identity[0]} AS {identity[1]}"
    if kind == "operator":
        return f"{shown(identity[:2])} ({', '.join(identity[2:])})"
    return shown(identity)
