# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step of a change of model: look, refuse or do it, and look again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Optional, Protocol

try:
    import psycopg2
    import psycopg2.errors
except ImportError:  # the session says so
    psycopg2 = None  # type: ignore[assignment]

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    KINDS,
    LANGCHAIN_TABLE,
    LINK,
    module_options,
    read_declaration,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import look
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_plan import Step, diff
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import (
    NEXT,
    About,
    Change,
    ChangeError,
    Unfilled,
    Wanted,
    check_start,
    check_switch,
    check_target,
    embedding_column,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change_command import fill, once
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change_steps import (
    FUNCTION,
    TRIGGERS,
    Phase,
    drop,
    prepare,
    settle,
    switch,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import MAX_DIMENSIONS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, session, sql

# Searches queue behind a lock that is waited for, so each wait is short, and there are many.
LOCK_PATIENCE = "1s"
ATTEMPTS = 60
# Runs of the command for rows that came in the moment before the switch.
ROUNDS = 30
# Options that say which collection it is, as pgvector_collection has them too.
NAMED = ("name", "table", "collection_table", "column")

SETTINGS_SQL = """
SELECT pg_catalog.set_config('lock_timeout', %(patience)s, %(local)s),
       pg_catalog.set_config('statement_timeout', '0', %(local)s)
"""
ABOUT_SQL = """
SELECT a.attname AS name, pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END AS storage,
       COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(r.rolname, x.privilege_type, x.is_grantable)
                                             ORDER BY r.rolname, x.privilege_type)
                 FROM pg_catalog.aclexplode(a.attacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee), '[]') AS grants
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid::int8 = %(relation)s AND a.attnum > 0 AND NOT a.attisdropped
"""
VIEWS_SQL = """
SELECT DISTINCT n.nspname || '.' || v.relname AS name FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid::int8 = %(relation)s
  AND d.refobjsubid = %(column)s ORDER BY 1
"""
TRIGGERS_SQL = """
SELECT COALESCE(pg_catalog.bool_or(t.tgrelid::int8 <> %(relation)s), false) AS elsewhere,
       pg_catalog.count(*) FILTER (WHERE t.tgrelid::int8 = %(relation)s AND t.tgname = ANY (%(triggers)s)
                                         AND t.tgenabled IN ('O', 'A')) AS here
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname = %(schema)s AND f.proname = %(function)s
"""
# Values are literals, as psycopg2 would take a per cent sign in a name for a parameter. One row of each is looked for by the
# index that the collection has: EXISTS may become a join, which reads all.
STRANGERS_SQL = """
SELECT c.name FROM {collections} c
WHERE c.name <> ALL ({names}) AND (SELECT true FROM {table} e WHERE e.{link} = c.uuid LIMIT 1) ORDER BY 1
"""
COUNT_SQL = """
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(e.{next}) AS filled FROM {table} e WHERE e.{column} IS NOT NULL
"""
# Quoted where SQL wants it, so that a command can write them as they are.
QUOTED_SQL = """
SELECT pg_catalog.quote_ident(%(schema)s) || '.' || pg_catalog.quote_ident(%(table)s) AS "EMBEDDING_TABLE",
       pg_catalog.quote_ident(%(next)s) AS "EMBEDDING_COLUMN", pg_catalog.quote_ident(%(told)s) AS "EMBEDDING_TEXT_COLUMN"
"""
UNPROVED_SQL = """
SELECT 1 AS found FROM pg_catalog.pg_constraint WHERE conrelid::int8 = %(relation)s AND conname = %(name)s AND contype = 'c'
"""
GAPS_SQL = """
SELECT pg_catalog.count(*) AS gaps FROM {table} e WHERE e.{column} IS NOT NULL AND e.{next} IS NULL
"""
ALONE_SQL = """
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('ai_micro.postgres change of model', %(relation)s)) AS ours
"""


class Module(Protocol):
    """The part of AnsibleModule that a run needs."""

    params: dict[str, Any]

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn: ...

    def log(self, msg: str) -> None: ...


def run(module: Module, state: str, writing: bool) -> dict[str, Any]:
    """Take the change to a state, or say how far it is."""
    params = module.params
    wanted = Wanted(params["name"], tuple(params["beside"]), params["model"], params["dimensions"], params["type"])
    try:
        with session(module, params["login_db"], autocommit=True, readonly=not writing) as opened:
            change = examine(opened, params, wanted)
            before = change.filled
            if writing:
                alone(opened, change)
            phases = plan(change, state, params)
            steps = [step for phase in phases for step in phase.steps]
            queries = [opened.render(step.statement) for step in steps]
            if writing:
                if state in ("filled", "switched") and change.stage == "filling" and params["command"]:
                    fill(module, change, params, lambda: count(opened, change))
                carry_out(module, opened, change, phases)
                change = examine(opened, params, wanted)
    except ChangeError as error:
        module.fail_json(msg=str(error))
    return result(change, steps, queries, changed=bool(steps) or (state == "filled" and change.filled > before))


def examine(opened: Session, params: Mapping[str, Any], wanted: Wanted) -> Change:
    """Where the change stands."""
    found = look(opened, read_declaration({**options(), **{name: params[name] for name in NAMED}}))
    table, column = embedding_column(found, params["table"], params["column"])
    about = {row.pop("name"): About(**row) for row in opened.query(ABOUT_SQL, {"relation": table.oid})}
    change = Change(wanted, found, table, column, about)
    names = {"schema": table.schema, "table": table.name, "next": change.beside(NEXT), "told": change.told}
    (change.quoted,) = opened.query(QUOTED_SQL, names)
    schema, function = FUNCTION
    named = {"schema": schema, "function": function, "relation": table.oid, "triggers": list(TRIGGERS)}
    (triggers,) = opened.query(TRIGGERS_SQL, named)
    change.shares_function, change.guarded = triggers["elsewhere"], triggers["here"] == len(TRIGGERS)
    change.unproved = bool(opened.query(UNPROVED_SQL, {"relation": table.oid, "name": change.not_null}))
    find_readers(opened, change)
    count(opened, change)
    return change


def count_gaps(opened: Session, change: Change) -> None:
    """How many rows lack a vector, by the index of them that is there before a switch."""
    statement = sql.SQL(GAPS_SQL).format(
        table=change.table.identifier,
        column=sql.Identifier(change.column.name),
        next=sql.Identifier(change.beside(NEXT)),
    )
    (row,) = opened.query(statement)
    change.filled = change.rows - row["gaps"]


def find_readers(opened: Session, change: Change) -> None:
    """Who else uses the column."""
    found = change.look
    views = opened.query(VIEWS_SQL, {"relation": change.table.oid, "column": change.column.number})
    change.views = [row["name"] for row in views]
    if found.usable_collections and found.collections and LINK in found.columns:
        statement = sql.SQL(STRANGERS_SQL).format(
            collections=found.collections.identifier,
            names=sql.Literal(change.wanted.names),
            table=change.table.identifier,
            link=sql.Identifier(LINK),
        )
        change.strangers = [row["name"] for row in opened.query(statement)]


def model_options() -> dict[str, Any]:
    """The module's own options, connection left out."""
    return {
        "name": {"type": "str", "required": True},
        "beside": {"type": "list", "elements": "str", "default": []},
        "table": {"type": "str", "default": LANGCHAIN_TABLE},
        "collection_table": {"type": "str"},
        "column": {"type": "str"},
        "model": {"type": "str", "required": True},
        "dimensions": {"type": "int", "required": True},
        "type": {"type": "str", "choices": list(KINDS)},
        "state": {
            "type": "str",
            "choices": ["verified", "prepared", "filled", "switched", "dropped"],
            "default": "verified",
        },
        "command": {"type": "list", "elements": "str"},
        "drop": {"type": "str"},
    }


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant."""
    for name in ("name", "table", "model"):
        if not params[name]:
            raise ChangeError(f"{name} is empty: give the {name} of the collection.")
    if not 1 <= params["dimensions"] <= MAX_DIMENSIONS:
        raise ChangeError(f"dimensions is {params['dimensions']}: give a number from 1 to {MAX_DIMENSIONS}.")


def options() -> dict[str, Any]:
    """pgvector_collection's options as they are when nobody gives any."""
    chosen: dict[str, Any] = {}
    for name, spec in module_options().items():
        inner = spec.get("options")
        chosen[name] = {key: one.get("default") for key, one in inner.items()} if inner else spec.get("default")
    return chosen


def count(opened: Session, change: Change) -> None:
    """Rows that searches find, and those of them that have a vector of the next model; of a column that is not there, none."""
    statement = sql.SQL(COUNT_SQL).format(
        table=change.table.identifier,
        column=sql.Identifier(change.column.name),
        next=sql.Identifier(change.next.name if change.next else change.column.name),
    )
    (row,) = opened.query(statement)
    change.rows, change.filled = row["rows"], row["filled"] if change.next else 0


def alone(opened: Session, change: Change) -> None:
    """A command that goes on filling after its controller was gone is not joined by a second one."""
    (row,) = opened.query(ALONE_SQL, {"relation": change.table.oid})
    if not row["ours"]:
        raise ChangeError(f"Another run changes the model of {change.table.label}: wait for its end.")


def plan(change: Change, state: str, params: Mapping[str, Any]) -> list[Phase]:
    """The statements that a state takes, or what forbids it."""
    if state == "dropped":
        steps = drop(change, params["drop"])
        return [Phase(steps)] if steps else []
    if state == "switched" and change.arrived and change.unproved:
        return settle(change)
    if state == "verified" or change.arrived:
        return []
    check_target(change)
    if state == "prepared" and not change.next:
        check_start(change)
        return [Phase(prepare(change))]
    if state == "filled" and not change.next:
        raise ChangeError(f"{change.table.label} has no column for {change.wanted.model} to fill: prepare it first.")
    if state == "switched":
        check_switch(change, fills=bool(params["command"]))
        return switch(change)
    return []


def carry_out(module: Module, opened: Session, change: Change, phases: Sequence[Phase]) -> None:
    """One phase after the other; a run that is cut off between two is followed by one that goes on from there."""
    for phase in phases:
        if phase.switches:
            exchange(module, opened, change, phase.steps)
            continue
        if phase.locked:
            execute(opened, change, phase.steps, switching=False)
            continue
        # Nobody queues behind these, so they wait for old snapshots and other work on the table in one go.
        opened.query(SETTINGS_SQL, {"patience": f"{ATTEMPTS}s", "local": False})
        for step in phase.steps:
            opened.execute(step.statement)


def exchange(module: Module, opened: Session, change: Change, steps: Sequence[Step]) -> None:
    """Switch at a moment when each row has a vector. A service that writes on and on leaves such moments only right after
    the command's end, so each try follows one."""
    for left in reversed(range(ROUNDS if module.params["command"] else 1)):
        try:
            execute(opened, change, steps, switching=True)
        except Unfilled:
            if not left:
                raise
            once(module, change, module.params, lambda: count_gaps(opened, change))
        else:
            return


def execute(opened: Session, change: Change, steps: Sequence[Step], switching: bool) -> None:
    """All statements or none, as soon as the table's lock is free for a moment."""
    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(change.table.identifier)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with opened.transaction():
                opened.query(SETTINGS_SQL, {"patience": LOCK_PATIENCE, "local": True})
                opened.execute(lock)
                if switching:
                    check_again(opened, change)
                for step in steps:
                    opened.execute(step.statement)
        # The table's lock, or that of the collection's row, which somebody holds who waits for the table.
        except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected):
            if attempt == ATTEMPTS:
                raise
            time.sleep(1)  # why: searches that queued behind the attempt come first
        else:
            return


def check_again(opened: Session, change: Change) -> None:
    """What may have changed since it was looked at, and from here on cannot; searches wait, so indexes have to answer."""
    opened.query("SELECT pg_catalog.set_config('enable_seqscan', 'off', true)")
    count_gaps(opened, change)
    find_readers(opened, change)
    check_switch(change)


def result(change: Change, steps: Sequence[Step], queries: Sequence[str], changed: bool) -> dict[str, Any]:
    share: Optional[float] = round(change.filled / change.rows, 4) if change.rows and change.next else None
    return {
        "changed": changed,
        "stage": change.stage,
        "table": change.table.label,
        "column": change.column.name,
        "next_column": change.next.name if change.next else None,
        "text_column": change.told if change.next else None,
        "previous_column": change.previous.name if change.previous else None,
        "rows": change.rows,
        "filled": change.filled,
        "remaining": change.remaining,
        "share": share,
        "refuses_old": change.refuses_old,
        "queries": list(queries),
        "diff": diff(steps),
    }
