"""postgres_schema over pairs of schemas: what it sees, refuses, repairs and leaves alone.

Pairs that can share a database are judged together, and one by one where together they fail. Two processes work through
them while the tests ask for their verdicts. AI_MICRO_TEST_ALL_PAIRS takes every pair by itself and compares what is
repaired by pg_dump too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest
from psycopg2 import sql

from .conftest import Server
from .schema_judge import ROLES, judge
from .schema_pairs import COMPOSITIONS, PAIRS, Pair

EVERYTHING = bool(os.environ.get("AI_MICRO_TEST_ALL_PAIRS"))
TOGETHER = {part for parts in COMPOSITIONS.values() for part in parts}
ALONE = [pair for pair in PAIRS if pair not in TOGETHER]
#: Comments, privileges and names are much alike: a third of the pairs that stand alone holds each kind.
CHOSEN = PAIRS if EVERYTHING else (*COMPOSITIONS, *ALONE[::3])
WORKERS = 2


def identify(pair: Pair) -> str:
    return f"{pair.outcome}: {pair.name}"


def complaints(server: Server, pair: Pair) -> list[str]:
    """Give what is wrong with a pair, or with each of the pairs that it is made of."""
    try:
        judge(server, pair, EVERYTHING)
    except AssertionError as error:
        parts = COMPOSITIONS_BY_NAME.get(pair.name, [])
        alone = [complaint for part in parts for complaint in complaints(server, part)]
        return alone or [f"{identify(pair)}\n{error}\nold:\n{pair.old}\n{pair.rows}\ndeclared:\n{pair.new}\n"]
    return []


COMPOSITIONS_BY_NAME = {composition.name: parts for composition, parts in COMPOSITIONS.items()}


@pytest.fixture(scope="module")
def verdicts(server: Server, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[str]]]]:
    """Yield what comes of each pair that is asked for, by its name."""
    for role in ROLES:
        server.sql(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    asked = [call.params["pair"] for call in calls if call is not None and "pair" in call.params]
    try:
        with ProcessPoolExecutor(WORKERS) as pool:
            yield {pair.name: pool.submit(complaints, server, pair) for pair in asked}
            pool.shutdown(cancel_futures=True)
    finally:
        for role in ROLES:
            server.sql(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("pair", CHOSEN, ids=identify)
def test_pair(verdicts: dict[str, Future[list[str]]], pair: Pair) -> None:
    found = verdicts[pair.name].result()
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_names_are_unique_and_every_pair_is_judged() -> None:
    assert [name for name, times in Counter(pair.name for pair in PAIRS).items() if times > 1] == []
    judged = {part for pair in CHOSEN for part in COMPOSITIONS.get(pair, [pair])}
    assert len(judged) >= 1000
    assert {pair.outcome for pair in judged} == {"equal", "additive", "hazard", "repairable", "impossible"}


def test_nothing_is_left_on_the_server(verdicts: dict[str, Future[list[str]]], server: Server) -> None:
    for verdict in verdicts.values():
        verdict.exception()
    left = server.sql("SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')")
    assert left == []
