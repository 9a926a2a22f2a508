# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parts of postgres_schema hand to each other: plain data, no connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional, Union

Identity = tuple[str, ...]
Key = tuple[str, Identity]
Edges = Mapping[Key, frozenset[Key]]

# Stands for the database's own name in a statement: a plan is replayed in a database of another name.
DATABASE = "\0database\0"
# Stands for the owner in a list of privileges, so that a new owner is one difference and not two.
OWNER = "<owner>"


class SchemaError(Exception):
    """What the user has to mend, as one sentence."""


class Thing(NamedTuple):
    """One object of a database: attributes are compared, facts only help to write statements."""

    kind: str
    identity: Identity
    attributes: dict[str, Any]
    facts: dict[str, Any]

    @property
    def key(self) -> Key:
        return self.kind, self.identity


@dataclass
class Snapshot:
    """Everything that one database holds, and what depends on what."""

    things: dict[Key, Thing]
    edges: Edges = field(default_factory=dict)
    version: int = 15
    user: str = ""
    _children: dict[str, dict[Identity, list[Thing]]] = field(default_factory=dict, repr=False, compare=False)
    _names: Optional[dict[str, Identity]] = field(default=None, repr=False, compare=False)

    def children(self, kind: str) -> dict[Identity, list[Thing]]:
        """Things of one kind by the object that they belong to."""
        if kind not in self._children:
            found: dict[Identity, list[Thing]] = {}
            for thing in self.things.values():
                if thing.kind == kind:
                    found.setdefault(thing.identity[:-1], []).append(thing)
            self._children[kind] = found
        return self._children[kind]

    def tables_by_name(self) -> dict[str, Identity]:
        """Tables by the quoted name that other objects give for them."""
        if self._names is None:
            self._names = {
                str(thing.facts["name"]): thing.identity for thing in self.things.values() if thing.kind == "table"
            }
        return self._names

    def identity_sequence(self, column: Identity) -> Optional[Thing]:
        """Find the sequence of an identity column."""
        if "identity sequence" not in self._children:
            found = {}
            for thing in self.things.values():
                if thing.kind == "sequence" and thing.facts["identity"]:
                    found[tuple(thing.facts["owner_column"])] = [thing]
            self._children["identity sequence"] = found
        sequences = self._children["identity sequence"].get(column)
        return sequences[0] if sequences else None


NOT_CONVERTED = "rows hold values that the new type does not take: correct them first"


class Step(NamedTuple):
    """One statement of a plan."""

    sql: str
    hazard: str = ""
    # Runs outside a transaction block.
    alone: bool = False
    # Comes after every object is there.
    late: bool = False
    # Comes before anything else, because what it makes must be committed before it is used.
    early: bool = False
    # What stands for it in a scratch copy, which holds no rows.
    replay: Optional[str] = None
    key: Optional[Key] = None
    attribute: str = ""
    # Why no permission helps: what the user has to do first.
    blocked: str = ""
    # Removes what an interrupted attempt of it left behind.
    undo: str = ""

    def violated(self) -> Step:
        """The step that rows stand in the way of."""
        return self._replace(hazard="violated_constraint", blocked="rows violate it: correct them first")


class Change(NamedTuple):
    """One attribute that has to become another, and the surroundings in which it does."""

    wanted: Thing
    found: Thing
    attribute: str
    expected: Snapshot
    actual: Snapshot
    data: Data

    @property
    def old(self) -> Any:
        return self.found.attributes.get(self.attribute)

    @property
    def new(self) -> Any:
        return self.wanted.attributes.get(self.attribute)


class Data(NamedTuple):
    """What the rows of the live database say; a plan asks for it by C(questions)."""

    filled: frozenset[Identity] = frozenset()
    nulls: frozenset[Identity] = frozenset()
    violated: frozenset[Key] = frozenset()
    # For a scratch copy and for an empty database.
    empty: bool = False

    def has_rows(self, table: Sequence[str]) -> bool:
        return not self.empty and tuple(table) in self.filled

    def violates(self, key: Key) -> bool:
        return not self.empty and key in self.violated

    def has_nulls(self, column: Sequence[str]) -> bool:
        return not self.empty and tuple(column) in self.nulls


class Creation(NamedTuple):
    """An object that has to be made, and the surroundings in which it is."""

    thing: Thing
    expected: Snapshot
    actual: Snapshot
    data: Data
    # Its table is made by the same plan.
    fresh: bool


# No steps at all where something else sees to it; None where the object has to be made anew.
Alter = Callable[[Change], Optional[Sequence[Step]]]


class Attribute(NamedTuple):
    """How one attribute becomes another; without C(alter) the object is made anew."""

    alter: Optional[Alter] = None
    # Its value is deparsed SQL: two spellings may mean the same.
    deparsed: bool = False
    # The value that it has after C(create), where C(create) does not set it.
    initial: Any = ...
    # Left out with privileges=false.
    access: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of object: how it is read, what is compared, how it is made, changed and dropped."""

    name: str
    # The catalog that holds its oid.
    catalog: str
    rank: int
    # One statement for all objects: id, attributes by their names, facts with a leading underscore.
    query: Union[str, Callable[[int], str]]
    attributes: Mapping[str, Attribute]
    create: Callable[[Creation], Sequence[Step]]
    # How ALTER, COMMENT and DROP address it, such as TABLE "public"."t".
    address: Callable[[Thing], str]
    drop: Optional[Callable[[Thing], Sequence[Step]]] = None
    # The object without which it cannot exist.
    parent: Callable[[Thing], Optional[Key]] = lambda _thing: None
    # Turns a row's values into their normal form.
    refine: Optional[Callable[[dict[str, Any], dict[str, Any]], None]] = None
    # Whether dropping it goes before everything else, because it stands in the way of other changes.
    drops_first: bool = True
    # The query of a view that holds a deparsed attribute's text, so that two spellings are brought to one; without it
    # the object itself is made of the text.
    probe: Optional[Callable[[Thing, str, str], Optional[str]]] = None
    # Shares the name space of relations.
    relation: bool = False
    # The letter by which acldefault() knows its built-in privileges.
    acl: str = ""
    # Its being there or not says nothing that its parent does not say.
    silent: Callable[[Thing], bool] = lambda _thing: False
    # The hazard of dropping and making it because of one attribute.
    remake_hazard: Callable[[Change], str] = lambda _change: ""

    @property
    def drop_hazard(self) -> str:
        return "drop_" + self.name.replace(" ", "_")

    def sql(self, version: int) -> str:
        return self.query if isinstance(self.query, str) else self.query(version)


class Drift(NamedTuple):
    """One difference, as the user sees it."""

    kind: str
    identity: Identity
    attribute: str
    expected: Any
    actual: Any
    change: str
