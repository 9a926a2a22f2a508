# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From differences to statements: pure functions over two snapshots, what they depend on, and what the rows say."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.column import NOT_NULL_CHECK
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import default_privileges
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Change,
    Creation,
    Data,
    Drift,
    Edges,
    Identity,
    Key,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.rebuild import (
    TYPES,
    convert_columns,
    move_rows,
    old_type,
    rebuild_type,
    set_aside,
    way,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.rename import renames
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ASIDE, dotted, ident, quoted

# Whatever uses a column stands in the way of its new type, unless PostgreSQL adapts it by itself.
_RETYPE_BLOCKERS = {"view", "materialized view", "rule", "policy", "trigger", "function"}


class Plan:
    """The statements of one round, in their order."""

    def __init__(
        self, drift: Sequence[Drift], expected: Snapshot, actual: Snapshot, data: Data, privileges: bool = True
    ) -> None:
        self.expected, self.actual, self.data, self.privileges = expected, actual, data, privileges
        self.dependents = reverse(actual.edges)
        self.renamed, drift = renames(drift, expected, actual)
        self.missing = {(item.kind, item.identity) for item in drift if item.change == "missing"}
        self.extra = {(item.kind, item.identity) for item in drift if item.change == "extra"}
        self.different: dict[Key, list[str]] = {}
        for item in drift:
            if item.change == "different":
                self.different.setdefault((item.kind, item.identity), []).append(item.attribute)
        self.remade: dict[Key, str] = {}
        self.dropped: set[Key] = set()
        self.undefaulted: set[Key] = set()
        self._judge_remakes()
        self._close()
        self.created = {key for key in self.expected.things if key in self.missing or key in self.dropped}

    def _change(self, key: Key, attribute: str, found: Optional[Thing] = None) -> Change:
        there = found or self.actual.things[key]
        return Change(self.expected.things[key], there, attribute, self.expected, self.actual, self.data)

    def _judge_remakes(self) -> None:
        """Things with an attribute that nothing alters have to be dropped and made."""
        for key, attributes in self.different.items():
            kind = KINDS[key[0]]
            for attribute in attributes:
                alter = kind.attributes[attribute].alter
                change = self._change(key, attribute)
                if alter is None or alter(change) is None:
                    self.remade.setdefault(key, kind.remake_hazard(change))

    def _close(self) -> None:
        """Add what depends on whatever goes."""
        names = {key[1] for key in self.missing if KINDS[key[0]].relation}
        first = {key for key in self.extra if KINDS[key[0]].drops_first or (KINDS[key[0]].relation and key[1] in names)}
        self.first = first
        pending = [*self.remade, *first]
        for key, attributes in self.different.items():
            if key[0] == "column" and {"type", "collation"} & set(attributes) and key not in self.remade:
                pending += [other for other in self.dependents.get(key, ()) if self._blocks_retype(other)]
        while pending:
            key = pending.pop()
            if key in self.dropped or key not in self.actual.things:
                continue
            if key[0] in TYPES:
                self.dropped.add(key)
                users = self.dependents.get(key, set())
                pending += [other for other in users if other[0] not in ("column", "table")]
                for column in users:
                    if column[0] == "column":
                        pending += [other for other in self.dependents.get(column, ()) if self._blocks_retype(other)]
                continue
            self.dropped.add(key)
            pending += self._falling(key)

    def _blocks_retype(self, key: Key) -> bool:
        thing = self.actual.things[key]
        if key[0] == "column":
            return thing.attributes["generated"] is not None
        if key[0] == "constraint":
            return bool(thing.attributes["type"] == "foreign key")
        return key[0] in _RETYPE_BLOCKERS

    def _falling(self, key: Key) -> list[Key]:
        """What goes with a thing; a column that only uses it for its default loses that alone."""
        found = []
        for other in self.dependents.get(key, ()):
            thing = self.actual.things[other]
            parents = _line(thing, self.actual)
            if other[0] == "column" and key not in parents:
                if thing.attributes["generated"] is not None:
                    found.append(other)
                elif thing.attributes["default"] is not None:
                    self.undefaulted.add(other)
            elif other[0] == "table" and key not in parents and key[0] != "table":
                continue
            else:
                found.append(other)
        return found

    def steps(self) -> list[Step]:
        """Everything, in the order of execution."""
        early: list[Step] = []
        main: list[Step] = []
        slow: list[Step] = []
        late: list[Step] = []
        waiting: set[Key] = set()
        for key in ordered({*self.created, *self.different} - self._left_out(), self.expected.edges):
            steps = [step._replace(key=key) for step in self._steps_of(key)]
            early += [step for step in steps if step.early]
            late += [step for step in steps if step.late and not step.early]
            now = [step for step in steps if not (step.late or step.early)]
            cut = next((place for place, step in enumerate(now) if step.alone), len(now))
            if self._waits(key, waiting):
                cut = 0
            if cut < len(now):
                waiting.add(key)
            main += now[:cut]
            slow += now[cut:]
        first = [*self.renamed, *early, *self._drops_first()]
        return [*first, *main, *self._moved_rows(), *slow, *late, *self._drops_last(), *self._old_types()]

    def _waits(self, key: Key, waiting: set[Key]) -> bool:
        """Whether it needs what is still being built; only keys need a column's NOT NULL."""
        kinds = ("column", "constraint", "index") if key[0] in ("constraint", "index") else ("constraint", "index")
        return any(other in waiting and other[0] in kinds for other in self.expected.edges.get(key, ()))

    def _left_out(self) -> set[Key]:
        """Differences of things that only the other side has are no steps."""
        return {key for key in self.different if key not in self.expected.things}

    def _steps_of(self, key: Key) -> list[Step]:
        if key in self.created:
            return self._creation(key)
        found = self.actual.things[key]
        if key in self.undefaulted:
            found = found._replace(attributes={**found.attributes, "default": None})
        steps: list[Step] = []
        kind = KINDS[key[0]]
        for attribute in kind.attributes:
            if attribute in self.different.get(key, ()) or (attribute == "default" and key in self.undefaulted):
                steps += self._alter(self._change(key, attribute, found))
        return steps

    def _alter(self, change: Change) -> list[Step]:
        alter = KINDS[change.wanted.kind].attributes[change.attribute].alter
        steps = alter(change) if alter else None
        return [step._replace(attribute=change.attribute) for step in steps or ()]

    def _creation(self, key: Key) -> list[Step]:
        thing = self.expected.things[key]
        kind = KINDS[key[0]]
        parent = kind.parent(thing)
        fresh = parent in self.created and parent is not None and parent[0] not in ("schema",)
        steps: list[Step] = []
        if not (key[0] == "column" and fresh):
            creation = Creation(thing, self.expected, self.actual, self.data, fresh)
            steps += kind.create(creation)
        found = thing._replace(attributes=self._initial(thing))
        for name, attribute in kind.attributes.items():
            if attribute.initial is ... or (attribute.access and not self.privileges):
                continue
            if found.attributes[name] != thing.attributes[name]:
                # Nobody uses it yet, so nothing of it is a hazard.
                change = Change(thing, found, name, self.expected, self.actual, Data(empty=True))
                steps += self._alter(change)
        if key[0] in TYPES and key in self.dropped:
            by = way(self.actual.things.get(key), thing)
            steps += convert_columns(self._columns_of(key), self.expected, self.data, key[0] == "collation", by)
        return steps

    def _columns_of(self, key: Key) -> list[Thing]:
        """Columns of a type that is made anew, but for those that get another one anyway."""
        found = [self.actual.things[other] for other in sorted(self.dependents.get(key, ())) if other[0] == "column"]
        return [thing for thing in found if not {"type", "collation"} & set(self.different.get(thing.key, ()))]

    def _initial(self, thing: Thing) -> dict[str, Any]:
        """The attributes right after its creation."""
        kind = KINDS[thing.kind]
        found = dict(thing.attributes)
        for name, attribute in kind.attributes.items():
            if attribute.initial is ...:
                continue
            value = attribute.initial
            if value == "<user>":
                value = self.actual.user
            elif value == "<default>":
                value = default_privileges(kind.acl, self.expected.version)
            elif value == "<type>":
                value = thing.facts["type_storage"]
            found[name] = value
        return found

    def _drops_first(self) -> list[Step]:
        """Dependents before what they need."""
        steps: list[Step] = []
        for key in sorted(self.undefaulted - self.dropped):
            column = self.actual.things[key]
            bare = column._replace(attributes={**column.attributes, "default": None})
            change = Change(bare, column, "default", self.expected, self.actual, self.data)
            steps += [step._replace(key=key) for step in self._alter(change)]
        for key in reversed(ordered(self.dropped, self.actual.edges)):
            steps += self._drop(key)
        # Those outside a transaction come first, so that the rest is one.
        return [step for step in steps if step.alone] + [step for step in steps if not step.alone]

    def _drops_last(self) -> list[Step]:
        steps: list[Step] = []
        for key in reversed(ordered(self.extra - self.dropped, self.actual.edges)):
            steps += self._drop(key)
        return steps

    def _drop(self, key: Key) -> list[Step]:
        thing = self.actual.things[key]
        going = self.dropped | self.extra
        # A schema takes nothing with it, so that nothing goes unnamed.
        holders = (parent for parent in _line(thing, self.actual) if parent[0] != "schema")
        if self._circular(thing, going):
            return [
                Step(f"ALTER TABLE {dotted(thing.identity[:2])} DROP CONSTRAINT {ident(thing.identity[2])}", key=key)
            ]
        if any(parent in going for parent in holders) or self._with_parent(thing, going):
            return []
        kind = KINDS[key[0]]
        hazard = kind.drop_hazard if key in self.extra else self.remade.get(key, "")
        if key in self.extra and self._left_behind(thing):
            hazard = ""
        if key not in self.extra and key not in self.remade:
            hazard = {"materialized view": "rebuild_materialized_view", "column": "rewrite_table"}.get(key[0], "")
        if key not in self.extra and key[0] in TYPES:
            return [step._replace(key=key) for step in rebuild_type(thing, hazard)]
        if key not in self.extra and key[0] == "table":
            return [step._replace(key=key) for step in set_aside(thing, self.actual, hazard or "rewrite_table")]
        steps = kind.drop(thing) if kind.drop else [Step(f"DROP {kind.address(thing)}")]
        return [step._replace(hazard=hazard, key=key) for step in steps]

    def _circular(self, thing: Thing, going: Iterable[Key]) -> bool:
        """Whether it is a foreign key by which tables that all go refer to each other, so that none of them can go first."""
        if thing.kind != "constraint" or thing.attributes["type"] != "foreign key" or thing.facts.get("inherited"):
            return False
        by_name = self.actual.tables_by_name()
        references: dict[Identity, set[Identity]] = {}
        for other in self.actual.things.values():
            if other.kind == "constraint" and other.attributes["type"] == "foreign key":
                table, target = other.identity[:2], by_name.get(other.attributes["references"], ())
                if table != target and ("table", table) in going and ("table", target) in going:
                    references.setdefault(table, set()).add(target)
        seen: set[Identity] = set()
        pending = [by_name.get(thing.attributes["references"], ())]
        while pending:
            table = pending.pop()
            if table not in seen:
                seen.add(table)
                pending += references.get(table, ())
        return thing.identity[:2] in references and thing.identity[:2] in seen

    def _left_behind(self, thing: Thing) -> bool:
        """Whether a run that was killed made it on its way to something else."""
        if thing.kind == "index":
            table = tuple(thing.facts["table_path"])
            return ("constraint", (*table, thing.identity[-1])) in self.missing
        return thing.kind == "constraint" and thing.identity[-1] == NOT_NULL_CHECK

    def _with_parent(self, thing: Thing, going: Iterable[Key]) -> bool:
        """Whether a partition's or an heir's part goes with that of its parent."""
        if not thing.facts.get("inherited") and not thing.attributes.get("attached_to"):
            return False
        if thing.attributes.get("attached_to"):
            names = {
                ".".join(quoted(part) for part in (key[1][0], key[1][-1]))
                for key in going
                if key[0] in ("index", "constraint")
            }
            return thing.attributes["attached_to"] in names
        table = self.actual.things.get(("table", thing.identity[:2]))
        if table is None:
            return False
        by_name = self.actual.tables_by_name()
        parents = [*table.attributes["inherits"], table.attributes["partition_of"]]
        return any((thing.kind, (*by_name[name], thing.identity[-1])) in going for name in parents if name in by_name)

    def _moved_rows(self) -> list[Step]:
        """Rows of tables that were set aside come back, then the old tables go."""
        steps: list[Step] = []
        aside = [key for key in sorted(self.dropped) if key[0] == "table" and key not in self.extra]
        for key in aside:
            wanted = self.expected.things.get(key)
            moved = move_rows(self.actual.things[key], wanted, self.actual, self.expected)
            steps += [step._replace(key=key) for step in moved]
        return [*steps, Step(f"DROP SCHEMA {dotted([ASIDE])}", key=aside[0])] if aside else []

    def _old_types(self) -> list[Step]:
        gone = [key for key in sorted(self.dropped) if key[0] in TYPES and key not in self.extra]
        return [Step(f"DROP {old_type(self.actual.things[key])}", key=key) for key in gone]


def _line(thing: Thing, side: Snapshot) -> list[Key]:
    """The things without which it cannot be, nearest first."""
    found = []
    parent = KINDS[thing.kind].parent(thing)
    while parent is not None:
        found.append(parent)
        holder = side.things.get(parent)
        parent = KINDS[holder.kind].parent(holder) if holder else None
    return found


def reverse(edges: Edges) -> Mapping[Key, set[Key]]:
    found: dict[Key, set[Key]] = {}
    for key, needed in edges.items():
        for other in needed:
            found.setdefault(other, set()).add(key)
    return found


def ordered(keys: Iterable[Key], edges: Edges) -> list[Key]:
    """Sort so that each thing comes after what it needs, by kind and name otherwise."""
    waiting = set(keys)
    needs = {key: set(edges.get(key, ())) & waiting - {key} for key in waiting}
    users: dict[Key, list[Key]] = {}
    for key, needed in needs.items():
        for other in needed:
            users.setdefault(other, []).append(key)

    def place(key: Key) -> tuple[int, Key]:
        return KINDS[key[0]].rank, key

    ready = [place(key) for key in waiting if not needs[key]]
    heapq.heapify(ready)
    found: list[Key] = []
    while waiting:
        if not ready:
            # A circle: begin where the kinds' order does.
            heapq.heappush(ready, min(place(key) for key in waiting))
        key = heapq.heappop(ready)[1]
        if key not in waiting:
            continue
        waiting.discard(key)
        found.append(key)
        for user in users.get(key, ()):
            needs[user].discard(key)
            if user in waiting and not needs[user]:
                heapq.heappush(ready, place(user))
    return found


def plan(
    drift: Sequence[Drift], expected: Snapshot, actual: Snapshot, data: Data, privileges: bool = True
) -> list[Step]:
    """Write the statements that make every difference good, with their hazards."""
    return Plan(drift, expected, actual, data, privileges).steps()
