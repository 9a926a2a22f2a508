# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run: read everything, judge everything, and only then write: shared things, each database, dropped roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import new_database, take_snapshot
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import (
    Comparison,
    Finding,
    compare,
    findings,
    lines,
    report,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    PUBLIC,
    Database,
    DeclarationError,
    read_databases,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_roles import (
    ATTRIBUTES,
    Change,
    Roles,
    check_roles,
    compare_roles,
    drop_roles,
    read_roles,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_shared import (
    Server,
    check_reassigned,
    compare_server,
    read_server,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_statements import Statement, statements
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Module, Session, session

# For the transaction that holds a verifier: no log, no view and no statistics get it.
SILENCE_SQL = """
SELECT pg_catalog.set_config(name, value, true)
FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'),
             ('log_transaction_sample_rate', '0'), ('log_min_error_statement', 'panic'), ('track_activities', 'off'),
             ('pg_stat_statements.track_utility', 'off'), ('pgaudit.log', 'none')) setting(name, value)
"""
# A new owner needs a table to itself; behind a long query, wait no longer than the services can.
PATIENCE_SQL = "SELECT pg_catalog.set_config('lock_timeout', '10s', true)"


@dataclass
class Plan:
    """Everything that differs, and what would mend it, by place."""

    missing: list[Finding] = field(default_factory=list)
    excess: list[Finding] = field(default_factory=list)
    unknown: list[Finding] = field(default_factory=list)
    shared: Change = field(default_factory=lambda: Change([], [], [], []))
    inside: dict[str, list[Statement]] = field(default_factory=dict)
    last: list[Statement] = field(default_factory=list)

    def statements(self) -> list[Statement]:
        """In the order of execution."""
        inside = [statement for some in self.inside.values() for statement in some]
        return [*self.shared.statements, *self.shared.passwords, *inside, *self.last]


class Run:
    """What the steps of one run share: the declaration, the sessions, the roles as they are."""

    def __init__(self, module: Module, writing: bool) -> None:
        self.module = module
        self.writing = writing
        self.roles_declared: Sequence[Mapping[str, Any]] = module.params["roles"] or []
        self.patterns: Sequence[str] = module.params["ignore_roles"] or []
        self.databases: list[Database] = []

    def overlooked(self, actual: Roles) -> Callable[[str], bool]:
        """Roles whose entries are none of our business: superusers to be, and those that the user ignores."""
        superusers = {name for name, row in actual.roles.items() if row["rolsuper"]}
        for role in self.roles_declared:
            if role.get("superuser") is True:
                superusers.add(role["name"])
            elif actual.roles.get(role["name"], {}).get("oid") != 10:
                superusers.discard(role["name"])
        declared = {role["name"] for role in self.roles_declared}

        def is_overlooked(name: str) -> bool:
            ignored = name not in declared and any(fnmatchcase(name, pattern) for pattern in self.patterns)
            return name in superusers or ignored

        return is_overlooked

    def plan_shared(self, shared: Session) -> tuple[Change, Change, Roles, Server]:
        """Roles and entry to databases: what differs, and the roles to drop at the end."""
        actual = read_roles(shared, self.roles_declared)
        server = read_server(shared, self.databases, self.roles_declared)
        overlooked = self.overlooked(actual)
        change = compare_roles(self.roles_declared, actual, overlooked)
        change.add(compare_server(self.databases, server, self.module.params["login_user"], overlooked))
        return change, drop_roles(self.roles_declared, actual), actual, server

    def compare_inside(self, database: Database, inner: Session | None, actual: Roles, server: Server) -> Comparison:
        """One database; without a session it does not exist yet."""
        present = server.owners.get(database.name, self.module.params["login_user"])
        owner = database.owner or present
        creators = database.creators or (owner,)
        look = take_snapshot(inner, database, owner, creators) if inner else None
        snapshot = look or new_database(database, owner, creators)
        leaving = [role["name"] for role in self.roles_declared if role.get("state") == "absent"]
        return compare(database, snapshot, owner, creators, self.overlooked(actual), leaving)

    def unknown_roles(self, actual: Roles) -> list[Finding]:
        """Roles that the declaration uses, and that neither the server nor the declaration has."""
        known = {role["name"] for role in self.roles_declared if role.get("state") != "absent"}
        absent = {role["name"] for role in self.roles_declared if role.get("state") == "absent"}
        known |= set(actual.roles) - absent | {PUBLIC}
        used: set[tuple[str, str]] = set()
        for database in self.databases:
            used.update((database.name, name) for name in database.grantees | set(database.creators))
            used.update({(database.name, database.owner)} if database.owner else ())
        for role in self.roles_declared:
            used.update(("", group) for group in role.get("member_of") or ())
        return [Finding(place, "role", name, name, "ROLE") for place, name in sorted(used) if name not in known]


def run(module: Module, writing: bool) -> dict[str, Any]:
    """Compare, and converge where C(writing); every mistake leaves the server as it was."""
    job = Run(module, writing)
    with ExitStack() as stack:
        shared = stack.enter_context(session(module, module.params["login_db"], readonly=not writing))
        try:
            check_roles(job.roles_declared)
            job.databases = read_databases(module.params["databases"] or [], shared.version)
            change, dropped, actual, server = job.plan_shared(shared)
        except DeclarationError as error:
            module.fail_json(msg=str(error))
        plan = Plan(
            missing=[*change.missing, *dropped.missing],
            excess=[*change.excess, *dropped.excess],
            unknown=job.unknown_roles(actual),
            shared=change,
            last=dropped.statements,
        )
        plan.missing += plan.unknown
        sessions = {}
        for database in job.databases:
            if database.contents:
                inner = None
                if database.name in server.owners:
                    inner = stack.enter_context(session(module, database.name, readonly=not writing))
                    sessions[database.name] = (database, inner)
                plan_inside(plan, job.compare_inside(database, inner, actual, server))
        if writing:
            refuse_unknown(module, job, plan, server)
            refuse_reassigned(job, plan, shared)
            converge(job, plan, shared, sessions, actual, server)
        undeclared, superusers = undeclared_roles(job, actual)
        queries = [shared.render(item.sql if item.shown is None else item.shown) for item in plan.statements()]
    return {
        "missing": report(plan.missing),
        "excess": report(plan.excess),
        "queries": queries,
        "diff": {"before": lines(plan.excess), "after": lines(plan.missing)},
        "in_sync": not plan.missing and not plan.excess,
        "undeclared_logins": undeclared,
        "undeclared_superusers": superusers,
    }


def plan_inside(plan: Plan, comparison: Comparison) -> None:
    missing, excess = findings(comparison)
    plan.missing += missing
    plan.excess += excess
    plan.inside[comparison.database] = statements(comparison)
    plan.unknown += [
        Finding(comparison.database, right.target.kind, right.target.label(), right.role, right.privilege)
        for right in comparison.unknown
    ]


def refuse_unknown(module: Module, job: Run, plan: Plan, server: Server) -> None:
    """Before the first write: what is declared on something that does not exist cannot be done."""
    for database in job.databases:
        if database.name not in server.owners:
            module.fail_json(msg=f"Database {database.name} does not exist: create it first, or correct its name.")
    for unknown in plan.unknown:
        place = f" in database {unknown.database}" if unknown.database else ""
        remedy = "add it to roles" if unknown.kind == "role" else "create it first"
        module.fail_json(
            msg=f"The declaration names {unknown.kind} {unknown.name}{place}, which does not exist: "
            f"{remedy}, or correct the name."
        )


def refuse_reassigned(job: Run, plan: Plan, shared: Session) -> None:
    """Before the first write too: what would go with an extension and is not ours to give away."""
    roles = [entry.role for entry in plan.excess if (entry.kind, entry.privilege) == ("extension", "OWNER")]
    try:
        check_reassigned(shared, job.databases, sorted(set(roles)))
    except DeclarationError as error:
        job.module.fail_json(msg=str(error))


def converge(
    job: Run,
    plan: Plan,
    shared: Session,
    sessions: Mapping[str, tuple[Database, Session]],
    actual: Roles,
    server: Server,
) -> None:
    """Write in one transaction per place, each proved by reading again before it is committed."""
    if plan.shared.statements or plan.shared.passwords:
        shared.query(PATIENCE_SQL)
        for statement in plan.shared.statements:
            shared.execute(statement.sql)
        if plan.shared.passwords:
            shared.query(SILENCE_SQL)
            for statement in plan.shared.passwords:
                shared.execute(statement.sql)
        change, _dropped, actual, server = job.plan_shared(shared)
        prove(job.module, [*change.missing, *change.excess])
        shared.commit()
    for name, (database, inner) in sessions.items():
        if plan.inside[name]:
            inner.query(PATIENCE_SQL)
            for statement in plan.inside[name]:
                inner.execute(statement.sql)
            missing, excess = findings(job.compare_inside(database, inner, actual, server))
            prove(job.module, [*missing, *excess])
            inner.commit()
    for statement in plan.last:
        shared.execute(statement.sql)


def prove(module: Module, rest: Sequence[Finding]) -> None:
    if rest:
        module.fail_json(
            msg=f"After the change the server still differs, so it was rolled back: {lines(rest[:3]).strip()}; "
            "look for an event trigger or another session that changes privileges."
        )


def undeclared_roles(job: Run, actual: Roles) -> tuple[list[str], list[str]]:
    """Roles that no declaration names, for an audit: who can log in or is a superuser, and the superusers alone."""
    declared = {role["name"] for role in job.roles_declared}
    found = {
        name: row
        for name, row in sorted(actual.roles.items())
        if (row["rolcanlogin"] or row["rolsuper"])
        and name not in declared
        and not any(fnmatchcase(name, pattern) for pattern in job.patterns)
    }
    return list(found), [name for name, row in found.items() if row["rolsuper"]]


def role_options() -> dict[str, Any]:
    """Options of one role; without defaults, because what is left out differs on the bootstrap superuser."""
    options: dict[str, Any] = {option: {"type": "bool"} for option, _column, _default in ATTRIBUTES}
    options.update(
        name={"type": "str", "required": True},
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        connection_limit={"type": "int"},
        valid_until={"type": "str"},
        settings={"type": "dict"},
        database_settings={"type": "dict"},
        password={"type": "str", "no_log": True},
        member_of={"type": "list", "elements": "str"},
    )
    return options
