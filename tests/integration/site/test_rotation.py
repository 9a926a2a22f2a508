"""Passwords are rotated under clients that connect without a pause and without a retry."""

from __future__ import annotations

import os
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

import psycopg2
import pytest
from instance import REPOSITORY, SECRETS, Instance, run

SERVICES = {
    "ai-micro-api-auth": "auth_service",
    "ai-micro-api-user": "user_api_service",
    "ai-micro-api-admin": "admin_api_service",
}
# Seconds in which each client's loop below opens dozens of connections.
GRACE = 2
# One connection after the other by the URL that the file has at that moment; the first error is kept, and nothing is tried again.
LOOP = """
while :; do
    read -r line < "/etc/$1/services/$2.env"
    psql -X -qAt "${line#DATABASE_URL=}" -c "SELECT session_user, current_user, current_setting('statement_timeout')" || echo FAILED
done
"""


@pytest.fixture(scope="module")
def rotated(guarded: Instance) -> Iterator[Instance]:
    """Give the shared instance, whose passwords the tests of this file change; the last ones stay in its inventory."""
    guarded.variables["postgres_databases_rotate_grace"] = GRACE
    yield guarded
    del guarded.variables["postgres_databases_rotate_grace"]


def client_command(instance: Instance, *command: str) -> list[str]:
    """Run a program in another container, which sees the connection files and reaches the host."""
    mounts = ["-v", f"{instance.directory}:{instance.directory}:ro"]
    options = ["--rm", "--user=0:0", "--add-host=host.docker.internal:host-gateway", *mounts]
    return ["docker", "run", *options, f"--entrypoint={command[0]}", instance.image, *command[1:]]


@contextmanager
def clients(instance: Instance, folder: Path) -> Iterator[dict[str, Path]]:
    """Let a client of each service connect in a loop; give the files with what each got."""
    outputs = {service: folder / f"{service}.log" for service in SERVICES}
    names = {service: f"{instance.name}-{service}" for service in SERVICES}
    running = []
    try:
        for service, path in outputs.items():
            command = client_command(instance, "bash", "-c", LOOP, "loop", instance.name, service)
            command.insert(2, f"--name={names[service]}")
            with path.open("wb") as file:
                running.append(subprocess.Popen(command, stdout=file, stderr=file))
        yield outputs
    finally:
        for name in names.values():
            run("docker", "rm", "-f", name, check=False)
        for process in running:
            process.wait(timeout=30)


def wait_for(path: Path, line: str) -> None:
    """Wait until a client's file ends with a line, or holds an error."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = path.read_text("utf-8").splitlines()
        if "FAILED" in lines or line in lines[-2:]:
            break
        time.sleep(0.1)
    assert line in path.read_text("utf-8").splitlines()[-2:], path.read_text("utf-8")[-500:]


def come_in(instance: Instance, login: str, password: str, database: str) -> bool:
    """Say whether a login with a password comes in over TCP and TLS."""
    account: dict[str, Any] = {"user": login, "password": password, "dbname": database, "sslmode": "require"}
    refusal = ""
    try:
        psycopg2.connect(host="127.0.0.1", port=instance.port, **account).close()
    except psycopg2.OperationalError as error:
        refusal = str(error)
    assert not refusal or "password authentication failed" in refusal
    return not refusal


def passwords(**changed: str) -> dict[str, Any]:
    """Give the inventory's variables with changed passwords."""
    secrets = {**SECRETS, **changed}
    superuser = secrets.pop("postgres")
    return {"postgres_common_role_passwords": secrets, "postgres_common_superuser_password": superuser}


FIRST = {role: f"Rotated-Canary-1-{role}@/:" for role in SECRETS}


def test_all_passwords_change_and_no_connection_fails(rotated: Instance, tmp_path: Path) -> None:
    """Everybody's, in one run that shows none of them; the second logins do all that the first ones did."""
    with clients(rotated, tmp_path) as outputs:
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
    assert rotated.play("verify", "--tags", "access").code == 0


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
