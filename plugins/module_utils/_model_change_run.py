# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step of a change of model: look, refuse or do it, and look again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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
    FUNCTION,
    TRIGGER,
    Change,
    ChangeError,
    Wanted,
    check_start,
    check_switch,
    check_target,
    drop,
    embedding_column,
    prepare,
    switch,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import MAX_DIMENSIONS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, session, sql

PROGRESS_EVERY = 30
# Searches queue behind a lock that is waited for, so each wait is short, and there are many.
LOCK_PATIENCE = "1s"
ATTEMPTS = 60
LINES_OF_COMMAND = 3
# Options that say which collection it is, as pgvector_collection has them too.
NAMED = ("name", "table", "collection_table", "column")

COMMENTS_SQL = """
SELECT a.attname AS name, pg_catalog.col_description(a.attrelid, a.attnum) AS comment FROM pg_catalog.pg_attribute a
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
SHARED_SQL = """
SELECT 1 AS found FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname = %(schema)s AND f.proname = %(function)s
  AND NOT (t.tgrelid::int8 = %(relation)s AND t.tgname = %(trigger)s) LIMIT 1
"""
# Values are literals, as psycopg2 would take a per cent sign in a name for a parameter.
STRANGERS_SQL = """
SELECT c.name FROM {collections} c
WHERE c.name <> ALL ({names}) AND EXISTS (SELECT FROM {table} e WHERE e.{link} = c.uuid) ORDER BY 1
"""
COUNT_SQL = """
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(e.{next}) AS filled FROM {table} e WHERE e.{column} IS NOT NULL
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
            steps = plan(change, state, params)
            queries = [opened.render(step.statement) for step in steps]
            if writing:
                if steps:
                    execute(opened, change, steps, switching=state == "switched")
                elif state == "filled" and change.stage == "filling" and params["command"]:
                    fill(module, opened, change, params)
                change = examine(opened, params, wanted)
    except ChangeError as error:
        module.fail_json(msg=str(error))
    return result(change, steps, queries, changed=bool(steps) or (state == "filled" and change.filled > before))


def examine(opened: Session, params: Mapping[str, Any], wanted: Wanted) -> Change:
    """Where the change stands."""
    found = look(opened, read_declaration({**options(), **{name: params[name] for name in NAMED}}))
    table, column = embedding_column(found, params["table"], params["column"])
    comments = opened.query(COMMENTS_SQL, {"relation": table.oid})
    change = Change(wanted, found, table, column, {row["name"]: row["comment"] for row in comments})
    views = opened.query(VIEWS_SQL, {"relation": table.oid, "column": column.number})
    change.views = [row["name"] for row in views]
    schema, function = FUNCTION
    shared = {"schema": schema, "function": function, "relation": table.oid, "trigger": TRIGGER}
    change.shares_function = bool(opened.query(SHARED_SQL, shared))
    if found.usable_collections and found.collections and LINK in found.columns:
        statement = sql.SQL(STRANGERS_SQL).format(
            collections=found.collections.identifier,
            names=sql.Literal(wanted.names),
            table=table.identifier,
            link=sql.Identifier(LINK),
        )
        change.strangers = [row["name"] for row in opened.query(statement)]
    change.rows, change.filled = count(opened, change)
    return change


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


def count(opened: Session, change: Change) -> tuple[int, int]:
    """Rows that searches find, and those of them that have a vector of the next model; of a column that is not there, none."""
    statement = sql.SQL(COUNT_SQL).format(
        table=change.table.identifier,
        column=sql.Identifier(change.column.name),
        next=sql.Identifier(change.next.name if change.next else change.column.name),
    )
    (row,) = opened.query(statement)
    return row["rows"], row["filled"] if change.next else 0


def alone(opened: Session, change: Change) -> None:
    """A command that goes on filling after its controller was gone is not joined by a second one."""
    (row,) = opened.query(ALONE_SQL, {"relation": change.table.oid})
    if not row["ours"]:
        raise ChangeError(f"Another run changes the model of {change.table.label}: wait for its end.")


def plan(change: Change, state: str, params: Mapping[str, Any]) -> list[Step]:
    """The statements that a state takes, or what forbids it."""
    if state == "dropped":
        return drop(change, params["drop"])
    if state == "verified" or change.arrived:
        return []
    check_target(change)
    if state == "prepared" and not change.next:
        check_start(change)
        return prepare(change)
    if state == "filled" and not change.next:
        raise ChangeError(f"{change.table.label} has no column for {change.wanted.model} to fill: prepare it first.")
    if state == "switched":
        check_switch(change)
        return switch(change)
    return []


def execute(opened: Session, change: Change, steps: Sequence[Step], switching: bool) -> None:
    """All statements or none, as soon as the table's lock is free for a moment."""
    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(change.table.identifier)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with opened.transaction():
                opened.query(
                    "SELECT pg_catalog.set_config('lock_timeout', %s, true), "
                    "pg_catalog.set_config('statement_timeout', '0', true)",
                    (LOCK_PATIENCE,),
                )
                opened.execute(lock)
                if switching:
                    # Rows may have come since they were counted; from here on none can.
                    change.rows, change.filled = count(opened, change)
                    check_switch(change)
                for step in steps:
                    opened.execute(step.statement)
        except psycopg2.errors.LockNotAvailable:
            if attempt == ATTEMPTS:
                raise
            time.sleep(1)  # why: searches that queued behind the attempt come first
        else:
            return


def fill(module: Module, opened: Session, change: Change, params: Mapping[str, Any]) -> None:
    """Run the command that embeds the rows, and say in the target's log how far it is."""
    with tempfile.TemporaryFile("w+") as output, started(params["command"], change, params, output) as process:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PROGRESS_EVERY)
            change.rows, change.filled = count(opened, change)
            module.log(f"{change.table.label}: {change.filled} of {change.rows} rows have {change.wanted.model}")
            if process.returncode is not None:
                break
        output.seek(0)
        said = " / ".join(output.read().strip().splitlines()[-LINES_OF_COMMAND:])
    if process.returncode:
        raise ChangeError(
            f"The command that fills {change.beside('next')} ended with {process.returncode} at {change.filled} of "
            f"{change.rows} rows ({said or 'no output'}): mend it and run again, it goes on from there."
        )
    if change.remaining:
        raise ChangeError(
            f"The command that fills {change.beside('next')} ended well, but {change.remaining} of {change.rows} rows have no "
            f"vector of {change.wanted.model} ({said or 'no output'}): it has to fill each row where the column is null."
        )


@contextlib.contextmanager
def started(
    command: Sequence[str], change: Change, params: Mapping[str, Any], output: Any
) -> Iterator[subprocess.Popen[str]]:
    """The command with what it needs to know, ended together with this run."""
    told = {
        "PGHOST": params["login_unix_socket"] or params["login_host"],
        "PGPORT": str(params["login_port"]),
        "PGDATABASE": params["login_db"],
        "PGUSER": params["login_user"],
        "EMBEDDING_TABLE": f"{change.table.schema}.{change.table.name}",
        "EMBEDDING_COLUMN": change.beside("next"),
        "EMBEDDING_COLLECTION": change.wanted.name,
        "EMBEDDING_MODEL": change.wanted.model,
        "EMBEDDING_DIMENSIONS": str(change.wanted.dimensions),
    }
    environment = {**os.environ, **{name: value for name, value in told.items() if value}}
    try:
        process = subprocess.Popen(
            list(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise ChangeError(f"The command {command[0]} cannot be run ({error.strerror}): correct command.") from error
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def result(change: Change, steps: Sequence[Step], queries: Sequence[str], changed: bool) -> dict[str, Any]:
    share: Optional[float] = round(change.filled / change.rows, 4) if change.rows and change.next else None
    return {
        "changed": changed,
        "stage": change.stage,
        "table": change.table.label,
        "column": change.column.name,
        "next_column": change.next.name if change.next else None,
        "previous_column": change.previous.name if change.previous else None,
        "rows": change.rows,
        "filled": change.filled,
        "remaining": change.remaining,
        "share": share,
        "queries": list(queries),
        "diff": diff(steps),
    }
