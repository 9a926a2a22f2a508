# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry out a proved plan on the live database: one transaction where possible, few waits, no surprise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import DATABASE, SchemaError, Step
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

# How often a statement waits for a lock before the run gives up.
ATTEMPTS = 4
_LOCK_NOT_AVAILABLE = "55P03"
LOCK_SQL = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('ai_micro.postgres_schema'))"


def lock(writer: Session) -> None:
    """Only one run changes a database's schema at a time; the lock ends with the session."""
    if not writer.rows(LOCK_SQL)[1][0][0]:
        raise SchemaError(
            f"Another run is changing the schema of database {writer.database}: run again when it has finished."
        )


def segments(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Neighbours that may share a transaction do."""
    group: list[Step] = []
    for step in steps:
        if step.alone:
            if group:
                yield group
            yield [step]
            group = []
        else:
            group.append(step)
    if group:
        yield group


def text_of(step: Step, database: str) -> str:
    return step.sql.replace(DATABASE, ident(database))


def apply(writer: Session, steps: Sequence[Step], lock_timeout: str, statement_timeout: str) -> None:
    """Run every statement; what was committed before a failure stays, and the next run goes on from there."""
    writer.query(
        "SELECT pg_catalog.set_config('lock_timeout', %s, false), pg_catalog.set_config('statement_timeout', %s, false), "
        "pg_catalog.set_config('check_function_bodies', 'off', false)",
        (lock_timeout, statement_timeout),
    )
    done = 0
    for group in segments(steps):
        _run(writer, group, done, len(steps))
        done += len(group)


def _run(writer: Session, group: Sequence[Step], done: int, total: int) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        at = group[0]
        try:
            if group[0].alone:
                writer.execute(text_of(at, writer.database))
                return
            with writer.transaction():
                for step in group:
                    at = step
                    writer.execute(text_of(step, writer.database))
        except psycopg2.Error as error:
            if error.pgcode == _LOCK_NOT_AVAILABLE and attempt < ATTEMPTS:
                _tidy(writer, at)
                continue
            raise SchemaError(_sentence(error, at, writer.database, done, total)) from error
        return


def _tidy(writer: Session, step: Step) -> None:
    """An interrupted build leaves an invalid index of its name."""
    if step.undo:
        writer.execute(step.undo)


def _sentence(error: Any, step: Step, database: str, done: int, total: int) -> str:
    said = str(error.diag.message_primary or error).strip()
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    progress = f"{done} of {total} statements were carried out before it" if done else "nothing was changed"
    hint = "end the session that holds the lock, or run again later" if error.pgcode == _LOCK_NOT_AVAILABLE else ""
    return (
        f"PostgreSQL refused a change of database {database}: {said}{detail}, in: {' '.join(step.sql.split())[:200]}; "
        f"{progress}; {hint or 'mend what it names and run again, the rest follows then'}."
    )
