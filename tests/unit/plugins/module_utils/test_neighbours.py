"""Two of the inventory's hosts that are one machine: which pairs are refused, and why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._neighbours import neighbour_problems

ONE = {"ansible_host": "db1"}
LOCAL = {"ansible_connection": "local"}


def named(place: dict[str, Any], name: str) -> dict[str, Any]:
    """Return variables of an instance of that name."""
    return {**place, "postgres_common_name": name}


@pytest.mark.parametrize(
    ("first", "second", "batch", "sentence"),
    [
        (named(ONE, "x"), named(ONE, "y"), ["a", "b"], "would be provisioned at the same time"),
        (named(ONE, "x"), named(ONE, "y"), ["a"], ""),
        (ONE, ONE, ["a"], "have the same postgres_common_name ai-micro-postgres"),
        (ONE, named(ONE, "ai-micro-postgres"), ["a", "b"], "have the same postgres_common_name ai-micro-postgres"),
        (ONE, {"ansible_host": "db2"}, ["a", "b"], ""),
        ({}, {}, ["a", "b"], ""),
        ({}, {"ansible_host": "a"}, ["a", "b"], "a and b are one machine (a)"),
        ({**ONE, "ansible_port": 2222}, ONE, ["a", "b"], ""),
        (named(LOCAL, "x"), named(LOCAL, "y"), ["a", "b"], "are one machine (the controller)"),
    ],
)
def test_pair(first: dict[str, Any], second: dict[str, Any], batch: list[str], sentence: str) -> None:
    problems = neighbour_problems({"a": first, "b": second}, "a", ["a", "b"], batch)
    assert len(problems) == (1 if sentence else 0)
    assert sentence in "".join(problems)
