# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of pg_hba.conf: the lines they stand for, and what of them can never match."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import (
    asks_for_certificates,
    default_rules,
    difference_in_force,
    effective_rules,
    file_lines,
    first_match,
    render,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba_judge import rule_problems

DATABASES: list[dict[str, Any]] = [
    {"name": "authdb", "role": "auth_service", "owner": "auth_owner"},
    {"name": "apidb", "role": "user_api_service", "client_certificate": True},
]
DEFAULT = default_rules(DATABASES, "readonly_user", True)


def rule(database: Any = "all", role: Any = "all", source: str = "all", **more: Any) -> dict[str, Any]:
    return {"database": database, "role": role, "source": source, **more}


def problems(*rules: dict[str, Any], network: bool = True) -> list[str]:
    return rule_problems([*rules, *DEFAULT], DATABASES, "readonly_user", network)


def test_default_rules() -> None:
    assert render(DEFAULT) == [
        'hostssl  "authdb"  "auth_service","auth_service_2"  all  scram-sha-256',
        'hostssl  "authdb"  "readonly_user"  all  scram-sha-256',
        'hostssl  "apidb"  "user_api_service","user_api_service_2"  all  scram-sha-256  clientcert="verify-full"',
        'hostssl  "apidb"  "readonly_user"  all  scram-sha-256',
        'hostssl  all  "postgres"  all  scram-sha-256',
    ]
    assert problems() == []
    closed = default_rules(DATABASES, "readonly_user", False)
    assert render(closed) == render(DEFAULT)[:-1]
    assert rule_problems(closed, DATABASES, "readonly_user", False) == []


def test_names_are_quoted_and_words_are_not() -> None:
    declared = [
        rule('a "b", c', "+staff", "192.0.2.7", method="cert"),
        rule("replication", "copier", "2001:db8::/32", options={"clientcert": "verify-ca"}),
        rule(["sameuser", "samerole"], ["all"], ".example.com", method="reject"),
    ]
    assert render(declared) == [
        'hostssl  "a ""b"", c"  +"staff"  192.0.2.7/32  cert',
        'hostssl  replication  "copier"  2001:db8::/32  scram-sha-256  clientcert="verify-ca"',
        "hostssl  sameuser,samerole  all  .example.com  reject",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rule("x", "y"), rule("x", "y")),
        (rule("x", "y", method="reject"), rule("x", "y")),
        (rule("all", "y"), rule("x", "y")),
        (rule("x", "all"), rule("x", ["y", "z"])),
        (rule("x", ["y", "z"]), rule("x", "z")),
        (rule("x", "+y"), rule("x", ["y", "y_2"])),
        (rule("x", "y", "10.0.0.0/8"), rule("x", "y", "10.1.0.0/16")),
        (rule("x", "y", "2001:db8::/32"), rule("x", "y", "2001:db8::1")),
        (rule("x", "y"), rule("x", "y", "db.example.com")),
        (rule("x", "y", ".example.com"), rule("x", "y", "db.example.com")),
        (rule("all", "y"), rule("sameuser", "y", "samenet")),
        (rule("x", "y", "samenet"), rule("x", "y", "samehost")),
        (rule("x", ["y", "y_2"]), rule("x", "+y")),
        (rule("x", "all"), rule("x", "+y")),
    ],
)
def test_a_rule_behind_a_wider_one(before: dict[str, Any], after: dict[str, Any]) -> None:
    (problem,) = problems(before, after)
    assert problem.startswith("Rule 2 of postgres_instance_hba")
    assert "can never match, because rule 1" in problem


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rule("x", "y"), rule("all", "y")),
        (rule("x", "y"), rule("x", "z")),
        (rule("x", "y", "10.1.0.0/16"), rule("x", "y", "10.0.0.0/8")),
        (rule("x", "y", "10.0.0.0/8"), rule("x", "y", "2001:db8::/32")),
        (rule("x", "y", "10.0.0.0/8"), rule("x", "y", "samenet")),
        (rule("x", "y", "db.example.com"), rule("x", "y", ".example.com")),
        (rule("x", "+y"), rule("x", "z")),
        (rule("all", "y"), rule("replication", "y")),
        (rule("sameuser", "y"), rule("x", "y")),
        (rule("x", "y", "samehost"), rule("x", "y", "samenet")),
        (rule("x", "y"), rule("x", "+y")),
    ],
)
def test_a_rule_behind_a_narrower_or_another_one(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert problems(before, after) == []


def test_narrow_rules_that_are_wide_together() -> None:
    halves = [rule("x", "y", source) for source in ("0.0.0.0/1", "128.0.0.0/1")]
    assert "can never match, because rule 2" in problems(*halves, rule("x", "y", "0.0.0.0/0"))[0]
    assert problems(*halves, rule("x", "y")) == []
    assert "because rule 3" in problems(*halves, rule("x", "y", "::/0"), rule("x", "y"))[0]
    pair = problems(rule("x", "y"), rule("z", "y"), rule(["x", "z"], "y"))
    assert len(pair) == 1
    assert "Rule 3" in pair[0]


def test_a_part_that_another_rule_decides() -> None:
    (problem,) = problems(rule("x", "y"), rule(["x", "z"], "y"))
    assert "never decides about y in x, because rule 1" in problem
    assert "take them out of it" in problem


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (rule([], "y"), "names no database"),
        (rule("x", ""), "names no role"),
        (rule("x\ny", "z"), "has a line break in a database"),
        (rule("x", "y", method="trust"), "has the method trust: use one of scram-sha-256, cert, reject"),
        (rule("x", "y", "300.1.2.3"), "has the source 300.1.2.3: give an address"),
        (rule("x", "y", "10.1.2.3/8"), "has the source 10.1.2.3/8: give an address"),
        (rule("x", "y", method="cert", options={"map": "a\nb"}), "line break in its option map"),
        (rule("x", "y", options={"map": "a"}), "has a map, which the method scram-sha-256 does not read"),
        (rule("x", "y", options={"clientcrt": "a"}), "has the option clientcrt: use clientcert, clientname, map"),
        (rule("x", "y", options={"clientcert": "1"}), "has clientcert=1: use verify-ca or verify-full"),
        (rule("x", "y", method="cert", options={"clientcert": "verify-ca"}), "which is always verify-full"),
        (rule("authdb", "auth_owner"), "auth_owner owns a database and does not log in"),
        (rule("apidb", ["auth_service"]), "auth_service may not enter apidb"),
        (
            rule("authdb", "auth_service_2", "192.0.2.0/24"),
            "names auth_service_2 without auth_service, who takes turns with it",
        ),
    ],
)
def test_a_rule_that_is_wrong(wrong: dict[str, Any], words: str) -> None:
    (problem,) = problems(wrong)
    assert words in problem


def test_the_superuser_stays_out() -> None:
    closed = default_rules(DATABASES, "readonly_user", False)
    found = rule_problems([rule("x", ["postgres"]), *closed], DATABASES, "readonly_user", False)
    assert "postgres_instance_superuser_from_network forbids" in found[0]
    refused = [rule("x", "postgres", method="reject"), *closed]
    assert rule_problems(refused, DATABASES, "readonly_user", False) == []


def test_a_service_that_no_rule_lets_in() -> None:
    only_first = {**DEFAULT[0], "role": ["auth_service"]}
    (problem,) = rule_problems([only_first, *DEFAULT[1:]], DATABASES, "readonly_user", True)
    assert problem.startswith("No rule of postgres_instance_hba lets auth_service_2 into authdb")


def test_a_services_role_stands_for_both_logins() -> None:
    """A rotation must not end who may come from where."""
    declared = [
        rule("authdb", "auth_service", "192.0.2.0/24"),
        rule("apidb", ["user_api_service", "user_api_service_2", "x"]),
    ]
    expanded = effective_rules(DATABASES, "readonly_user", True, declared)
    assert [each["role"] for each in expanded] == [
        ["auth_service", "auth_service_2"],
        ["user_api_service", "user_api_service_2", "x"],
    ]
    assert [each["source"] for each in expanded] == ["192.0.2.0/24", "all"]
    assert effective_rules(DATABASES, "readonly_user", True) == DEFAULT


def test_a_name_that_is_not_declared() -> None:
    """Misspelt, a rule lets nobody in, or keeps nobody out."""
    wrong = rule(["authdb", "autdb"], ["auth_servce", "grafana"], method="reject")
    found = rule_problems([wrong, *DEFAULT], DATABASES, "readonly_user", True, ["grafana"])
    assert [each.split(") ")[1] for each in found] == [
        "names the database autdb, which postgres_databases does not: correct the name or take it out of the rule.",
        "names the role auth_servce, which the inventory does not declare: correct the name or take it out of the rule.",
    ]
    known = [rule("postgres", "readonly_user"), rule("sameuser", "+auth_service"), rule("template1", "all", "samehost")]
    assert rule_problems([*known, *DEFAULT], DATABASES, "readonly_user", True, []) == []


def row(kind: str, database: str, role: str, method: str, **more: Any) -> dict[str, Any]:
    """Give a row of pg_hba_file_rules as PostgreSQL 15 shows it."""
    shown = {"type": kind, "database": [database], "user_name": role.split(), "auth_method": method}
    return {"line_number": 1, "error": None, "address": None, "netmask": None, "options": None, **shown, **more}


SOCKET = [row("local", "all", "postgres", "peer", options=["map=superuser"]), row("local", "all", "all", "reject")]
LAST = row("host", "all", "all", "reject", address="all")


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        (rule("x", ["y", "z"]), row("hostssl", "x", "y z", "scram-sha-256", address="all")),
        (
            rule("x", "y", "192.0.2.0/24", options={"clientcert": "verify-ca"}),
            row(
                "hostssl",
                "x",
                "y",
                "scram-sha-256",
                address="192.0.2.0",
                netmask="255.255.255.0",
                options=["clientcert=verify-ca"],
            ),
        ),
        (
            rule("x", "y", "2001:db8::/32", method="cert", options={"map": "m", "clientname": "CN"}),
            row(
                "hostssl",
                "x",
                "y",
                "cert",
                address="2001:db8::",
                netmask="ffff:ffff::",
                options=["map=m", "clientcert=verify-full"],
            ),
        ),
        (rule("x", "y", "samenet"), row("hostssl", "x", "y", "scram-sha-256", address="samenet")),
    ],
)
def test_the_declared_rule_is_in_force(declared: dict[str, Any], shown: dict[str, Any]) -> None:
    assert difference_in_force([declared], [*SOCKET, shown, LAST]) == ""
    opened = {**shown, "type": "host"}
    assert difference_in_force([declared], [*SOCKET, opened, LAST]).startswith("host x y")
    unproved = {**shown, "options": ["clientcert=no"]}
    assert "is declared" in difference_in_force([declared], [*SOCKET, unproved, LAST])


def test_another_rule_is_in_force() -> None:
    shown = row("hostssl", "x", "y z", "scram-sha-256", address="all")
    found = difference_in_force([rule("x", "y")], [*SOCKET, shown, LAST])
    assert found == "hostssl x y,z all scram-sha-256 where hostssl x y all scram-sha-256 is declared"
    assert difference_in_force([rule("x", ["y", "z"])], [*SOCKET, shown]) == "3 rules where 4 are declared"
    assert difference_in_force([rule("x", "y")], [{**shown, "error": "no"}]) == "line 1: no"
    assert difference_in_force([], [SOCKET[1], LAST]).startswith("local all all reject where local all postgres peer")


def test_file_lines() -> None:
    lines = file_lines([rule("x", "y", method="reject")])
    assert lines[0].startswith("local  all  postgres  peer")
    assert lines[2:] == ['hostssl  "x"  "y"  all  reject', "host  all  all  all  reject"]


def test_asks_for_certificates() -> None:
    assert asks_for_certificates(DEFAULT)
    assert asks_for_certificates([rule("x", "y", method="cert")])
    assert not asks_for_certificates([rule("x", "y")])


def test_first_match() -> None:
    rules = [rule("x", "y", "10.0.0.0/8"), rule("x", "z", method="reject"), rule("all", ["z", "+w"])]
    assert first_match(rules, "x", "y") is None
    assert first_match(rules, "x", "z") is False
    assert first_match(rules, "a", "z") is True
    assert first_match(rules, "a", "w_2") is True
    assert first_match(rules, "a", "other") is False
