# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences inside one database, as few statements. Names go through Identifier, never into a format string."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import Comparison, NewOwner, Right
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import PRIVILEGES, PUBLIC
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import sql

NOUNS: Mapping[str, str] = {
    "database": "DATABASE",
    "schema": "SCHEMA",
    "table": "TABLE",
    "sequence": "SEQUENCE",
    "routine": "ROUTINE",
    "type": "TYPE",
    "language": "LANGUAGE",
    "foreign data wrapper": "FOREIGN DATA WRAPPER",
    "foreign server": "FOREIGN SERVER",
    "large object": "LARGE OBJECT",
    "parameter": "PARAMETER",
    "tablespace": "TABLESPACE",
}


class Statement(NamedTuple):
    """A statement, and what is shown of it where it holds a secret."""

    sql: Any
    shown: Any = None


def statements(comparison: Comparison) -> list[Statement]:
    """Owners first (a new owner takes the old one's entries), then what is taken away, then what is given."""
    # What somebody else than the owner granted goes with that role's grant option (CASCADE): REVOKE cannot name it.
    revoked = [entry for entry in comparison.excess if entry.by_owner]
    return [
        *alter_owners(change for change in comparison.owners if change.thing.noun),
        *grant_or_revoke(
            "REVOKE GRANT OPTION FOR",
            "FROM",
            [Right(*entry[:3]) for entry in revoked if entry in comparison.option_only],
        ),
        *grant_or_revoke(
            "REVOKE", "FROM", [Right(*entry[:3]) for entry in revoked if entry not in comparison.option_only]
        ),
        *grant_or_revoke("GRANT", "TO", [*comparison.missing, *comparison.kept]),
    ]


def grant_or_revoke(verb: str, preposition: str, rights: Sequence[Right]) -> list[Statement]:
    """One statement per role, kind and set of privileges, whatever the number of objects."""
    by_object: dict[tuple[str, Target], list[str]] = {}
    by_table: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for right in rights:
        if right.target.kind == "column":
            columns = by_table.setdefault((right.role, right.target.path[:2]), {})
            columns.setdefault(right.privilege, []).append(right.target.path[2])
        else:
            by_object.setdefault((right.role, right.target), []).append(right.privilege)
    groups: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Target]] = {}
    for (role, target), privileges in by_object.items():
        # Objects made later are named by creator and schema, which no list can join.
        single = target.path if target.kind.startswith("default ") else ()
        key = (target.kind, role, in_order(target.kind, privileges), single)
        groups.setdefault(key, []).append(target)
    made = [
        object_statement(verb, preposition, kind, role, privileges, targets)
        for (kind, role, privileges, _single), targets in groups.items()
    ]
    made += [column_statement(verb, preposition, role, table, columns) for (role, table), columns in by_table.items()]
    return [Statement(statement) for statement in made]


def in_order(kind: str, privileges: Iterable[str]) -> tuple[str, ...]:
    known = PRIVILEGES.get(kind.replace("default ", "").rstrip("s"), ())
    return tuple(sorted(privileges, key=lambda name: (known.index(name) if name in known else len(known), name)))


def object_statement(
    verb: str, preposition: str, kind: str, role: str, privileges: Sequence[str], targets: Sequence[Target]
) -> Any:
    names = sql.SQL(", ").join([sql.SQL(name) for name in privileges])
    if kind.startswith("default "):
        creator, schema = targets[0].path
        inside = sql.SQL(" IN SCHEMA {}").format(sql.Identifier(schema)) if schema else sql.SQL("")
        head: Any = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {}{} ").format(sql.Identifier(creator), inside)
        what: Any = sql.SQL(kind.partition(" ")[2].upper())
    else:
        head = sql.SQL("")
        what = sql.SQL("{} {}").format(
            sql.SQL(NOUNS[kind]), sql.SQL(", ").join([object_name(target) for target in targets])
        )
    return sql.SQL("{}{} {} ON {} {} {}{}").format(
        head, sql.SQL(verb), names, what, sql.SQL(preposition), role_name(role), cascade(verb)
    )


def column_statement(
    verb: str, preposition: str, role: str, table: tuple[str, ...], columns: Mapping[str, Sequence[str]]
) -> Any:
    parts = [
        sql.SQL("{} ({})").format(sql.SQL(privilege), sql.SQL(", ").join([sql.Identifier(name) for name in names]))
        for privilege, names in columns.items()
    ]
    return sql.SQL("{} {} ON TABLE {} {} {}{}").format(
        sql.SQL(verb),
        sql.SQL(", ").join(parts),
        sql.Identifier(*table),
        sql.SQL(preposition),
        role_name(role),
        cascade(verb),
    )


def alter_owners(changes: Iterable[NewOwner]) -> list[Statement]:
    """One statement for each object, and one for all extensions of a role, which have no ALTER … OWNER."""
    made = []
    reassigned = {}
    for change in changes:
        if change.thing.target.kind == "extension":
            reassigned[change.thing.owner] = change.owner
            continue
        statement = sql.SQL("ALTER {} {} OWNER TO {}").format(
            sql.SQL(change.thing.noun), object_name(change.thing.target), sql.Identifier(change.owner)
        )
        made.append(Statement(statement))
    for old, new in reassigned.items():
        statement = sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(old), sql.Identifier(new))
        made.append(Statement(statement))
    return made


def object_name(target: Target) -> Any:
    if target.kind == "large object":
        return sql.Literal(int(target.path[0]))
    name = sql.Identifier(*target.path)
    if target.kind == "routine":
        return sql.SQL("{}({})").format(name, sql.SQL(", ").join([sql.Identifier(*a) for a in target.arguments]))
    return name


def role_name(role: str) -> Any:
    return sql.SQL("PUBLIC") if role == PUBLIC else sql.Identifier(role)


def cascade(verb: str) -> Any:
    return sql.SQL(" CASCADE") if verb.startswith("REVOKE") else sql.SQL("")
