# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose password changes and how, and what each state of a rotation that was cut short leads to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import (
    certificate_logins,
    service_roles,
    trial_roles,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._rotation import (
    plan_rotation,
    rotation_targets,
    stage_roles,
)

DATABASES: list[dict[str, Any]] = [
    {
        "name": "a",
        "service": "svc-a",
        "role": "app_a",
        "owner": "own",
        "pool": {"size": 2, "overflow": 1, "workers": 4},
    },
    {
        "name": "b",
        "service": "svc-b",
        "role": "app_b",
        "owner": "own",
        "connection_limit": 7,
        "settings": {"work_mem": "8MB"},
    },
]
EVERYBODY = ["app_a", "app_b", "reader", "postgres"]


@pytest.mark.parametrize(
    ("wanted", "roles"),
    [
        ([], EVERYBODY),
        ("", EVERYBODY),
        ("svc-b", ["app_b"]),
        ("app_a, svc-a,postgres", ["app_a", "postgres"]),
        (["reader"], ["reader"]),
    ],
)
def test_targets(wanted: Any, roles: list[str]) -> None:
    assert rotation_targets(wanted, DATABASES, "reader", False) == {"roles": roles, "problems": []}


def test_targets_that_cannot_be() -> None:
    assert rotation_targets([], DATABASES, "reader", True)["roles"] == EVERYBODY[:-1]
    (kept,) = rotation_targets(["postgres"], DATABASES, "reader", True)["problems"]
    assert "set postgres_instance_superuser_from_network to false first" in kept
    (unknown,) = rotation_targets(["nobody"], DATABASES, "reader", False)["problems"]
    assert unknown.startswith("nobody in postgres_databases_rotate is no role or service")


@pytest.mark.parametrize(
    ("stale", "logins", "expected"),
    [
        # The first time: the second login is not there, so its password is not the new one either.
        (["app_a", "app_a_2"], {}, {"switched": ["app_a"], "logins": {"app_a": "app_a_2"}, "idle": {"app_a": "app_a"}}),
        # Cut short before the file changed over: only the idle login has the new password.
        (["app_a"], {}, {"switched": ["app_a"], "logins": {"app_a": "app_a_2"}, "idle": {"app_a": "app_a"}}),
        # Cut short in the grace: the file names the new login, the old password is alive.
        (["app_a"], {"app_a": "app_a_2"}, {"ended": ["app_a"], "idle": {"app_a": "app_a"}}),
        # The next time the names alternate.
        (
            ["app_a", "app_a_2"],
            {"app_a": "app_a_2"},
            {"switched": ["app_a"], "logins": {"app_a": "app_a"}, "idle": {"app_a": "app_a_2"}},
        ),
        # Nothing to do, with and without a second login.
        (["app_a_2"], {}, {"unchanged": ["app_a"]}),
        ([], {"app_a": "app_a"}, {"unchanged": ["app_a"]}),
    ],
)
def test_plan(stale: list[str], logins: dict[str, str], expected: dict[str, Any]) -> None:
    empty: dict[str, Any] = {"switched": [], "ended": [], "in_place": [], "unchanged": [], "idle": {}, "logins": logins}
    assert plan_rotation(["app_a"], stale, DATABASES, logins) == {**empty, **expected}


def test_roles_without_a_file_change_in_place() -> None:
    plan = plan_rotation(["app_a", "reader", "postgres"], ["postgres"], DATABASES, {})
    assert (plan["in_place"], plan["unchanged"]) == (["postgres"], ["app_a", "reader"])


def test_service_roles() -> None:
    passwords = {"app_a": "x", "app_b": "y"}
    first, absent, other, second, owner = service_roles(
        DATABASES, passwords, {"app_b": "app_b"}, {"lock_timeout": "1s"}
    )
    assert first == {"name": "app_a", "password": "x", "settings": {"lock_timeout": "1s"}, "connection_limit": 12}
    assert absent == {"name": "app_a_2", "state": "absent"}
    settings = {"lock_timeout": "1s", "work_mem": "8MB"}
    assert other == {"name": "app_b", "password": "y", "settings": settings, "connection_limit": 7}
    assert second == {**other, "name": "app_b_2", "settings": {**settings, "role": "app_b"}, "member_of": ["app_b"]}
    assert owner == {"name": "own", "login": False}


def test_stage_leaves_the_old_password_alive() -> None:
    declared = [
        {"name": "app_a", "password": "x"},
        {"name": "app_a_2", "password": "x"},
        {"name": "app_b", "password": "y"},
    ]
    assert stage_roles(declared, ["app_a"], {"app_a": "app_a"}) == [
        {"name": "app_a"},
        {"name": "app_a_2", "password": "x"},
    ]
    assert stage_roles(declared, ["app_a"], {}) == declared[:2]


def test_who_is_tried_and_who_shows_a_certificate() -> None:
    tried = trial_roles(DATABASES, "reader", {"app_b": "app_b_2"})
    second = {"name": "app_b_2", "member_of": ["app_b"]}
    assert tried == [{"name": "app_a"}, {"name": "app_b"}, second, {"name": "reader"}]
    assert certificate_logins(DATABASES) == []
    assert certificate_logins([{**DATABASES[0], "client_certificate": True}, DATABASES[1]]) == ["app_a", "app_a_2"]
