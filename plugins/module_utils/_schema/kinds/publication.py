# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publications of logical replication."""

from __future__ import annotations

from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    comment_join,
    common,
    extension_member,
    named,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
)

_address = named("PUBLICATION")

# A table is its name, its columns where not all are published, and its condition.
QUERY = f"""
SELECT ARRAY[p.pubname]::text[] AS id, p.oid AS _oid, p.puballtables AS all_tables,
       pg_catalog.array_to_string(ARRAY[CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
           CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END], ', ') AS publish,
       p.pubviaroot AS via_root,
       ARRAY(SELECT pg_catalog.format('TABLE %I.%I', tn.nspname, t.relname)
                    || COALESCE(' (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '
                                                                      ORDER BY a.attname)
                                         FROM pg_catalog.pg_attribute a
                                         WHERE a.attrelid = t.oid AND a.attnum = ANY (r.prattrs::int2[])) || ')', '')
                    || COALESCE(' WHERE (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', '')
             FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_class t ON t.oid = r.prrelid
             JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace WHERE r.prpubid = p.oid
             UNION ALL
             SELECT pg_catalog.format('TABLES IN SCHEMA %I', sn.nspname) FROM pg_catalog.pg_publication_namespace s
             JOIN pg_catalog.pg_namespace sn ON sn.oid = s.pnnspid WHERE s.pnpubid = p.oid
             ORDER BY 1) AS objects,
       pg_catalog.pg_get_userbyid(p.pubowner) AS owner, d.description AS comment
FROM pg_catalog.pg_publication p {comment_join("pg_publication", "p.oid")}
WHERE NOT {extension_member("pg_publication", "p.oid")}
"""


def _options(publish: str, via_root: bool) -> str:
    return f"publish = '{publish}', publish_via_partition_root = {'true' if via_root else 'false'}"


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    what = " FOR ALL TABLES" if has["all_tables"] else ""
    what = f" FOR {', '.join(has['objects'])}" if has["objects"] else what
    options = _options(has["publish"], has["via_root"])
    return [Step(f"CREATE {_address(creation.thing)}{what} WITH ({options})", late=True)]


def _parameters(change: Change) -> list[Step]:
    has = change.wanted.attributes
    if change.attribute == "via_root" and has["publish"] != change.found.attributes["publish"]:
        return []
    return [Step(f"ALTER {_address(change.wanted)} SET ({_options(has['publish'], has['via_root'])})")]


def _objects(change: Change) -> Optional[list[Step]]:
    """Published tables refuse updates until they have a replica identity, so they come last."""
    step = Step(f"ALTER {_address(change.wanted)} SET {', '.join(change.new)}", late=True)
    return [step] if change.new and change.old else None


KIND = Kind(
    name="publication",
    catalog="pg_publication",
    rank=90,
    query=QUERY,
    attributes={
        "all_tables": Attribute(),
        "objects": Attribute(_objects, deparsed=True),
        "publish": Attribute(_parameters),
        "via_root": Attribute(_parameters),
        **common(_address),
    },
    create=_create,
    address=_address,
)
