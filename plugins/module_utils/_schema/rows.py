# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows that the definition inserts: found by their keys, compared in the columns that count, added where they are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.column import constant
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Drift,
    Identity,
    SchemaError,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    ident,
    idents,
    literal,
    shown,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

KIND = "row"


class Asked(NamedTuple):
    """One table whose declared rows are looked at."""

    table: Identity
    key: tuple[str, ...]
    # What the user wrote, the column, and the path into its JSON.
    columns: tuple[tuple[str, str, tuple[str, ...]], ...]
    # Everything that a missing row is inserted with.
    inserted: tuple[str, ...]
    types: Mapping[str, str]


def read_asked(entries: Sequence[Mapping[str, Any]], declared: Snapshot) -> list[Asked]:
    """Check what is asked for against the declared tables."""
    found = []
    for entry in entries:
        name = str(entry["table"])
        table = next(
            (key[1] for key in declared.things if key[0] == "table" and name in (shown(key[1]), ".".join(key[1]))), None
        )
        if table is None:
            raise SchemaError(f"rows: the definition has no table {name}: correct its name.")
        columns = {column.identity[-1]: column for column in declared.children("column").get(table, ())}
        key = tuple(entry["key"])
        wanted = tuple(_path(name, str(column), columns) for column in entry["columns"])
        for column in key:
            if column not in columns:
                raise SchemaError(f"rows: table {name} has no column {column}: correct the key.")
        counted = {*key, *(column for _text, column, _rest in wanted)}
        inserted = tuple(
            column for column, thing in columns.items() if column in counted or not _given_by_server(thing)
        )
        found.append(Asked(table, key, wanted, inserted, {n: thing.attributes["type"] for n, thing in columns.items()}))
    return found


def _path(table: str, text: str, columns: Mapping[str, Thing]) -> tuple[str, str, tuple[str, ...]]:
    if text in columns:
        return text, text, ()
    column, _dot, rest = text.partition(".")
    if column not in columns or not rest:
        raise SchemaError(f"rows: table {table} has no column {column}: correct columns.")
    if columns[column].attributes["type"] not in ("json", "jsonb"):
        raise SchemaError(f"rows: {table}.{column} is no JSON, so {text} names nothing in it: correct columns.")
    return text, column, tuple(rest.split("."))


def _given_by_server(column: Thing) -> bool:
    """Generated values and those of the moment are each database's own."""
    default = column.attributes["default"]
    made = column.attributes["generated"] is not None or column.attributes["identity"] is not None
    return made or (default is not None and ("(" in default.split("'")[0] or not constant(default)))


def _expression(column: str, path: Sequence[str], types: Mapping[str, str]) -> str:
    if types[column] in ("json", "jsonb"):
        inner = f"{ident(column)}::jsonb"
        return f"({inner} #> {literal(_array(path))})::text" if path else f"{inner}::text"
    return f"{ident(column)}::text"


def _array(path: Sequence[str]) -> str:
    quoted = ('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in path)
    return "{" + ",".join(quoted) + "}"


def read_declared(session: Session, asked: Sequence[Asked]) -> list[Thing]:
    """All rows of the scratch database's tables: nothing but the definition has put them there."""
    found = []
    for one in asked:
        select = [_expression(column, path, one.types) for _text, column, path in one.columns]
        keys = ", ".join(f"{ident(column)}::text" for column in one.key)
        whole = ", ".join(f"{ident(column)}::text" for column in one.inserted)
        text = (
            f"SELECT ARRAY[{keys}]::text[], ARRAY[{', '.join(select)}]::text[], ARRAY[{whole}]::text[] "
            f"FROM {dotted(one.table)} ORDER BY 1"
        )
        for key, values, row in session.rows(text)[1]:
            if None in key:
                raise SchemaError(
                    f"rows: a declared row of {shown(one.table)} has no value in its key: choose another."
                )
            attributes = {name: value for (name, _column, _path), value in zip(one.columns, values)}
            facts = {"row": dict(zip(one.inserted, row)), "key": list(one.key), "table": list(one.table)}
            found.append(Thing(KIND, (*one.table, *key), attributes, facts))
    return found


def read_live(session: Session, asked: Sequence[Asked], declared: Sequence[Thing], actual: Snapshot) -> list[Thing]:
    """The same rows of the live database, found by their keys; what is not there yet holds none."""
    found = []
    for one in asked:
        keys = [thing.identity[2:] for thing in declared if thing.identity[:2] == one.table]
        there = {column.identity[-1] for column in actual.children("column").get(one.table, ())}
        if not keys or ("table", one.table) not in actual.things or not set(one.key) <= there:
            continue
        select = [
            _expression(column, path, one.types) if column in there else "NULL" for _text, column, path in one.columns
        ]
        names = ", ".join(f"{ident(column)}::text" for column in one.key)
        values = ", ".join("(" + ", ".join(literal(value) for value in key) + ")" for key in keys)
        text = (
            f"SELECT ARRAY[{names}]::text[], ARRAY[{', '.join(select)}]::text[] FROM {dotted(one.table)} "
            f"WHERE ({idents(one.key)}) IN ({values})"
        )
        for key, row in session.rows(text)[1]:
            attributes = {name: value for (name, _column, _path), value in zip(one.columns, row)}
            found.append(Thing(KIND, (*one.table, *key), attributes, {}))
    return found


def compare_rows(declared: Sequence[Thing], live: Sequence[Thing]) -> list[Drift]:
    """Rows that are missing or say something else; those that nobody declared are the application's."""
    present = {thing.identity: thing for thing in live}
    found = []
    for thing in declared:
        other = present.get(thing.identity)
        if other is None:
            found.append(Drift(KIND, thing.identity, "", thing.attributes, None, "missing"))
            continue
        found += [
            Drift(KIND, thing.identity, name, value, other.attributes[name], "different")
            for name, value in thing.attributes.items()
            if other.attributes[name] != value
        ]
    return found


def row_steps(drift: Sequence[Drift], declared: Sequence[Thing], asked: Sequence[Asked]) -> list[Step]:
    """Insert what is missing; what somebody changed is data, so it takes permission."""
    rows = {thing.identity: thing for thing in declared}
    specs = {one.table: one for one in asked}
    steps = []
    for item in drift:
        thing = rows[item.identity]
        one = specs[thing.identity[:2]]
        table, key = dotted(one.table), (KIND, item.identity)
        if item.change == "missing":
            columns = [name for name in one.inserted if thing.facts["row"][name] is not None]
            values = ", ".join(literal(thing.facts["row"][name]) for name in columns)
            steps.append(Step(f"INSERT INTO {table} ({idents(columns)}) VALUES ({values})", key=key))
            continue
        column, path = next((column, path) for text, column, path in one.columns if text == item.attribute)
        where = " AND ".join(f"{ident(name)} = {literal(value)}" for name, value in zip(one.key, item.identity[2:]))
        value = _changed(column, path, item.expected, one.types[column])
        text = f"UPDATE {table} SET {ident(column)} = {value} WHERE {where}"
        steps.append(Step(text, hazard="update_row", key=key, attribute=item.attribute))
    return steps


def _changed(column: str, path: Sequence[str], value: Optional[str], kind: str) -> str:
    if not path:
        return literal(value)
    at, name = literal(_array(path)), ident(column)
    if value is None:
        return f"({name}::jsonb #- {at})::{kind}"
    return f"pg_catalog.jsonb_set(COALESCE({name}::jsonb, '{{}}'), {at}, {literal(value)}::jsonb)::{kind}"
