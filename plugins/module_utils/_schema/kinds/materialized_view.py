# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Materialised views; whether they are populated is data."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    common,
    named,
    schema_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.view import (
    probe,
    query,
    refine_definition,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    ident,
    names_clause,
    options_clause,
)

_address = named("MATERIALIZED VIEW")


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    refine_definition(attributes, "table")


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    has = thing.attributes
    text = f"CREATE {_address(thing)} USING {ident(has['access_method'])}"
    text += f" WITH ({options_clause(has['options'])})" if has["options"] else ""
    text += f" TABLESPACE {ident(has['tablespace'])}" if has["tablespace"] else ""
    return [Step(f"{text} AS\n{has['definition']}")]


def _options(change: Change) -> list[Step]:
    names = {option.partition("=")[0] for option in change.new}
    gone = [option for option in change.old if option.partition("=")[0] not in names]
    steps = [Step(f"ALTER {_address(change.wanted)} RESET ({names_clause(gone)})")] if gone else []
    if change.new:
        steps.append(Step(f"ALTER {_address(change.wanted)} SET ({options_clause(change.new)})"))
    return steps


def _access_method(change: Change) -> list[Step]:
    text = f"ALTER {_address(change.wanted)} SET ACCESS METHOD {ident(change.new)}"
    return [Step(text, hazard="rebuild_materialized_view")]


def _tablespace(change: Change) -> list[Step]:
    text = f"ALTER {_address(change.wanted)} SET TABLESPACE {ident(change.new or 'pg_default')}"
    return [Step(text, hazard="rebuild_materialized_view")]


KIND = Kind(
    name="materialized view",
    catalog="pg_class",
    rank=71,
    query=query("m", "am.amname::text AS access_method, ts.spcname::text AS tablespace,"),
    attributes={
        "definition": Attribute(deparsed=True),
        "columns": Attribute(),
        "options": Attribute(_options),
        "access_method": Attribute(_access_method),
        "tablespace": Attribute(_tablespace),
        **common(_address, lambda thing: dotted(thing.identity)),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    refine=_refine,
    probe=probe,
    relation=True,
    acl="r",
    remake_hazard=lambda _change: "rebuild_materialized_view",
)
