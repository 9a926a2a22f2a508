# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said about single columns of views: comments, privileges, defaults."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.column import address, column_privileges
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    RELATION,
    USER_SCHEMA,
    acl,
    comment,
    comment_join,
    extension_member,
    table_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident

QUERY = f"""
SELECT ARRAY[n.nspname, c.relname, a.attname]::text[] AS id, a.attrelid AS _oid, a.attnum AS _sub,
       {RELATION} AS _relation, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) AS default,
       NULLIF(a.attstattarget, -1)::int AS statistics, {acl("a.attacl", "c.relowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
{comment_join("pg_class", "a.attrelid", "a.attnum")}
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('v', 'm') AND {USER_SCHEMA}
  AND NOT {extension_member("pg_class", "c.oid")}
"""


def _create(_creation: Creation) -> list[Step]:
    """The view brings its columns."""
    return []


def _alter(thing: Thing, action: str) -> str:
    noun = "VIEW" if thing.facts["relation"] == "view" else "MATERIALIZED VIEW"
    return f"ALTER {noun} {dotted(thing.identity[:2])} ALTER COLUMN {ident(thing.identity[2])} {action}"


def _default(change: Change) -> list[Step]:
    return [Step(_alter(change.wanted, "DROP DEFAULT" if change.new is None else f"SET DEFAULT {change.new}"))]


def _statistics(change: Change) -> list[Step]:
    return [Step(_alter(change.wanted, f"SET STATISTICS {-1 if change.new is None else change.new}"))]


def _drop(_thing: Thing) -> list[Step]:
    """The view takes its columns away."""
    return []


def _probe(_thing: Thing, _attribute: str, text: str) -> str:
    return f"SELECT ({text}) AS x"


KIND = Kind(
    name="view column",
    catalog="pg_class",
    rank=72,
    query=QUERY,
    attributes={
        "default": Attribute(_default, deparsed=True, initial=None),
        "statistics": Attribute(_statistics, initial=None),
        "privileges": Attribute(column_privileges, initial="<default>", access=True),
        "comment": comment(address),
    },
    create=_create,
    address=address,
    drop=_drop,
    parent=table_of,
    probe=_probe,
    acl="c",
    silent=lambda _thing: True,
)
