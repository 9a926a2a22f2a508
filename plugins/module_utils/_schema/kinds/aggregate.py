# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Aggregates."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.function import PARALLEL
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
    Creation,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, literal


def _function(column: str) -> str:
    return f"""(SELECT pg_catalog.format('%I.%I', fn.nspname, f.proname) FROM pg_catalog.pg_proc f
        JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace WHERE f.oid = {column}::oid)"""


# Attributes in the words of CREATE AGGREGATE, with the columns that hold them.
_FUNCTIONS = {
    "sfunc": "a.aggtransfn",
    "finalfunc": "a.aggfinalfn",
    "combinefunc": "a.aggcombinefn",
    "serialfunc": "a.aggserialfn",
    "deserialfunc": "a.aggdeserialfn",
    "msfunc": "a.aggmtransfn",
    "minvfunc": "a.aggminvtransfn",
    "mfinalfunc": "a.aggmfinalfn",
}

QUERY = f"""
SELECT ARRAY[n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)]::text[] AS id, p.oid AS _oid,
       pg_catalog.pg_get_function_arguments(p.oid) AS arguments, pg_catalog.pg_get_function_result(p.oid) AS returns,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS _signature,
       {", ".join(f"{_function(column)} AS {name}" for name, column in _FUNCTIONS.items())},
       pg_catalog.format_type(a.aggtranstype, NULL) AS stype, a.aggtransspace AS sspace,
       CASE WHEN a.aggmtranstype <> 0 THEN pg_catalog.format_type(a.aggmtranstype, NULL) END AS mstype,
       a.aggmtransspace AS msspace, a.agginitval AS initcond, a.aggminitval AS minitcond,
       a.aggfinalextra AS finalfunc_extra, a.aggmfinalextra AS mfinalfunc_extra,
       a.aggfinalmodify::text AS finalfunc_modify, a.aggmfinalmodify::text AS mfinalfunc_modify,
       (SELECT pg_catalog.format('OPERATOR(%I.%s)', o_n.nspname, o.oprname) FROM pg_catalog.pg_operator o
        JOIN pg_catalog.pg_namespace o_n ON o_n.oid = o.oprnamespace WHERE o.oid = a.aggsortop) AS sortop,
       a.aggkind = 'h' AS hypothetical, p.proparallel::text AS parallel,
       pg_catalog.pg_get_userbyid(p.proowner) AS owner, {acl("p.proacl", "p.proowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
{comment_join("pg_proc", "p.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_proc", "p.oid")}
"""
_MODIFY = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
_PLAIN = (*_FUNCTIONS, "stype", "sspace", "mstype", "msspace", "sortop")


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["parallel"] = PARALLEL[attributes["parallel"]]
    for name in ("finalfunc_modify", "mfinalfunc_modify"):
        attributes[name] = _MODIFY[attributes[name]]


def _address(thing: Thing) -> str:
    return f"AGGREGATE {dotted(thing.identity[:2])}({thing.facts['signature'] or '*'})"


def _grant(thing: Thing) -> str:
    return f"FUNCTION {dotted(thing.identity[:2])}({thing.identity[2]})"


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    parts = [f"{name.upper()} = {has[name]}" for name in _PLAIN if has[name]]
    parts += [f"{name.upper()} = {literal(has[name])}" for name in ("initcond", "minitcond") if has[name] is not None]
    parts += [name.upper() for name in ("finalfunc_extra", "mfinalfunc_extra", "hypothetical") if has[name]]
    parts.append(f"FINALFUNC_MODIFY = {has['finalfunc_modify']}")
    if has["msfunc"]:
        parts.append(f"MFINALFUNC_MODIFY = {has['mfinalfunc_modify']}")
    parts.append(f"PARALLEL = {has['parallel'].upper()}")
    return [Step(f"CREATE {_address(creation.thing)} ({', '.join(parts)})")]


KIND = Kind(
    name="aggregate",
    catalog="pg_proc",
    rank=46,
    query=QUERY,
    attributes={
        **{
            name: Attribute()
            for name in (
                "arguments",
                "returns",
                *_PLAIN,
                "initcond",
                "minitcond",
                "finalfunc_extra",
                "mfinalfunc_extra",
                "finalfunc_modify",
                "mfinalfunc_modify",
                "hypothetical",
                "parallel",
            )
        },
        **common(_address, _grant),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    refine=_refine,
    drops_first=False,
    acl="f",
)
