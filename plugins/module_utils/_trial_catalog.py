# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalog says that roles may do: their own privileges and those of their groups and of PUBLIC taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial import Table

# Members of extensions are left to postgres_access, which knows what they come with.
_RELATIONS = """
relation AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relowner
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
                      AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid)
)"""
_TRIED = "tried AS (SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%(roles)s::text[]))"

TABLES_SQL = """
WITH RELATION
SELECT r.nspname AS schema, r.relname AS name, r.relkind::text AS kind,
       COALESCE((SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns
FROM relation r ORDER BY 1, 2
""".replace("RELATION", _RELATIONS)
OBJECTS_SQL = """
WITH RELATION, TRIED
SELECT role, kind, schema, name, pg_catalog.array_agg(privilege) AS privileges FROM (
SELECT t.rolname AS role, 'table' AS kind, r.nspname AS schema, r.relname AS name, p.privilege
FROM relation r, tried t, unnest(%(table)s::text[]) p(privilege)
WHERE r.relkind <> 'S' AND pg_catalog.has_table_privilege(t.oid, r.oid, p.privilege)
UNION ALL
SELECT t.rolname, 'table', r.nspname, r.relname, 'OWNER'
FROM relation r, tried t WHERE pg_catalog.pg_has_role(t.oid, r.relowner, 'USAGE')
UNION ALL
SELECT t.rolname, 'sequence', r.nspname, r.relname, p.privilege
FROM relation r, tried t, unnest(%(sequence)s::text[]) p(privilege)
WHERE r.relkind = 'S' AND pg_catalog.has_sequence_privilege(t.oid, r.oid, p.privilege)
UNION ALL
SELECT t.rolname, 'schema', n.nspname, '', p.privilege
FROM pg_catalog.pg_namespace n, tried t, unnest(%(schema)s::text[]) p(privilege)
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.has_schema_privilege(t.oid, n.oid, p.privilege)
UNION ALL
SELECT t.rolname, 'schema', n.nspname, '', 'OWNER'
FROM pg_catalog.pg_namespace n, tried t
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.pg_has_role(t.oid, n.nspowner, 'USAGE')
UNION ALL
SELECT t.rolname, 'extension', '', e.extname, 'OWNER'
FROM pg_catalog.pg_extension e, tried t WHERE pg_catalog.pg_has_role(t.oid, e.extowner, 'USAGE')
) held GROUP BY 1, 2, 3, 4
""".replace("RELATION", _RELATIONS).replace("TRIED", _TRIED)
COLUMNS_SQL = """
WITH RELATION, TRIED
SELECT t.rolname AS role, r.nspname AS schema, r.relname AS name, p.privilege, pg_catalog.array_agg(a.attname::text) AS columns
FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped,
     tried t, unnest(%(column)s::text[]) p(privilege)
WHERE r.relkind <> 'S' AND pg_catalog.has_column_privilege(t.oid, r.oid, a.attnum, p.privilege)
GROUP BY 1, 2, 3, 4
""".replace("RELATION", _RELATIONS).replace("TRIED", _TRIED)
EXTENSIONS_SQL = """
SELECT (SELECT COALESCE(pg_catalog.array_agg(extname::text ORDER BY extname), '{}') FROM pg_catalog.pg_extension) AS installed,
       -- One that a role with CREATE on the database could make, so that nothing but that privilege is tried.
       (SELECT pg_catalog.min(v.name) FROM pg_catalog.pg_available_extension_versions v
        WHERE v.trusted AND NOT v.installed AND v.requires IS NULL AND v.schema IS NULL
          AND v.name NOT IN (SELECT extname FROM pg_catalog.pg_extension)) AS available
"""
DATABASES_SQL = """
WITH TRIED
SELECT d.datname AS name, d.datallowconn AS open, t.rolname AS role,
       pg_catalog.has_database_privilege(t.oid, d.oid, 'CONNECT') AS "CONNECT",
       pg_catalog.has_database_privilege(t.oid, d.oid, 'TEMPORARY') AS "TEMPORARY",
       pg_catalog.has_database_privilege(t.oid, d.oid, 'CREATE') AS "CREATE",
       pg_catalog.pg_has_role(t.oid, d.datdba, 'USAGE') AS "OWNER"
FROM pg_catalog.pg_database d, tried t ORDER BY 1, t.rolname
""".replace("TRIED", _TRIED)
# Each answer under the name of the statement that tries the same.
SERVER_SQL = """
WITH TRIED
SELECT t.rolname AS role, r.rolsuper AS "be a superuser", r.rolcreatedb AS "CREATE DATABASE", r.rolreplication AS "REPLICATION",
       r.rolbypassrls AS "BYPASSRLS", r.rolcreaterole OR r.rolsuper AS "CREATE ROLE",
       pg_catalog.pg_has_role(t.oid, 'pg_write_server_files', 'USAGE') AS "COPY TO a file",
       pg_catalog.pg_has_role(t.oid, 'pg_execute_server_program', 'USAGE') AS "COPY TO PROGRAM",
       pg_catalog.pg_has_role(t.oid, 'pg_execute_server_program', 'USAGE') AS "COPY FROM PROGRAM",
       (SELECT COALESCE(pg_catalog.array_agg(o.rolname::text ORDER BY o.rolname), '{}') FROM pg_catalog.pg_roles o
        WHERE o.oid <> t.oid AND pg_catalog.pg_has_role(t.oid, o.oid, 'MEMBER')) AS groups
FROM tried t JOIN pg_catalog.pg_roles r ON r.oid = t.oid ORDER BY 1
""".replace("TRIED", _TRIED)
# The same of what each database has grants of its own for.
SYSTEM_SQL = """
WITH TRIED
SELECT t.rolname AS role,
       pg_catalog.has_function_privilege(t.oid, 'pg_catalog.pg_read_file(text)', 'EXECUTE') AS "read a file (pg_read_file)",
       pg_catalog.has_function_privilege(t.oid, 'pg_catalog.pg_ls_dir(text)', 'EXECUTE') AS "list a directory (pg_ls_dir)",
       pg_catalog.has_function_privilege(t.oid, 'pg_catalog.lo_import(text)', 'EXECUTE') AS "read a file (lo_import)",
       pg_catalog.has_table_privilege(t.oid, 'pg_catalog.pg_authid', 'SELECT') AS "read verifiers (pg_authid)"
FROM tried t
""".replace("TRIED", _TRIED)
OTHER_ROLES_SQL = "SELECT rolname FROM pg_catalog.pg_roles ORDER BY 1"


@dataclass(frozen=True)
class Held:
    """The catalog's answers about one database."""

    tables: tuple[Table, ...]
    sequences: tuple[tuple[str, str], ...]
    objects: Mapping[tuple[str, str, str, str], frozenset[str]]  # role, kind, schema, name → privileges
    columns: Mapping[tuple[str, str, str, str], frozenset[str]]  # role, schema, name, privilege
    system: Mapping[str, frozenset[str]]  # role → what it may of SYSTEM_SQL
    installed: tuple[str, ...]
    available: str

    def privileges(self, role: str, kind: str, schema: str, name: str = "") -> frozenset[str]:
        return self.objects.get((role, kind, schema, name), frozenset())


def read_held(session: Session, roles: Sequence[str], privileges: Mapping[str, Sequence[str]]) -> Held:
    """Five queries, however many objects and roles there are."""
    asked: dict[str, Any] = {"roles": list(roles), **{kind: list(names) for kind, names in privileges.items()}}
    relations = session.query(TABLES_SQL)
    (extensions,) = session.query(EXTENSIONS_SQL)
    return Held(
        tables=tuple(
            Table(row["schema"], row["name"], row["kind"], tuple(row["columns"]))
            for row in relations
            if row["kind"] != "S"
        ),
        sequences=tuple((row["schema"], row["name"]) for row in relations if row["kind"] == "S"),
        objects={
            (row["role"], row["kind"], row["schema"], row["name"]): frozenset(row["privileges"])
            for row in session.query(OBJECTS_SQL, asked)
        },
        columns={
            (row["role"], row["schema"], row["name"], row["privilege"]): frozenset(row["columns"])
            for row in session.query(COLUMNS_SQL, asked)
        },
        system={
            row["role"]: frozenset(verb for verb, yes in row.items() if yes is True)
            for row in session.query(SYSTEM_SQL, asked)
        },
        installed=tuple(extensions["installed"]),
        available=extensions["available"] or "",
    )
