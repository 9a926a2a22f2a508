# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which logins are tried at which door, and what each answer of the server means."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._entrance import door, trial_logins
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import effective_rules
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial_logins import arguments_of, has_room, judge

DATABASES: list[dict[str, Any]] = [
    {"name": "a", "role": "app_a"},
    {"name": "b", "role": "app_b", "client_certificate": True},
]
PASSWORDS = {"app_a": "A", "app_b": "B", "reader": "R", "postgres": "P", "nobody": "N"}
REFUSED = 'connection to server at "h" (127.0.0.1), port 5432 failed: '
REJECTED = f'{REFUSED}pg_hba.conf rejects connection for host "172.17.0.1", user "app_a", database "a", no encryption'


def tried(
    hba: Optional[list[dict[str, Any]]] = None, superuser: bool = True, **changed: Any
) -> list[tuple[str, str, str]]:
    """Give login, password and database of each that is tried."""
    given: dict[str, Any] = {"passwords": PASSWORDS, "logins": {"app_b": "app_b_2"}, "published": ["127.0.0.1:5432"]}
    rules = effective_rules(DATABASES, "reader", superuser, hba or [])
    found = trial_logins(
        DATABASES, readonly_role="reader", hba=rules, host="h", directory="/etc/x", **{**given, **changed}
    )
    return [(login["name"], login["password"], login["database"]) for login in found]


def test_everybody_who_has_a_password_and_is_let_in() -> None:
    everybody = [("app_a", "A", "a"), ("app_b_2", "B", "b"), ("reader", "R", "a"), ("postgres", "P", "a")]
    assert tried() == everybody
    assert tried(superuser=False) == everybody[:3]
    assert tried(passwords={**PASSWORDS, "postgres": ""}) == everybody[:3]
    assert tried(passwords={"app_a": "A"}) == everybody[:1]
    assert tried(published=[]) == []
    from_one_network: list[dict[str, Any]] = [
        {"database": "all", "role": "app_a", "source": "192.0.2.0/24"},
        {"database": "b", "role": ["app_b", "reader"]},
    ]
    assert tried(hba=from_one_network) == [("app_b_2", "B", "b"), ("reader", "R", "b")]


def test_a_login_comes_as_its_service_does() -> None:
    rules = effective_rules(DATABASES, "reader", True)
    found = trial_logins(DATABASES, PASSWORDS, {"app_b": "app_b_2"}, "reader", rules, ["192.0.2.1:7"], "db1", "/etc/x")
    first = {
        "name": "app_a",
        "password": "A",
        "database": "a",
        "host": "db1",
        "address": "192.0.2.1",
        "port": 7,
        "ca_cert": "/etc/x/tls/ca.crt",
    }
    assert found[0] == first
    clients = {"ssl_cert": "/etc/x/clients/app_b_2.crt", "ssl_key": "/etc/x/clients/app_b_2.key"}
    assert found[1] == {**first, "name": "app_b_2", "password": "B", "database": "b", **clients}
    arguments = arguments_of(found[0], "verify-full")
    assert (arguments["host"], arguments["hostaddr"], arguments["sslmode"]) == ("db1", "192.0.2.1", "verify-full")
    assert "sslcert" not in arguments


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (["172.17.0.1:5433", "127.0.0.1:5432"], ("127.0.0.1", 5432)),
        (["192.0.2.1:5432", "::1:5433"], ("::1", 5433)),
        (["0.0.0.0:5432"], ("127.0.0.1", 5432)),
        ([":::5432"], ("::1", 5432)),
        (["192.0.2.1:5432"], ("192.0.2.1", 5432)),
        (["127.0.0.1:"], None),
        ([], None),
    ],
)
def test_door(published: list[str], expected: Optional[tuple[str, int]]) -> None:
    assert door(published) == expected


@pytest.mark.parametrize(
    ("verified", "plain", "problem", "undecided"),
    [
        ("", REJECTED, "", ""),
        ("", REJECTED.replace("rejects connection", "weist Verbindung ab"), "", ""),
        # The password was taken before the limit was looked at.
        (f'{REFUSED}too many connections for role "app_a"', REJECTED, "", ""),
        (
            f'{REFUSED}password authentication failed for user "app_a"',
            REJECTED,
            "a: app_a does not come in over TLS by the password of the inventory: run site.yml --tags access, which gives the role its "
            f'password and its privileges. [{REFUSED}password authentication failed for user "app_a"]',
            "",
        ),
        ("certificate verify failed", REJECTED, "run site.yml --tags tls", ""),
        (
            'server certificate for "x" does not match host name "h"',
            REJECTED,
            "name what it lacks in postgres_tls_names",
            "",
        ),
        (f"{REFUSED}Connection refused", f"{REFUSED}Connection refused", "which publishes the port", ""),
        (
            f"{REFUSED}pg_hba.conf rejects connection",
            REJECTED,
            "run site.yml --tags instance, which puts the declared pg_hba",
            "",
        ),
        (
            "",
            "",
            "a: app_a comes in without TLS: run site.yml --tags instance, which puts the declared pg_hba.conf in force.",
            "",
        ),
        (
            "",
            "password authentication failed",
            "app_a is turned away only after it was asked for its password without TLS",
            "",
        ),
        (
            "sorry, too many clients already",
            REJECTED,
            "",
            "a: app_a could not be tried over TCP: sorry, too many clients already",
        ),
        ("", "the database system is shutting down", "", "a: app_a could not be tried over TCP: the database system"),
    ],
)
def test_answers(verified: str, plain: str, problem: str, undecided: str) -> None:
    found = judge({"name": "app_a", "database": "a"}, verified, plain)
    for said, expected in zip(found, (problem, undecided)):
        assert bool(said) == bool(expected)
        assert expected in said


@pytest.mark.parametrize(
    ("allowed", "used", "free", "room"),
    [
        (30, 28, 50, True),
        (30, 29, 50, False),
        (30, 30, 50, False),
        (-1, 99, 2, True),
        (-1, 0, 1, False),
        (1, 0, 9, True),
        (1, 1, 9, False),
    ],
)
def test_the_last_connection_is_left_to_clients(allowed: int, used: int, free: int, room: bool) -> None:
    assert has_room({"allowed": allowed, "used": used, "free": free}) is room
