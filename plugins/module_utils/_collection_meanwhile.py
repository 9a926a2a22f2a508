# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A collection that is on its way to the declared model: until the switch, searches are served by the model before it.

For that time the column that serves is judged by what it is; what the declaration says is true of the column beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import Declaration
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Look
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import NEXT, read_note
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

NOTE_SQL = "SELECT pg_catalog.col_description(%(relation)s::oid, %(column)s) AS note"


class Coming(NamedTuple):
    """The model to which a change brings the collection, and the column in which its vectors grow."""

    column: str
    model: str


def coming(session: Session, declared: Declaration, look: Look) -> Optional[Coming]:
    """The declared model, where a change to it has begun and has not switched; one to another model explains nothing."""
    column = look.columns.get(f"{look.column.name}_{NEXT}") if look.column else None
    if column is None or look.table is None:
        return None
    (row,) = session.query(NOTE_SQL, {"relation": look.table.oid, "column": column.number})
    model = read_note(row["note"]).get("model")
    if model is None or declared.model not in (None, model) or declared.dimensions not in (None, column.modifier):
        return None
    return Coming(column.name, str(model))


def meanwhile(declared: Declaration, look: Look, change: Optional[Coming]) -> Declaration:
    """What holds of the column that serves until the switch."""
    return replace(declared, model=None, dimensions=look.dimensions) if change else declared
