# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collations of one's own."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    comment_join,
    common,
    extension_member,
    named,
    schema_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Creation,
    Kind,
    Step,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import literal

_address = named("COLLATION")
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def _query(version: int) -> str:
    locale = "c.colllocale" if version >= 17 else "c.colliculocale"
    rules = "c.collicurules" if version >= 16 else "NULL::text"
    return f"""
SELECT ARRAY[n.nspname, c.collname]::text[] AS id, c.oid AS _oid, c.collprovider::text AS provider,
       c.collisdeterministic AS deterministic, c.collcollate AS collate, c.collctype AS ctype, {locale} AS locale,
       {rules} AS rules, pg_catalog.pg_get_userbyid(c.collowner) AS owner, d.description AS comment
FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
{comment_join("pg_collation", "c.oid")}
WHERE {USER_SCHEMA} AND NOT {extension_member("pg_collation", "c.oid")}
"""


def _create(creation: Creation) -> list[Step]:
    has = creation.thing.attributes
    parts = [f"PROVIDER = {_PROVIDERS[has['provider']]}"]
    if has["locale"] is not None:
        parts.append(f"LOCALE = {literal(has['locale'])}")
    else:
        parts += [f"LC_COLLATE = {literal(has['collate'])}", f"LC_CTYPE = {literal(has['ctype'])}"]
    parts += ["DETERMINISTIC = false"] if not has["deterministic"] else []
    parts += [f"RULES = {literal(has['rules'])}"] if has["rules"] else []
    return [Step(f"CREATE {_address(creation.thing)} ({', '.join(parts)})")]


KIND = Kind(
    name="collation",
    catalog="pg_collation",
    rank=25,
    query=_query,
    attributes={
        "provider": Attribute(),
        "deterministic": Attribute(),
        "collate": Attribute(),
        "ctype": Attribute(),
        "locale": Attribute(),
        "rules": Attribute(),
        **common(_address),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    drops_first=False,
    remake_hazard=lambda _change: "rewrite_table",
)
