# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statements of each step of a change of model."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    distance_of,
    index_name,
    over_column,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Table
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_plan import Step
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import (
    NEXT,
    PREVIOUS,
    About,
    Change,
    ChangeError,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import sql

STORAGES = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
# In the schema that the collection keeps for itself, which no comparison of a schema looks at.
FUNCTION = ("ai_micro", "forget_embedding")
# The base record keeps what the JSON does not name, so the function serves every table.
FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $body$
BEGIN
    IF TG_NAME = {blind} THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = pg_catalog.format(
            '%I of %I.%I is set without %I, so nobody knows whether the text is still the one that was embedded: '
            'set that too, to the text as it was read', TG_ARGV[0], TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[1]);
    END IF;
    RETURN pg_catalog.jsonb_populate_record(
        NEW, (SELECT pg_catalog.jsonb_object_agg(name, NULL::pg_catalog.text) FROM pg_catalog.unnest(TG_ARGV) name));
END
$body$
"""
# Who fills reads a text, embeds it, and writes the vector later: a text that changes in between would keep the vector of the
# old one for ever. So each says which text it embedded, and the row that has another one by then stays without a vector.
# A row that gets another text or another vector of the old model afterwards has to be embedded again as well.
# A new row brings text and vector together, so nothing fires on INSERT: what it took away would be missing from EXCLUDED, of
# which ON CONFLICT DO UPDATE writes both. What such a row says of its text goes with its next UPDATE, or with the column.
# The triggers fire in the order of their names.
FORGET, BLIND, TOLD = TRIGGERS = ("embedding_change", "embedding_change_blind", "embedding_change_told")
CONDITIONS = {
    FORGET: """
NEW.{next} IS NOT NULL AND CASE WHEN NEW.{told} IS NOT NULL THEN NEW.{told} COLLATE pg_catalog."C" <> pg_catalog.concat({text})
ELSE NEW.{next} {equal} OLD.{next} AND ((OLD.{column} IS NULL) <> (NEW.{column} IS NULL)
     OR OLD.{column} {unequal} NEW.{column}{changed}) END
""",
    BLIND: "NEW.{told} IS NULL AND NEW.{next} IS NOT NULL AND (OLD.{next} IS NULL OR OLD.{next} {unequal} NEW.{next})",
    TOLD: "NEW.{told} IS NOT NULL",
}
TRIGGER_SQL = """
CREATE OR REPLACE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({condition})
EXECUTE FUNCTION {function}({arguments})
"""


class Phase(NamedTuple):
    """Statements that go together: all or none under the table's lock, or else each by itself while everybody works."""

    steps: list[Step]
    locked: bool = True
    switches: bool = False


def prepare(change: Change) -> list[Step]:
    """The column, what is noted on it, and what empties it where a row changes."""
    if change.arrived or change.next:
        return []
    look, table, wanted, new = change.look, change.table, change.wanted, change.beside(NEXT)
    extension = sql.Identifier(look.schema)
    kind = sql.SQL("{}.{}({})").format(extension, sql.Identifier(change.kind), sql.Literal(wanted.dimensions))
    function = sql.Identifier(*FUNCTION)
    noted = json.dumps({"model": wanted.model, "dimensions": wanted.dimensions}, ensure_ascii=False)
    add = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
    told = (
        f"The text that {new} was made of is written here with it; it is compared where a row is updated, and not kept."
    )
    make = sql.SQL(FUNCTION_SQL.strip()).format(function=function, blind=sql.Literal(BLIND))
    return [
        Step(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(FUNCTION[0]))),
        Step(make),
        Step(sql.SQL("REVOKE ALL ON FUNCTION {}() FROM PUBLIC").format(function)),
        Step(
            add.format(table.identifier, sql.Identifier(new), kind),
            "",
            f"{table.label}.{new}: {change.kind}({wanted.dimensions}) for {wanted.model}",
        ),
        Step(note(table, new, noted)),
        Step(
            add.format(table.identifier, sql.Identifier(change.told), sql.SQL("pg_catalog.text")),
            "",
            f"{table.label}.{change.told}: text",
        ),
        Step(note(table, change.told, told)),
        *like_the_old(change, new),
        *like_the_old(change, change.told),
        *(Step(trigger(change, name), "", f"trigger {name} on {table.label}") for name in TRIGGERS),
    ]


def like_the_old(change: Change, name: str) -> list[Step]:
    """What was granted on the old column alone, and how it is stored, for one beside it, as far as that has it not yet."""
    table, old, have = change.table, change.about[change.column.name], change.about.get(name, About())
    statements = []
    if old.storage and have.storage != old.storage and name != change.told:
        kept = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STORAGE {}")
        statements.append(kept.format(table.identifier, sql.Identifier(name), sql.SQL(STORAGES[old.storage])))
    for role, privilege, grantable in (grant for grant in old.grants if grant not in have.grants):
        grant = sql.SQL("GRANT {} ({}) ON {} TO {}{}").format(
            sql.SQL(privilege),
            sql.Identifier(name),
            table.identifier,
            sql.SQL("PUBLIC") if role is None else sql.Identifier(role),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )
        statements.append(grant)
    return [Step(statement) for statement in statements]


def trigger(change: Change, name: str) -> Any:
    new, told = change.beside(NEXT), change.told
    texts = change.texts or [change.column.name]
    changed = [
        sql.SQL(" OR OLD.{name} IS DISTINCT FROM NEW.{name}").format(name=sql.Identifier(text)) for text in change.texts
    ]
    extension = sql.Identifier(change.look.schema)
    condition = sql.SQL(CONDITIONS[name].strip()).format(
        next=sql.Identifier(new),
        told=sql.Identifier(told),
        column=sql.Identifier(change.column.name),
        equal=sql.SQL("OPERATOR({}.=)").format(extension),
        unequal=sql.SQL("OPERATOR({}.<>)").format(extension),
        changed=sql.Composed(changed),
        text=sql.SQL(", ").join(sql.SQL("NEW.{}").format(sql.Identifier(text)) for text in texts),
    )
    arguments = [told] if name == TOLD else [new, told]
    return sql.SQL(TRIGGER_SQL.strip()).format(
        name=sql.Identifier(name),
        table=change.table.identifier,
        condition=condition,
        function=sql.Identifier(*FUNCTION),
        arguments=sql.SQL(", ").join(map(sql.Literal, arguments)),
    )


def note(table: Table, column: str, text: Optional[str]) -> Any:
    return sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(table.identifier, sql.Identifier(column), sql.Literal(text))


def switch(change: Change) -> list[Phase]:
    """What takes long goes before and after the one transaction, as searches wait for its end."""
    phases = [Phase(index_gaps(change), locked=False), Phase(exchange(change), switches=True)]
    return [*phases, *settle(change)] if change.column.required else phases


def index_gaps(change: Change) -> list[Step]:
    """An index of the rows that lack a vector, so that those that come late are found under the lock without reading the
    table. One that a killed run left is full of rows that were filled since."""
    name, statements = gaps(change), []
    if name in change.look.relation_names:
        gone = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(change.table.schema, name))
        statements.append(gone)
    make = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} (({} IS NULL)) WHERE {} IS NOT NULL AND {} IS NULL")
    new, old = sql.Identifier(change.beside(NEXT)), sql.Identifier(change.column.name)
    statements.append(make.format(sql.Identifier(name), change.table.identifier, new, old, new))
    return [Step(statement) for statement in statements]


def gaps(change: Change) -> str:
    """The name of that index."""
    return index_name(change.table.name, change.beside(NEXT), "gaps_idx", frozenset())


def settle(change: Change) -> list[Phase]:
    """The column is NOT NULL by a constraint that holds for what is written, until the rows are proved to obey it: only
    then SET NOT NULL need not read them, under a lock that searches wait for."""
    table, name = change.table.identifier, sql.Identifier(change.not_null)
    validate = sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(table, name)
    required = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL").format(table, sql.Identifier(change.column.name))
    gone = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, name)
    return [Phase([Step(validate)], locked=False), Phase([Step(required), Step(gone)])]


def exchange(change: Change) -> list[Step]:
    """Both names, what belongs to them, and what the collections say of themselves."""
    table, column, wanted = change.table, change.column, change.wanted
    old, new = change.beside(PREVIOUS), change.beside(NEXT)
    before = {row.cmetadata.get("model") for row in change.look.rows if isinstance(row.cmetadata, dict)}
    noted = {"model": next(iter(before), None), "dimensions": column.modifier, "replaced_by": wanted.model}
    steps = [
        *like_the_old(change, new),
        *forget(change),
        Step(sql.SQL("DROP INDEX {}").format(sql.Identifier(table.schema, gaps(change)))),
        rename(table, column.name, old),
        rename(table, new, column.name),
        Step(note(table, old, json.dumps(noted, ensure_ascii=False))),
        Step(note(table, column.name, change.about[column.name].comment)),
    ]
    if column.required:
        free = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(table.identifier, sql.Identifier(old))
        bound = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID")
        names = (sql.Identifier(change.not_null), sql.Identifier(column.name))
        steps += [Step(free), Step(bound.format(table.identifier, *names))]
    return [*steps, *index_names(change), *metadata(change)]


def rename(table: Table, name: str, to: str) -> Step:
    statement = sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}")
    return Step(
        statement.format(table.identifier, sql.Identifier(name), sql.Identifier(to)),
        f"{table.label}.{name}",
        f"{table.label}.{to} (was {name})",
    )


def forget(change: Change) -> list[Step]:
    """The triggers and what they compare with, and their function where no other table needs it."""
    table, steps = change.table, []
    for name in TRIGGERS:
        gone = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(name), table.identifier)
        steps.append(Step(gone, f"trigger {name} on {table.label}"))
    if change.told in change.look.columns:
        steps.append(drop_column(table, change.told, "text"))
    if not change.shares_function:
        steps.append(Step(sql.SQL("DROP FUNCTION IF EXISTS {}()").format(sql.Identifier(*FUNCTION))))
    return steps


def drop_column(table: Table, name: str, what: str) -> Step:
    statement = sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(table.identifier, sql.Identifier(name))
    return Step(statement, f"{table.label}.{name}: {what}")


def index_names(change: Change) -> list[Step]:
    """Indexes that bear the name of their column follow it to the new one."""
    table, taken, steps = change.table, set(change.look.relation_names), []
    for name, to in ((change.column.name, change.beside(PREVIOUS)), (change.beside(NEXT), change.column.name)):
        for index in change.look.indexes:
            ending = f"{distance_of(index)}_{index.method}_idx"
            if not over_column(index, name) or index.name != index_name(table.name, name, ending, frozenset()):
                continue
            free = index_name(table.name, to, ending, frozenset(taken - {index.name}))
            taken = (taken - {index.name}) | {free}
            statement = sql.SQL("ALTER INDEX {} RENAME TO {}").format(index.identifier, sql.Identifier(free))
            steps.append(Step(statement))
    return steps


def metadata(change: Change) -> list[Step]:
    """What clients read of their collection's model."""
    look, wanted = change.look, change.wanted
    if not look.wants_collections or look.collections is None:
        return []
    says = json.dumps({"model": wanted.model, "dimensions": wanted.dimensions}, ensure_ascii=False)
    kept = look.collection_columns["cmetadata"]
    statement = sql.SQL(
        "UPDATE {} SET cmetadata = (CASE pg_catalog.jsonb_typeof(cmetadata::jsonb) WHEN 'object' THEN cmetadata::jsonb "
        "ELSE '{{}}' END || {}::jsonb)::{} WHERE name = ANY ({})"
    ).format(
        look.collections.identifier,
        sql.Literal(says),
        sql.Identifier(kept.type_schema, kept.type),
        sql.Literal(wanted.names),
    )
    return [Step(statement, "", f"{', '.join(wanted.names)}: {says}")]


def drop(change: Change, name: str) -> list[Step]:
    """One of the two columns that a change keeps beside the one that serves, by its name."""
    allowed = (change.beside(PREVIOUS), change.beside(NEXT))
    if name not in allowed:
        raise ChangeError(
            f"drop is {name}: only {allowed[0]}, which a finished change keeps, or {allowed[1]}, to give one up, can be dropped."
        )
    if name not in change.look.columns:
        return []
    gone = drop_column(change.table, name, change.about[name].comment or "vectors")
    return [*(forget(change) if name == change.beside(NEXT) else ()), gone]
