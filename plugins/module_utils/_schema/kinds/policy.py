# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies of row-level security."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    comment,
    comment_join,
    extension_member,
    on_table,
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
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted

_address = on_table("POLICY")
_COMMANDS = {"r": "select", "a": "insert", "w": "update", "d": "delete", "*": "all"}

QUERY = f"""
SELECT ARRAY[n.nspname, c.relname, p.polname]::text[] AS id, p.oid AS _oid, p.polcmd::text AS command,
       p.polpermissive AS permissive,
       ARRAY(SELECT CASE r.oid WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.oid)) END
             FROM pg_catalog.unnest(p.polroles) r(oid) ORDER BY 1) AS roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS "using",
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS "check", d.description AS comment
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
{comment_join("pg_policy", "p.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["command"] = _COMMANDS[attributes["command"]]


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    text = f"CREATE {_address(creation.thing)} AS {'PERMISSIVE' if has['permissive'] else 'RESTRICTIVE'}"
    text += f" FOR {has['command'].upper()} TO {', '.join(has['roles'])}"
    text += f" USING ({has['using']})" if has["using"] is not None else ""
    return [Step(text + (f" WITH CHECK ({has['check']})" if has["check"] is not None else ""))]


def _roles(change: Change) -> list[Step]:
    return [Step(f"ALTER {_address(change.wanted)} TO {', '.join(change.new)}")]


def _expression(clause: str) -> Any:
    def alter(change: Change) -> Any:
        if change.new is None:
            return None
        return [Step(f"ALTER {_address(change.wanted)} {clause} ({change.new})")]

    return alter


def _probe(thing: Thing, _attribute: str, text: str) -> str:
    return f"SELECT ({text}) AS x FROM {dotted(thing.identity[:2])}"


KIND = Kind(
    name="policy",
    catalog="pg_policy",
    rank=82,
    query=QUERY,
    attributes={
        "command": Attribute(),
        "permissive": Attribute(),
        "roles": Attribute(_roles),
        "using": Attribute(_expression("USING"), deparsed=True),
        "check": Attribute(_expression("WITH CHECK"), deparsed=True),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    parent=table_of,
    refine=_refine,
    probe=_probe,
)
