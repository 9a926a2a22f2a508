# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Triggers of tables and views, with their enabled state."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    RELATION,
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
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident

_address = on_table("TRIGGER")
ENABLED = {"O": "enabled", "D": "disabled", "R": "replica", "A": "always"}

# A partition's copy of its parent's trigger comes and goes with it; only its being enabled is its own.
QUERY = f"""
SELECT ARRAY[n.nspname, c.relname, t.tgname]::text[] AS id, t.oid AS _oid, {RELATION} AS _relation,
       t.tgparentid <> 0 AS _inherited, pg_catalog.pg_get_triggerdef(t.oid) AS _definition, t.tgtype AS _bits,
       (SELECT pg_catalog.format('%I.%I', fn.nspname, f.proname) FROM pg_catalog.pg_proc f
        JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace WHERE f.oid = t.tgfoid) AS function,
       pg_catalog.encode(t.tgargs, 'escape') AS arguments,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[]) ORDER BY 1) AS columns,
       CASE WHEN t.tgqual IS NOT NULL THEN
            substring(pg_catalog.pg_get_triggerdef(t.oid) FROM ' WHEN \\((.*)\\) EXECUTE FUNCTION ') END AS condition,
       t.tgoldtable::text AS old_table, t.tgnewtable::text AS new_table, t.tgconstraint <> 0 AS "constraint",
       t.tgdeferrable AS deferrable, t.tginitdeferred AS initially_deferred,
       (SELECT pg_catalog.format('%I.%I', rn.nspname, r.relname) FROM pg_catalog.pg_class r
        JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace WHERE r.oid = t.tgconstrrelid) AS referenced,
       t.tgenabled::text AS enabled, d.description AS comment
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
{comment_join("pg_trigger", "t.oid")}
WHERE NOT t.tgisinternal AND c.relkind <> 'f' AND {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], facts: dict[str, Any]) -> None:
    bits = facts["bits"]
    attributes["level"] = "row" if bits & 1 else "statement"
    attributes["timing"] = "before" if bits & 2 else "instead of" if bits & 64 else "after"
    events = {4: "insert", 8: "delete", 16: "update", 32: "truncate"}
    attributes["events"] = [event for bit, event in events.items() if bits & bit]
    attributes["enabled"] = ENABLED[attributes["enabled"]]


def _create(creation: Creation) -> list[Step]:
    if creation.thing.facts["inherited"]:
        return []
    return [Step(str(creation.thing.facts["definition"]))]


def enabling(change: Change, noun: str) -> Step:
    thing = change.wanted
    words = {"enabled": "ENABLE", "disabled": "DISABLE", "replica": "ENABLE REPLICA", "always": "ENABLE ALWAYS"}
    # Views take it as tables do.
    table = dotted(thing.identity[:2])
    return Step(f"ALTER TABLE {table} {words[change.new]} {noun} {ident(thing.identity[2])}")


def _enabled(change: Change) -> list[Step]:
    return [enabling(change, "TRIGGER")]


def _drop(thing: Thing) -> list[Step]:
    return [] if thing.facts["inherited"] else [Step(f"DROP {_address(thing)}")]


def _probe(thing: Thing, attribute: str, text: str) -> Optional[str]:
    table = dotted(thing.identity[:2])
    return f'SELECT ({text}) AS x FROM {table} "old", {table} "new"' if attribute == "condition" else None


KIND = Kind(
    name="trigger",
    catalog="pg_trigger",
    rank=80,
    query=QUERY,
    attributes={
        "function": Attribute(),
        "arguments": Attribute(),
        "timing": Attribute(),
        "level": Attribute(),
        "events": Attribute(),
        "columns": Attribute(),
        "condition": Attribute(deparsed=True),
        "old_table": Attribute(),
        "new_table": Attribute(),
        "constraint": Attribute(),
        "deferrable": Attribute(),
        "initially_deferred": Attribute(),
        "referenced": Attribute(),
        "enabled": Attribute(_enabled, initial="enabled"),
        "comment": comment(_address),
    },
    create=_create,
    address=_address,
    drop=_drop,
    parent=table_of,
    refine=_refine,
    probe=_probe,
)
