# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database made of a dump, beside the one that it was dumped from: how it is created, and whether it holds the same.

Both lie on servers that nobody else writes to, or that nobody else can enter. Rows are compared as a fingerprint compares them, but for
tables above a limit, of which the rows are counted: after a dump they lie on other pages, so no sample of pages is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._fingerprint import (
    HASH_SQL,
    ROWS_SQL,
    SETTINGS_SQL,
    TABLES_SQL,
    table_differences,
    table_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._host import free_bytes
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import (
    DEFAULT_OPTIONS,
    build_memory,
    memory_to_build,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._room import shortage
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema import deparse
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import settle, take_snapshot
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.compare import compare, sentence
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.scratch import LIKENESS_SQL, likeness_clause
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

# What an extension brings is created by it, and no dump holds its rows.
MEMBERS_SQL = """
SELECT n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class c ON c.oid = d.objid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e' AND c.relkind = 'r'
"""
SEQUENCES_SQL = """
SELECT schemaname || '.' || sequencename AS name, COALESCE(last_value::text, '') AS value FROM pg_catalog.pg_sequences
UNION ALL SELECT 'large objects', pg_catalog.count(*)::text FROM pg_catalog.pg_largeobject_metadata ORDER BY 1
"""
# An HNSW index is built several times as fast where its graph fits the memory.
GRAPHS_SQL = """
SELECT GREATEST(t.reltuples, 0)::int8 AS rows, a.atttypmod AS dimensions, y.typname AS kind,
       COALESCE((SELECT o.option_value::int FROM pg_catalog.pg_options_to_table(c.reloptions) o WHERE o.option_name = 'm'), %(m)s) AS m
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am am ON am.oid = c.relam AND am.amname = 'hnsw'
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1 AND a.atttypmod > 0
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
"""
MEMORY_SQL = """
SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) AS configured,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size')) AS cache
"""
# Whoever owns something in the database, is granted something in it, or has settings of its own there.
ROLES_SQL = """
WITH this AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
SELECT r.rolname AS name FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid, this
WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
  AND (d.dbid = this.oid OR d.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND d.objid = this.oid)
UNION SELECT r.rolname FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, this WHERE s.setdatabase = this.oid
ORDER BY 1
"""
KNOWN_ROLES_SQL = "SELECT rolname AS name FROM pg_catalog.pg_roles"


def create(server: Session, source: Session, name: str) -> None:
    """Create an empty database with the source's encoding and locale, which nobody but a superuser may enter."""
    likeness = likeness_clause(source.query(LIKENESS_SQL)[0])
    statement = sql.SQL("CREATE DATABASE {} {} CONNECTION LIMIT 0").format(sql.Identifier(name), sql.SQL(likeness))
    server.execute(statement)


def lack_of_room(source: Session, database: str, disk: Optional[str], reserve_mb: int) -> str:
    """Say in one clause that a copy of the database does not fit on a disk of the host; nothing where it does, or no disk is named."""
    if not disk:
        return ""
    size = source.query("SELECT pg_catalog.pg_database_size(pg_catalog.current_database()) AS bytes")[0]["bytes"]
    return shortage(f"a copy of the database {database}", size, disk, free_bytes(disk), reserve_mb)


def lack_of_roles(server: Session, source: Session, database: str) -> str:
    """Name in one clause the roles that the database knows and its new server does not, because they were dropped since; nothing where there are none."""
    known = {row["name"] for row in server.query(KNOWN_ROLES_SQL)}
    missing = [row["name"] for row in source.query(ROLES_SQL) if row["name"] not in known]
    if not missing:
        return ""
    return f"{database} knows roles that this server has not: {', '.join(missing)}; create them without LOGIN for as long as this takes"


def building(server: Session, source: Session) -> list[str]:
    """Words before a program that restores the source's dump: what its largest HNSW index takes to build, as for a collection's."""
    needed = max(
        (
            build_memory(row["rows"], row["dimensions"], "hnsw", row["kind"], {"m": row["m"]})
            for row in source.query(GRAPHS_SQL, {"m": DEFAULT_OPTIONS["hnsw"]["m"]})
        ),
        default=0,
    )
    (has,) = server.query(MEMORY_SQL)
    memory = memory_to_build(needed, has["configured"], has["cache"])
    return ["env", f"PGOPTIONS=-c maintenance_work_mem={memory // 1024}kB"] if memory > has["configured"] else []


def drop(server: Session, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def differences(source: Session, copy: Session, hash_up_to: int) -> tuple[list[str], dict[str, Any]]:
    """Name what a copy has not as its source has it, a sentence each; and what the source holds, by table."""
    wanted = read_rows(source, hash_up_to)
    found = table_differences(wanted, read_rows(copy, hash_up_to, wanted))
    theirs, ours = source.query(SEQUENCES_SQL), copy.query(SEQUENCES_SQL)
    found += [f"{row['name']} is {row['value'] or 'unused'} in the source" for row in theirs if row not in ours]
    return [*found, *schema_differences(source, copy)], wanted


def read_rows(session: Session, hash_up_to: int, known: Optional[Mapping[str, Any]] = None) -> dict[str, Any]:
    """Count and hash the rows of each table; of a large one, or of one that was large in the source, count them."""
    session.query(SETTINGS_SQL)
    members = {row["name"] for row in session.query(MEMBERS_SQL)}
    tables: dict[str, Any] = {}
    for row in session.query(TABLES_SQL):
        name = f"{row['schema']}.{row['name']}"
        if row["kind"] != "r" or name in members:
            continue
        table = table_of(row)
        hashed = known[name]["hash"] is not None if known and name in known else row["bytes"] <= hash_up_to
        statement = sql.SQL(HASH_SQL).format(table=table, sampled=sql.SQL(""))
        tables[name] = {
            "rows": session.query(sql.SQL(ROWS_SQL).format(table=table))[0]["rows"],
            "hash": session.query(statement)[0]["hash"] if hashed else None,
        }
    return tables


def schema_differences(source: Session, copy: Session) -> list[str]:
    """Compare every object but the databases themselves; a text that a dump has only spelled otherwise is no difference."""
    for session in (source, copy):
        settle(session)
    expected, actual = take_snapshot(source), take_snapshot(copy)
    drift = [item for item in compare(expected, actual) if item.kind != "database"]
    doubtful = deparse.questionable(drift)
    if doubtful:
        with copy.transaction():
            spelled = [item for item in doubtful if deparse.same(copy, item, expected, actual)]
        drift = [item for item in drift if item not in spelled]
    return [sentence(item) for item in drift]


def total(tables: Mapping[str, Any]) -> int:
    return sum(table["rows"] for table in tables.values())


def listed(found: Sequence[str], limit: int = 5) -> str:
    """Join what was found, the first ones in words."""
    rest = f" and {len(found) - limit} more" if len(found) > limit else ""
    return "; ".join(found[:limit]) + rest
