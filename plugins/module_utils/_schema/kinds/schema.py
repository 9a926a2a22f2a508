# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    acl,
    comment_join,
    common,
    extension_member,
    named,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import Creation, Kind, Step

_address = named("SCHEMA")


def _create(creation: Creation) -> list[Step]:
    return [Step(f"CREATE {_address(creation.thing)}")]


KIND = Kind(
    name="schema",
    catalog="pg_namespace",
    rank=10,
    query=f"""
SELECT ARRAY[n.nspname]::text[] AS id, n.oid AS _oid, pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
       {acl("n.nspacl", "n.nspowner")} AS privileges, d.description AS comment
FROM pg_catalog.pg_namespace n {comment_join("pg_namespace", "n.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_namespace", "n.oid")}
""",
    attributes=common(_address, _address),
    create=_create,
    address=_address,
    drops_first=False,
    acl="n",
)
