# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extended statistics."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    comment_join,
    common,
    extension_member,
    named,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Key,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted

_address = named("STATISTICS")
_KINDS = {"d": "ndistinct", "f": "dependencies", "m": "mcv"}

QUERY = f"""
SELECT ARRAY[n.nspname, s.stxname]::text[] AS id, s.oid AS _oid,
       pg_catalog.format('%I.%I', tn.nspname, c.relname) AS "table", ARRAY[tn.nspname, c.relname]::text[] AS _table_path,
       s.stxkind::text[] AS kinds,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys::int2[]) ORDER BY 1)
       || pg_catalog.pg_get_statisticsobjdef_expressions(s.oid) AS columns,
       NULLIF(s.stxstattarget, -1)::int AS target, pg_catalog.pg_get_statisticsobjdef(s.oid) AS _definition,
       pg_catalog.pg_get_userbyid(s.stxowner) AS owner, d.description AS comment
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = c.relnamespace
{comment_join("pg_statistic_ext", "s.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["kinds"] = sorted(_KINDS[letter] for letter in attributes["kinds"] if letter in _KINDS)


def _create(creation: Creation) -> list[Step]:
    return [Step(str(creation.thing.facts["definition"]))]


def _target(change: Change) -> list[Step]:
    target = -1 if change.new is None else change.new
    return [Step(f"ALTER {_address(change.wanted)} SET STATISTICS {target}")]


def _parent(thing: Thing) -> Optional[Key]:
    return "table", tuple(thing.facts["table_path"])


KIND = Kind(
    name="statistics",
    catalog="pg_statistic_ext",
    rank=83,
    query=QUERY,
    attributes={
        "table": Attribute(),
        "kinds": Attribute(),
        "columns": Attribute(deparsed=True),
        "target": Attribute(_target, initial=None),
        **common(lambda thing: f"STATISTICS {dotted(thing.identity)}"),
    },
    create=_create,
    address=_address,
    parent=_parent,
    refine=_refine,
)
