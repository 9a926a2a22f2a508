# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether anything in a database's catalogs was written, asked in one round trip and without deparsing anything.

PostgreSQL never changes a row version but for statistics of vacuum: whoever changes a catalog makes a new version, at another
place or by another transaction. So while the server runs, the places (C(ctid)) and transactions (C(xmin)) of all versions say
whether any was replaced (PostgreSQL's documentation, "System Columns" and "Concurrency Control"). What all databases
share changes with every login's password and with other databases, so of that the contents count that a snapshot shows. A server
that was started anew may hold another copy of its files, so its start is a part of the mark.
"""

from __future__ import annotations

import hashlib
import json

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds import database
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

# Before 14 the validity of an index was changed in place.
SINCE = 14
# Every catalog of a database that a query of some kind, or a function in it, may read.
CATALOGS = (
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_partitioned_table",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_range",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_statistic_ext",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
)
# What no snapshot shows: statistics of rows, large objects, and what belongs to other servers.
UNREAD = (
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription_rel",
    "pg_user_mapping",
)
# pg_publication_namespace came with 15.
PRESENT_SQL = """
SELECT c.relname, pg_catalog.has_table_privilege(c.oid, 'SELECT') FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind = 'r' AND NOT c.relisshared ORDER BY c.relname
"""
# The checkpointer begins anew when the server recovers from a crash of one of its processes.
SHARED_SQL = f"""
SELECT pg_catalog.concat_ws('|', pg_catalog.pg_postmaster_start_time(),
    (SELECT pg_catalog.max(a.backend_start) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'checkpointer'),
    (SELECT pg_catalog.json_agg(ARRAY[r.oid::text, r.rolname] ORDER BY r.oid) FROM pg_catalog.pg_roles r),
    (SELECT pg_catalog.json_agg(ARRAY[t.oid::text, t.spcname] ORDER BY t.oid) FROM pg_catalog.pg_tablespace t),
    (SELECT d::text FROM ({database.KIND.sql(0)}) d))
"""
# Sums, for nothing fixes the order in which rows come; two of 64 bits, so that no two states share them by chance.
VERSIONS_SQL = """(SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(v.place, 1)),
    pg_catalog.sum(pg_catalog.hashtextextended(v.place, 2)))
    FROM (SELECT pg_catalog.concat(ctid, xmin) AS place FROM pg_catalog.{name}) v)"""


def read_mark(session: Session) -> str:
    """Give the mark of a database's schema; empty where the server cannot say all that it takes."""
    if session.version < SINCE:
        return ""
    present = {name: readable for name, readable in session.rows(PRESENT_SQL)[1] if name not in UNREAD}
    # Of a catalog of a later version nobody knows what it decides.
    if not all(readable and name in CATALOGS for name, readable in present.items()):
        return ""
    versions = ", ".join(VERSIONS_SQL.format(name=name) for name in present)
    shared, states = session.rows(SHARED_SQL)[1], session.rows(f"SELECT ARRAY[{versions}]")[1]
    return hashlib.sha256(json.dumps([list(present), shared, states]).encode()).hexdigest()
