# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What most kinds have in common: comments, owners, privileges, and the SQL that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    OWNER,
    Attribute,
    Change,
    Key,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import dotted, ident, literal

# What nobody but initdb and extensions puts there.
USER_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

RELATION = """CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END"""

# The built-in privileges of an owner and of PUBLIC, by the letter that acldefault() knows.
_ALL = {
    "r": ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"),
    "S": ("SELECT", "UPDATE", "USAGE"),
    "d": ("CONNECT", "CREATE", "TEMPORARY"),
    "f": ("EXECUTE",),
    "l": ("USAGE",),
    "n": ("CREATE", "USAGE"),
    "T": ("USAGE",),
    "w": ("USAGE",),
    "s": ("USAGE",),
    "c": (),
}
_PUBLIC = {"d": ("CONNECT", "TEMPORARY"), "f": ("EXECUTE",), "l": ("USAGE",), "T": ("USAGE",)}


def extension_member(catalog: str, oid: str) -> str:
    """Condition: the object belongs to an extension."""
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass "
        f"AND e.objid = {oid} AND e.deptype = 'e')"
    )


def comment_join(catalog: str, oid: str, sub: str = "0") -> str:
    # OFFSET 0 keeps it a look into the index: joined otherwise, a server without statistics compares every pair.
    return (
        "LEFT JOIN LATERAL (SELECT description FROM pg_catalog.pg_description "
        f"WHERE classoid = 'pg_catalog.{catalog}'::pg_catalog.regclass AND objoid = {oid} AND objsubid = {sub} "
        "OFFSET 0) d ON true"
    )


def acl(column: str, owner: str) -> str:
    """Expression: what an ACL grants, one text per privilege and grantee; NULL for the built-in default."""
    return f"""CASE WHEN {column} IS NOT NULL THEN ARRAY(
        SELECT pg_catalog.concat(x.privilege_type, ' TO ',
               CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN {owner} THEN '{OWNER}'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
               CASE WHEN x.is_grantable AND x.grantee <> {owner} THEN ' WITH GRANT OPTION' END)
        FROM pg_catalog.aclexplode({column}) x) END"""


@cache
def default_privileges(letter: str, version: int) -> list[str]:
    """Give what a NULL ACL means."""
    own = list(_ALL[letter])
    if letter == "r" and version >= 17:
        own.append("MAINTAIN")
    entries = [f"{privilege} TO {OWNER}" for privilege in own]
    return sorted(entries + [f"{privilege} TO PUBLIC" for privilege in _PUBLIC.get(letter, ())])


def normal_privileges(held: Optional[Sequence[str]], letter: str, version: int) -> list[str]:
    """A NULL ACL becomes what it means; the order of entries means nothing."""
    return default_privileges(letter, version) if held is None else sorted(set(held))


def split_privilege(entry: str) -> tuple[str, str, bool]:
    privilege, _to, grantee = entry.partition(" TO ")
    option = grantee.endswith(" WITH GRANT OPTION")
    return privilege, grantee[: -len(" WITH GRANT OPTION")] if option else grantee, option


def grants(old: Sequence[str], new: Sequence[str], on: str, owner: str, columns: str = "") -> list[str]:
    """Statements that turn one list of privileges into another; C(columns) is a parenthesised list of columns."""
    statements = []
    before, after = {split_privilege(entry) for entry in old}, {split_privilege(entry) for entry in new}
    kept = {(privilege, grantee) for privilege, grantee, _option in after}
    gone: dict[tuple[str, bool], list[str]] = {}
    for privilege, grantee, option in before - after:
        only_option = option and (privilege, grantee) in kept
        if only_option or (privilege, grantee) not in kept:
            gone.setdefault((grantee, only_option), []).append(privilege)
    for (grantee, only_option), privileges in sorted(gone.items()):
        what = ", ".join(privilege + columns for privilege in sorted(privileges))
        prefix = "GRANT OPTION FOR " if only_option else ""
        whom = owner if grantee == OWNER else grantee
        statements.append(f"REVOKE {prefix}{what} ON {on} FROM {whom} CASCADE")
    had = {(privilege, grantee) for privilege, grantee, _option in before}
    added: dict[tuple[str, bool], list[str]] = {}
    for privilege, grantee, option in after - before:
        if option or (privilege, grantee) not in had:
            added.setdefault((grantee, option), []).append(privilege)
    for (grantee, option), privileges in sorted(added.items()):
        what = ", ".join(privilege + columns for privilege in sorted(privileges))
        whom = owner if grantee == OWNER else grantee
        statements.append(f"GRANT {what} ON {on} TO {whom}" + (" WITH GRANT OPTION" if option else ""))
    return statements


def comment(address: Any) -> Attribute:
    def alter(change: Change) -> list[Step]:
        return [Step(f"COMMENT ON {address(change.wanted)} IS {literal(change.new)}", late=True)]

    return Attribute(alter, initial=None)


def owner(address: Any) -> Attribute:
    def alter(change: Change) -> list[Step]:
        return [Step(f"ALTER {address(change.wanted)} OWNER TO {ident(change.new)}")]

    return Attribute(alter, initial="<user>", access=True)


def privileges(address: Any) -> Attribute:
    """C(address) is what follows GRANT … ON."""

    def alter(change: Change) -> list[Step]:
        whom = ident(change.wanted.attributes["owner"])
        return [Step(text) for text in grants(change.old, change.new, address(change.wanted), whom)]

    return Attribute(alter, initial="<default>", access=True)


def common(address: Any, grant: Any = None) -> dict[str, Attribute]:
    """Owner and comment, and privileges where the kind has some."""
    found = {"owner": owner(address), "comment": comment(address)}
    if grant is not None:
        found["privileges"] = privileges(grant)
    return found


def named(noun: str) -> Any:
    """Address of an object whose identity is its qualified name."""

    def address(thing: Thing) -> str:
        return f"{noun} {dotted(thing.identity)}"

    return address


def on_table(noun: str) -> Any:
    """Address of an object that has its name within a table."""

    def address(thing: Thing) -> str:
        return f"{noun} {ident(thing.identity[-1])} ON {dotted(thing.identity[:2])}"

    return address


def table_of(thing: Thing) -> Optional[Key]:
    """Give the relation that a thing's identity begins with."""
    return str(thing.facts.get("relation") or "table"), thing.identity[:2]


def schema_of(thing: Thing) -> Optional[Key]:
    return "schema", thing.identity[:1]


def dropping(address: Any) -> Any:
    def drop(thing: Thing) -> list[Step]:
        return [Step(f"DROP {address(thing)}")]

    return drop
