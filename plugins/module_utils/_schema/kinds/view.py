# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Views."""

from __future__ import annotations

from typing import Any, Optional

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
    Change,
    Creation,
    Kind,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.options import normal_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    names_clause,
    options_clause,
)

_address = named("VIEW")


def query(letter: str, more: str = "") -> str:
    """Views and materialised views are read alike."""
    return f"""
SELECT ARRAY[n.nspname, c.relname]::text[] AS id, c.oid AS _oid,
       pg_catalog.pg_get_viewdef(c.oid) AS definition,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       c.reloptions AS options, {more}
       pg_catalog.pg_get_userbyid(c.relowner) AS owner, {acl("c.relacl", "c.relowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
{comment_join("pg_class", "c.oid")}
WHERE c.relkind = '{letter}' AND {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def refine_definition(attributes: dict[str, Any], method: str) -> None:
    attributes["definition"] = attributes["definition"].strip().rstrip(";")
    attributes["options"] = normal_options(attributes["options"], method)


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    refine_definition(attributes, "view")


def _text(thing: Thing, replace: bool) -> str:
    options = options_clause(thing.attributes["options"])
    clause = f" WITH ({options})" if options else ""
    verb = "CREATE OR REPLACE" if replace else "CREATE"
    # A view with a column that no query can name comes back from pg_get_viewdef with that name.
    return f"{verb} VIEW {dotted(thing.identity)}{clause} AS\n{thing.attributes['definition']}"


def _create(creation: Creation) -> list[Step]:
    return [Step(_text(creation.thing, replace=False))]


def _definition(change: Change) -> Optional[list[Step]]:
    """A view can be replaced by one that has its columns, and more behind them."""
    old, new = change.found.attributes["columns"], change.wanted.attributes["columns"]
    if new[: len(old)] != old:
        return None
    if change.attribute == "columns":
        return [] if change.wanted.attributes["definition"] != change.found.attributes["definition"] else None
    return [Step(_text(change.wanted, replace=True))]


def _options(change: Change) -> list[Step]:
    names = {option.partition("=")[0] for option in change.new}
    gone = [option for option in change.old if option.partition("=")[0] not in names]
    steps = [Step(f"ALTER {_address(change.wanted)} RESET ({names_clause(gone)})")] if gone else []
    if change.new:
        steps.append(Step(f"ALTER {_address(change.wanted)} SET ({options_clause(change.new)})"))
    return steps


def probe(_thing: Thing, attribute: str, text: str) -> Optional[str]:
    return text if attribute == "definition" else None


KIND = Kind(
    name="view",
    catalog="pg_class",
    rank=70,
    query=query("v"),
    attributes={
        "definition": Attribute(_definition, deparsed=True),
        "columns": Attribute(_definition),
        "options": Attribute(_options),
        **common(_address, lambda thing: dotted(thing.identity)),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    refine=_refine,
    probe=probe,
    relation=True,
    acl="r",
)
