# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory declares, read into flat rules. Every mistake is one sentence that names its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

PUBLIC = "public"  # No role can have this name, so it can stand among role names.
ALL_OBJECTS = "*"

# Privileges by kind of object, in the order in which statements and results name them.
PRIVILEGES: Mapping[str, tuple[str, ...]] = {
    "database": ("CONNECT", "TEMPORARY", "CREATE"),
    "schema": ("USAGE", "CREATE"),
    "table": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"),
    "column": ("SELECT", "INSERT", "UPDATE", "REFERENCES"),
    "sequence": ("USAGE", "SELECT", "UPDATE"),
    "routine": ("EXECUTE",),
    "type": ("USAGE",),
}
# Options of a schema and the kind of object that each is about.
SCHEMA_OPTIONS: Mapping[str, str] = {
    "tables": "table",
    "sequences": "sequence",
    "functions": "routine",
    "types": "type",
}
MAINTAIN_SINCE = 17


class DeclarationError(ValueError):
    """A mistake in the declaration; its text is the sentence for the user."""


class Rule(NamedTuple):
    """One role may do one thing with one object, or with all objects of a kind in a schema (name C(*))."""

    role: str
    kind: str
    schema: str
    name: str
    privilege: str
    columns: tuple[str, ...] | None = None  # these columns only …
    but: bool = False  # … or all but these


@dataclass(frozen=True)
class Database:
    """One database that is owned by the declaration."""

    name: str
    owner: str | None
    creators: tuple[str, ...]
    contents: bool
    rules: tuple[Rule, ...]
    # (role, kind, schema, name) that are named: there the rules for all objects do not hold.
    named: frozenset[tuple[str, str, str, str]]
    schemas: frozenset[str]
    grantees: frozenset[str]


def guarded_tables(declared: Database) -> frozenset[tuple[str, str, str]]:
    """Return (role, schema, table) where a table is named and its role may not read all of it."""
    named = {(role, schema, name) for role, kind, schema, name in declared.named if kind == "table"}
    return frozenset(
        named
        - {
            (rule.role, rule.schema, rule.name)
            for rule in declared.rules
            if (rule.kind, rule.privilege, rule.columns) == ("table", "SELECT", None)
        }
    )


def read_databases(declared: Sequence[Mapping[str, Any]], version: int) -> list[Database]:
    """All declared databases; the same name twice is a mistake."""
    databases = [read_database(entry, version) for entry in declared]
    refuse_twins("databases", [database.name for database in databases])
    return databases


def refuse_twins(place: str, names: Sequence[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise DeclarationError(f"{place} names {twins[0]} twice: merge the two entries.")


def read_database(entry: Mapping[str, Any], version: int) -> Database:
    name = entry["name"]
    rules: list[Rule] = []
    named: set[tuple[str, str, str, str]] = set()
    schemas: set[str] = set()
    grantees: set[str] = set()
    for key, grants in as_mapping(entry.get("grants"), f"databases.{name}.grants").items():
        role = PUBLIC if str(key).lower() == PUBLIC else str(key)
        if role in grantees:
            raise DeclarationError(f"databases.{name}.grants names {role} twice: merge the two entries.")
        grantees.add(role)
        place = f"databases.{name}.grants.{key}"
        options = as_mapping(grants, place)
        refuse_unknown(options, ("database", "schemas"), place)
        for privilege in read_privileges(options.get("database"), "database", version, f"{place}.database"):
            rules.append(Rule(role, "database", "", name, privilege))
        for schema, inner in as_mapping(options.get("schemas"), f"{place}.schemas").items():
            schemas.add(str(schema))
            read_schema(role, str(schema), inner, version, f"{place}.schemas.{schema}", rules, named)
    if not entry.get("contents", True) and schemas:
        raise DeclarationError(f"databases.{name} has contents=false and grants on schemas: leave one of them out.")
    return Database(
        name=name,
        owner=entry.get("owner"),
        creators=tuple(entry.get("creators") or ()),
        contents=bool(entry.get("contents", True)),
        rules=tuple(rules),
        named=frozenset(named),
        schemas=frozenset(schemas),
        grantees=frozenset(grantees),
    )


def read_schema(
    role: str,
    schema: str,
    declared: Any,
    version: int,
    place: str,
    rules: list[Rule],
    named: set[tuple[str, str, str, str]],
) -> None:
    """Add the rules of one role in one schema."""
    options = as_mapping(declared, place)
    refuse_unknown(options, ("privileges", *SCHEMA_OPTIONS), place)
    for privilege in read_privileges(options.get("privileges"), "schema", version, f"{place}.privileges"):
        rules.append(Rule(role, "schema", "", schema, privilege))
    for option, kind in SCHEMA_OPTIONS.items():
        objects = options.get(option) or {}
        # A list of privileges is the short form of "all objects".
        by_name = objects if isinstance(objects, Mapping) else {ALL_OBJECTS: objects}
        for key, wanted in by_name.items():
            name, where = str(key), f"{place}.{option}.{key}"
            if name != ALL_OBJECTS:
                named.add((role, kind, schema, name))
            if kind == "table" and isinstance(wanted, Mapping):
                rules.extend(read_table(role, schema, name, wanted, version, where))
                continue
            for privilege in read_privileges(wanted, kind, version, where):
                rules.append(Rule(role, kind, schema, name, privilege))


def read_table(role: str, schema: str, name: str, declared: Mapping[Any, Any], version: int, place: str) -> list[Rule]:
    """Rules of C({SELECT: true, UPDATE: [name], INSERT: {except: [id]}}): whole table, some columns, all but some."""
    rules = []
    for key, wanted in declared.items():
        where = f"{place}.{key}"
        for privilege in read_privileges([key], "table", version, where):
            if wanted is True or wanted == ALL_OBJECTS:
                rules.append(Rule(role, "table", schema, name, privilege))
                continue
            but = isinstance(wanted, Mapping)
            if but:
                refuse_unknown(wanted, ("except",), where)
            columns = wanted.get("except") if but else wanted
            if name == ALL_OBJECTS:
                raise DeclarationError(f"{where} restricts columns of all tables: name the table instead of '*'.")
            if not isinstance(columns, (list, tuple)) or not columns:
                raise DeclarationError(
                    f"{where} must be true, a list of columns, or {{except: [columns]}}; leave it out for none."
                )
            if privilege not in PRIVILEGES["column"]:
                raise DeclarationError(
                    f"{where}: {privilege} cannot be restricted to columns: write true or leave it out."
                )
            rules.append(Rule(role, "table", schema, name, privilege, tuple(str(c) for c in columns), but))
    return rules


def known_privileges(kind: str, version: int) -> tuple[str, ...]:
    return tuple(name for name in PRIVILEGES[kind] if name != "MAINTAIN" or version >= MAINTAIN_SINCE)


def read_privileges(declared: Any, kind: str, version: int, place: str) -> tuple[str, ...]:
    """Upper-case privilege names in canonical order; C(ALL) stands for every one that this server knows."""
    if declared is None:
        return ()
    if not isinstance(declared, (list, tuple)):
        raise DeclarationError(f"{place} must be a list of privileges.")
    known = known_privileges(kind, version)
    wanted: set[str] = set()
    for item in declared:
        name = str(item).upper()
        name = "TEMPORARY" if name == "TEMP" and kind == "database" else name
        if name == "ALL":
            wanted.update(known)
        elif name in known:
            wanted.add(name)
        else:
            raise DeclarationError(f"{place}: {item} is no privilege of a {kind}; use {', '.join(known)} or ALL.")
    return tuple(name for name in known if name in wanted)


def as_mapping(declared: Any, place: str) -> Mapping[Any, Any]:
    if declared is None:
        return {}
    if not isinstance(declared, Mapping):
        raise DeclarationError(f"{place} must be a mapping.")
    return declared


def refuse_unknown(options: Mapping[Any, Any], known: Sequence[str], place: str) -> None:
    unknown = [str(key) for key in options if key not in known]
    if unknown:
        raise DeclarationError(f"{place} has an unknown key {unknown[0]}; use {', '.join(known)}.")
