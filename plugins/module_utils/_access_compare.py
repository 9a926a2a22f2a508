# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared against actual, inside one database: pure functions over snapshots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import (
    DEFAULT_KINDS,
    Held,
    Snapshot,
    Target,
    Thing,
    default_target,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    ALL_OBJECTS,
    PUBLIC,
    Database,
    Rule,
    guarded_tables,
)

# What PUBLIC may by default with what a role creates.
PUBLIC_DEFAULTS = {"f": "EXECUTE", "T": "USAGE"}
LETTERS = {kind: letter for letter, (kind, _word) in DEFAULT_KINDS.items()}


class Right(NamedTuple):
    """One role may do one thing with one object."""

    target: Target
    role: str
    privilege: str


class NewOwner(NamedTuple):
    thing: Thing
    owner: str


class Finding(NamedTuple):
    """One line of a report; C(missing) and C(excess) are made of these, and so are C(changed) and the diff."""

    database: str
    kind: str
    name: str
    role: str
    privilege: str


@dataclass
class Wanted:
    """What the declaration means for the objects that there are."""

    required: set[Right] = field(default_factory=set)
    allowed: set[Right] = field(default_factory=set)
    unknown: set[Right] = field(default_factory=set)  # rights on objects that do not exist


@dataclass
class Comparison:
    """How one database differs."""

    database: str
    missing: list[Right]
    excess: list[Held]
    unknown: list[Right]
    owners: list[NewOwner]
    option_only: frozenset[Held]  # excess entries that are declared, only not the right to pass them on
    kept: list[Right]  # column rights that a revocation on their table takes along, so they are granted again


def compare(
    declared: Database,
    actual: Snapshot,
    owner: str,
    creators: Sequence[str],
    overlooked: Callable[[str], bool],
    leaving: Iterable[str] = (),
) -> Comparison:
    """Compare one database.

    C(overlooked) says of a role whether its entries are none of our business (a superuser's, an ignored role's), C(leaving)
    are roles that are dropped afterwards.
    """
    owners = new_owners(declared, actual, owner, overlooked)
    moved = {change.thing.target: change.owner for change in owners}
    owner_of = {thing.target: moved.get(thing.target, thing.owner) for thing in actual.things}
    wanted = want(declared, actual, owner_of, creators)
    wanted.required.update(built_in_again(actual, leaving))
    held = [entry for entry in actual.held if entry.role != moved.get(table_of(entry.target))]
    firm = {Right(*entry[:3]) for entry in held if entry.by_owner}
    excess = [entry for entry in held if is_excess(entry, wanted) and not overlooked_entry(entry, declared, overlooked)]
    missing = sorted(wanted.required - firm)
    option_only = frozenset(entry for entry in excess if keeps_privilege(entry, wanted))
    lost = {
        (entry.target.path, entry.role, entry.privilege)
        for entry in excess
        if entry.target.kind == "table" and entry not in option_only
    }
    kept = sorted(
        right
        for right in wanted.required & firm
        if right.target.kind == "column" and (right.target.path[:2], right.role, right.privilege) in lost
    )
    return Comparison(actual.database, missing, sorted(excess), sorted(wanted.unknown), owners, option_only, kept)


def is_excess(entry: Held, wanted: Wanted) -> bool:
    """Not declared, or declared without the right to pass it on, or given by somebody who is not the owner."""
    right = Right(*entry[:3])
    return entry.grantable or not entry.by_owner or (right not in wanted.required and right not in wanted.allowed)


def keeps_privilege(entry: Held, wanted: Wanted) -> bool:
    """Only the grant option is too much."""
    right = Right(*entry[:3])
    return entry.grantable and entry.by_owner and (right in wanted.required or right in wanted.allowed)


def overlooked_entry(entry: Held, declared: Database, overlooked: Callable[[str], bool]) -> bool:
    return entry.role != PUBLIC and entry.role not in declared.grantees and overlooked(entry.role)


def new_owners(declared: Database, actual: Snapshot, owner: str, overlooked: Callable[[str], bool]) -> list[NewOwner]:
    """Objects that belong to the wrong role. Without a declared owner, a superuser's objects are in order.

    Those without a noun (a table's own sequence) need no statement: they follow.
    """
    changes = []
    for thing in actual.things:
        if not thing.ours or thing.owner == owner:
            continue
        if thing.target.kind == "schema" and thing.owner == "pg_database_owner":
            continue
        # A superuser's extension gives nobody anything: most are made by one, whoever owns the database.
        if (declared.owner is None or thing.target.kind == "extension") and overlooked(thing.owner):
            continue
        changes.append(NewOwner(thing, owner))
    return sorted(changes, key=lambda change: change.thing.target)


def want(declared: Database, actual: Snapshot, owner_of: dict[Target, str], creators: Sequence[str]) -> Wanted:
    """Turn rules into rights on the objects of a snapshot."""
    wanted = Wanted()
    for thing in actual.things:
        base = {Right(thing.target, role, privilege) for role, privilege in thing.base}
        # An application needs what its extensions come with; what initdb opened may have been closed on purpose.
        (wanted.required if thing.extension else wanted.allowed).update(base)
    schemas = {thing.target.path[0] for thing in actual.things if thing.target.kind == "schema"}
    inside: dict[tuple[str, str], list[Thing]] = {}
    for thing in actual.things:
        if len(thing.target.path) == 2:
            inside.setdefault((thing.target.kind, thing.target.path[0]), []).append(thing)
    guarded = guarded_tables(declared)
    for rule in declared.rules:
        if rule.kind == "database":
            continue
        found = [
            thing
            for thing in inside.get((rule.kind, rule.schema), ())
            if matches(thing, rule, declared) and not (reads_all(rule) and shows_guarded(thing, rule, actual, guarded))
        ]
        for right, exists in rights_of(rule, found, actual, schemas):
            if not exists:
                wanted.unknown.add(right)
            elif owner_of.get(table_of(right.target)) != right.role:
                wanted.required.add(right)
        # A table that is dropped and made again must not be open until the next run, which knows its columns.
        withheld = reads_all(rule) and any(each[:2] == (rule.role, rule.schema) for each in guarded)
        if rule.name == ALL_OBJECTS and rule.kind in LETTERS and rule.schema in schemas and not withheld:
            for creator in creators:
                if creator != rule.role:
                    target = default_target(creator, rule.schema, LETTERS[rule.kind])
                    wanted.required.add(Right(target, rule.role, rule.privilege))
    # PUBLIC's built-in defaults: on types they open no data, and of other creators nothing is asked.
    for entry in actual.held:
        kind, (creator, *schema) = entry.target.kind, entry.target.path
        harmless = kind == "default types" or (kind == "default functions" and creator not in creators)
        if harmless and entry.role == PUBLIC and schema == [""]:
            wanted.allowed.add(Right(*entry[:3]))
    return wanted


def reads_all(rule: Rule) -> bool:
    return (rule.kind, rule.name, rule.privilege) == ("table", ALL_OBJECTS, "SELECT")


def shows_guarded(thing: Thing, rule: Rule, actual: Snapshot, guarded: Collection[tuple[str, str, str]]) -> bool:
    """Whether a view or a partition shows rows of a table that the role may not read as a whole."""
    return any((rule.role, *table) in guarded for table in actual.shown.get(thing.target, ()))


def built_in_again(actual: Snapshot, leaving: Iterable[str]) -> Iterator[Right]:
    """What gives creators their built-in defaults back: as long as they have an entry of their own, no DROP ROLE succeeds."""
    for creator in leaving:
        for letter, privilege in PUBLIC_DEFAULTS.items():
            target = default_target(creator, None, letter)
            if target in actual.own_defaults:
                yield Right(target, PUBLIC, privilege)


def table_of(target: Target) -> Target:
    return Target("table", target.path[:2]) if target.kind == "column" else target


def rights_of(rule: Rule, found: Sequence[Thing], actual: Snapshot, schemas: set[str]) -> Iterator[tuple[Right, bool]]:
    """Rights of one rule, each with whether its object exists."""
    if rule.kind == "schema":
        yield Right(Target("schema", (rule.name,)), rule.role, rule.privilege), rule.name in schemas
        return
    if rule.schema not in schemas:
        yield Right(Target("schema", (rule.schema,)), rule.role, f"{rule.privilege} ON {rule.kind.upper()}S"), False
        return
    if rule.name == ALL_OBJECTS:
        for thing in found:
            yield Right(thing.target, rule.role, rule.privilege), True
        return
    if not found:
        yield Right(Target(rule.kind, (rule.schema, rule.name)), rule.role, rule.privilege), False
    for thing in found:
        if rule.columns is None:
            yield Right(thing.target, rule.role, rule.privilege), True
        else:
            yield from column_rights(rule, thing.target, actual.columns.get((rule.schema, rule.name), ()))


def matches(thing: Thing, rule: Rule, declared: Database) -> bool:
    """Whether a rule is about this object of its kind and schema."""
    if rule.name == ALL_OBJECTS:
        named = any((rule.role, rule.kind, rule.schema, name) in declared.named for name in thing.names)
        return thing.ours and not named
    return rule.name in thing.names or rule.name.replace(" ", "") in thing.names[1:]


def column_rights(rule: Rule, table: Target, columns: Sequence[str]) -> Iterator[tuple[Right, bool]]:
    listed = rule.columns or ()
    for column in listed:
        if column not in columns:
            yield Right(Target("column", (*table.path, column)), rule.role, rule.privilege), False
    for column in columns:
        if (column in listed) != rule.but:
            yield Right(Target("column", (*table.path, column)), rule.role, rule.privilege), True


def findings(comparison: Comparison) -> tuple[list[Finding], list[Finding]]:
    """Missing and excess of one database as lines of a report."""
    name = comparison.database
    missing = [Finding(name, r.target.kind, r.target.label(), r.role, r.privilege) for r in comparison.missing]
    missing += [Finding(name, r.target.kind, r.target.label(), r.role, r.privilege) for r in comparison.unknown]
    excess = []
    for entry in comparison.excess:
        note = " WITH GRANT OPTION" if entry.grantable else ""
        note += "" if entry.by_owner else " NOT GRANTED BY THE OWNER"
        excess.append(Finding(name, entry.target.kind, entry.target.label(), entry.role, entry.privilege + note))
    for change in comparison.owners:
        target = change.thing.target
        if not change.thing.noun:
            continue
        missing.append(Finding(name, target.kind, target.label(), change.owner, "OWNER"))
        excess.append(Finding(name, target.kind, target.label(), change.thing.owner, "OWNER"))
    return missing, excess


def report(found: Iterable[Finding]) -> list[dict[str, object]]:
    """One dictionary per object and role, its privileges gathered."""
    gathered: dict[tuple[str, str, str, str], list[str]] = {}
    for finding in found:
        gathered.setdefault(finding[:4], []).append(finding.privilege)
    return [
        {"database": database, "kind": kind, "name": name, "role": role, "privileges": privileges}
        for (database, kind, name, role), privileges in gathered.items()
    ]


def lines(found: Iterable[Finding]) -> str:
    """The same as text, for a diff."""
    text = []
    for entry in report(found):
        place = f"{entry['database']}: " if entry["database"] else ""
        privileges = ", ".join(str(item) for item in entry["privileges"])  # type: ignore[attr-defined]
        text.append(f"{place}{entry['kind']} {entry['name']}: {entry['role']}: {privileges}\n")
    return "".join(text)
