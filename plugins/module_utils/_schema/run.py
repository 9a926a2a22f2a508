# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run: read both sides, judge, plan, prove the plan on a copy, and only then write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema import cache as caching
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema import deparse
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.apply import apply, lock, text_of
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import (
    read_edges,
    settle,
    take_snapshot,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.compare import (
    ancestors,
    compare,
    ignoring,
    object_name,
    reported,
    sentence,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.mark import read_mark
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Data,
    Drift,
    SchemaError,
    Snapshot,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.plan import plan
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.questions import ask
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.replay import replay
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.rows import (
    compare_rows,
    read_asked,
    read_declared,
    read_live,
    row_steps,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.scratch import (
    LIKENESS_SQL,
    Workshop,
    load,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Module, Session, session

# How many differences a failure names.
NAMED = 5
MAINTENANCE_SQL = """
SELECT COALESCE((SELECT d.datname FROM pg_catalog.pg_database d
                 WHERE d.datname IN ('postgres', 'template1') AND d.datallowconn
                   AND d.datname <> pg_catalog.current_database()
                   AND pg_catalog.has_database_privilege(d.oid, 'CONNECT')
                 ORDER BY d.datname LIMIT 1), pg_catalog.current_database()) AS name
"""
POINT_SQL = "SELECT pg_catalog.pg_create_restore_point(%s)"


class Run:
    """What the steps of one run share."""

    def __init__(self, module: Module, stack: ExitStack) -> None:
        self.module = module
        self.params = module.params
        self.stack = stack
        self.target: str = self.params["login_db"]
        self.definition: str = self.params["definition"]
        self.ignored = ignoring(self.params["ignore"])
        self._scratch: Optional[Session] = None
        self._declared: Optional[Snapshot] = None
        self._actual: Optional[Snapshot] = None
        self.learnt = False
        # The restore point before the first change, once there is one.
        self.named = ""
        # Nothing of the live schema has changed since a run that found no difference.
        self.known = False

    def read(self) -> None:
        """What both sides are known by: where the live one is as it was in sync, nothing else of it is fetched."""
        live = self.stack.enter_context(session(self.module, self.target, readonly=True))
        self.reader = live
        settle(live)
        likeness = live.query(LIKENESS_SQL)[0]
        likeness["maintenance"] = live.query(MAINTENANCE_SQL)[0]["name"]
        self.settings = [row[0] for row in live.rows(caching.SETTINGS_SQL)[1]]
        self.workshop = Workshop(self.module, self.target, likeness)
        self.stack.callback(self.workshop.close)
        oid = likeness.pop("oid")
        name = f"{self.params['login_host']}{self.params['login_unix_socket']}:{self.params['login_port']}/{oid}"
        self.cache = caching.Cache(self.params["cache_directory"], name)
        self.key = caching.key(live, self.definition, likeness, self.settings, self.params["rows"])
        self.kept = self.cache.read(self.key)
        self.mark = self.live_mark()
        self.known = self.kept and bool(self.mark) and self.mark == self.cache.mark
        self.asked = read_asked(self.params["rows"], self.declared) if self.params["rows"] else []

    @property
    def actual(self) -> Snapshot:
        """The live side, fetched at its first use."""
        if self._actual is None:
            self._actual = take_snapshot(self.reader)
        return self._actual

    def live_mark(self) -> str:
        """Hash the state of the live schema, and what else decides whether it is in sync; empty where nothing is kept."""
        state = read_mark(self.reader) if self.cache.path else ""
        if not state:
            return ""
        parts = [state, self.params["privileges"], self.params["ignore"]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def declared(self) -> Snapshot:
        """The declared side, from where it is kept, if it is."""
        if self._declared is None and self.kept:
            self._declared = self.cache.snapshot()
        if self._declared is None:
            self._declared = self.declare()
        return self._declared

    def compare_rows(self) -> list[Drift]:
        """Declared rows that are missing or different; they wait for a table that is."""
        if not self.asked:
            return []
        live = self.declared if self.known else self.actual
        return compare_rows(self.cache.rows, read_live(self.reader, self.asked, self.cache.rows, live))

    def scratch(self) -> Session:
        """A scratch database that holds the declared schema, loaded at its first use."""
        if self._scratch is None:
            self._scratch = self.stack.enter_context(self.workshop.database())
            load(self.workshop, self._scratch, self.definition, self.settings)
        return self._scratch

    def remember(self, in_sync: bool) -> None:
        """Keep spellings that were found to mean the same, and the mark of a schema in sync, if it is still the one that was read."""
        lasting = in_sync and self.mark == self.live_mark()
        if lasting and self.mark != self.cache.mark:
            self.cache.mark, self.learnt = self.mark, True
        if self.learnt:
            self.cache.write(self.key, self.declared)
            self.learnt = False

    def declare(self) -> Snapshot:
        """Load the definition and look at what it made."""
        made = take_snapshot(self.scratch())
        read_edges(self.scratch(), made)
        self.cache.rows = read_declared(self.scratch(), read_asked(self.params["rows"], made))
        self.cache.fingerprint = caching.fingerprint(made, self.cache.rows)
        self.cache.write(self.key, made)
        return made

    def compare(self, actual: Snapshot) -> list[Drift]:
        """What differs from the declared schema, spellings aside; known spellings are remembered."""
        drift = compare(self.declared, actual, self.params["privileges"], self.ignored)
        settled = []
        for item in deparse.questionable(drift):
            known = self.cache.alternates.setdefault(deparse.spelling(item), [])
            if item.actual in known:
                settled.append(item)
            elif deparse.same(self.scratch(), item, self.declared, actual):
                known.append(item.actual)
                settled.append(item)
                self.learnt = True
        return [item for item in drift if item not in settled]

    def same_as_live(self, inner: Session, copy: Snapshot) -> list[Drift]:
        """What a copy of the live schema lacks, spellings aside."""
        drift = compare(self.actual, copy, self.params["privileges"])
        doubtful = deparse.questionable(drift)
        if doubtful:
            with inner.transaction():
                doubtful = [item for item in doubtful if deparse.same(inner, item, self.actual, copy)]
        return [item for item in drift if item not in doubtful]

    def differences(self) -> list[Drift]:
        """What differs between the two sides; whether nothing does is kept for the next run."""
        if self.known:
            return []
        # A definition takes its time to load, and a snapshot of the live side holds locks until the end.
        declared = self.declared
        drift = self.compare(self.actual)
        # What is ignored may be absent: to rows only a live side that has everything declared stands for the declared one.
        whole = not self.asked or declared.things.keys() <= self.actual.things.keys()
        self.remember(in_sync=not drift and whole)
        return drift

    def first_plan(self, drift: Sequence[Drift], data: Data) -> list[Step]:
        """The plan as it looks before it was tried: whom it endangers is clear from it."""
        self.cache.read_edges(self.declared)
        return plan(drift, self.declared, self.actual, data, self.params["privileges"])

    def proved_plan(self, data: Data) -> list[Step]:
        """Replay the plan on a copy of the live schema, made for it; it has to end as declared."""
        privileges = self.params["privileges"]
        with self.workshop.database() as inner:
            settle(inner)
            made = replay(
                inner, self.actual, Data(empty=True), privileges, lambda _live, copy: self.same_as_live(inner, copy)
            )
            if made.drift:
                raise SchemaError(
                    f"The schema of database {self.target} cannot be copied for a trial, so nothing was changed: "
                    f"{sentence(made.drift[0])}{'; ' + made.complaint if made.complaint else ''}; "
                    "bring that object in order by hand."
                )
            done = replay(
                inner, self.declared, data, privileges, lambda _declared, copy: self.compare(copy), made.reached
            )
            if done.drift:
                raise SchemaError(
                    f"The plan for database {self.target} would not end as declared, so nothing was changed: "
                    f"{sentence(done.drift[0])}{'; ' + done.complaint if done.complaint else ''}; "
                    "make that change by hand or by a migration."
                )
        return done.steps

    def apply(self, steps: Sequence[Step]) -> None:
        """Write, unless the schema is no longer the one that the plan was made for."""
        self.reader.rollback()
        writer = self.stack.enter_context(session(self.module, self.target, autocommit=True))
        lock(writer)
        settle(writer)
        if caching.fingerprint(take_snapshot(writer)) != caching.fingerprint(self.actual):
            raise SchemaError(
                f"The schema of database {self.target} changed while the plan was made, so nothing was done: run again."
            )
        if self.params["restore_point"]:
            writer.query(POINT_SQL, (self.params["restore_point"],))
            self.named = self.params["restore_point"]
        apply(writer, steps, self.params["lock_timeout"], self.params["statement_timeout"])
        settle(writer)
        now = take_snapshot(writer)
        live = read_live(writer, self.asked, self.cache.rows, now)
        rest = [*self.compare(now), *compare_rows(self.cache.rows, live)]
        if rest:
            raise SchemaError(
                f"After {len(steps)} statements {failure(rest, self.target)[:-1]}: another session or an event trigger "
                "changed it meanwhile; run again."
            )


def permitted(steps: Sequence[Step], allow: Sequence[str], target: str) -> None:
    """Refuse before anything is done, naming hazards and objects."""
    blocked = [step for step in steps if step.blocked]
    if blocked:
        step = blocked[0]
        kind, identity = step.key or ("", ())
        raise Refused(
            f"Database {target} cannot be brought to its declared schema: {object_name(kind, identity)}: {kind} "
            f"({step.hazard}): {step.blocked}."
        )
    refused: dict[str, list[str]] = {}
    for step in steps:
        if step.hazard and not {step.hazard, "all"} & set(allow):
            name = object_name(*(step.key or ("", ())))
            if name not in refused.setdefault(step.hazard, []):
                refused[step.hazard].append(name)
    if refused:
        named = "; ".join(f"{hazard} ({', '.join(names[:NAMED])})" for hazard, names in sorted(refused.items()))
        raise Refused(
            f"Bringing database {target} to its declared schema needs what is not allowed, so nothing was changed: "
            f"{named}; permit it by allow: [{', '.join(sorted(refused))}], or correct the definition."
        )


class Refused(SchemaError):
    """A plan that is not carried out."""


def run(module: Module, writing: bool) -> dict[str, Any]:
    """Do what the module is asked for, and give its result."""
    with ExitStack() as stack:
        job = Run(module, stack)
        result: dict[str, Any] = {}
        try:
            job.read()
            drift = job.differences()
            rows = job.compare_rows()
            shown = [*(reported(drift, job.declared, job.actual) if drift else ()), *rows]
            result = outcome(job, shown, [])
            if not shown:
                return result
            read_edges(job.reader, job.actual)
            data = ask(job.reader, drift, job.declared, job.actual)
            row_changes = row_steps(rows, job.cache.rows, job.asked)
            steps = [*job.first_plan(drift, data), *row_changes]
            result = outcome(job, shown, steps)
            if module.params["state"] == "verified":
                if module.params["fail_on_drift"]:
                    module.fail_json(msg=failure(shown, job.target), **result)
                return result
            permitted(steps, module.params["allow"], job.target)
            steps = [*(job.proved_plan(data) if drift else ()), *row_changes]
            job.remember(in_sync=False)
            permitted(steps, module.params["allow"], job.target)
            result = outcome(job, shown, steps)
            if writing:
                job.apply(steps)
        except SchemaError as error:
            # Names may hold line breaks, a sentence does not.
            module.fail_json(msg=" ".join(str(error).split()), **{**result, "restore_point": job.named})
        result["changed"] = True
        result["restore_point"] = job.named
        result["queries"] = [text_of(step, job.target) for step in steps]
        return result


def outcome(job: Run, shown: Sequence[Drift], steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "changed": False,
        "in_sync": not shown,
        "drift": [entry(item, steps_for(item, shown, steps, job)) for item in shown],
        "queries": [],
        "diff": difference(shown),
        "restore_point": job.named,
        "fingerprint": job.cache.fingerprint,
    }


def steps_for(item: Drift, shown: Sequence[Drift], steps: Sequence[Step], job: Run) -> list[Step]:
    """The statements that make one difference good, those for its parts among them."""
    own = (item.kind, item.identity)
    named = {(other.kind, other.identity) for other in shown}
    found = []
    for step in steps:
        key = step.key
        if key == own and (item.change != "different" or step.attribute in ("", item.attribute)):
            found.append(step)
        elif key is not None and key not in named:
            thing = job.declared.things.get(key) or job.actual.things.get(key)
            side = job.declared if key in job.declared.things else job.actual
            if thing and own in ancestors(thing, side):
                found.append(step)
    return [step._replace(sql=text_of(step, job.target)) for step in found]


def entry(item: Drift, steps: Sequence[Any] = ()) -> dict[str, Any]:
    hazards = sorted({step.hazard for step in steps if step.hazard})
    return {
        "kind": item.kind,
        "object": object_name(item.kind, item.identity),
        "attribute": item.attribute or None,
        "expected": item.expected,
        "actual": item.actual,
        "change": item.change,
        "hazard": hazards[0] if hazards else None,
        "sql": [step.sql for step in steps],
    }


def difference(drift: Sequence[Drift]) -> dict[str, str]:
    """The objects that differ, as they are and as they should be, a line per attribute."""
    before, after = [], []
    for item in drift:
        head = f"{item.kind} {object_name(item.kind, item.identity)}"
        if item.change == "missing":
            after.append(head)
        elif item.change == "extra":
            before.append(head)
        else:
            before.append(f"{head}: {item.attribute} = {item.actual}")
            after.append(f"{head}: {item.attribute} = {item.expected}")
    return {side: "".join(line + "\n" for line in lines) for side, lines in (("before", before), ("after", after))}


def failure(drift: Sequence[Drift], target: str) -> str:
    """Name the first differences in words."""
    named = "; ".join(sentence(item) for item in drift[:NAMED])
    more = f"; and {len(drift) - NAMED} more (see drift)" if len(drift) > NAMED else ""
    return f"Database {target} differs from its declared schema: {named}{more}."
