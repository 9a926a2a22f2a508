# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Types and tables that no ALTER changes: the old one steps aside, and rows move over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    NOT_CONVERTED,
    Data,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    ASIDE,
    dotted,
    ident,
    literal,
    old_name,
)

# Columns use them, so a column has to be led from the old one to the new one.
TYPES = ("enum", "domain", "composite type", "range type", "collation")
_NOUNS = {"domain": "DOMAIN", "collation": "COLLATION"}
_NUMBER = re.compile(r"(smallint|integer|bigint|numeric(\(\d+(,\d+)?\))?|real|double precision)$")


def old_type(thing: Thing) -> str:
    """Address the type that stepped aside."""
    return f"{_NOUNS.get(thing.kind, 'TYPE')} {dotted((thing.identity[0], old_name(thing.identity[-1])))}"


def rebuild_type(thing: Thing, hazard: str) -> list[Step]:
    noun = _NOUNS.get(thing.kind, "TYPE")
    steps = [
        Step(f"ALTER {noun} {dotted(thing.identity)} RENAME TO {ident(old_name(thing.identity[-1]))}", hazard=hazard)
    ]
    if thing.kind == "range type":
        multirange = thing.facts["multirange_path"]
        steps.append(Step(f"ALTER TYPE {dotted(multirange)} RENAME TO {ident(old_name(multirange[1]))}"))
    return steps


def way(old: Optional[Thing], new: Thing) -> str:
    """By what a value of the old type becomes one of the new: its text, but a number stays one."""
    bases = [str(thing.attributes.get("type")) if thing else "" for thing in (old, new)]
    return "::".join(bases) if all(_NUMBER.match(base) for base in bases) else "text"


def convert_columns(columns: Iterable[Thing], expected: Snapshot, data: Data, collated: bool, by: str) -> list[Step]:
    """Give columns of the old type the new one by way of C(by), those of a collation the new one as they are."""
    steps = []
    for found in columns:
        wanted = expected.things.get(found.key)
        if wanted is None or found.facts["inherited"]:
            continue
        new = wanted.attributes["type"]
        name, table = ident(found.identity[-1]), dotted(found.identity[:2])
        arrays = "[]" * new.count("[]")
        through = "::".join(each + arrays for each in by.split("::"))
        alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
        if collated:
            steps.append(Step(f"{alter} TYPE {new} COLLATE {wanted.attributes['collation']}"))
            continue
        if found.attributes["default"] is not None:
            steps.append(Step(f"{alter} DROP DEFAULT"))
        step = Step(f"{alter} TYPE {new} USING {name}::{through}::{new}")
        steps.append(step._replace(blocked=NOT_CONVERTED) if data.violates(found.key) else step)
        if wanted.attributes["default"] is not None:
            steps.append(Step(f"{alter} SET DEFAULT {wanted.attributes['default']}"))
    return steps


def set_aside(thing: Thing, actual: Snapshot, hazard: str) -> list[Step]:
    """Move a table with its indexes out of the way of the one that takes its name."""
    steps = [Step(f"CREATE SCHEMA IF NOT EXISTS {ident(ASIDE)}")]
    for other in actual.things.values():
        if other.kind == "sequence" and other.attributes["owned_by"]:
            owner = other.facts["owner_column"]
            if tuple(owner[:2]) == thing.identity:
                steps.append(Step(f"ALTER SEQUENCE {dotted(other.identity)} OWNED BY NONE"))
    steps.append(Step(f"ALTER TABLE {dotted(thing.identity)} SET SCHEMA {ident(ASIDE)}", hazard=hazard))
    return steps


def move_rows(found: Thing, wanted: Optional[Thing], actual: Snapshot, expected: Snapshot) -> list[Step]:
    """Bring the rows into the new table; those of a partition come with its parent."""
    old = dotted((ASIDE, found.identity[1]))
    if found.attributes["partition_of"]:
        return []
    steps = []
    if wanted is not None:
        there = {thing.identity[-1] for thing in actual.children("column").get(found.identity, ())}
        columns = expected.children("column").get(wanted.identity, [])
        shared = [
            thing.identity[-1]
            for thing in sorted(columns, key=lambda column: int(column.facts["sub"]))
            if thing.identity[-1] in there and thing.attributes["generated"] is None
        ]
        names = ", ".join(ident(name) for name in shared)
        new = dotted(wanted.identity)
        # Triggers and foreign keys have seen these rows before.
        steps.append(Step("SET LOCAL session_replication_role = replica"))
        if shared:
            steps.append(Step(f"INSERT INTO {new} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {old}"))
        steps.append(Step("SET LOCAL session_replication_role = DEFAULT"))
        steps += [
            Step(
                f"SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({literal(new)}, "
                f"{literal(column.identity[-1])}), pg_catalog.max({ident(column.identity[-1])})) FROM {new} "
                f"HAVING pg_catalog.max({ident(column.identity[-1])}) > 0"
            )
            for column in columns
            if column.attributes["identity"] and column.identity[-1] in shared
        ]
    steps.append(Step(f"DROP TABLE {old} CASCADE"))
    return steps
