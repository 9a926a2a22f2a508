# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is expected of a role, which differences make a line, and which statements are sent."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_catalog import Target
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_compare import Right
from ansible_collections.ai_micro.postgres.plugins.module_utils._deviations import deviation_lines
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial import (
    Deviation,
    Expected,
    Table,
    compare_columns,
    merge,
    verdict,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._trial_statements import (
    database_trials,
    server_trials,
    table_trials,
)

TABLE = Table("public", "t", "r", ("a", "b"))
WHOLE = Target("table", ("public", "t"))
EXPECTED = Expected(
    [
        Right(WHOLE, "app", "SELECT"),
        Right(WHOLE, "public", "DELETE"),
        Right(Target("column", ("public", "t", "a")), "reader", "SELECT"),
    ],
    {"second": ["app"]},
)


def test_groups_and_public_count() -> None:
    assert EXPECTED.may("app", "SELECT", "table", "public", "t")
    assert EXPECTED.may("second", "SELECT", "table", "public", "t")
    assert not EXPECTED.may("reader", "SELECT", "table", "public", "t")
    assert all(EXPECTED.may(role, "DELETE", "table", "public", "t") for role in ("app", "second", "reader"))
    assert EXPECTED.columns("app", "SELECT", TABLE) == {"a", "b"}
    assert EXPECTED.columns("reader", "SELECT", TABLE) == {"a"}
    assert EXPECTED.columns("reader", "UPDATE", TABLE) == frozenset()


@pytest.mark.parametrize(
    ("expected", "held", "lines"),
    [
        ("ab", "ab", []),
        ("", "ab", ["d: r may SELECT public.t, which is not declared (catalog)."]),
        ("a", "ab", ["d: r may SELECT public.t.b, which is not declared (catalog)."]),
        ("ab", "", ["d: r may not SELECT public.t, which is declared (catalog)."]),
        (
            "a",
            "b",
            [
                "d: r may SELECT public.t.b, which is not declared (catalog).",
                "d: r may not SELECT public.t.a, which is declared (catalog).",
            ],
        ),
    ],
)
def test_columns(expected: str, held: str, lines: list[str]) -> None:
    found = compare_columns("d", "r", "SELECT", TABLE, frozenset(expected), frozenset(held))
    assert [each.line() for each in found] == lines


@pytest.mark.parametrize(
    ("code", "allowed"),
    [("00000", True), ("42501", False), ("23502", True), ("55P03", None), ("57014", None), ("08006", None)],
)
def test_verdict(code: str, allowed: Any) -> None:
    assert verdict(code) is allowed


def test_what_is_found_in_two_ways_is_one_line() -> None:
    by_catalog = Deviation("d", "r", "DELETE", "public.t", False, ("catalog",))
    by_statement = Deviation("d", "r", "DELETE", "public.t", False, ("statement",), "permission denied for table t")
    (one,) = merge([by_catalog, by_statement])
    assert one.as_result() == {
        "database": "d",
        "role": "r",
        "verb": "DELETE",
        "name": "public.t",
        "allowed": False,
        "by": ["catalog", "statement"],
        "reason": "permission denied for table t",
        "line": "d: r may not DELETE public.t, which is declared: permission denied for table t.",
    }
    server = Deviation("", "r", "CREATE ROLE", "", True, ("catalog",))
    assert server.line() == "r may CREATE ROLE, which is not declared (catalog)."


def test_what_would_do_harm_is_not_sent() -> None:
    def verbs(held: frozenset[str], owns: bool, kind: str = "r") -> set[str]:
        return {trial.verb for trial in table_trials("app", TABLE._replace(kind=kind), EXPECTED, held, owns)}

    rows = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert verbs(frozenset(), False) == {*rows, "TRUNCATE", "ALTER"}
    assert verbs(frozenset({"TRUNCATE"}), True) == rows
    assert verbs(frozenset(), False, "v") == {"SELECT"}
    sent = {trial.verb for trial in server_trials("app", {"postgres": False}, frozenset({"COPY TO a file"}))}
    assert "COPY TO a file" not in sent
    assert {"SET ROLE", "COPY TO PROGRAM", "CREATE ROLE"} <= sent


def test_extensions() -> None:
    trials = {(trial.verb, trial.name): trial.expected for trial in database_trials(["vector"], "hstore", False, True)}
    assert trials == {
        ("CREATE EXTENSION IF NOT EXISTS", "vector"): True,
        ("CREATE EXTENSION", "hstore"): False,
        ("CREATE SCHEMA", ""): False,
        ("CREATE TEMPORARY TABLE", ""): True,
    }
    assert len(list(database_trials([], "", False, False))) == 2


def test_deviation_lines() -> None:
    entry = {"database": "d", "kind": "table", "name": "public.t", "role": "r", "privileges": ["SELECT", "INSERT"]}
    granted = {"missing": [entry], "excess": [{**entry, "database": "", "kind": "role", "privileges": ["CREATEDB"]}]}
    assert deviation_lines(granted, [{"line": "more."}]) == [
        "d: r lacks SELECT, INSERT (table public.t), which is declared.",
        "r has CREATEDB (role public.t), which is not declared.",
        "more.",
    ]


def test_the_value_of_a_setting_is_not_said() -> None:
    """ALTER ROLE … SET app.secret holds what its name says."""
    entry = {"database": "", "kind": "setting", "name": "app.secret", "role": "r", "privileges": ["app.secret=hidden"]}
    assert deviation_lines({"missing": [entry], "excess": [entry]}, []) == [
        "r lacks a value (setting app.secret), which is declared.",
        "r has a value (setting app.secret), which is not declared.",
    ]


def test_deviation_lines_of_undeclared_roles() -> None:
    """A superuser is never put up with; a login is where the inventory says that it is kept out."""
    granted = {
        "missing": [],
        "excess": [],
        "undeclared_logins": ["alice", "backdoor", "grafana"],
        "undeclared_superusers": ["backdoor"],
    }
    superuser, login = deviation_lines(granted, [], ["backdoor", "grafana"])
    assert superuser.startswith("backdoor is a superuser, no declaration names it, and no run takes that away")
    assert login.startswith("alice may log in, no declaration names it, and no run takes that away")
    assert [line.split()[0] for line in deviation_lines(granted, [])] == ["backdoor", "alice", "grafana"]
