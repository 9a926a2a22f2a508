# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Default privileges: what a role gives away with everything that it makes."""

from __future__ import annotations

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    default_privileges,
    grants,
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

_LETTERS = {"tables": "r", "sequences": "S", "functions": "f", "types": "T", "schemas": "n"}

QUERY = """
SELECT ARRAY[pg_catalog.pg_get_userbyid(a.defaclrole), COALESCE(n.nspname, ''),
             CASE a.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                  WHEN 'T' THEN 'types' ELSE 'schemas' END]::text[] AS id, a.oid AS _oid,
       ARRAY(SELECT pg_catalog.concat(x.privilege_type, ' TO ', CASE x.grantee WHEN 0 THEN 'PUBLIC'
                        WHEN a.defaclrole THEN '<owner>'
                        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
                    CASE WHEN x.is_grantable AND x.grantee <> a.defaclrole THEN ' WITH GRANT OPTION' END)
             FROM pg_catalog.aclexplode(a.defaclacl) x) AS privileges
FROM pg_catalog.pg_default_acl a LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
"""


def _address(thing: Thing) -> str:
    role, schema, _kind = thing.identity
    inside = f" IN SCHEMA {ident(schema)}" if schema else ""
    return f"DEFAULT PRIVILEGES FOR ROLE {ident(role)}{inside}"


def _builtin(thing: Thing, version: int) -> list[str]:
    """In a schema they only add to the global ones."""
    return [] if thing.identity[1] else default_privileges(_LETTERS[thing.identity[2]], version)


def _statements(thing: Thing, old: list[str], new: list[str]) -> list[Step]:
    role, _schema, kind = thing.identity
    return [
        Step(f"ALTER {_address(thing)} {text.replace(' CASCADE', '')}")
        for text in grants(old, new, kind.upper(), ident(role))
    ]


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    return _statements(thing, _builtin(thing, creation.expected.version), thing.attributes["privileges"])


def _privileges(change: Change) -> list[Step]:
    return _statements(change.wanted, change.old, change.new)


def _drop(thing: Thing) -> list[Step]:
    """An entry that says what is built in anyway vanishes by itself."""
    builtin = _builtin(thing, int(thing.facts["version"]))
    return _statements(thing, thing.attributes["privileges"], builtin)


KIND = Kind(
    name="default privileges",
    catalog="pg_default_acl",
    rank=95,
    query=QUERY,
    attributes={"privileges": Attribute(_privileges, access=True)},
    create=_create,
    address=_address,
    drop=_drop,
    acl="*",
)
