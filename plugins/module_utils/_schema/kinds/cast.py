# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Casts between types."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    comment,
    comment_join,
    extension_member,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Creation,
    Kind,
    Step,
    Thing,
)

# initdb's have lower numbers than anything that a user makes.
QUERY = f"""
SELECT ARRAY[pg_catalog.format_type(c.castsource, NULL), pg_catalog.format_type(c.casttarget, NULL)]::text[] AS id,
       c.oid AS _oid, c.castcontext::text AS context, c.castmethod::text AS method,
       NULLIF(c.castfunc, 0)::pg_catalog.regprocedure::text AS function, d.description AS comment
FROM pg_catalog.pg_cast c {comment_join("pg_cast", "c.oid")}
WHERE c.oid >= 16384 AND NOT {extension_member("pg_cast", "c.oid")}
"""
_CONTEXTS = {"e": "explicit", "a": "assignment", "i": "implicit"}
_METHODS = {"f": "function", "i": "inout", "b": "binary"}


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["context"] = _CONTEXTS[attributes["context"]]
    attributes["method"] = _METHODS[attributes["method"]]


def _address(thing: Thing) -> str:
    return f"CAST ({thing.identity[0]} AS {thing.identity[1]})"


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    how = {"function": f"WITH FUNCTION {has['function']}", "inout": "WITH INOUT", "binary": "WITHOUT FUNCTION"}
    when = "" if has["context"] == "explicit" else f" AS {has['context'].upper()}"
    return [Step(f"CREATE {_address(creation.thing)} {how[has['method']]}{when}")]


KIND = Kind(
    name="cast",
    catalog="pg_cast",
    rank=47,
    query=QUERY,
    attributes={
        "context": Attribute(),
        "method": Attribute(),
        "function": Attribute(),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    refine=_refine,
)
