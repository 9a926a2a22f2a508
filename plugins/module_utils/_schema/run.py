# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run: read both sides, judge, plan, prove the plan on a copy, and only then write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema import cache as caching
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema import deparse
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import settle, take_snapshot
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.compare import (
    compare,
    ignoring,
    object_name,
    reported,
    sentence,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import Drift, SchemaError, Snapshot
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

    def read(self) -> None:
        """Both sides, the declared one from where it is kept, if it is."""
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
        self.key = caching.key(live, self.definition, likeness, self.settings)
        kept = self.cache.read(self.key)
        if kept:
            self.declared, self.fingerprint = kept
        else:
            self.declare()
        self.actual = take_snapshot(live)

    def scratch(self) -> Session:
        """A scratch database that holds the declared schema, loaded at its first use."""
        if self._scratch is None:
            self._scratch = self.stack.enter_context(self.workshop.database())
            load(self.workshop, self._scratch, self.definition, self.settings)
        return self._scratch

    def declare(self) -> None:
        """Load the definition and look at what it made."""
        self.declared = take_snapshot(self.scratch())
        self.fingerprint = caching.fingerprint(self.declared)
        self.cache.write(self.key, self.declared, self.fingerprint)

    def compare(self) -> list[Drift]:
        """What differs, spellings aside."""
        drift = compare(self.declared, self.actual, self.params["privileges"], self.ignored)
        doubtful = deparse.questionable(drift)
        settled = []
        for item in doubtful:
            known = self.cache.alternates.setdefault(deparse.spelling(item), [])
            if item.actual in known:
                settled.append(item)
            elif deparse.same(self.scratch(), item, self.declared, self.actual):
                known.append(item.actual)
                settled.append(item)
        if settled:
            for item in settled:
                thing = self.actual.things[item.kind, item.identity]
                thing.attributes[item.attribute] = item.expected
            self.cache.write(self.key, self.declared, self.fingerprint)
        return [item for item in drift if item not in settled]


def run(module: Module) -> dict[str, Any]:
    """Do what the module is asked for, and give its result."""
    with ExitStack() as stack:
        job = Run(module, stack)
        try:
            job.read()
            drift = job.compare()
            shown = reported(drift, job.declared, job.actual)
        except SchemaError as error:
            module.fail_json(msg=str(error))
        return {
            "changed": False,
            "in_sync": not drift,
            "drift": [entry(item) for item in shown],
            "queries": [],
            "diff": difference(shown),
            "fingerprint": job.fingerprint,
        }


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


