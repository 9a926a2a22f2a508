# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run over a collection: look, measure, judge; where asked, mend and look again."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Protocol

try:
    import psycopg2
except ImportError:  # the session says so
    psycopg2 = None  # type: ignore[assignment]

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_clients import clients
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_facts import Facts
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_filtered import measure_filtered
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    Target,
    judge,
    serving,
    target,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_judge import judge_all
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import (
    PLANNER_SETTINGS,
    Look,
    look,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import (
    progress as describe_progress,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_meanwhile import coming, meanwhile
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import budget, measure_shm
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_plan import Step, absent, diff, present
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_scan import Scan
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_search import (
    FORCE,
    Searches,
    snapshot,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Session,
    connection_arguments,
    session,
    sql,
)

# Searches of which a share can be believed.
LEAST_SAMPLE = 20
# Seconds between two lines about a build.
PROGRESS_EVERY = 30
PROGRESS_SQL = """
SELECT phase, tuples_done, tuples_total FROM pg_catalog.pg_stat_progress_create_index WHERE pid = %s
"""

PATIENCE_SQL = """
SELECT pg_catalog.set_config('lock_timeout', '10s', false), pg_catalog.set_config('statement_timeout', '0', false)
"""
LEFTOVER_SQL = """
SELECT c.oid FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND NOT i.indisvalid
"""


class Module(Protocol):
    """The part of AnsibleModule that a run needs."""

    params: dict[str, Any]

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn: ...

    def log(self, msg: str) -> None: ...


def run(module: Module, declared: Declaration, state: str, writing: bool) -> dict[str, Any]:
    """Judge the collection; with C(writing), after it was brought to the state."""
    with session(module, module.params["login_db"], autocommit=True, readonly=not writing) as opened:
        facts = examine(opened, declared)
        steps: list[Step] = {"verified": lambda _: [], "present": present, "absent": absent}[state](facts)
        queries = [opened.render(step.statement) for step in steps]
        if writing and steps:
            execute(module, opened, steps, together=state == "absent" and facts.look.wants_collections)
            facts = examine(opened, declared)
        findings = judge_all(facts) if state != "absent" else []
        gone = state == "absent" and (writing or not steps)
    return {
        "changed": bool(steps),
        "in_order": gone if state == "absent" else not any(finding.level == "error" for finding in findings),
        "queries": queries,
        "diff": diff(steps),
        "findings": [finding._asdict() for finding in findings],
        "stats": stats(facts),
    }


def examine(opened: Session, declared: Declaration) -> Facts:
    """Everything that is known without changing anything."""
    found = look(opened, declared)
    change = coming(opened, declared, found)
    declared = meanwhile(declared, found, change)
    wanted = target(declared, found)
    facts = Facts(declared, found, change, wanted)
    if wanted:
        facts.judged = judge(found, wanted)
    if found.table and found.column and found.table.kind in ("r", "p", "m") and found.server["installed"]:
        searches = Searches(opened, declared, found, found.table, found.column)
        with snapshot(opened):
            searches.use(search_settings(declared, found))
            facts.scan = searches.scan(change.column if change else None)
            if wanted:
                measure(facts, searches, wanted)
            facts.scan = with_zeros(facts, searches, facts.scan)
    if wanted and facts.scan:
        shared = str(found.server["shared_memory"])
        shm_size = measure_shm(opened.connection, shared, declared.thresholds.shm_size_mb)
        facts.budget = budget(found, wanted, facts.scan.total, declared.thresholds, shm_size)
    return facts


def search_settings(declared: Declaration, found: Look) -> dict[str, str]:
    """A session of the service's role, as far as it matters to search, with the declared width of search."""
    given = {**found.others, **found.role_settings}
    settings = {name: value for name, value in given.items() if re.match(PLANNER_SETTINGS, name)}
    if declared.ef_search is not None and declared.method != "none":
        settings["ivfflat.probes" if declared.method == "ivfflat" else "hnsw.ef_search"] = str(declared.ef_search)
    return settings


def measure(facts: Facts, searches: Searches, wanted: Target) -> None:
    """The planner's choice and the recall. Where the planner rightly prefers the exact answer, the index is asked
    without the collection's filter, so that a bad one is seen before the collection grows into it."""
    declared, scan = facts.declared, facts.scan
    names = [index.name for index in serving(facts.look, wanted, facts.judged)]
    if scan is None or not names or not declared.sample or scan.wrong_dimensions:
        return
    sampled = searches.sample(declared.sample)
    if not sampled:
        facts.unsearchable = not facts.empty
        return
    vectors = [one.vector for one in sampled]
    facts.planned = searches.planned(vectors[0], wanted, names)
    if facts.planned.can_use_index or facts.planned.uses_index:
        facts.filtered = measure_filtered(searches, sampled, wanted.kind)
    if facts.planned.uses_index:
        facts.measured = searches.measure(vectors[: sample_size(declared, scan.rows)], wanted, filtered=True)
    elif facts.planned.can_use_index:
        searches.use(FORCE)
        facts.measured = searches.measure(vectors[: sample_size(declared, scan.total)], wanted, filtered=False)


def sample_size(declared: Declaration, rows: int) -> int:
    """The whole sample, as long as the exact answers take no longer than for scan_rows rows; but never so few that a
    single row decides."""
    affordable = declared.sample * declared.thresholds.scan_rows // max(rows, 1)
    return min(declared.sample, max(affordable, LEAST_SAMPLE))


def with_zeros(facts: Facts, searches: Searches, scan: Scan) -> Scan:
    """The zero vectors, by the exact pass where it went over the collection's rows."""
    if facts.declared.distance != "cosine":
        return scan
    zeros = facts.measured.zeros
    return scan._replace(zero_norm=searches.zeros(scan.own_share) if zeros is None else zeros)


def execute(module: Module, opened: Session, steps: Sequence[Step], together: bool) -> None:
    """One statement after the other: CONCURRENTLY cannot be in a transaction. Only removing rows is all or nothing."""
    # A queue behind a long query is worse than to say so; builds wait for old snapshots as long as it takes.
    opened.query(PATIENCE_SQL)
    if together:
        with opened.transaction():
            for step in steps:
                opened.execute(step.statement)
        return
    for step in steps:
        if step.builds is None:
            opened.execute(step.statement)
        else:
            build(module, opened, step, *step.builds)
    # What the builds were given is not what the server has, which is judged next.
    for setting in ("maintenance_work_mem", "max_parallel_maintenance_workers"):
        opened.execute(sql.SQL("RESET {}").format(sql.Identifier(setting)))


def build(module: Module, opened: Session, step: Step, schema: str, name: str) -> None:
    """Build an index with its progress in the target's log, and leave nothing half-built behind."""
    opened.query("SELECT pg_catalog.set_config('lock_timeout', '0', false)")
    try:
        with progress(module, opened, name):
            opened.execute(step.statement)
    except psycopg2.Error:
        if opened.connection.closed:
            module.fail_json(
                msg=f"The server ended the session that built index {name}: see its log (memory, a restart) and run "
                "again, which drops what is left of it and builds it anew."
            )
        # Where that does not succeed either, the next run finds the leftover.
        with contextlib.suppress(psycopg2.Error):
            opened.query(PATIENCE_SQL)
            if opened.query(LEFTOVER_SQL, {"schema": schema, "name": name}):
                opened.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(schema, name)))
        raise
    opened.query(PATIENCE_SQL)


@contextlib.contextmanager
def progress(module: Module, opened: Session, name: str) -> Iterator[None]:
    """While the block runs, write how far the build has come to the log that Ansible's modules write to."""
    done = threading.Event()
    pid = opened.connection.info.backend_pid
    arguments = connection_arguments(module.params, opened.database)
    watcher = threading.Thread(target=watch, args=(module, arguments, pid, name, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=PROGRESS_EVERY)


def watch(module: Module, arguments: dict[str, Any], pid: int, name: str, done: threading.Event) -> None:
    """Only a long build is worth a second connection; without one the build goes on unseen."""
    while not done.wait(PROGRESS_EVERY):
        with contextlib.suppress(psycopg2.Error):
            connection = psycopg2.connect(**arguments)
            with contextlib.closing(connection), connection.cursor() as cursor:
                cursor.execute(PROGRESS_SQL, (pid,))
                for phase, tuples, total in cursor.fetchall():
                    module.log(f"index {name}: {describe_progress(phase, tuples, total)}")


def stats(facts: Facts) -> dict[str, Any]:
    """Figures; None where there was nothing to count or measure."""
    scan, judged = facts.scan, facts.judged
    shown = next(iter(serving(facts.look, facts.wanted, judged) if facts.wanted else ()), None)
    shown = judged.right or shown or next(iter([*judged.replaced, *judged.leftovers, *judged.building]), None)
    counts = {
        name: getattr(scan, name) if scan else None
        for name in ("rows", "null_embeddings", "zero_norm", "wrong_dimensions", "orphans", "duplicates")
    }
    compatible = clients(facts.look) if facts.look.table else {}
    return {
        **counts,
        "scanned_share": scan.share if scan else None,
        "index": shown.name if shown else None,
        "index_valid": shown.valid if shown else None,
        "index_size": shown.size if shown else None,
        "planner_uses_index": facts.planned.uses_index,
        "recall_at_k": facts.measured.recall,
        "rows_returned": facts.measured.returned,
        "extension_version": facts.look.server["installed"],
        "build_memory_needed": facts.budget.needed if facts.budget else None,
        "shm_size": facts.budget.shm_size if facts.budget else None,
        "clients": {name: {"works": not reasons, "reasons": reasons} for name, reasons in compatible.items()},
    }
