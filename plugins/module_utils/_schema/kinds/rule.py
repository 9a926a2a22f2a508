# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rewrite rules that are not a view's own."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    RELATION,
    USER_SCHEMA,
    comment,
    comment_join,
    extension_member,
    on_table,
    table_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.trigger import ENABLED, enabling
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
)

_address = on_table("RULE")

QUERY = f"""
SELECT ARRAY[n.nspname, c.relname, r.rulename]::text[] AS id, r.oid AS _oid, {RELATION} AS _relation,
       pg_catalog.pg_get_ruledef(r.oid) AS definition, r.ev_enabled::text AS enabled, d.description AS comment
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
{comment_join("pg_rewrite", "r.oid")}
WHERE r.rulename <> '_RETURN' AND {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["enabled"] = ENABLED[attributes["enabled"]]


def _create(creation: Creation) -> list[Step]:
    return [Step(str(creation.thing.attributes["definition"]).rstrip(";"))]


def _definition(change: Change) -> list[Step]:
    definition = str(change.new).rstrip(";")
    return [Step(definition.replace("CREATE RULE", "CREATE OR REPLACE RULE", 1))]


def _enabled(change: Change) -> list[Step]:
    return [enabling(change, "RULE")]


KIND = Kind(
    name="rule",
    catalog="pg_rewrite",
    rank=81,
    query=QUERY,
    attributes={
        "definition": Attribute(_definition, deparsed=True),
        "enabled": Attribute(_enabled, initial="enabled"),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    parent=table_of,
    refine=_refine,
)
