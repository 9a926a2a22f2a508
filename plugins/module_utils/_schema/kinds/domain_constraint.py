# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of domains."""

from __future__ import annotations

from typing import Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    comment,
    comment_join,
    extension_member,
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
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident

QUERY = f"""
SELECT ARRAY[n.nspname, t.typname, k.conname]::text[] AS id, k.oid AS _oid,
       pg_catalog.pg_get_expr(k.conbin, 0) AS expression, k.convalidated AS validated,
       pg_catalog.format_type(t.typbasetype, t.typtypmod) AS _type, d.description AS comment
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_type t ON t.oid = k.contypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
{comment_join("pg_constraint", "k.oid")}
WHERE k.contype = 'c' AND k.contypid <> 0 AND {USER_SCHEMA} AND NOT {extension_member("pg_type", "t.oid")}
"""


def _address(thing: Thing) -> str:
    return f"CONSTRAINT {ident(thing.identity[2])} ON DOMAIN {dotted(thing.identity[:2])}"


def _alter(thing: Thing, action: str) -> str:
    return f"ALTER DOMAIN {dotted(thing.identity[:2])} {action}"


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    name = ident(thing.identity[2])
    add = _alter(thing, f"ADD CONSTRAINT {name} CHECK ({thing.attributes['expression']})")
    if creation.fresh:
        return [Step(add)]
    if creation.data.violates(thing.key):
        return [Step(add).violated()]
    steps = [Step(f"{add} NOT VALID")]
    if thing.attributes["validated"]:
        steps.append(Step(_alter(thing, f"VALIDATE CONSTRAINT {name}")))
    return steps


def _validated(change: Change) -> Optional[list[Step]]:
    if not change.new:
        return None
    step = Step(_alter(change.wanted, f"VALIDATE CONSTRAINT {ident(change.wanted.identity[2])}"))
    return [step.violated() if change.data.violates(change.wanted.key) else step]


def _drop(thing: Thing) -> list[Step]:
    return [Step(_alter(thing, f"DROP CONSTRAINT {ident(thing.identity[2])}"))]


def _parent(thing: Thing) -> Key:
    return "domain", thing.identity[:2]


def _probe(thing: Thing, _attribute: str, text: str) -> str:
    return f"SELECT ({text}) AS x FROM (SELECT NULL::{thing.facts['type']} AS value) s"


KIND = Kind(
    name="domain constraint",
    catalog="pg_constraint",
    rank=33,
    query=QUERY,
    attributes={
        "expression": Attribute(deparsed=True),
        "validated": Attribute(_validated),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    drop=_drop,
    parent=_parent,
    probe=_probe,
)
