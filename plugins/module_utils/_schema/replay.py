# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry out plans in a scratch copy until it is what it should be; what went through there is the plan for the live one.

PostgreSQL itself has the last word on order: a statement that needs something first is tried again after the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import read_edges, take_snapshot
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    DATABASE,
    Data,
    Drift,
    Snapshot,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.plan import plan
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

# A plan is complete after one round but for what defaults and cascades add; more rounds than this go in circles.
ROUNDS = 6
BATCH = 100


class Replayed(NamedTuple):
    """What went through, what is left, and why the last statement did not go through."""

    steps: list[Step]
    drift: list[Drift]
    complaint: str
    reached: Snapshot


Differences = Callable[[Snapshot, Snapshot], list[Drift]]


def replay(
    inner: Session,
    expected: Snapshot,
    data: Data,
    privileges: bool,
    differences: Differences,
    start: Optional[Snapshot] = None,
) -> Replayed:
    """Bring the database of a session to a snapshot, round by round, from where it is."""
    inner.execute("SET check_function_bodies = off")
    done: list[Step] = []
    complaint = ""
    actual = start or take_snapshot(inner)
    drift = differences(expected, actual)
    for _round in range(ROUNDS):
        if not drift:
            break
        read_edges(inner, actual)
        steps = plan(drift, expected, actual, data, privileges)
        through, complaint = execute(inner, steps)
        done += through
        if not through:
            break
        actual = take_snapshot(inner)
        drift = differences(expected, actual)
    return Replayed(done, drift, complaint, actual)


def execute(inner: Session, steps: Sequence[Step]) -> tuple[list[Step], str]:
    """Run statements in groups; those of a group that fails one by one, and the failing ones again at the end."""
    done: list[Step] = []
    failed: list[Step] = []
    complaint = ""
    for start in range(0, len(steps), BATCH):
        group = steps[start : start + BATCH]
        together = not any(step.early or (step.alone and step.replay is None) for step in group)
        if together and not failed and _together(inner, group):
            done += group
            continue
        for step in group:
            said = _one(inner, step)
            complaint = said or complaint
            (failed if said else done).append(step)
    while failed:
        again = [step for step in failed if not _one(inner, step)]
        if not again:
            break
        done += again
        failed = [step for step in failed if step not in again]
    return done, complaint if failed else ""


def _text(inner: Session, step: Step) -> str:
    text = step.sql if step.replay is None else step.replay
    return text.replace(DATABASE, ident(inner.database))


def _together(inner: Session, group: Sequence[Step]) -> bool:
    try:
        inner.execute(";\n".join(_text(inner, step) for step in group))
    except psycopg2.Error:
        return False
    return True


def _one(inner: Session, step: Step) -> str:
    """Run one statement; give what PostgreSQL has against it."""
    try:
        inner.execute(_text(inner, step))
    except psycopg2.Error as error:
        return f"{error.diag.message_primary or error} (in: {' '.join(step.sql.split())[:160]})"
    return ""
