# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extensions and their versions; what belongs to them is left out everywhere else."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    comment,
    comment_join,
    named,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Kind,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident, literal

_address = named("EXTENSION")


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    clauses = f" WITH SCHEMA {ident(thing.attributes['schema'])}" if thing.facts["relocatable"] else ""
    return [Step(f"CREATE {_address(thing)}{clauses} VERSION {literal(thing.attributes['version'])}")]


def _update(change: Change) -> list[Step]:
    # There is a way from the older version to the newer one, seldom one back.
    hazard = "" if _newer(change.new, change.old) else "downgrade_extension"
    return [Step(f"ALTER {_address(change.wanted)} UPDATE TO {literal(change.new)}", hazard=hazard)]


def _newer(new: str, old: str) -> bool:
    def parts(version: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in version.split(".")]

    return parts(new) > parts(old)


def _move(change: Change) -> list[Step]:
    return [Step(f"ALTER {_address(change.wanted)} SET SCHEMA {ident(change.new)}")]


KIND = Kind(
    name="extension",
    catalog="pg_extension",
    rank=20,
    query=f"""
SELECT ARRAY[x.extname]::text[] AS id, x.oid AS _oid, x.extversion AS version, n.nspname::text AS schema,
       n.nspname <> 'pg_catalog' AS _relocatable, d.description AS comment
FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
{comment_join("pg_extension", "x.oid")}
""",
    attributes={
        "version": Attribute(_update),
        "schema": Attribute(_move),
        # Its control file writes one, which is nobody's declaration; a change of it is made good all the same.
        "comment": comment(_address)._replace(initial=...),
    },
    create=_create,
    address=_address,
    drops_first=False,
)
