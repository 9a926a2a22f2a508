# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions, procedures and window functions, told apart by their argument types."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    acl,
    comment_join,
    common,
    extension_member,
    schema_of,
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

VOLATILITY = {"i": "immutable", "s": "stable", "v": "volatile"}
PARALLEL = {"s": "safe", "r": "restricted", "u": "unsafe"}
_KINDS = {"f": "function", "p": "procedure", "w": "window function"}

# A range type brings its constructors.
QUERY = f"""
SELECT ARRAY[n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)]::text[] AS id, p.oid AS _oid,
       p.prokind::text AS type, pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
       pg_catalog.pg_get_function_result(p.oid) AS returns, l.lanname::text AS language,
       p.provolatile::text AS volatility, p.proisstrict AS strict, p.prosecdef AS security_definer,
       p.proleakproof AS leakproof, p.proparallel::text AS parallel, p.procost AS cost, p.prorows AS rows,
       p.proconfig AS settings, NULLIF(p.prosupport::text, '-') AS support, p.probin AS library,
       CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END AS body,
       pg_catalog.pg_get_functiondef(p.oid) AS _definition,
       pg_catalog.pg_get_userbyid(p.proowner) AS owner, {acl("p.proacl", "p.proowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
{comment_join("pg_proc", "p.oid")}
WHERE p.prokind <> 'a' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend i WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    AND i.objid = p.oid AND i.deptype = 'i' AND i.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass)
  AND {USER_SCHEMA} AND NOT {extension_member("pg_proc", "p.oid")}
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["type"] = _KINDS[attributes["type"]]
    attributes["volatility"] = VOLATILITY[attributes["volatility"]]
    attributes["parallel"] = PARALLEL[attributes["parallel"]]
    attributes["settings"] = sorted(attributes["settings"] or ())
    # Editors and transports leave blanks at the end of lines, and nobody can see them.
    attributes["body"] = "\n".join(line.rstrip() for line in (attributes["body"] or "").strip().splitlines())


def signature(thing: Thing) -> str:
    return f"{dotted(thing.identity[:2])}({thing.identity[2]})"


def _address(thing: Thing) -> str:
    noun = "PROCEDURE" if thing.attributes["type"] == "procedure" else "FUNCTION"
    return f"{noun} {signature(thing)}"


def _create(creation: Creation) -> list[Step]:
    definition = str(creation.thing.facts["definition"]).rstrip()
    # As pg_get_functiondef writes it, the body of a C function has no library where it needs none.
    return [Step(definition)]


def _replace(change: Change) -> list[Step]:
    """One statement sets everything, so it belongs to the first attribute that differs."""
    wanted, found = change.wanted.attributes, change.found.attributes
    first = next(name for name in REPLACED if wanted[name] != found[name])
    return [Step(str(change.wanted.facts["definition"]).rstrip())] if change.attribute == first else []


def _remake(_change: Change) -> Optional[list[Step]]:
    """Neither results nor names of arguments can be replaced."""
    return None


REPLACED = (
    "language",
    "volatility",
    "strict",
    "security_definer",
    "leakproof",
    "parallel",
    "cost",
    "rows",
    "settings",
    "support",
    "library",
    "body",
)

KIND = Kind(
    name="function",
    catalog="pg_proc",
    rank=45,
    query=QUERY,
    attributes={
        "type": Attribute(_remake),
        "arguments": Attribute(_remake, deparsed=True),
        "returns": Attribute(_remake),
        **{name: Attribute(_replace, deparsed=name == "body") for name in REPLACED},
        **common(_address, _address),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    refine=_refine,
    drops_first=False,
    acl="f",
)
