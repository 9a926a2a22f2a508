# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database that takes another one's name in one transaction, and what it brings besides its contents.

Nobody can be in a database that is renamed. So for the moment of the exchange the catalogue of databases is locked, which keeps everybody
from coming in, and whoever is in one of the two is sent away. All of it happens or none of it, whenever this process or the server ends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

# Remembered in the database itself, so that whoever comes next knows what a restore has left closed and what it was before.
MARK = "ai_micro.connection_limit"
LOCK_SECONDS, LEAVE_SECONDS, ATTEMPTS = 2, 10, 5
# Somebody holds the catalogue, is in the database still, or wanted the same in another order.
BUSY = ("55P03", "55006", "40P01")
# The longest name that PostgreSQL keeps whole.
LONGEST = 63

FACTS_SQL = """
SELECT pg_catalog.pg_get_userbyid(d.datdba) AS owner, d.datconnlimit AS connection_limit,
       pg_catalog.shobj_description(d.oid, 'pg_database') AS comment, d.datacl IS NOT NULL AS granted
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
GRANTS_SQL = """
SELECT CASE WHEN x.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(x.grantee) END AS role,
       x.privilege_type AS privilege, x.is_grantable AS grantable
FROM pg_catalog.pg_database d CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) x
WHERE d.datname = pg_catalog.current_database() AND x.grantee <> d.datdba
"""
SETTINGS_SQL = """
SELECT CASE WHEN s.setrole = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(s.setrole) END AS role,
       pg_catalog.unnest(s.setconfig) AS setting
FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE d.datname = pg_catalog.current_database()
"""
# Settings that are lists of names, which are quoted one by one.
_LISTS = ("search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
CLOSED_SQL = """
SELECT d.datname AS name, pg_catalog.split_part(setting, '=', 2) AS connection_limit
FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) setting
WHERE s.setrole = 0 AND d.datallowconn AND pg_catalog.split_part(setting, '=', 1) = %s AND d.datname = ANY (%s::text[])
"""
NAMES_SQL = "SELECT datname AS name FROM pg_catalog.pg_database WHERE datname ~ %s ORDER BY datname DESC"
LEAVE_SQL = """
SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid)) AS present FROM pg_catalog.pg_stat_activity a
WHERE a.datname = ANY (%s::text[]) AND a.pid <> pg_catalog.pg_backend_pid()
"""


class ExchangeError(Exception):
    """Nothing was renamed; the text says why in one clause."""


def kept_name(database: str, stamp: str) -> str:
    return f"{database}_kept_{stamp}"


def restoring_name(database: str, stamp: str) -> str:
    return f"{database}_restoring_{stamp}"


def named(server: Session, database: str, kind: str) -> list[str]:
    """Find what restores of a database have kept, or left when they were cut short; newest first."""
    pattern = f"^{re.escape(database)}_{kind}_[0-9]{{8}}t[0-9]{{6}}$"
    return [str(row["name"]) for row in server.query(NAMES_SQL, (pattern,))]


def bring_properties(server: Session, source: Session, name: str) -> None:
    """Give a copy what the database itself has: owner, privileges, settings and comment; and the mark that it is closed."""
    facts = source.query(FACTS_SQL)[0]
    database = sql.Identifier(name)
    server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(facts["owner"])))
    server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(facts["comment"])))
    if facts["granted"]:
        server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for grant in source.query(GRANTS_SQL):
        statement = sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(grant["privilege"]),
            database,
            sql.SQL("PUBLIC") if grant["role"] is None else sql.Identifier(grant["role"]),
            sql.SQL(" WITH GRANT OPTION" if grant["grantable"] else ""),
        )
        server.execute(statement)
    for row in source.query(SETTINGS_SQL):
        setting, _equals, value = row["setting"].partition("=")
        if setting != MARK:
            alter(server, name, row["role"], setting, value)
    alter(server, name, None, MARK, str(facts["connection_limit"]))


def alter(server: Session, name: str, role: Optional[str], setting: str, value: str) -> None:
    whose = sql.SQL("DATABASE {}").format(sql.Identifier(name))
    if role is not None:
        whose = sql.SQL("ROLE {} IN {}").format(sql.Identifier(role), whose)
    given = sql.SQL(spelled(value)) if setting in _LISTS and value else sql.Literal(value)
    server.execute(sql.SQL("ALTER {} SET {} = {}").format(whose, sql.Identifier(*setting.split(".")), given))


def spelled(names: str) -> str:
    """A list as a statement takes it: it is stored with the quotes that its names need, and an empty name, which is stored as one, is no identifier."""
    return _QUOTED.sub(lambda found: "''" if found[0] == '""' else found[0], names)


def exchange(server: Session, database: str, other: str, kept: str) -> bool:
    """Let C(other) have C(database)'s name, and C(database) be closed and have C(kept) as its name; say whether there was one."""
    names = {row["name"] for row in server.query("SELECT datname AS name FROM pg_catalog.pg_database")}
    if other not in names:
        raise ExchangeError(f"there is no database {other}")
    present = database in names
    if kept in names and kept != other:
        raise ExchangeError(f"there is a database {kept} already")
    aside = f"{database[: LONGEST - 9]}_aside" if kept == other else kept
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with server.transaction():
                server.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                server.execute("LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE")
                send_away(server, [database, other])
                if present:
                    rename(server, database, aside)
                    allow(server, aside, False)
                rename(server, other, database)
                allow(server, database, True)
                if present and aside != kept:
                    rename(server, aside, kept)
            break
        except psycopg2.Error as error:
            if attempt == ATTEMPTS or error.pgcode not in BUSY:
                raise
    return present


def send_away(server: Session, databases: Sequence[str]) -> None:
    """End the sessions in databases that nobody can enter meanwhile, and wait until they have left."""
    until = time.monotonic() + LEAVE_SECONDS
    while server.query(LEAVE_SQL, (list(databases),))[0]["present"] and time.monotonic() < until:
        server.query("SELECT pg_catalog.pg_stat_clear_snapshot(), pg_catalog.pg_sleep(0.05)")


def rename(server: Session, name: str, to: str) -> None:
    server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))


def allow(server: Session, name: str, connections: bool) -> None:
    word = sql.SQL("true" if connections else "false")
    server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), word))


def closed(server: Session, databases: Sequence[str]) -> dict[str, int]:
    """Which of these databases a restore has left closed, with the limit of connections that each had."""
    return {row["name"]: int(row["connection_limit"]) for row in server.query(CLOSED_SQL, (MARK, list(databases)))}


def open_again(server: Session, name: str, limit: int) -> None:
    """Let everybody in whom privileges let in."""
    with server.transaction():
        database = sql.Identifier(name)
        server.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, sql.Literal(limit)))
        server.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(database, sql.Identifier(*MARK.split("."))))
