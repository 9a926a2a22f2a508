# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs to the server and not to one database: entry to databases, parameters, tablespaces, dropped roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import Held, Target, read_acl
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import (
    Comparison,
    Finding,
    Right,
    findings,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    PUBLIC,
    Database,
    DeclarationError,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_roles import Change
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_statements import Statement, statements
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

DATABASES_SQL = """
SELECT d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner,
       (SELECT json_agg(json_build_array(COALESCE(r.rolname, 'public'), x.privilege_type, x.is_grantable,
                                         x.grantor = d.datdba))
        FROM pg_catalog.aclexplode(COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) x
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE x.grantee <> d.datdba AND (x.grantee = 0 OR r.oid IS NOT NULL)) AS held
FROM pg_catalog.pg_database d
WHERE d.datname = ANY (%(names)s::text[])
"""
# Parameters and tablespaces are in no declaration: what a declared role or PUBLIC may with them is too much.
SERVER_SQL = """
SELECT o.kind, o.name, COALESCE(r.rolname, 'public') AS role, x.privilege_type, x.is_grantable
FROM (SELECT 'parameter' AS kind, p.parname AS name, 10::oid AS owner, p.paracl AS acl
      FROM pg_catalog.pg_parameter_acl p
      UNION ALL SELECT 'tablespace', t.spcname, t.spcowner, t.spcacl FROM pg_catalog.pg_tablespace t) o
CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) x
LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
WHERE x.grantee <> o.owner AND (x.grantee = 0 OR r.rolname = ANY (%(roles)s::text[]))
"""
# What keeps a role from being dropped, outside the databases whose contents the declaration owns.
HOLDING_SQL = """
SELECT DISTINCT r.rolname AS role, COALESCE(d.datname, o.datname) AS database
FROM pg_catalog.pg_shdepend s
JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid
LEFT JOIN pg_catalog.pg_database o ON s.dbid = 0 AND s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
                                  AND o.oid = s.objid
WHERE r.rolname = ANY (%(roles)s::text[])
"""
# Databases and tablespaces of a role: what REASSIGN OWNED takes along in whatever database it is sent.
OWNED_SQL = """
SELECT pg_catalog.pg_get_userbyid(o.owner) AS role, o.kind, o.name
FROM (SELECT d.datdba AS owner, 'database' AS kind, d.datname AS name FROM pg_catalog.pg_database d
      UNION ALL SELECT t.spcowner, 'tablespace', t.spcname FROM pg_catalog.pg_tablespace t) o
WHERE pg_catalog.pg_get_userbyid(o.owner) = ANY (%(roles)s::text[])
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Server:
    """The declared databases as the server has them (absent ones left out), and stray rights of declared roles."""

    owners: Mapping[str, str]
    held: Mapping[str, tuple[Held, ...]]
    stray: tuple[Held, ...]


def read_server(session: Session, declared: Sequence[Database], roles: Sequence[Mapping[str, Any]]) -> Server:
    """Two queries, a third one where a role is to be dropped."""
    rows = session.query(DATABASES_SQL, {"names": [database.name for database in declared]})
    stray = session.query(SERVER_SQL, {"roles": [role["name"] for role in roles]})
    doomed = [role["name"] for role in roles if role.get("state") == "absent"]
    if doomed:
        kept = {database.name for database in declared if database.owner is None}
        for row in rows:
            if row["owner"] in doomed and row["name"] in kept:
                raise DeclarationError(
                    f"roles: {row['owner']} owns the database {row['name']}, so it cannot be dropped; declare another owner."
                )
        ours = {database.name for database in declared if database.contents}
        for row in session.query(HOLDING_SQL, {"roles": doomed}):
            if row["database"] is not None and row["database"] not in ours:
                raise DeclarationError(
                    f"roles: {row['role']} owns or may use something in database {row['database']}, so it cannot be "
                    "dropped; declare that database too, or take its rights there away."
                )
    return Server(
        owners={row["name"]: row["owner"] for row in rows},
        held={row["name"]: tuple(read_acl(Target("database", (row["name"],)), row["held"])) for row in rows},
        stray=tuple(
            Held(Target(row["kind"], (row["name"],)), row["role"], row["privilege_type"], row["is_grantable"])
            for row in stray
        ),
    )


def check_reassigned(session: Session, declared: Sequence[Database], roles: Sequence[str]) -> None:
    """Refuse to take an extension from a role that owns what is not ours too: the one cannot be had without the other."""
    ours = {database.name for database in declared}
    for row in session.query(OWNED_SQL, {"roles": list(roles)}) if roles else ():
        if row["kind"] == "tablespace" or row["name"] not in ours:
            raise DeclarationError(
                f"{row['role']} owns an extension, which only REASSIGN OWNED takes away, and the {row['kind']} {row['name']} would go "
                f"with it: give that another owner first (ALTER {row['kind'].upper()} … OWNER TO)."
            )


def compare_server(
    declared: Sequence[Database], server: Server, new_owner: str, overlooked: Callable[[str], bool]
) -> Change:
    """Who owns the declared databases and who may enter them. A missing one is compared as CREATE DATABASE makes it."""
    change = Change([], [], [], [])
    for database in declared:
        target = Target("database", (database.name,))
        exists = database.name in server.owners
        owner = server.owners.get(database.name, database.owner or new_owner)
        wanted_owner = database.owner or owner
        held = server.held.get(database.name, (Held(target, PUBLIC, "CONNECT"), Held(target, PUBLIC, "TEMPORARY")))
        if not exists:
            change.missing.append(Finding(database.name, "database", database.name, wanted_owner, "DATABASE"))
        if owner != wanted_owner:
            change.missing.append(Finding(database.name, "database", database.name, wanted_owner, "OWNER"))
            change.excess.append(Finding(database.name, "database", database.name, owner, "OWNER"))
            change.statements.append(
                Statement(
                    sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                        sql.Identifier(database.name), sql.Identifier(wanted_owner)
                    )
                )
            )
            held = tuple(entry for entry in held if entry.role != wanted_owner)
        change.add(compare_entry(database, target, held, wanted_owner, overlooked))
    for entry in server.stray:
        if not overlooked(entry.role):
            right = Right(*entry[:3])
            change.excess.append(Finding("", entry.target.kind, entry.target.label(), entry.role, entry.privilege))
            revoke = Comparison("", [], [Held(*right)], [], [], frozenset(), [])
            change.statements += statements(revoke)
    return change


def compare_entry(
    database: Database, target: Target, held: Sequence[Held], owner: str, overlooked: Callable[[str], bool]
) -> Change:
    """The database's own privileges: CONNECT, TEMPORARY, CREATE."""
    wanted = {
        Right(target, rule.role, rule.privilege)
        for rule in database.rules
        if rule.kind == "database" and rule.role != owner
    }
    firm = {Right(*entry[:3]) for entry in held if entry.by_owner}
    excess = [
        entry
        for entry in held
        if (entry.grantable or not entry.by_owner or Right(*entry[:3]) not in wanted)
        and not (entry.role != PUBLIC and entry.role not in database.grantees and overlooked(entry.role))
    ]
    option_only = frozenset(
        entry for entry in excess if entry.grantable and entry.by_owner and Right(*entry[:3]) in wanted
    )
    comparison = Comparison(database.name, sorted(wanted - firm), sorted(excess), [], [], option_only, [])
    missing, too_much = findings(comparison)
    return Change(missing, too_much, statements(comparison), [])
