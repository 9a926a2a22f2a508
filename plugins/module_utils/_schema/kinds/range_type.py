# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Range types with their multiranges."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    acl,
    comment_join,
    common,
    extension_member,
    named,
    schema_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Creation,
    Kind,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted

_address = named("TYPE")

QUERY = f"""
SELECT ARRAY[n.nspname, t.typname]::text[] AS id, t.oid AS _oid,
       pg_catalog.format_type(r.rngsubtype, NULL) AS subtype,
       (SELECT pg_catalog.format('%I.%I', ocn.nspname, oc.opcname) FROM pg_catalog.pg_opclass oc
        JOIN pg_catalog.pg_namespace ocn ON ocn.oid = oc.opcnamespace WHERE oc.oid = r.rngsubopc) AS operator_class,
       (SELECT pg_catalog.format('%I.%I', cn.nspname, co.collname) FROM pg_catalog.pg_collation co
        JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = r.rngcollation) AS collation,
       NULLIF(r.rngcanonical::pg_catalog.regproc::text, '-') AS canonical,
       NULLIF(r.rngsubdiff::pg_catalog.regproc::text, '-') AS difference,
       pg_catalog.format_type(r.rngmultitypid, NULL) AS multirange,
       (SELECT ARRAY[mn.nspname, m.typname]::text[] FROM pg_catalog.pg_type m
        JOIN pg_catalog.pg_namespace mn ON mn.oid = m.typnamespace WHERE m.oid = r.rngmultitypid) AS _multirange_path,
       pg_catalog.pg_get_userbyid(t.typowner) AS owner, {acl("t.typacl", "t.typowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_range r JOIN pg_catalog.pg_type t ON t.oid = r.rngtypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
{comment_join("pg_type", "t.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_type", "t.oid")}
"""


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    parts = [f"SUBTYPE = {has['subtype']}", f"SUBTYPE_OPCLASS = {has['operator_class']}"]
    parts += [f"COLLATION = {has['collation']}"] if has["collation"] else []
    parts += [f"CANONICAL = {has['canonical']}"] if has["canonical"] else []
    parts += [f"SUBTYPE_DIFF = {has['difference']}"] if has["difference"] else []
    parts.append(f"MULTIRANGE_TYPE_NAME = {has['multirange']}")
    return [Step(f"CREATE TYPE {dotted(creation.thing.identity)} AS RANGE ({', '.join(parts)})")]


KIND = Kind(
    name="range type",
    catalog="pg_type",
    rank=34,
    query=QUERY,
    attributes={
        "subtype": Attribute(),
        "operator_class": Attribute(),
        "collation": Attribute(),
        "canonical": Attribute(),
        "difference": Attribute(),
        "multirange": Attribute(),
        **common(_address, _address),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    drops_first=False,
    relation=True,
    acl="T",
    remake_hazard=lambda _change: "rebuild_type",
)
