# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Indexes that were built under another version of a collation than the operating system has now.

Text that sorts in another way than when an index was built is not found in it, and a unique index lets it in
twice. PostgreSQL only warns of that (documentation, ALTER COLLATION, "Notes").
"""

from __future__ import annotations

from typing import Any

# The collation that a column without COLLATE has; its version is the database's.
DEFAULT_COLLATION = 100

DATABASES_SQL = """
SELECT d.datname AS name, d.datcollversion AS recorded, pg_catalog.pg_database_collation_actual_version(d.oid) AS actual
FROM pg_catalog.pg_database d
WHERE d.datallowconn
ORDER BY d.datname
"""
COLLATIONS_SQL = """
SELECT c.oid::int8 AS oid, pg_catalog.format('%I.%I', n.nspname, c.collname) AS name
FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
WHERE c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
  AND c.collencoding IN (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
ORDER BY 2
"""
# By a key's collation, or by one that an expression or a predicate compares with.
INDEXES_SQL = """
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'i'
  AND c.relpersistence <> 't'
  AND (i.indcollation::oid[] && %(affected)s::oid[]
       OR EXISTS (SELECT
                  FROM pg_catalog.regexp_matches(pg_catalog.concat(i.indexprs::text, i.indpred::text),
                                                 ':inputcollid ([0-9]+)', 'g') AS compared(found)
                  WHERE compared.found[1]::oid = ANY (%(affected)s::oid[])))
ORDER BY 1
"""


def differs(database: dict[str, Any]) -> bool:
    """Say whether a database's own collation has another version than the one noted; without a note nobody knows."""
    return None not in (database["recorded"], database["actual"]) and database["recorded"] != database["actual"]


def affected_collations(database: dict[str, Any], collations: list[dict[str, Any]]) -> list[int]:
    """Return the object identifiers of the collations whose indexes need to be built again."""
    return [*([DEFAULT_COLLATION] if differs(database) else []), *(collation["oid"] for collation in collations)]
