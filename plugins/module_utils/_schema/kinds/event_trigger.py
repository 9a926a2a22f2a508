# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Event triggers: made last, so that they do not meet the statements that make the rest."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    comment_join,
    common,
    extension_member,
    named,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.trigger import ENABLED
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import literal

_address = named("EVENT TRIGGER")

QUERY = f"""
SELECT ARRAY[t.evtname]::text[] AS id, t.oid AS _oid, t.evtevent::text AS event,
       ARRAY(SELECT x FROM pg_catalog.unnest(t.evttags) x ORDER BY 1) AS tags,
       (SELECT pg_catalog.format('%I.%I', fn.nspname, f.proname) FROM pg_catalog.pg_proc f
        JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace WHERE f.oid = t.evtfoid) AS function,
       t.evtenabled::text AS enabled, pg_catalog.pg_get_userbyid(t.evtowner) AS owner, d.description AS comment
FROM pg_catalog.pg_event_trigger t {comment_join("pg_event_trigger", "t.oid")}
WHERE NOT {extension_member("pg_event_trigger", "t.oid")}
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["enabled"] = ENABLED[attributes["enabled"]]


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    text = f"CREATE {_address(creation.thing)} ON {has['event']}"
    if has["tags"]:
        text += f" WHEN TAG IN ({', '.join(literal(tag) for tag in has['tags'])})"
    return [Step(f"{text} EXECUTE FUNCTION {has['function']}()", late=True)]


def _enabled(change: Change) -> list[Step]:
    words = {"enabled": "ENABLE", "disabled": "DISABLE", "replica": "ENABLE REPLICA", "always": "ENABLE ALWAYS"}
    return [Step(f"ALTER {_address(change.wanted)} {words[change.new]}", late=True)]


KIND = Kind(
    name="event trigger",
    catalog="pg_event_trigger",
    rank=99,
    query=QUERY,
    attributes={
        "event": Attribute(),
        "tags": Attribute(),
        "function": Attribute(),
        "enabled": Attribute(_enabled, initial="enabled"),
        **common(_address),
    },
    create=_create,
    address=_address,
    refine=_refine,
)
