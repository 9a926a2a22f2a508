"""What a run has left at work is found by its mark alone, and ended with all that it has started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _jobs

OURS = _jobs.mark("0badcafe", "/run/ai_micro.postgres/one.lock")
Start = Callable[..., subprocess.Popen[str]]
# Until it is a program of its own, what was started is another shell.
WAITING = 'sleep 60 & until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done; echo ready; wait'
# Deaf to what asks it to end.
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program with a mark, which says that it has begun."""
    started: dict[str, subprocess.Popen[str]] = {}

    def begin(marked: str, script: str = WAITING) -> subprocess.Popen[str]:
        environment = {**os.environ, _jobs.MARK: marked}
        made = subprocess.Popen(["sh", "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        started[marked] = made
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n"
        return made

    yield begin
    for marked, made in started.items():
        _jobs.end(marked, 0)
        made.communicate()


def test_job_is_ended_with_what_it_has_started_and_nobody_elses(start: Start) -> None:
    others = [
        start(_jobs.mark("0badcafe", "/run/ai_micro.postgres/two.lock")),
        start(_jobs.mark("5f0c1d7e", "/run/ai_micro.postgres/one.lock")),
        start(OURS + "2"),
    ]
    start(OURS)
    assert len(_jobs.at_work(OURS)) == 2
    # The shell only waits for it.
    assert _jobs.end(OURS) == (["sleep"], [])
    assert _jobs.at_work(OURS) == {}
    assert [each.poll() for each in others] == [None, None, None]


def test_job_that_does_not_listen_is_killed(start: Start) -> None:
    start(OURS, DEAF)
    assert _jobs.end(OURS, 0.3)[1] == []
    assert _jobs.at_work(OURS) == {}


def test_job_that_cannot_be_killed_is_named(start: Start) -> None:
    start(OURS, DEAF)
    assert _jobs.end(OURS, 10, -1)[1]
    assert _jobs.at_work(OURS)


def test_nothing_is_ended_where_nothing_was_left() -> None:
    assert _jobs.end(OURS) == ([], [])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        pytest.param([sys.executable, "/root/.ansible/tmp/x/AnsiballZ_postgres_dump.py"], "postgres_dump", id="module"),
        pytest.param(
            ["/usr/bin/python3", "/x/AnsiballZ_async_wrapper.py", "j1", "99", "/x/AnsiballZ_postgres_backup.py", "_"],
            "postgres_backup",
            id="job",
        ),
        pytest.param(["/usr/bin/python3"], "an Ansible module", id="pipelined module"),
        pytest.param(["/usr/bin/pgbackrest", "--stanza=x", "backup"], "pgbackrest", id="program"),
        pytest.param(["postgres: checkpointer "], "postgres", id="title"),
    ],
)
def test_jobs_are_named_as_people_know_them(words: list[str], name: str) -> None:
    assert _jobs.name(words) == name
