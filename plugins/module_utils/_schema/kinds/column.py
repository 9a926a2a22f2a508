# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Columns of tables; their order is no difference."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.sequence import sequence_clause
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    RELATION,
    USER_SCHEMA,
    acl,
    comment,
    comment_join,
    extension_member,
    grants,
    table_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    NOT_CONVERTED,
    Attribute,
    Change,
    Creation,
    Kind,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    ident,
    literal,
    names_clause,
    old_name,
    options_clause,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.types import type_hazard

# The check that a column's NOT NULL is proved by, for a moment.
NOT_NULL_CHECK = "ai_micro_not_null"
STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}

QUERY = f"""
SELECT ARRAY[n.nspname, c.relname, a.attname]::text[] AS id, a.attrelid AS _oid, a.attnum AS _sub,
       {RELATION} AS _relation, a.attinhcount > 0 AS _inherited, ty.typstorage::text AS _type_storage,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       CASE WHEN a.atthasdef AND a.attgenerated = '' THEN pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) END AS default,
       CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) END AS generated,
       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
       CASE WHEN a.attcollation <> ty.typcollation THEN (
           SELECT pg_catalog.format('%I.%I', cn.nspname, co.collname) FROM pg_catalog.pg_collation co
           JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation,
       a.attstorage::text AS storage,
       CASE a.attcompression::text WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
       NULLIF(a.attstattarget, -1)::int AS statistics, a.attoptions AS options,
       {acl("a.attacl", "c.relowner")} AS privileges, d.description AS comment
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type ty ON ty.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum AND a.atthasdef
{comment_join("pg_class", "a.attrelid", "a.attnum")}
WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND {USER_SCHEMA}
  AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], facts: dict[str, Any]) -> None:
    attributes["storage"] = STORAGE[attributes["storage"]]
    facts["type_storage"] = STORAGE[facts["type_storage"]]
    # Debian's 15.20 keeps a number of its own among them, which every table has another of.
    attributes["options"] = sorted(o for o in attributes["options"] or () if not o.startswith("pg_attver="))


def address(thing: Thing) -> str:
    return f"COLUMN {dotted(thing.identity)}"


def _table(thing: Thing) -> str:
    return f"TABLE {dotted(thing.identity[:2])}"


def _alter(thing: Thing, action: str, only: bool = True) -> str:
    table = dotted(thing.identity[:2])
    return f"ALTER TABLE {'ONLY ' if only else ''}{table} ALTER COLUMN {ident(thing.identity[-1])} {action}"


def default_apart(column: Thing, snapshot: Snapshot) -> bool:
    """Whether a new table gets this default later: it may call what needs the table, or a sequence of its own."""
    needed = snapshot.edges.get(column.key, frozenset())
    return column.attributes["default"] is not None and any(key[0] == "function" for key in needed)


def clause(column: Thing, snapshot: Snapshot, bare: bool = False) -> str:
    """Write a column as CREATE TABLE and ADD COLUMN take it; C(bare) leaves out what fills or checks rows."""
    has = column.attributes
    text = f"{ident(column.identity[-1])} {has['type']}"
    if has["compression"]:
        text += f" COMPRESSION {has['compression']}"
    if has["collation"]:
        text += f" COLLATE {has['collation']}"
    if has["generated"] is not None:
        text += f" GENERATED ALWAYS AS ({has['generated']}) STORED"
    elif has["identity"]:
        text += f" GENERATED {has['identity'].upper()} AS IDENTITY"
        sequence = snapshot.identity_sequence(column.identity)
        if sequence:
            text += f" (SEQUENCE NAME {dotted(sequence.identity)} {sequence_clause(sequence)})"
    elif has["default"] is not None and not bare and not default_apart(column, snapshot):
        text += f" DEFAULT {has['default']}"
    if has["not_null"] and not bare:
        text += " NOT NULL"
    return text


_NO_DEFAULT = (
    "there are rows without a value and the column has no default: give it one, or fill them in by a migration"
)
# A default of these functions is worked out once for all rows that are there already.
_STABLE = ("now()", "CURRENT_TIMESTAMP", "CURRENT_DATE", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_TIME", "CURRENT_USER")


def constant(expression: str) -> bool:
    """Whether a default needs no rewriting of a table that has rows; in doubt, no."""
    quoted = "".join(expression.split("'")[::2])
    for name in _STABLE:
        quoted = quoted.replace(name, "")
    return "(" not in quoted.replace("(now)", "").replace("()", "(") and "nextval" not in quoted


def _create(creation: Creation) -> list[Step]:
    column = creation.thing
    has = column.attributes
    if column.facts["inherited"] and _parent_makes(column, creation):
        return []
    table = column.identity[:2]
    head = f"ALTER {_table(column)} ADD COLUMN "
    full = creation.data.has_rows(table) and not creation.fresh
    if not full:
        steps = [Step(head + clause(column, creation.expected))]
        if default_apart(column, creation.expected):
            steps.append(Step(_alter(column, f"SET DEFAULT {has['default']}")))
        return steps
    if has["generated"] is not None or has["identity"]:
        return [Step(head + clause(column, creation.expected), hazard="rewrite_table")]
    if has["default"] is None:
        steps = [Step(head + clause(column, creation.expected, bare=True))]
        if has["not_null"]:
            set_it = Step(_alter(column, "SET NOT NULL", only=False), hazard="set_not_null_over_nulls")
            steps.append(set_it._replace(blocked=_NO_DEFAULT))
        return steps
    if constant(has["default"]):
        return [Step(head + clause(column, creation.expected))]
    # A default that differs by row would write the whole table under a lock that stops everybody: rows are filled in
    # afterwards, while others go on reading and writing.
    return [
        Step(head + clause(column, creation.expected, bare=True)),
        Step(_alter(column, f"SET DEFAULT {has['default']}")),
        *fill(column),
        *(not_null_steps(column) if has["not_null"] else ()),
    ]


def fill(column: Thing) -> list[Step]:
    """Give rows without a value the column's default; no trigger of a user runs for it."""
    table, name = dotted(column.identity[:2]), ident(column.identity[-1])
    return [Step(f"UPDATE {table} SET {name} = DEFAULT WHERE {name} IS NULL", alone=True)]


def not_null_steps(column: Thing) -> list[Step]:
    """Look at the rows while others go on working, then state what was seen."""
    table, name = dotted(column.identity[:2]), ident(column.identity[-1])
    check = ident(NOT_NULL_CHECK)
    return [
        Step(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}", alone=True),
        Step(f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID", alone=True),
        Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}", alone=True),
        Step(_alter(column, "SET NOT NULL", only=False), alone=True),
        Step(f"ALTER TABLE {table} DROP CONSTRAINT {check}", alone=True),
    ]


def _parents(column: Thing, snapshot: Snapshot) -> list[tuple[str, tuple[str, ...]]]:
    table = snapshot.things.get(("table", column.identity[:2]))
    if table is None:
        return []
    names = [*table.attributes["inherits"], table.attributes["partition_of"]]
    by_name = snapshot.tables_by_name()
    return [("column", (*by_name[name], column.identity[-1])) for name in names if name in by_name]


def _parent_makes(column: Thing, creation: Creation) -> bool:
    """Whether the same column is added to a parent, or comes with the table that is made."""
    if column.facts["inherited"]:
        keys = _parents(column, creation.expected)
        return creation.fresh or any(key in creation.expected.things for key in keys)
    return False


def _follows(change: Change) -> bool:
    """Whether the same change of a parent's column reaches this one."""
    if not change.wanted.facts["inherited"] or not change.found.facts["inherited"]:
        return False
    for key in _parents(change.wanted, change.expected):
        wanted, found = change.expected.things.get(key), change.actual.things.get(key)
        if wanted and found and wanted.attributes[change.attribute] == change.new:
            return bool(found.attributes[change.attribute] == change.old)
    return False


def _type(change: Change) -> list[Step]:
    wanted, found = change.wanted, change.found
    if _follows(change):
        return []
    name = ident(wanted.identity[-1])
    new, collation = wanted.attributes["type"], wanted.attributes["collation"]
    if change.attribute == "collation":
        if wanted.attributes["type"] != found.attributes["type"]:
            return []
        hazard = "rewrite_table" if change.data.has_rows(wanted.identity[:2]) else ""
    else:
        hazard = type_hazard(found.attributes["type"], new)
    action = f"TYPE {new}" + (f" COLLATE {collation}" if collation else "")
    if change.attribute == "type" and wanted.attributes["generated"] is None:
        action += f" USING {name}::{new}"
    steps = []
    if found.attributes["default"] is not None and change.attribute == "type":
        steps.append(Step(_alter(wanted, "DROP DEFAULT")))
    if found.attributes["identity"] and not wanted.attributes["identity"] and change.attribute == "type":
        steps.append(Step(_alter(wanted, "DROP IDENTITY")))
    step = Step(_alter(wanted, action, only=False), hazard=hazard)
    steps.append(step._replace(blocked=NOT_CONVERTED) if change.data.violates(wanted.key) else step)
    if wanted.attributes["default"] is not None and change.attribute == "type":
        steps.append(Step(_alter(wanted, f"SET DEFAULT {wanted.attributes['default']}")))
    return steps


def _default(change: Change) -> list[Step]:
    if change.wanted.attributes["type"] != change.found.attributes["type"] and not _follows(
        change._replace(attribute="type")
    ):
        return []
    action = "DROP DEFAULT" if change.new is None else f"SET DEFAULT {change.new}"
    steps = [Step(_alter(change.wanted, action))]
    if change.found.attributes["identity"] and not change.wanted.attributes["identity"]:
        steps.insert(0, Step(_alter(change.wanted, "DROP IDENTITY")))
    return steps


def _not_null(change: Change) -> list[Step]:
    column = change.wanted
    if _follows(change):
        return []
    if not change.new:
        return [Step(_alter(column, "DROP NOT NULL", only=False))]
    if change.data.has_nulls(column.identity):
        blocked = "" if column.attributes["default"] is not None else _NO_DEFAULT
        steps = [step._replace(hazard="set_not_null_over_nulls", blocked=blocked) for step in fill(column)]
        return [*steps, *not_null_steps(column)]
    if change.data.has_rows(column.identity[:2]):
        return not_null_steps(column)
    return [Step(_alter(column, "SET NOT NULL", only=False))]


def _identity(change: Change) -> list[Step]:
    column = change.wanted
    if change.old is None:
        steps = []
        if change.found.attributes["default"] is not None:
            steps.append(Step(_alter(column, "DROP DEFAULT")))
        sequence = change.expected.identity_sequence(column.identity)
        serial = change.actual.things.get(sequence.key) if sequence else None
        if sequence and serial and not serial.facts["identity"]:
            return [*steps, *identity_of_serial(column, sequence, change.new)]
        clauses = f" (SEQUENCE NAME {dotted(sequence.identity)} {sequence_clause(sequence)})" if sequence else ""
        steps.append(Step(_alter(column, f"ADD GENERATED {change.new.upper()} AS IDENTITY{clauses}")))
        table, name = dotted(column.identity[:2]), ident(column.identity[-1])
        if change.data.has_rows(column.identity[:2]):
            # The next value comes after those that are there.
            text = (
                f"SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({literal(table)}, "
                f"{literal(column.identity[-1])}), pg_catalog.max({name})) FROM {table} HAVING pg_catalog.max({name}) > 0"
            )
            steps.append(Step(text, late=True))
        return steps
    if change.new is None:
        # A new type or a default in its place has dropped it already.
        gone = change.wanted.attributes["type"] != change.found.attributes["type"]
        gone = gone or change.wanted.attributes["default"] is not None
        return [] if gone else [Step(_alter(column, "DROP IDENTITY"))]
    return [Step(_alter(column, f"SET GENERATED {change.new.upper()}"))]


def identity_of_serial(column: Thing, sequence: Thing, generated: str) -> list[Step]:
    """The column's own sequence takes the name of the one that it had, and goes on where that stood."""
    name, aside = dotted(sequence.identity), old_name(sequence.identity[-1])
    old, made = dotted((sequence.identity[0], aside)), f"SEQUENCE NAME {name} {sequence_clause(sequence)}"
    return [
        Step(f"ALTER SEQUENCE {name} RENAME TO {ident(aside)}"),
        Step(_alter(column, f"ADD GENERATED {generated.upper()} AS IDENTITY ({made})")),
        Step(f"SELECT pg_catalog.setval({literal(name)}, last_value, is_called) FROM {old}"),
        Step(f"DROP SEQUENCE {old}"),
    ]


def _drop_expression(change: Change) -> list[Step]:
    return [Step(_alter(change.wanted, "DROP EXPRESSION", only=False))]


def _generated(change: Change) -> Optional[list[Step]]:
    """An expression can be dropped; another one needs another column."""
    return _drop_expression(change) if change.new is None else None


def _remake_hazard(change: Change) -> str:
    if not change.data.has_rows(change.wanted.identity[:2]):
        return ""
    return "rewrite_table" if change.found.attributes["generated"] is not None else "drop_column"


def _storage(change: Change) -> list[Step]:
    return [Step(_alter(change.wanted, f"SET STORAGE {change.new.upper()}"))]


def _compression(change: Change) -> list[Step]:
    return [Step(_alter(change.wanted, f"SET COMPRESSION {change.new or 'default'}"))]


def _statistics(change: Change) -> list[Step]:
    return [Step(_alter(change.wanted, f"SET STATISTICS {-1 if change.new is None else change.new}"))]


def _options(change: Change) -> list[Step]:
    names = {option.partition("=")[0] for option in change.new}
    gone = [option for option in change.old if option.partition("=")[0] not in names]
    steps = [Step(_alter(change.wanted, f"RESET ({names_clause(gone)})"))] if gone else []
    if change.new:
        steps.append(Step(_alter(change.wanted, f"SET ({options_clause(change.new)})")))
    return steps


def column_privileges(change: Change) -> list[Step]:
    column = change.wanted
    table = change.expected.things.get(table_of(column) or ("", ()))
    whom = ident(table.attributes["owner"]) if table else "CURRENT_USER"
    columns = f" ({ident(column.identity[-1])})"
    return [Step(text) for text in grants(change.old, change.new, dotted(column.identity[:2]), whom, columns)]


def _drop(column: Thing) -> list[Step]:
    return [Step(f"ALTER {_table(column)} DROP COLUMN {ident(column.identity[-1])}")]


def _probe(thing: Thing, _attribute: str, text: str) -> str:
    return f"SELECT ({text}) AS x FROM {dotted(thing.identity[:2])}"


KIND = Kind(
    name="column",
    catalog="pg_class",
    rank=51,
    query=QUERY,
    attributes={
        "generated": Attribute(_generated, deparsed=True),
        "type": Attribute(_type),
        "collation": Attribute(_type),
        "default": Attribute(_default, deparsed=True),
        "not_null": Attribute(_not_null),
        "identity": Attribute(_identity),
        "storage": Attribute(_storage, initial="<type>"),
        "compression": Attribute(_compression),
        "statistics": Attribute(_statistics, initial=None),
        "options": Attribute(_options, initial=[]),
        "privileges": Attribute(column_privileges, initial="<default>", access=True),
        "comment": comment(address),
    },
    create=_create,
    address=address,
    drop=_drop,
    parent=table_of,
    refine=_refine,
    drops_first=False,
    probe=_probe,
    acl="c",
    remake_hazard=_remake_hazard,
)
