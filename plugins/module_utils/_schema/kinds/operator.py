# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operators of one's own, told apart by the types of their operands."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
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
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident


def _other(column: str) -> str:
    return f"""(SELECT pg_catalog.format('OPERATOR(%I.%s)', tn.nspname, t.oprname) FROM pg_catalog.pg_operator t
        JOIN pg_catalog.pg_namespace tn ON tn.oid = t.oprnamespace WHERE t.oid = {column})"""


# One that only another names as its commutator or negator has no function yet, and nobody has made it.
QUERY = f"""
SELECT ARRAY[n.nspname, o.oprname, CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE pg_catalog.format_type(o.oprleft, NULL) END,
             pg_catalog.format_type(o.oprright, NULL)]::text[] AS id, o.oid AS _oid,
       (SELECT pg_catalog.format('%I.%I', fn.nspname, f.proname) FROM pg_catalog.pg_proc f
        JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace WHERE f.oid = o.oprcode) AS function,
       {_other("o.oprcom")} AS commutator, {_other("o.oprnegate")} AS negator,
       NULLIF(o.oprrest::text, '-') AS restrict, NULLIF(o.oprjoin::text, '-') AS join,
       o.oprcanhash AS hashes, o.oprcanmerge AS merges,
       pg_catalog.pg_get_userbyid(o.oprowner) AS owner, d.description AS comment
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
{comment_join("pg_operator", "o.oid")}
WHERE o.oprcode <> 0 AND {USER_SCHEMA} AND NOT {extension_member("pg_operator", "o.oid")}
"""


def _name(thing: Thing) -> str:
    return f"{ident(thing.identity[0])}.{thing.identity[1]}"


def _address(thing: Thing) -> str:
    return f"OPERATOR {_name(thing)} ({thing.identity[2]}, {thing.identity[3]})"


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    has = thing.attributes
    parts = [f"FUNCTION = {has['function']}"]
    parts += [f"LEFTARG = {thing.identity[2]}"] if thing.identity[2] != "NONE" else []
    parts.append(f"RIGHTARG = {thing.identity[3]}")
    parts += [f"{word.upper()} = {has[word]}" for word in ("commutator", "negator", "restrict", "join") if has[word]]
    parts += [word.upper() for word in ("hashes", "merges") if has[word]]
    return [Step(f"CREATE OPERATOR {_name(thing)} ({', '.join(parts)})")]


def _estimator(word: str) -> Any:
    def alter(change: Change) -> list[Step]:
        return [Step(f"ALTER {_address(change.wanted)} SET ({word} = {change.new or 'NONE'})")]

    return alter


KIND = Kind(
    name="operator",
    catalog="pg_operator",
    rank=48,
    query=QUERY,
    attributes={
        "function": Attribute(),
        "commutator": Attribute(),
        "negator": Attribute(),
        "restrict": Attribute(_estimator("RESTRICT")),
        "join": Attribute(_estimator("JOIN")),
        "hashes": Attribute(),
        "merges": Attribute(),
        **common(_address),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    drops_first=False,
)
