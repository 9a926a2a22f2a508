# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declaration, comparison and role decisions of postgres_access: tables of cases over plain data."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import (
    Held,
    Snapshot,
    Target,
    Thing,
    new_database,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import (
    Comparison,
    compare,
    findings,
    lines,
    report,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    DeclarationError,
    Rule,
    read_database,
    read_databases,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_roles import (
    Member,
    Roles,
    check_roles,
    compare_roles,
    normal_setting,
)

USERS = Target("table", ("public", "users"))
PUBLIC_SCHEMA = Thing(Target("schema", ("public",)), "pg_database_owner", noun="SCHEMA", names=("public",))
USERS_TABLE = Thing(USERS, "postgres", noun="TABLE", names=("users",))


def declare(tables: Any, version: int = 15, **more: Any) -> Any:
    grants = {"reader": {"schemas": {"public": {"tables": tables}}}}
    return read_database({"name": "d", "grants": grants, **more}, version)


@pytest.mark.parametrize(
    ("tables", "rules"),
    [
        pytest.param(["select"], [Rule("reader", "table", "public", "*", "SELECT")], id="short form, lower case"),
        pytest.param({"*": ["SELECT"], "users": []}, [Rule("reader", "table", "public", "*", "SELECT")], id="but one"),
        pytest.param(
            {"users": {"SELECT": {"except": ["password_hash"]}, "UPDATE": ["email"], "DELETE": True}},
            [
                Rule("reader", "table", "public", "users", "SELECT", ("password_hash",), True),
                Rule("reader", "table", "public", "users", "UPDATE", ("email",)),
                Rule("reader", "table", "public", "users", "DELETE"),
            ],
            id="columns",
        ),
    ],
)
def test_rules(tables: Any, rules: list[Rule]) -> None:
    assert list(declare(tables).rules) == rules


@pytest.mark.parametrize(("version", "count"), [(15, 7), (17, 8)])
def test_all_is_what_the_server_knows(version: int, count: int) -> None:
    assert len(declare(["ALL"], version).rules) == count


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"name": "d", "grants": {"r": {"tables": []}}}, "unknown key tables"),
        ({"name": "d", "grants": {"r": {"database": ["SELECT"]}}}, "SELECT is no privilege of a database"),
        ({"name": "d", "grants": {"r": {"database": "CONNECT"}}}, "must be a list"),
        ({"name": "d", "grants": {"r": ["CONNECT"]}}, "must be a mapping"),
        ({"name": "d", "grants": {"public": {}, "PUBLIC": {}}}, "twice"),
        ({"name": "d", "contents": False, "grants": {"r": {"schemas": {"public": {}}}}}, "contents=false"),
        ({"name": "d", "grants": {"r": {"schemas": {"s": {"tables": {"*": {"SELECT": ["a"]}}}}}}}, "instead of '*'"),
        ({"name": "d", "grants": {"r": {"schemas": {"s": {"tables": {"t": {"DELETE": ["a"]}}}}}}}, "to columns"),
        ({"name": "d", "grants": {"r": {"schemas": {"s": {"tables": {"t": {"SELECT": []}}}}}}}, "leave it out"),
        ({"name": "d", "grants": {"r": {"schemas": {"s": {"tables": {"t": {"SELECT": {"but": []}}}}}}}}, "key but"),
    ],
)
def test_mistakes_are_sentences(entry: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DeclarationError, match=sentence.replace("*", r"\*")):
        read_database(entry, 15)


def test_twins_are_refused() -> None:
    with pytest.raises(DeclarationError, match="names d twice"):
        read_databases([{"name": "d"}, {"name": "d"}], 15)


def look(tables: Any, held: list[Held], overlooked: tuple[str, ...] = (), **more: Any) -> Comparison:
    snapshot = Snapshot(
        "d", "postgres", (PUBLIC_SCHEMA, USERS_TABLE), tuple(held), {("public", "users"): ("id", "email", "secret")}
    )
    return compare(declare(tables, **more), snapshot, "postgres", ("postgres",), lambda role: role in overlooked)


def default(privilege: str) -> Held:
    return Held(Target("default tables", ("postgres", "public")), "reader", privilege)


@pytest.mark.parametrize(
    ("tables", "held", "missing", "excess"),
    [
        pytest.param(["SELECT"], [], "SELECT", "", id="nothing there"),
        pytest.param(["SELECT"], [Held(USERS, "reader", "SELECT"), default("SELECT")], "", "", id="in order"),
        pytest.param({"users": []}, [Held(USERS, "reader", "SELECT")], "", "SELECT", id="too much"),
        pytest.param(
            {"users": ["SELECT"]},
            [Held(USERS, "reader", "SELECT", True)],
            "",
            "SELECT WITH GRANT OPTION",
            id="may pass it on",
        ),
        pytest.param(
            {"users": ["SELECT"]},
            [Held(USERS, "reader", "SELECT", False, False)],
            "SELECT",
            "SELECT NOT GRANTED BY THE OWNER",
            id="granted by a stranger",
        ),
    ],
)
def test_tables(tables: Any, held: list[Held], missing: str, excess: str) -> None:
    found = findings(look(tables, held))
    assert {line.privilege for line in found[0]} == ({missing} if missing else set())
    assert {line.privilege for line in found[1]} == ({excess} if excess else set())


def test_all_but_a_column() -> None:
    comparison = look({"users": {"SELECT": {"except": ["secret"]}}}, [Held(USERS, "reader", "SELECT")])
    assert [right.target.path[2] for right in comparison.missing] == ["email", "id"]
    assert [entry.target for entry in comparison.excess] == [USERS]


def test_column_rights_that_fall_with_the_table_are_given_again() -> None:
    email = Held(Target("column", ("public", "users", "email")), "reader", "SELECT")
    comparison = look({"users": {"SELECT": ["email"]}}, [email, Held(USERS, "reader", "SELECT")])
    assert not comparison.missing
    assert [right.target for right in comparison.kept] == [email.target]


@pytest.mark.parametrize(
    ("tables", "unknown"),
    [({"users": {"SELECT": ["nope"]}}, "public.users.nope"), ({"nope": ["SELECT"]}, "public.nope")],
)
def test_what_does_not_exist_is_missing_and_known_as_such(tables: Any, unknown: str) -> None:
    assert [right.target.label() for right in look(tables, []).unknown] == [unknown]


def test_entries_of_the_overlooked_are_left_alone() -> None:
    assert look({}, [Held(USERS, "root", "SELECT")]).excess
    assert not look({}, [Held(USERS, "root", "SELECT")], overlooked=("root",)).excess


def test_base_line_of_an_extension_is_required_and_what_exceeds_it_is_not() -> None:
    routine = Target("routine", ("public", "uuid_nil"))
    thing = Thing(routine, "postgres", ours=False, base=frozenset({("public", "EXECUTE")}), extension="uuid-ossp")
    snapshot = Snapshot("d", "postgres", (PUBLIC_SCHEMA, thing), (Held(routine, "bob", "EXECUTE"),), {})
    comparison = compare(declare({}), snapshot, "postgres", ("postgres",), lambda _role: False)
    assert [right.role for right in comparison.missing] == ["public"]
    assert [entry.role for entry in comparison.excess] == ["bob"]


def test_a_missing_database_is_compared_as_a_new_one() -> None:
    declared = declare(["SELECT"])
    comparison = compare(
        declared, new_database(declared, "postgres", ("postgres",)), "postgres", ("postgres",), lambda _role: False
    )
    text = [lines(found) for found in findings(comparison)]
    assert text[0] == "d: default tables postgres.public: reader: SELECT\n"
    assert text[1] == "d: default functions postgres: public: EXECUTE\nd: schema public: public: USAGE\n"


def test_report_gathers_privileges() -> None:
    comparison = look(["SELECT", "DELETE"], [])
    tables = [entry for entry in report(findings(comparison)[0]) if entry["kind"] == "table"]
    assert tables == [
        {"database": "d", "kind": "table", "name": "public.users", "role": "reader", "privileges": ["DELETE", "SELECT"]}
    ]


def found_role(oid: int = 20000, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rolcanlogin": True,
        "rolsuper": False,
        "rolcreatedb": False,
        "rolcreaterole": False,
        "rolinherit": True,
    }
    row.update(rolreplication=False, rolbypassrls=False, rolconnlimit=-1, until=None, until_same=True)
    return {"oid": oid, "connected": False, **row, **more}


def server(*members: Member, settings: Any = None, **roles: Any) -> Roles:
    return Roles(15, roles, {}, members, settings or {})


def outcome(declared: list[dict[str, Any]], actual: Roles) -> tuple[list[str], list[str]]:
    change = compare_roles(declared, actual, lambda _role: False)
    assert bool(change.missing or change.excess) == bool(change.statements or change.passwords)
    return [line.privilege for line in change.missing], [line.privilege for line in change.excess]


@pytest.mark.parametrize(
    ("role", "actual", "missing", "excess"),
    [
        pytest.param({}, server(), ["ROLE", "LOGIN", "INHERIT"], [], id="new"),
        pytest.param({}, server(a=found_role()), [], [], id="in order"),
        pytest.param({}, server(a=found_role(rolsuper=True)), [], ["SUPERUSER"], id="too mighty"),
        pytest.param({"login": False}, server(a=found_role()), [], ["LOGIN"], id="no login"),
        pytest.param({}, server(a=found_role(10, rolsuper=True)), [], [], id="bootstrap superuser left alone"),
        pytest.param(
            {"connection_limit": 5},
            server(a=found_role()),
            ["CONNECTION LIMIT 5"],
            ["CONNECTION LIMIT -1"],
            id="limit",
        ),
        pytest.param(
            {"settings": {"work_mem": "4MB"}},
            server(a=found_role(), settings={("a", ""): {"work_mem": "1GB"}}),
            ["work_mem=4MB"],
            ["work_mem=1GB"],
            id="setting",
        ),
        pytest.param(
            {},
            server(a=found_role(), settings={("a", "d"): {"work_mem": "1GB"}}),
            [],
            ["work_mem=1GB"],
            id="stray setting in one database",
        ),
        pytest.param({"password": "x"}, server(a=found_role()), ["PASSWORD"], [], id="password"),
        pytest.param({"member_of": ["g"]}, server(a=found_role()), ["MEMBER"], [], id="member"),
        pytest.param({}, server(Member("g", "a"), a=found_role()), [], ["MEMBER"], id="stray membership"),
        pytest.param({}, server(Member("a", "b"), a=found_role()), [], ["MEMBER"], id="stray member"),
        pytest.param(
            {"member_of": ["g"]},
            server(Member("g", "a", "postgres", True), a=found_role()),
            [],
            ["MEMBER WITH ADMIN OPTION"],
            id="may admit others",
        ),
    ],
)
def test_roles(role: dict[str, Any], actual: Roles, missing: list[str], excess: list[str]) -> None:
    assert outcome([{"name": "a", **role}], actual) == (missing, excess)


@pytest.mark.parametrize(
    ("roles", "sentence"),
    [
        ([{"name": "public"}], "cannot be the name"),
        ([{"name": "pg_x"}], "cannot be the name"),
        ([{"name": "ä" * 32}], "63 bytes"),
        ([{"name": "a", "password": ""}], "is empty"),
        ([{"name": "a"}, {"name": "a"}], "twice"),
    ],
)
def test_role_mistakes_are_sentences(roles: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(DeclarationError, match=sentence):
        check_roles(roles)


def test_the_connected_role_keeps_superuser() -> None:
    actual = server(a=found_role(10, rolsuper=True, connected=True))
    with pytest.raises(DeclarationError, match="cannot lose SUPERUSER"):
        outcome([{"name": "a", "superuser": False}], actual)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("jit", "on", "true"), ("search_path", '"a", "$user"', 'a, "$user"'), ("work_mem", "4 MB", "4MB")],
)
def test_spellings_of_one_setting(name: str, one: str, other: str) -> None:
    assert normal_setting(name, one) == normal_setting(name, other)
