# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One trial of all roles: what the catalog says of each, then what the server does when it is asked in the role's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import take_snapshot
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import want
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    PRIVILEGES,
    PUBLIC,
    Database,
    DeclarationError,
    known_privileges,
    read_databases,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import first_match
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Module, Session, session, sql
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial import (
    CATALOG,
    STATEMENT,
    Deviation,
    Expected,
    compare_columns,
    compare_one,
    merge,
    verdict,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial_catalog import (
    DATABASES_SQL,
    OTHER_ROLES_SQL,
    SERVER_SQL,
    Held,
    read_held,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial_logins import try_logins
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial_statements import (
    Trial,
    database_trials,
    schema_trials,
    server_trials,
    system_trials,
    table_trials,
)

# The refusals are what is looked for: they are no news for the server's log. Nobody waits long for a lock, nor others for ours.
QUIET_SQL = """
SELECT pg_catalog.set_config(name, value, true)
FROM (VALUES ('log_min_messages', 'fatal'), ('log_min_error_statement', 'panic'), ('log_statement', 'none'),
             ('log_min_duration_statement', '-1'), ('lock_timeout', '1s'), ('statement_timeout', '10s')) setting(name, value)
"""
# Privileges in the words of the statements that need them.
DATABASE_VERBS = {"CONNECT": "CONNECT", "TEMPORARY": "CREATE TEMPORARY TABLE", "CREATE": "CREATE SCHEMA"}
SCHEMA_VERBS = {"USAGE": "use schema", "CREATE": "CREATE TABLE in"}


class Run:
    """What the steps of one run share."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.groups: dict[str, list[str]] = {
            role["name"]: list(role.get("member_of") or ()) for role in module.params["roles"]
        }
        self.roles = list(self.groups)
        self.deviations: list[Deviation] = []
        self.undecided: list[str] = []
        self.statements = 0

    def send(self, opened: Session, database: str, role: str, trials: Iterable[Trial]) -> None:
        """Send statements in a role's name; each is rolled back, and so are all."""
        opened.query(QUIET_SQL)
        opened.execute(sql.SQL("SET LOCAL SESSION AUTHORIZATION {}").format(sql.Identifier(role)))
        for trial in trials:
            self.statements += 1
            code, message = opened.attempt(trial.statement)
            allowed = verdict(code)
            if allowed is None:
                what = f"{trial.verb} {trial.name}".strip()
                self.undecided.append(f"{database or 'server'}: {role}: {what} could not be tried: {message}")
            elif allowed != trial.expected:
                reason = "" if allowed else message
                self.deviations.append(Deviation(database, role, trial.verb, trial.name, allowed, (STATEMENT,), reason))
        opened.rollback()


def run(module: Module) -> dict[str, Any]:
    """Try every role; the server is left as it was."""
    job = Run(module)
    with session(module, module.params["login_db"]) as shared:
        try:
            databases = read_databases(module.params["databases"] or [], shared.version)
        except DeclarationError as error:
            module.fail_json(msg=str(error))
        known = {row["rolname"] for row in shared.query(OTHER_ROLES_SQL)}
        lacking = [role for role in job.roles if role not in known]
        if lacking:
            module.fail_json(msg=f"The role {lacking[0]} does not exist: run site.yml --tags access, which makes it.")
        rows = shared.query(DATABASES_SQL, {"roles": job.roles})
        compare_databases(job, databases, rows)
        try_server(job, shared, sorted(known))
        names = {row["name"] for row in rows}
        for database in databases:
            if database.name not in names:
                module.fail_json(msg=f"The database {database.name} does not exist: run site.yml, which makes it.")
            if database.contents:
                with session(module, database.name) as opened:
                    try_database(job, opened, database)
        logins = try_logins(shared, module.params["logins"])
    found = merge(job.deviations)
    return {
        "deviations": [each.as_result() for each in found],
        "came_in": logins["came_in"],
        "login_problems": logins["problems"],
        "undecided": [*job.undecided, *logins["undecided"]],
        "statements": job.statements,
    }


def compare_databases(job: Run, databases: Sequence[Database], rows: Sequence[Mapping[str, Any]]) -> None:
    """Who may enter which database; one that is not declared counts where pg_hba.conf opens it too."""
    declared = {database.name: database for database in databases}
    hba = job.module.params["hba"]
    for row in rows:
        role, name = row["role"], row["name"]
        if name not in declared:
            open_ = bool(hba) and row["open"] and first_match(hba, name, role) is not False
            if open_ and row["CONNECT"]:
                job.deviations += compare_one(name, role, DATABASE_VERBS["CONNECT"], "", False, True)
            continue
        holders = {role, PUBLIC, *job.groups[role]}
        for privilege in PRIVILEGES["database"]:
            expected = any(
                rule.kind == "database" and rule.role in holders and rule.privilege == privilege
                for rule in declared[name].rules
            )
            verb = DATABASE_VERBS[privilege]
            job.deviations += compare_one(name, role, verb, "", expected, bool(row[privilege]))
        job.deviations += compare_one(name, role, "own the database", "", False, bool(row["OWNER"]))


def try_server(job: Run, shared: Session, known: Sequence[str]) -> None:
    """What belongs to no database: attributes, becoming another role, files and programs of the server."""
    for row in shared.query(SERVER_SQL, {"roles": job.roles}):
        role, groups = row["role"], row["groups"]
        held = frozenset(verb for verb, yes in row.items() if yes is True)
        job.deviations += [Deviation("", role, verb, "", True, (CATALOG,)) for verb in sorted(held)]
        others = {name: name in job.groups[role] for name in known if name != role}
        for name, expected in others.items():
            job.deviations += compare_one("", role, "SET ROLE", name, expected, name in groups)
        job.send(shared, "", role, server_trials(role, others, held))


def try_database(job: Run, opened: Session, database: Database) -> None:
    """All roles on all objects of one database, those who may not enter it too."""
    (present,) = opened.query(
        "SELECT pg_catalog.pg_get_userbyid(datdba) AS owner FROM pg_catalog.pg_database"
        " WHERE datname = pg_catalog.current_database()"
    )
    owner = database.owner or present["owner"]
    creators = database.creators or (owner,)
    snapshot = take_snapshot(opened, database, owner, creators)
    wanted = want(database, snapshot, {thing.target: thing.owner for thing in snapshot.things}, creators)
    expected = Expected(wanted.required | wanted.allowed, job.groups)
    privileges = {kind: known_privileges(kind, opened.version) for kind in ("table", "column", "sequence", "schema")}
    held = read_held(opened, job.roles, privileges)
    schemas = sorted(
        {thing.target.path[0] for thing in snapshot.things if thing.target.kind == "schema" and thing.ours}
    )
    rules = {(rule.role, rule.privilege) for rule in database.rules if rule.kind == "database"}
    for role in job.roles:
        compare_role(job, database.name, role, schemas, expected, held, privileges)
        holders = (role, PUBLIC, *job.groups[role])
        may_create, may_temporary = (
            any((holder, privilege) in rules for holder in holders) for privilege in ("CREATE", "TEMPORARY")
        )
        trials: list[Trial] = []
        for table in held.tables:
            has = held.privileges(role, "table", *table[:2])
            trials += table_trials(role, table, expected, has, "OWNER" in has)
        for schema in schemas:
            trials += schema_trials(role, schema, expected)
        system = held.system[role]
        job.deviations += [Deviation(database.name, role, verb, "", True, (CATALOG,)) for verb in sorted(system)]
        trials += system_trials(system)
        trials += database_trials(list(held.installed), held.available, may_create, may_temporary)
        job.send(opened, database.name, role, trials)


def compare_role(
    job: Run,
    database: str,
    role: str,
    schemas: Sequence[str],
    expected: Expected,
    held: Held,
    privileges: Mapping[str, Sequence[str]],
) -> None:
    """By the catalog alone: the privileges of one role on all objects of a database."""
    for table in held.tables:
        has = held.privileges(role, "table", table.schema, table.name)
        for privilege in privileges["table"]:
            if privilege in privileges["column"]:
                columns = held.columns.get((role, table.schema, table.name, privilege), frozenset())
                should = expected.columns(role, privilege, table)
                job.deviations += compare_columns(database, role, privilege, table, should, columns)
            else:
                should_whole = expected.may(role, privilege, "table", table.schema, table.name)
                job.deviations += compare_one(database, role, privilege, table.label, should_whole, privilege in has)
        job.deviations += compare_one(database, role, "own", table.label, False, "OWNER" in has)
    for schema, name in held.sequences:
        has = held.privileges(role, "sequence", schema, name)
        for privilege in privileges["sequence"]:
            should_whole = expected.may(role, privilege, "sequence", schema, name)
            job.deviations += compare_one(database, role, privilege, f"{schema}.{name}", should_whole, privilege in has)
    for schema in schemas:
        has = held.privileges(role, "schema", schema)
        for privilege in privileges["schema"]:
            verb = SCHEMA_VERBS[privilege]
            should_whole = expected.may(role, privilege, "schema", schema)
            job.deviations += compare_one(database, role, verb, schema, should_whole, privilege in has)
        job.deviations += compare_one(database, role, "own schema", schema, False, "OWNER" in has)
    for name in held.installed:
        owns = "OWNER" in held.privileges(role, "extension", "", name)
        job.deviations += compare_one(database, role, "own extension", name, False, owns)
