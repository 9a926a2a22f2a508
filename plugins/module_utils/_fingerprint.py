# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server holds at one moment, and how a restored copy differs from it.

The moment: a SHARE lock on every table waits for whoever writes, then snapshots are taken and a restore point is named,
and these locks go. What was committed by then is in the snapshots and before the restore point, and nothing else is. Rows are
read inside the snapshots afterwards, while others write. Until then what a snapshot does not outlive waits, as for pg_dump: TRUNCATE, DROP, and
whatever writes a table anew (VACUUM FULL, CLUSTER, REFRESH, most of ALTER TABLE).

A hash of a table is the sum of its rows' hashes, so the order does not count. Of a table larger than a limit whole pages are
read by TABLESAMPLE SYSTEM, which chooses a page by its number and a seed alone: on a physical copy these are the same pages, and
the rows that a snapshot sees do not move between pages. Unlogged tables are empty in any restored copy and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.cache import fingerprint as schema_hash
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import (
    settle,
    take_snapshot,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

SEED = 20240117
# The ceiling; a lock_timeout that the server has for this user; two who wait for each other; a table that was dropped after it was listed.
IN_THE_WAY = ("57014", "55P03", "40P01", "42P01")
# Whatever changes how a value is written changes its hash.
SETTINGS_SQL = """
SELECT pg_catalog.set_config(name, value, false)
FROM (VALUES ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'), ('bytea_output', 'hex'),
             ('extra_float_digits', '1'), ('xmloption', 'content'), ('search_path', 'pg_catalog')) s(name, value)
"""
TABLES_SQL = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       COALESCE(pg_catalog.pg_table_size(c.oid), 0) AS bytes
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (c.relkind = 'r' OR c.relispopulated)
ORDER BY 1, 2
"""
ROWS_SQL = "SELECT pg_catalog.count(*) AS rows FROM ONLY {table}"
# Not t::text, which is the column t where a table has one.
HASH_SQL = """
SELECT COALESCE(pg_catalog.sum(pg_catalog.hashtextextended((t.*)::text, 0)::numeric), 0)::text AS hash FROM ONLY {table} t {sampled}
"""
DATABASE_SQL = """
SELECT pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       d.datcollversion AS collation_version,
       ARRAY(SELECT e.extname || ' ' || e.extversion FROM pg_catalog.pg_extension e ORDER BY 1)::text[] AS extensions
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
# Names, attributes, memberships and settings of roles; of a password its hash alone.
ROLES_SQL = """
SELECT pg_catalog.md5(pg_catalog.string_agg(line, E'\\n' ORDER BY line)) AS roles FROM (
    SELECT pg_catalog.concat_ws(' ', 'r', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
                                rolbypassrls, rolconnlimit, pg_catalog.md5(rolpassword), rolvaliduntil) AS line
    FROM pg_catalog.pg_authid
    UNION ALL SELECT pg_catalog.concat_ws(' ', 'm', pg_catalog.pg_get_userbyid(roleid), pg_catalog.pg_get_userbyid(member), admin_option)
    FROM pg_catalog.pg_auth_members
    UNION ALL SELECT pg_catalog.concat_ws(' ', 's', COALESCE(d.datname, ''), CASE WHEN setrole <> 0
                                          THEN pg_catalog.pg_get_userbyid(setrole) END, setconfig::text)
    FROM pg_catalog.pg_db_role_setting LEFT JOIN pg_catalog.pg_database d ON d.oid = setdatabase) lines
"""

# Who holds a lock that SHARE waits for, the oldest transaction first.
IN_THE_WAY_SQL = """
SELECT pg_catalog.format('%s.%I.%I is held by ', pg_catalog.current_database(), n.nspname, c.relname)
       || CASE WHEN l.pid IS NULL THEN 'a prepared transaction, see pg_prepared_xacts'
               ELSE pg_catalog.format('the process %s of %s since %s', l.pid, a.usename, pg_catalog.to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SSOF'))
          END AS said
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'm') AND c.relpersistence = 'p'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock') AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY a.xact_start, l.pid LIMIT 1
"""

Open = Callable[[str], Session]


class Busy(Exception):
    """No moment was found in which nobody writes; the text says which table was in the way, and who held it."""


def table_of(row: Mapping[str, Any]) -> Any:
    return sql.Identifier(row["schema"], row["name"])


def names_of(tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(row["schema"], row["name"]) for row in tables]


def milliseconds(session: Session, time_of: str) -> int:
    """Give a time in PostgreSQL's units as milliseconds; 0 is no limit, as in PostgreSQL's own timeouts."""
    session.execute("BEGIN")
    session.query("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (time_of,))
    shown = session.query(
        "SELECT s.setting::int AS ms FROM pg_catalog.pg_settings s WHERE s.name = 'statement_timeout'"
    )
    session.execute("ROLLBACK")
    return int(shown[0]["ms"])


def bounded(session: Session, milliseconds: int) -> None:
    """Let each further statement of the transaction last no longer than this; 0 is no limit. A query would take the snapshot."""
    session.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(milliseconds)))


def lock_all(session: Session, left: Callable[[], int]) -> list[dict[str, Any]]:
    """Begin the transaction that reads, without its snapshot yet, and keep from every table whoever writes; return the tables.

    The lock that stays until all is read is taken first, by the same session: so it does not wait for those that its first lock keeps waiting, and
    the server knows of all that waits for each other.
    """
    found = session.query(TABLES_SQL)
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    lock_tables(session, found, "ACCESS SHARE", left)
    session.execute("SAVEPOINT writing")
    lock_tables(session, found, "SHARE", left)
    return found


def lock_tables(session: Session, found: Sequence[Mapping[str, Any]], mode: str, left: Callable[[], int]) -> None:
    listed = [table_of(row) for row in found if row["kind"] == "r"]
    # Not lock_timeout, which begins anew with each table, while whoever writes into those before waits.
    bounded(session, left())
    if listed:
        named = sql.SQL(", ONLY ").join(listed)
        session.execute(sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(named, sql.SQL(mode)))


def take_snapshot_of(session: Session, left: Callable[[], int]) -> list[dict[str, Any]]:
    """Take the snapshot, and wait for whoever refreshes a materialized view, which LOCK does not take; return the tables."""
    bounded(session, left())
    found = session.query(TABLES_SQL)
    hold_views(session, found)
    return found


def hold_views(session: Session, tables: Sequence[Mapping[str, Any]]) -> None:
    """Keep the materialized views from being refreshed until the end of the transaction."""
    for row in tables:
        if row["kind"] == "m":
            session.query(sql.SQL("SELECT 1 AS one FROM ONLY {} LIMIT 0").format(table_of(row)))


def lock_every(sessions: Mapping[str, Session], limit: int) -> tuple[dict[str, Any], str]:
    """Lock the tables of all databases within these milliseconds, and take the snapshots; or give the locks back, and what was in the way."""
    until = time.monotonic() + limit / 1000

    def left() -> int:
        return max(1, int(1000 * (until - time.monotonic()))) if limit else 0

    tables: dict[str, Any] = {}
    database = said = ""
    try:
        for database, session in sessions.items():
            tables[database] = lock_all(session, left)
        for database, session in sessions.items():
            seen = take_snapshot_of(session, left)
            if names_of(seen) != names_of(tables[database]):
                said = f"tables of {database} were created or dropped meanwhile"
                break
    except psycopg2.Error as error:
        if error.pgcode not in IN_THE_WAY:
            raise
        said = str(error).strip().splitlines()[0]
    if not said:
        return tables, ""
    for session in sessions.values():
        session.execute("ROLLBACK")
    held = sessions[database].query(IN_THE_WAY_SQL)
    return {}, str(held[0]["said"]) if held else said


@contextmanager
def moment(opened: Open, databases: Sequence[str], name: str, timeout: str, attempts: int) -> Iterator[dict[str, Any]]:
    """Yield sessions whose snapshots are of one moment, with the restore point that names it in the WAL."""
    with ExitStack() as stack:
        readers = {database: stack.enter_context(closing(opened(database))) for database in databases}
        first = stack.enter_context(closing(opened(databases[0])))
        limit = milliseconds(first, timeout)
        held_by = ""
        for _attempt in range(attempts):
            # Whoever writes waits from the first lock on, not from the last.
            begun = time.monotonic()
            tables, held_by = lock_every(readers, limit)
            if not held_by:
                break
        if held_by:
            raise Busy(held_by)
        point = first.query("SELECT pg_catalog.pg_create_restore_point(%s)::text AS lsn", (name,))[0]["lsn"]
        for session in readers.values():
            session.execute("ROLLBACK TO SAVEPOINT writing")
        held = round(1000 * (time.monotonic() - begun))
        for database, session in readers.items():
            bounded(session, 0)
            hold_views(session, tables[database])
        wal = first.query("SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal()) AS name")[0]["name"]
        yield {"sessions": readers, "lsn": point, "held_ms": held, "wal": wal}


@contextmanager
def closing(session: Session) -> Iterator[Session]:
    try:
        yield session
    finally:
        session.connection.close()


def read_database(
    session: Session, sample_above: int, sample_percent: float, expected: Optional[Mapping[str, Any]] = None
) -> dict[str, Any]:
    """Read what one database holds, in the transaction that the session is in.

    A copy samples the tables that its source has sampled: their sizes may lie on both sides of the limit.
    """
    known = (expected or {}).get("tables", {})
    session.query(SETTINGS_SQL)
    found = session.query(DATABASE_SQL)[0]
    tables = {}
    for row in session.query(TABLES_SQL):
        table = table_of(row)
        count = session.query(sql.SQL(ROWS_SQL).format(table=table))[0]["rows"]
        name = f"{row['schema']}.{row['name']}"
        sampled = known[name]["sampled"] if name in known else row["kind"] == "r" and row["bytes"] > sample_above
        clause = sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(
            sql.Literal(sample_percent), sql.Literal(SEED)
        )
        statement = sql.SQL(HASH_SQL).format(table=table, sampled=clause if sampled else sql.SQL(""))
        tables[name] = {"rows": count, "hash": session.query(statement)[0]["hash"], "sampled": sampled}
    settle(session)
    return {**found, "schema": schema_hash(take_snapshot(session)), "tables": tables}


def read_roles(session: Session) -> str:
    return str(session.query(ROLES_SQL)[0]["roles"])


def differences(source: Mapping[str, Any], copy: Mapping[str, Any]) -> list[str]:
    """Name what a copy has not as its source had it, a sentence each."""
    found = [] if source["roles"] == copy["roles"] else ["roles, their memberships or settings differ"]
    for name, wanted in source["databases"].items():
        present = copy["databases"].get(name)
        if present is None:
            found.append(f"database {name} is missing")
            continue
        for what in ("schema", "extensions", "encoding", "collate", "ctype", "collation_version"):
            if wanted[what] != present[what]:
                found.append(f"{name}: {what.replace('_', ' ')} is {present[what]}, was {wanted[what]}")
        found += [f"{name}: {line}" for line in table_differences(wanted["tables"], present["tables"])]
    return found


def table_differences(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    found = [f"table {name} is missing" for name in wanted if name not in present]
    found += [f"table {name} was not there" for name in present if name not in wanted]
    for name in wanted:
        theirs, ours = wanted[name], present.get(name)
        if ours is None:
            continue
        if ours["rows"] != theirs["rows"]:
            found.append(f"table {name} has {ours['rows']} rows, had {theirs['rows']}")
        elif ours["hash"] != theirs["hash"]:
            found.append(f"table {name} has other rows")
    return found
