# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared roles against the server's: attributes, settings, memberships, passwords."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils import _scram
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import Finding
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    PUBLIC,
    DeclarationError,
    refuse_twins,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_statements import Statement
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

# Option, column of pg_roles, what a role has that is declared without the option.
ATTRIBUTES: tuple[tuple[str, str, bool], ...] = (
    ("login", "rolcanlogin", True),
    ("superuser", "rolsuper", False),
    ("createdb", "rolcreatedb", False),
    ("createrole", "rolcreaterole", False),
    ("replication", "rolreplication", False),
    ("bypassrls", "rolbypassrls", False),
    ("inherit", "rolinherit", True),
)
BOOTSTRAP_OID = 10
# Settings that hold a list; PostgreSQL stores each item quoted where it needs to be.
LIST_SETTINGS = ("search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries")
BOOLEANS = {"on": "on", "true": "on", "yes": "on", "off": "off", "false": "off", "no": "off"}
MASK = "********"

ROLES_SQL = """
SELECT r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls,
       r.rolinherit, r.rolconnlimit, r.rolvaliduntil::text AS until, r.rolname = current_user AS connected,
       COALESCE(w.until::timestamptz, 'infinity') = COALESCE(r.rolvaliduntil, 'infinity') AS until_same
FROM pg_catalog.pg_roles r
LEFT JOIN unnest(%(names)s::text[], %(untils)s::text[]) w(name, until) ON w.name = r.rolname
"""
# Needs a superuser, so it is asked only where a password is declared.
PASSWORDS_SQL = "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = ANY (%(names)s::text[])"
MEMBERS_SQL = """
SELECT pg_catalog.pg_get_userbyid(m.member) AS member, pg_catalog.pg_get_userbyid(m.roleid) AS "group",
       pg_catalog.pg_get_userbyid(m.grantor) AS grantor, m.admin_option
FROM pg_catalog.pg_auth_members m
ORDER BY 2, 1, 3
"""
SETTINGS_SQL = """
SELECT r.rolname AS role, COALESCE(d.datname, '') AS database, s.setconfig
FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE r.rolname = ANY (%(names)s::text[])
"""


class Member(NamedTuple):
    """Role C(member) may do what C(group) may."""

    group: str
    member: str
    grantor: str = ""
    admin: bool = False


@dataclass(frozen=True)
class Roles:
    """All roles of the server as they are."""

    version: int
    roles: Mapping[str, Mapping[str, Any]]
    passwords: Mapping[str, str | None]
    members: tuple[Member, ...]
    settings: Mapping[tuple[str, str], Mapping[str, str]]  # (role, database or '') → name → value


@dataclass
class Change:
    """What differs, in the words of the report and of SQL; the statements with a verifier stand apart."""

    missing: list[Finding]
    excess: list[Finding]
    statements: list[Statement]
    passwords: list[Statement]

    def add(self, other: Change) -> None:
        self.missing += other.missing
        self.excess += other.excess
        self.statements += other.statements
        self.passwords += other.passwords


def read_roles(session: Session, declared: Sequence[Mapping[str, Any]]) -> Roles:
    """Three queries, four where passwords are declared."""
    names = [role["name"] for role in declared]
    untils = [role.get("valid_until") for role in declared]
    secret = [role["name"] for role in declared if role.get("password") is not None]
    rows = session.query(ROLES_SQL, {"names": names, "untils": untils})
    passwords = session.query(PASSWORDS_SQL, {"names": secret}) if secret else []
    members = session.query(MEMBERS_SQL)
    settings = session.query(SETTINGS_SQL, {"names": names})
    return Roles(
        version=session.version,
        roles={row["rolname"]: row for row in rows},
        passwords={row["rolname"]: row["rolpassword"] for row in passwords},
        members=tuple(Member(row["group"], row["member"], row["grantor"], row["admin_option"]) for row in members),
        settings={
            (row["role"], row["database"]): dict(item.split("=", 1) for item in row["setconfig"]) for row in settings
        },
    )


def check_roles(declared: Sequence[Mapping[str, Any]]) -> None:
    """Mistakes that need no server."""
    refuse_twins("roles", [role["name"] for role in declared])
    for role in declared:
        name = role["name"]
        if not name or name in (PUBLIC, "none") or name.startswith("pg_"):
            raise DeclarationError(
                f"roles: {name or 'an empty name'} cannot be the name of a role; choose another one."
            )
        if len(name.encode("utf-8")) > 63:
            raise DeclarationError(f"roles: {name} is longer than the 63 bytes that PostgreSQL keeps; shorten it.")
        if role.get("password") == "":
            raise DeclarationError(
                f"roles: the password of {name} is empty; give one, or leave the option out to keep what is there."
            )


def compare_roles(declared: Sequence[Mapping[str, Any]], actual: Roles, overlooked: Callable[[str], bool]) -> Change:
    """All declared roles that shall exist."""
    change = Change([], [], [], [])
    present = [role for role in declared if role.get("state", "present") == "present"]
    for role in present:
        found = actual.roles.get(role["name"])
        if found and found["connected"] and found["rolsuper"] and role.get("superuser") is False:
            raise DeclarationError(
                f"roles: {role['name']} is the role that this module connects as, so it cannot lose SUPERUSER; "
                "connect as another superuser."
            )
        change.add(compare_attributes(role, found))
        change.add(compare_password(role, actual))
        change.add(compare_settings(role, found, actual))
    change.add(compare_members(declared, actual, overlooked))
    return change


def drop_roles(declared: Sequence[Mapping[str, Any]], actual: Roles) -> Change:
    """Roles that shall not exist: dropped last, when their privileges are gone."""
    names = [role["name"] for role in declared if role.get("state") == "absent" and role["name"] in actual.roles]
    return Change(
        [],
        [Finding("", "role", name, name, "ROLE") for name in names],
        [Statement(sql.SQL("DROP ROLE {}").format(sql.Identifier(name))) for name in names],
        [],
    )


def wanted_attributes(role: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, bool]:
    """Options left out have their safe value, except on the bootstrap superuser, where they are left alone."""
    bootstrap = found is not None and found["oid"] == BOOTSTRAP_OID
    wanted = {}
    for option, column, default in ATTRIBUTES:
        value = role.get(option)
        if value is None:
            value = found[column] if bootstrap and found is not None else default
        wanted[option] = bool(value)
    return wanted


def compare_attributes(role: Mapping[str, Any], found: Mapping[str, Any] | None) -> Change:
    name = role["name"]
    wanted = wanted_attributes(role, found)
    missing: list[str] = []
    excess: list[str] = []
    words: list[Any] = []
    for option, column, _default in ATTRIBUTES:
        if found is None or wanted[option] != found[column]:
            words.append(sql.SQL(("" if wanted[option] else "NO") + option.upper()))
            if wanted[option]:
                missing.append(option.upper())
            elif found is not None:
                excess.append(option.upper())
    exempt = found is not None and found["oid"] == BOOTSTRAP_OID
    limit = role.get("connection_limit")
    limit = -1 if limit is None and not exempt else limit
    if limit is not None and limit != (found["rolconnlimit"] if found else -1):
        words.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(limit)))
        missing.append(f"CONNECTION LIMIT {limit}")
        excess += [f"CONNECTION LIMIT {found['rolconnlimit']}"] if found else []
    until = role.get("valid_until")
    if (until is not None or not exempt) and not (found["until_same"] if found else until is None):
        words.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(until or "infinity")))
        missing.append(f"VALID UNTIL {until or 'infinity'}")
        excess += [f"VALID UNTIL {found['until'] or 'infinity'}"] if found else []
    if not words:
        return Change([], [], [], [])
    verb = sql.SQL("ALTER ROLE {} {}") if found else sql.SQL("CREATE ROLE {} {}")
    if found is None:
        missing.insert(0, "ROLE")
    return Change(
        [Finding("", "role", name, name, what) for what in missing],
        [Finding("", "role", name, name, what) for what in excess],
        [Statement(verb.format(sql.Identifier(name), sql.SQL(" ").join(words)))],
        [],
    )


def compare_password(role: Mapping[str, Any], actual: Roles) -> Change:
    """A password is wrong when the stored verifier is not its own; then a new verifier is set, never the clear text."""
    name, password = role["name"], role.get("password")
    if password is None or _scram.matches(password, actual.passwords.get(name)):
        return Change([], [], [], [])
    verifier = password if _scram.is_verifier(password) else _scram.make_verifier(password)
    text = sql.SQL("ALTER ROLE {} PASSWORD {}")
    statement = Statement(
        text.format(sql.Identifier(name), sql.Literal(verifier)), text.format(sql.Identifier(name), sql.Literal(MASK))
    )
    return Change([Finding("", "role", name, name, "PASSWORD")], [], [], [statement])


def compare_settings(role: Mapping[str, Any], found: Mapping[str, Any] | None, actual: Roles) -> Change:
    """ALTER ROLE … SET, for all databases and for one; settings that are not declared are reset."""
    name = role["name"]
    declared: dict[str, Mapping[str, Any]] = {"": role.get("settings") or {}}
    declared.update(role.get("database_settings") or {})
    exempt = found is not None and found["oid"] == BOOTSTRAP_OID
    for owner, database in actual.settings:
        if owner == name and not exempt:
            declared.setdefault(database, {})
    if role.get("settings") is None and exempt:
        del declared[""]
    change = Change([], [], [], [])
    for database, wanted in sorted(declared.items()):
        has = {key.lower(): (key, value) for key, value in actual.settings.get((name, database), {}).items()}
        where = sql.SQL(" IN DATABASE {}").format(sql.Identifier(database)) if database else sql.SQL("")
        for key, value in sorted(wanted.items()):
            _key, stored = has.pop(key.lower(), ("", None))
            if stored is not None and normal_setting(key, stored) == normal_setting(key, setting_text(value)):
                continue
            items = [str(item) for item in value] if isinstance(value, (list, tuple)) else [setting_text(value)]
            literals = sql.SQL(", ").join([sql.Literal(item) for item in items])
            change.missing.append(Finding(database, "setting", key, name, f"{key}={setting_text(value)}"))
            change.excess += [Finding(database, "setting", key, name, f"{key}={stored}")] if stored is not None else []
            change.statements.append(
                Statement(
                    sql.SQL("ALTER ROLE {}{} SET {} = {}").format(
                        sql.Identifier(name), where, sql.Identifier(*key.split(".")), literals
                    )
                )
            )
        for key, stored in sorted(has.values()):
            change.excess.append(Finding(database, "setting", key, name, f"{key}={stored}"))
            change.statements.append(
                Statement(
                    sql.SQL("ALTER ROLE {}{} RESET {}").format(
                        sql.Identifier(name), where, sql.Identifier(*key.split("."))
                    )
                )
            )
    return change


def setting_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join('"' + str(item).replace('"', '""') + '"' for item in value)
    return str(value)


def normal_setting(name: str, value: str) -> Any:
    """Spellings of one value made equal: on = true, quoted items of a list, blanks before a unit."""
    if name.lower() in LIST_SETTINGS:
        return [item.strip().strip('"') for item in value.split(",")]
    plain = re.sub(r"^(-?[\d.]+)\s+([a-zA-Z]+)$", r"\1\2", value.strip())
    return BOOLEANS.get(plain.lower(), plain)


def compare_members(declared: Sequence[Mapping[str, Any]], actual: Roles, overlooked: Callable[[str], bool]) -> Change:
    """Memberships of declared roles, and memberships in declared roles."""
    wanted: set[tuple[str, str]] = set()
    judged_members, judged_groups = set(), set()
    for role in declared:
        if role.get("state") == "absent":
            # DROP ROLE ends its memberships.
            continue
        found = actual.roles.get(role["name"])
        if role.get("member_of") is not None or not (found and found["oid"] == BOOTSTRAP_OID):
            judged_members.add(role["name"])
        judged_groups.add(role["name"])
        wanted.update((group, role["name"]) for group in role.get("member_of") or ())
    dropped = {role["name"] for role in declared if role.get("state") == "absent"}
    change = Change([], [], [], [])
    has = set()
    for entry in actual.members:
        pair = (entry.group, entry.member)
        has.add(pair)
        if entry.member in dropped or entry.group in dropped:
            continue
        judged = entry.member in judged_members or (entry.group in judged_groups and not overlooked(entry.member))
        if not judged or (pair in wanted and not entry.admin):
            continue
        option = sql.SQL("ADMIN OPTION FOR " if pair in wanted else "")
        # From 16 on a membership is there once per grantor, and only that grantor's REVOKE takes it away.
        by = sql.SQL(" GRANTED BY {}").format(sql.Identifier(entry.grantor)) if actual.version >= 16 else sql.SQL("")
        change.statements.append(
            Statement(
                sql.SQL("REVOKE {}{} FROM {}{} CASCADE").format(
                    option, sql.Identifier(entry.group), sql.Identifier(entry.member), by
                )
            )
        )
        note = "MEMBER WITH ADMIN OPTION" if entry.admin else "MEMBER"
        change.excess.append(Finding("", "membership", entry.group, entry.member, note))
    for group, member in sorted(wanted - has):
        change.missing.append(Finding("", "membership", group, member, "MEMBER"))
        change.statements.append(
            Statement(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member)))
        )
    return change
