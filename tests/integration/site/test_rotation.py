"""Passwords are rotated under clients that connect without a pause and without a retry."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from instance import NETWORK, REPOSITORY, SECRETS, Instance, play
from matrix import deviations
from rotation import SERVICES, clients, come_in, passwords, wait_for

# Seconds in which each client's loop opens dozens of connections.
GRACE = 2


@pytest.fixture(scope="module")
def rotated(guarded: Instance) -> Iterator[Instance]:
    """Give the shared instance, whose passwords the tests of this file change; the last ones stay in its inventory."""
    guarded.variables["postgres_databases_rotate_grace"] = GRACE
    yield guarded
    del guarded.variables["postgres_databases_rotate_grace"]


FIRST = {role: f"Rotated-Canary-1-{role}@/:" for role in SECRETS}


@contextmanager
def documented_pool(instance: Instance) -> Iterator[Any]:
    """Give the pool of the README, on this instance; hostaddr goes where host.docker.internal leads in a container."""
    (code,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code.replace("/etc/ai-micro-postgres", str(instance.directory)), names)  # noqa: S102 - documentation that is tried
    engine = names["engine"]
    sqlalchemy.event.listen(
        engine, "do_connect", lambda _d, _r, _a, parameters: parameters.update(hostaddr="127.0.0.1")
    )
    yield engine
    engine.dispose()


def who(connection: sqlalchemy.Connection) -> Any:
    """Say by which login a connection of a pool came in."""
    return connection.execute(sqlalchemy.text("SELECT session_user")).scalar()


def test_all_passwords_change_and_no_connection_fails(rotated: Instance, tmp_path: Path) -> None:
    """Everybody's, in one run that shows none of them; the second logins do all that the first ones did."""
    with clients(rotated, tmp_path) as outputs, documented_pool(rotated) as pool, pool.connect() as before:
        assert who(before) == "auth_service"
        for service, role in SERVICES.items():
            wait_for(outputs[service], f"{role}|{role}|5min")
        result = rotated.play("rotate_secrets", "-vvv", "--diff", **passwords(**FIRST))
        assert result.code == 0, result.output
        for service, role in SERVICES.items():
            wait_for(outputs[service], f"{role}_2|{role}|5min")
        for service, role in SERVICES.items():
            lines = outputs[service].read_text("utf-8").splitlines()
            # Each came in, again and again, by the one login and from some moment on by the other.
            assert [line for line, _same in groupby(lines)] == [f"{role}|{role}|5min", f"{role}_2|{role}|5min"]
            assert len(lines) > 20
        # A pool as it is documented: what is open lives on, and what is renewed or added comes in by the other login.
        with pool.connect() as added:
            assert (who(before), who(added)) == ("auth_service", "auth_service_2")
        before.invalidate()
        before.rollback()
        assert who(before) == "auth_service_2"
    assert [role for role, secret in {**SECRETS, **FIRST}.items() if secret in result.output] == []
    assert "auth_service logs in as auth_service_2" in result.text
    for login in ("auth_service", "auth_service_2"):
        assert come_in(rotated, login, FIRST["auth_service"], "authdb")
        assert not come_in(rotated, login, SECRETS["auth_service"], "authdb")
    for role in ("readonly_user", "postgres"):
        assert come_in(rotated, role, FIRST[role], "authdb")
        assert not come_in(rotated, role, SECRETS[role], "authdb")
    limits = rotated.sql("SELECT rolconnlimit FROM pg_roles WHERE rolname LIKE 'auth_service%'")
    assert limits.split() == ["30", "30"]
    rotated.variables.update(passwords(**FIRST))
    assert rotated.site().count("changed") == 0
    verified = rotated.play("verify", "--tags", "access")
    assert verified.code == 0, verified.output
    logins = [f"{role}_2" for role in SERVICES.values()]
    assert f"{', '.join(logins)}, readonly_user, postgres came in over TLS" in verified.text, verified.output
    # The matrix once more, cell by cell: by the logins that have their turn now, and by Docker's network.
    assert deviations(rotated, tmp_path / "matrix", second=list(SERVICES.values()), network=NETWORK) == set()


def test_the_names_alternate_and_a_killed_run_is_finished(rotated: Instance, tmp_path: Path) -> None:
    """One service only; the run dies in the grace, and the next one ends the old password."""
    new = passwords(**{**FIRST, "auth_service": "Rotated-Canary-2"})
    inventory = rotated.inventory(
        postgres_databases_rotate=["ai-micro-api-auth"], postgres_databases_rotate_grace=600, **new
    )
    file = rotated.directory / "services" / "ai-micro-api-auth.env"
    before = file.read_text("utf-8")
    playbook = str(REPOSITORY / "playbooks" / "rotate_secrets.yml")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    with clients(rotated, tmp_path) as outputs:
        wait_for(outputs["ai-micro-api-auth"], "auth_service_2|auth_service|5min")
        with (tmp_path / "playbook.log").open("wb") as log:
            process = subprocess.Popen(
                [program, playbook, "-i", str(inventory)],
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + 120
            while "auth_service_2" in file.read_text("utf-8") and time.monotonic() < deadline:
                assert process.poll() is None, (tmp_path / "playbook.log").read_text("utf-8")
                time.sleep(0.2)
            wait_for(outputs["ai-micro-api-auth"], "auth_service|auth_service|5min")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert come_in(rotated, "auth_service_2", FIRST["auth_service"], "authdb")
        # As if it had died between two files: who has the turn is noted, and the service's file names the other one yet.
        written = file.read_text("utf-8")
        (tmp_path / "env").write_text(before, encoding="utf-8")
        shutil.move(tmp_path / "env", file.with_suffix(".old"))
        file.with_suffix(".old").rename(file)
        result = rotated.play("rotate_secrets", postgres_databases_rotate=["auth_service"], **new)
        assert result.code == 0, result.output
        assert file.read_text("utf-8") == written
        assert not come_in(rotated, "auth_service_2", FIRST["auth_service"], "authdb")
        wait_for(outputs["ai-micro-api-user"], "user_api_service_2|user_api_service|5min")
        for path in outputs.values():
            assert "FAILED" not in path.read_text("utf-8")
    rotated.variables.update(new)
    refused = rotated.play("rotate_secrets", postgres_databases_rotate=["auth_service"])
    assert refused.code != 0
    assert "The server has the inventory's passwords of auth_service already" in refused.text


def test_generated_passwords_are_kept_where_they_are_looked_up(rotated: Instance, tmp_path: Path) -> None:
    """As inventories/local has it; the file on the controller and the one on the host change in the same run."""
    assert rotated.variables["postgres_common_role_passwords"]["readonly_user"] == FIRST["readonly_user"]
    place = tmp_path / "secrets"
    place.mkdir(mode=0o700)
    for role, secret in {**FIRST, "auth_service": "Rotated-Canary-2"}.items():
        (place / role).write_text(secret, encoding="utf-8")

    def looked_up(role: str) -> str:
        return f"{{{{ lookup('ai_micro.postgres.generated_secret', '{role}', directory='{place}', create=not ansible_check_mode) }}}}"

    rotated.variables.update(
        postgres_common_generated_secrets=str(place),
        postgres_common_superuser_password=looked_up("postgres"),
        postgres_common_role_passwords={role: looked_up(role) for role in SECRETS if role != "postgres"},
    )
    # Another host that looks its secrets up there would be left with a server that has the old ones.
    path = rotated.inventory()
    inventory = json.loads(path.read_text("utf-8"))
    hosts = inventory["all"]["children"]["postgres"]["hosts"]
    hosts["another_machine"] = {**hosts["this_machine"], "ansible_host": "192.0.2.1"}
    path.write_text(json.dumps(inventory), encoding="utf-8")
    kept = rotated.snapshot()
    shared = play("rotate_secrets", path, "--limit=this_machine")
    assert shared.code != 0
    assert f"The host another_machine has its generated secrets in {place} too" in shared.text, shared.output
    assert rotated.snapshot() == kept
    result = rotated.play("rotate_secrets", postgres_databases_rotate=["admin_api_service", "postgres"])
    assert result.code == 0, result.output
    made = {role: (place / role).read_text("utf-8").strip() for role in SECRETS}
    assert sorted(path.name for path in place.iterdir()) == sorted(SECRETS)
    assert {role for role in SECRETS if made[role] != {**FIRST, "auth_service": "Rotated-Canary-2"}[role]} == {
        "admin_api_service",
        "postgres",
    }
    assert come_in(rotated, "postgres", made["postgres"], "admindb")
    assert come_in(rotated, "admin_api_service", made["admin_api_service"], "admindb")
    assert not come_in(rotated, "admin_api_service_2", FIRST["admin_api_service"], "admindb")
    assert rotated.site("--tags", "databases").count("changed") == 0
    rotated.variables.update(passwords(**made))
    del rotated.variables["postgres_common_generated_secrets"]
