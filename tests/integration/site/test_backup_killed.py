"""A restore, or the way back, that is killed around the moment when two volumes' data change places: the next command ends with the right data.

And what is killed while the host works for it: the next command ends that work before it goes on.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from instance import Instance, PlaybookResult, run

# ansible-playbook leads a process group of its own here, and sh is in it.
KILL = "kill -s KILL 0"
KILL_SOON = "(sleep 0.25; kill -s KILL 0) &"
# The server is stopped, and nothing has changed places yet; and the task after that.
BEFORE = "Let the data of the two volumes change places"
AFTER = "Remember the cluster that is served now"

THEN, NOW = ["then@example.com"], ["now@example.com"]


@pytest.fixture
def arguments(backed_up: Instance) -> tuple[str, ...]:
    """Have NOW in the table, and what restores THEN."""
    backed_up.sql("DELETE FROM users", "authdb")
    backed_up.sql(f"INSERT INTO users (email, password_hash) VALUES ('{THEN[0]}', 'h')", "authdb")
    point = f"then_{time.monotonic_ns()}"
    backed_up.sql(f"SELECT pg_create_restore_point('{point}')")
    backed_up.sql(f"UPDATE users SET email = '{NOW[0]}'", "authdb")
    return ("-e", f"confirm_restore={backed_up.name}", "-e", f"restore_point={point}")


@pytest.fixture
def served(backed_up: Instance, arguments: tuple[str, ...]) -> Iterator[Instance]:
    """Give an instance that serves NOW, and leave it as site.yml makes it, with nothing kept."""
    yield backed_up
    assert backed_up.site().count("changed") == 0
    played(backed_up, "restore_cleanup", "-e", f"confirm_restore_cleanup={backed_up.name}")
    assert (backed_up.kept(), journal(backed_up)) == ([], {})


def journal(instance: Instance) -> dict[str, Any]:
    path = instance.directory / "restores.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def states(instance: Instance) -> list[str]:
    """What the journal says of each volume that is kept, oldest first."""
    return [entry["state"] for _name, entry in sorted(journal(instance).items())]


def users(instance: Instance) -> list[str]:
    return instance.sql("SELECT email FROM users ORDER BY email", "authdb").split()


def at_task(instance: Instance, task: str, command: str, playbook: str, *arguments: str) -> PlaybookResult:
    """Run a playbook, and a command when that task begins."""
    return instance.at_task(task, command, playbook, *arguments)


def killed(instance: Instance, task: str, playbook: str, *arguments: str, how: str = KILL) -> None:
    result = at_task(instance, task, how, playbook, *arguments)
    assert result.code == -9, result.output


def played(instance: Instance, playbook: str, *arguments: str) -> PlaybookResult:
    """Run a playbook, which must succeed."""
    result = instance.play(playbook, *arguments)
    assert result.code == 0, result.output
    return result


def holds_cluster(volume: str) -> bool:
    mount = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", volume).stdout.strip()
    return (Path(mount) / "PG_VERSION").exists()


CHAOS = pytest.mark.chaos


@pytest.mark.parametrize(
    "command", ["site", pytest.param("restore_undo", marks=CHAOS), pytest.param("restore", marks=CHAOS)]
)
def test_restore_killed_right_before_its_data_is_served(
    served: Instance, arguments: tuple[str, ...], command: str
) -> None:
    """What was served goes on being served, and what was restored is never taken for it."""
    killed(served, BEFORE, "restore", *arguments)
    assert served.inspect()["State"]["Running"] is False
    assert states(served) == ["prepared"]
    (left,) = served.kept()
    refused = served.play("restore_cleanup", "-e", f"confirm_restore_cleanup={served.name}")
    assert refused.code != 0
    assert "Nothing was removed, since a restore was cut short: run site.yml first" in refused.text
    assert served.kept() == [left]
    if command == "site":
        refused_while_nothing_can_be_told(served)
    if command == "restore":
        said = played(served, "restore", *arguments)
        assert users(served) == THEN
        assert states(served) == ["unused", "swapped"]
        played(served, "restore_undo")
    else:
        said = played(served, command)
        assert states(served) == ["unused"]
    assert "was cut short before the data changed places" in said.text
    assert users(served) == NOW
    assert holds_cluster(left)


@pytest.mark.parametrize("command", ["restore_undo", pytest.param("site", marks=CHAOS)])
def test_restore_killed_right_after_its_data_took_the_place(
    served: Instance, arguments: tuple[str, ...], command: str
) -> None:
    killed(served, AFTER, "restore", *arguments)
    assert served.inspect()["State"]["Running"] is False
    assert states(served) == ["prepared"]
    said = played(served, command)
    assert "was cut short after the data had changed places" in said.text
    assert states(served) == ["swapped"]
    assert users(served) == (THEN if command == "site" else NOW)
    played(served, "restore_undo")
    assert users(served) == (NOW if command == "site" else THEN)


@CHAOS
def test_restore_killed_while_the_data_change_places(served: Instance, arguments: tuple[str, ...]) -> None:
    """Whichever it was, the journal says it, and both are there."""
    killed(served, BEFORE, "restore", *arguments, how=KILL_SOON)
    played(served, "site")
    (left,) = served.kept()
    assert holds_cluster(left)
    assert (states(served), users(served)) in ((["swapped"], THEN), (["unused"], NOW))
    if states(served) == ["swapped"]:
        played(served, "restore_undo")
        assert users(served) == NOW


@CHAOS
def test_way_back_that_was_killed_is_finished_and_not_gone_forth_again(
    served: Instance, arguments: tuple[str, ...]
) -> None:
    played(served, "restore", *arguments)
    assert users(served) == THEN
    for task, brought in ((BEFORE, NOW), (AFTER, THEN)):
        killed(served, task, "restore_undo")
        assert states(served) == ["prepared"]
        said = played(served, "restore_undo")
        assert "The way back of 20" in said.text
        assert (states(served), users(served)) == (["swapped"], brought)
    not_exchanged(served, "restore_undo")
    assert (states(served), users(served)) == (["swapped"], THEN)


@CHAOS
def test_server_is_started_again_where_the_data_cannot_change_places(
    served: Instance, arguments: tuple[str, ...]
) -> None:
    not_exchanged(served, "restore", *arguments)
    assert (states(served), users(served)) == (["unused"], NOW)


@CHAOS
def test_both_reasons_are_said_where_nothing_can_be_told_either(served: Instance, arguments: tuple[str, ...]) -> None:
    path = served.directory / "restores.json"
    forget = f"cp {path} {path}.noted; sed -i -E 's/(\"(volume|kept)\": )[0-9]+/\\11/g' {path}"
    with guest(served) as (name, begin):
        result = at_task(served, BEFORE, f"{forget}; {begin}", "restore", *arguments)
    assert result.code != 0
    assert f"is in use by the container {name}, stop it first." in result.text
    assert "cannot be told from their directories: have the data that is to be served in the first" in result.text
    path.with_suffix(".json.noted").replace(path)
    played(served, "site")
    assert (states(served), users(served)) == (["unused"], NOW)


@contextmanager
def guest(instance: Instance) -> Iterator[tuple[str, str]]:
    """Give the name of another container that mounts the volume, and the command that begins it; it is gone afterwards."""
    name = f"{instance.name}-guest"
    words = f"docker run -d --name {name} --entrypoint sleep -v {instance.volume}:/data:ro {instance.image} 600"
    try:
        yield name, words
    finally:
        run("docker", "rm", "-f", "-v", name, check=False)


def not_exchanged(instance: Instance, playbook: str, *arguments: str) -> None:
    """Run a playbook that finds, when it has stopped the server, that another container has begun to mount the volume."""
    with guest(instance) as (name, words):
        result = at_task(instance, BEFORE, words, playbook, *arguments)
    assert result.code != 0
    assert f"is in use by the container {name}, stop it first. The server was started again." in result.text


def refused_while_nothing_can_be_told(instance: Instance) -> None:
    """Both directories have been made anew, as by a copy to another disk."""
    path = instance.directory / "restores.json"
    noted = path.read_text()
    path.write_text(
        json.dumps({kept: {**entry, "inodes": {"volume": 1, "kept": 2}} for kept, entry in journal(instance).items()})
    )
    for playbook in ("site", "restore_undo"):
        refused = instance.play(playbook)
        assert refused.code != 0
        assert "cannot be told from their directories: have the data that is to be served in the first" in refused.text
    assert instance.inspect()["State"]["Running"] is False
    path.write_text(noted)


@CHAOS
def test_drill_that_was_killed_is_drilled_again(backed_up: Instance) -> None:
    history = backed_up.repository / "catalog" / "drills.jsonl"
    before = history.read_text() if history.exists() else ""
    killed(backed_up, "Compare the copy with what the server held", "drill")
    assert backed_up.beside() == [f"{backed_up.name}-drill", f"{backed_up.name}_drill"]
    assert (history.read_text() if history.exists() else "") == before
    played(backed_up, "drill")
    assert json.loads(history.read_text().splitlines()[-1])["passed"] is True
    assert backed_up.beside() == []


def psql(container: str, *statements: str, database: str = "postgres", detached: bool = False) -> str:
    """Give the words of the shell that have a server do something, in one session."""
    words = ["docker", "exec", *(["--detach"] if detached else []), container, "psql", "-X", "-qAt", "-U", "postgres"]
    return shlex.join([*words, "-d", database, *(f"--command={statement}" for statement in statements)])


def held(container: str, mode: str) -> str:
    """Have a session hold a lock on a table, and wait until it does."""
    holds = psql(container, "BEGIN", f"LOCK users IN {mode} MODE", SLEEP, database="authdb", detached=True)
    return f"{holds}; {repeated(psql(container, SLEEPS), until='[ -n')}"


def repeated(command: str, until: str) -> str:
    """Repeat a command until it prints something, or nothing, or it has taken half a minute."""
    return f'i=0; until {until} "$({command})" ] || [ $((i+=1)) -gt 300 ]; do sleep 0.1; done'


SLEEP = "SELECT pg_sleep(300) AS slow"
SLEEPS = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300) AS slow'"
WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
ASKS = "SELECT pid, query FROM pg_stat_activity WHERE application_name = 'ai_micro.postgres'"
RELOAD = "SELECT pg_reload_conf()"


@dataclass(frozen=True)
class Work:
    """What a run has at work on the host at some stage, in words of the shell: what makes it last, what prints something while it does, what lets it go."""

    task: str
    slow: str
    lasts: str
    left: str
    release: str
    said: str


def work(name: str, stage: str) -> Work:
    if stage == "backup":
        task = "Back up the cluster"
        # pgBackRest waits for WAL, unless the command is not its own by name.
        slow = psql(name, "ALTER SYSTEM SET archive_command = '/bin/false pgbackrest'", RELOAD)
        lasts = f"pgrep -f '^[p]gbackrest --stanza={name} --type'"
        left = f"pgrep -f '[p]gbackrest --stanza={name} --type'"
        return Work(task, slow, lasts, left, psql(name, "ALTER SYSTEM RESET archive_command", RELOAD), "pgbackrest")
    if stage == "moment":
        # Every other table is locked by then, and whoever writes into one waits too.
        release = psql(name, SLEEPS.replace("pid", "pg_terminate_backend(pid)", 1))
        task = "Note what the server holds at one moment"
        return Work(
            task, held(name, "ROW EXCLUSIVE"), psql(name, WAITS), psql(name, ASKS), release, "an Ansible module"
        )
    slow, lasts = held(f"{name}-verify", "ACCESS EXCLUSIVE"), psql(f"{name}-verify", WAITS)
    left = f"pgrep -f '[d]ocker exec .*{name}-verify pg_dump'; docker top {name}-verify | grep '[p]g_dump '"
    return Work("Dump each database of the copy", slow, lasts, left, "true", "pg_dump")


@pytest.mark.parametrize(
    ("stage", "command"),
    [
        ("moment", ("drill",)),
        pytest.param("backup", ("backup",), marks=CHAOS),
        pytest.param("moment", ("backup",), marks=CHAOS),
        pytest.param("dump", ("backup", "-e", "backup_type=logical"), marks=CHAOS),
    ],
)
def test_work_of_a_run_that_was_killed_ends_before_the_next_goes_on(
    backed_up: Instance, tmp_path: Path, stage: str, command: tuple[str, ...]
) -> None:
    """It would go on for as long as it is kept from its end here, which is until the next run has the lock."""
    at, note = work(backed_up.name, stage), tmp_path / "left"
    before = (backed_up.inspect()["State"]["StartedAt"], users(backed_up))
    kill = f"{at.slow}; ({repeated(at.lasts, until='[ -n')}; {KILL}) >/dev/null 2>&1 &"
    try:
        killed(backed_up, at.task, *command, "-e", "postgres_backup_lock_timeout=60s", how=kill)
        assert run("sh", "-c", at.left, check=False).stdout
        look = f"{repeated(at.left, until='[ -z')}; ({at.left}) > {note}; {at.release}"
        following = at_task(backed_up, "Look at host, Docker, container, volume and port", look, "backup", *command[1:])
    finally:
        run("sh", "-c", at.release)
    assert following.code == 0, following.output
    assert note.read_text() == ""
    assert re.search(f"left this at work on the host, which was ended: [A-Za-z_, ]*{at.said}", following.text)
    assert "verified: restored in" in following.text
    assert ("each was restored and compared" in following.text) is (stage == "dump")
    assert (backed_up.beside(), backed_up.sql(ASKS)) == ([], "")
    assert (backed_up.inspect()["State"]["StartedAt"], users(backed_up)) == before
    assert [*(backed_up.repository / "dumps").glob("*.partial")] == []
