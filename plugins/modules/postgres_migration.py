#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_migration
short_description: Apply numbered migrations to a database, once each and in order
version_added: "1.0.0"
description:
  - Runs what M(ai_micro.postgres.postgres_schema) does not guess. Renames, splits and moves of data are written down as migrations, and each is
    run once in each database.
  - The database itself remembers them, in the table C(ai_micro.schema_migration) with name, SHA-256 of the content, time and role. An applied
    migration whose file was changed or taken away is an error, and so are numbers that are missing, that two files share, or that come before an
    applied one.
  - >-
    A migration and its record are one transaction, unless a comment before its first statement says C(-- migration: no transaction), which
    C(CREATE INDEX CONCURRENTLY) and its like need. Such a file's statements are committed one by one and recorded after the last, so it has to
    bear being run again.
  - Everything is checked before the first migration is run. Two runs at once wait for each other.
extends_documentation_fragment:
  - ai_micro.postgres.postgres
attributes:
  check_mode:
    support: full
    description: Returns the same keys, the same RV(applied) included, and writes nothing.
  diff_mode:
    support: full
    description: Shows the history before and after.
  idempotent:
    support: full
    description: A migration that is recorded is not run again.
options:
  login_db:
    description:
      - Database to migrate.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  migrations:
    description:
      - All migrations that the database ever had, applied ones too; the lookup P(ai_micro.postgres.migrations#lookup) reads a directory of them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Four digits, counted from V(0001) without a gap, an underscore, what it does, and V(.sql).
        type: str
        required: true
      content:
        description: Plain SQL, without commands of psql and without its own C(BEGIN) and C(COMMIT).
        type: str
        required: true
  state:
    description:
      - V(applied) runs what the database has not had. V(verified) only reports, and fails where something is pending.
    type: str
    choices: [applied, verified]
    default: applied
  fail_on_pending:
    description: Whether O(state=verified) fails when a migration is pending. The result is complete in either case.
    type: bool
    default: true
  baseline:
    description:
      - Whether pending migrations are recorded without being run, because the database was created with what they bring.
      - The role C(postgres_databases) does not need it, because the script of the first start records the migrations of each database that it
        creates.
    type: bool
    default: false
  lock_timeout:
    description: How long a statement of a migration waits for a lock, as PostgreSQL reads it; V(0) is for ever.
    type: str
    default: 10s
  statement_timeout:
    description: How long one statement of a migration may take; V(0) is for ever.
    type: str
    default: '0'
author:
  - ai-micro-service team (@ai-micro-service)
"""

EXAMPLES = r"""
- name: Migrate admindb
  ai_micro.postgres.postgres_migration:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    migrations: "{{ lookup('ai_micro.postgres.migrations', 'files/migrations').admindb }}"

- name: Say which migrations are pending, and change nothing
  ai_micro.postgres.postgres_migration:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    migrations: "{{ lookup('ai_micro.postgres.migrations', 'files/migrations').admindb }}"
    state: verified
    fail_on_pending: false
  register: migration
"""

RETURN = r"""
changed:
  description: Whether a migration was run or recorded, or would be in check mode.
  returned: always
  type: bool
  sample: true
applied:
  description: Migrations that were run (or recorded, with O(baseline=true)), or would be, in their order.
  returned: success
  type: list
  elements: str
  sample: [0001_embedding_superset.sql]
pending:
  description: Migrations that the database has not had when the module ends. In check mode, when it would end.
  returned: success
  type: list
  elements: str
  sample: []
history:
  description: What the database has had when the module ends, the oldest first. In check mode, when it would end.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the file.
      type: str
    checksum:
      description: Hash of its content.
      type: str
    baseline:
      description: Whether it was recorded without being run.
      type: bool
  sample:
    - name: 0001_embedding_superset.sql
      checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      baseline: false
queries:
  description: Statements of the migrations that were run, or would be.
  returned: success
  type: list
  elements: str
  sample: ["ALTER TABLE public.langchain_pg_embedding ADD COLUMN id character varying"]
diff:
  description: The history before and after, a line per migration.
  returned: success
  type: dict
  sample: {before: "", after: "0001_embedding_superset.sql\n"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._migration import (
    HISTORY,
    HISTORY_SQL,
    READ_SQL,
    RECORD_SQL,
    Applied,
    Migration,
    MigrationError,
    lines,
    pending,
    read_migrations,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Session,
    argument_spec,
    session,
    statement_sentence,
    without_secret,
)

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

# An arbitrary number of this module's own: one run at a time in one database.
LOCK = 4851093570317


def read_history(database: Session) -> list[Applied]:
    """Give what the database has had; a database without the table has had nothing."""
    there = database.query("SELECT pg_catalog.to_regclass(%s) IS NOT NULL AS there", (HISTORY,))
    if not there[0]["there"]:
        return []
    return [Applied(row["name"], row["checksum"], row["baseline"]) for row in database.query(READ_SQL)]


def record(database: Session, migration: Migration, baseline: bool) -> None:
    database.execute(HISTORY_SQL)
    database.execute(RECORD_SQL, (migration.name, migration.checksum, baseline))


def prepare(database: Session, params: dict[str, Any]) -> None:
    """Give a migration what psql would, the search_path of the database, and nothing that another one SET."""
    database.execute("RESET ALL")
    database.query(
        "SELECT pg_catalog.set_config('lock_timeout', %s, false), pg_catalog.set_config('statement_timeout', %s, false)",
        (params["lock_timeout"], params["statement_timeout"]),
    )


def apply(module: AnsibleModule, database: Session, migration: Migration) -> None:
    """Run one migration and record it, or end the module with the sentence that says where it stopped."""
    try:
        prepare(database, module.params)
        if migration.transaction:
            with database.transaction():
                run_statements(database, migration)
                record(database, migration, baseline=False)
        else:
            run_statements(database, migration)
            with database.transaction():
                record(database, migration, baseline=False)
    except psycopg2.Error as error:
        said = statement_sentence(error.pgcode, error.diag.message_primary or str(error), database.database)
        kept = "nothing of it was kept" if migration.transaction else "what it did before that was kept"
        message = f"Migration {migration.name} failed, {kept}: {said}"
        module.fail_json(msg=without_secret(message, module.params["login_password"]))


def run_statements(database: Session, migration: Migration) -> None:
    for statement in migration.statements:
        database.execute(statement)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=options(), supports_check_mode=True)
    verified = module.params["state"] == "verified"
    writing = not verified and not module.check_mode
    baseline: bool = module.params["baseline"]
    try:
        migrations = read_migrations(module.params["migrations"])
        with session(module, module.params["login_db"], autocommit=True, readonly=not writing) as database:
            if writing:
                database.query("SELECT pg_catalog.pg_advisory_lock(%s)", (LOCK,))
            before = read_history(database)
            waiting = pending(migrations, before)
            for migration in waiting if writing else ():
                if baseline:
                    with database.transaction():
                        record(database, migration, baseline=True)
                else:
                    apply(module, database, migration)
    except MigrationError as error:
        module.fail_json(msg=f"Database {module.params['login_db']}: {error}")
    done = [] if verified else waiting
    after = [*before, *(Applied(migration.name, migration.checksum, baseline) for migration in done)]
    result: dict[str, Any] = {
        "changed": bool(done),
        "applied": [migration.name for migration in done],
        "pending": [migration.name for migration in waiting if migration not in done],
        "history": [entry._asdict() for entry in after],
        "queries": [] if baseline else [statement for migration in done for statement in migration.statements],
        "diff": {"before": lines(before), "after": lines(after)},
    }
    if verified and waiting and module.params["fail_on_pending"]:
        module.fail_json(
            msg=f"Database {module.params['login_db']} waits for {', '.join(result['pending'])}: run with state=applied.",
            **result,
        )
    module.exit_json(**result)


def options() -> dict[str, Any]:
    """Give the connection options and the module's own."""
    spec = argument_spec(login_db=True)
    spec.update(
        migrations={
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}},
        },
        state={"type": "str", "choices": ["applied", "verified"], "default": "applied"},
        fail_on_pending={"type": "bool", "default": True},
        baseline={"type": "bool", "default": False},
        lock_timeout={"type": "str", "default": "10s"},
        statement_timeout={"type": "str", "default": "0"},
    )
    return spec


if __name__ == "__main__":
    main()
