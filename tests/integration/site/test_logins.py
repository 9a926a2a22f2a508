"""verify.yml comes in as clients do: by the inventory's passwords with TLS, and not without TLS."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pytest
from instance import REPOSITORY, SECRETS, Instance, run

BY_HAND = "By-Hand-Canary-8"


def login_of(instance: Instance, service: str = "auth") -> str:
    """Give the login of a service that has its turn."""
    file = (instance.directory / "services" / f"ai-micro-api-{service}.env").read_text("utf-8")
    return unquote(urlsplit(file.split("=", 1)[1].strip()).username or "")


def left_behind(instance: Instance) -> str:
    """Count the sessions of the trial that are still there."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ai_micro.postgres' AND usename <> 'postgres'"
    )
    return instance.sql(query)


def trial(instance: Instance, tmp_path: Path, **changed: Any) -> dict[str, Any]:
    """Call the module as verify.yml does, for one login and without any role to try."""
    login = {
        "name": login_of(instance),
        "password": instance.password("auth_service"),
        "database": "authdb",
        "host": "host.docker.internal",
        "address": "127.0.0.1",
        "port": instance.port,
        "ca_cert": str(instance.directory / "tls" / "ca.crt"),
        **changed,
    }
    socket = f"/proc/{instance.inspect()['State']['Pid']}/root/run/postgresql"
    given = {"login_unix_socket": socket, "roles": [], "databases": [], "logins": [login]}
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    module = REPOSITORY / "plugins" / "modules" / "postgres_access_trial.py"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")}
    done = run(sys.executable, str(module), str(arguments), check=False, env=environment)
    assert instance.password("auth_service") not in done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_a_password_that_was_changed_by_hand_is_seen(guarded: Instance) -> None:
    """By coming in, in one sentence that shows neither password; the next run puts the inventory's back."""
    login = login_of(guarded)
    guarded.sql(f"SET log_statement = none; ALTER ROLE {login} PASSWORD '{BY_HAND}'")
    failed = guarded.play("verify", "--tags", "access", "-vvv", "--diff")
    assert failed.code != 0
    sentence = f"authdb: {login} does not come in over TLS by the password of the inventory: run site.yml --tags access"
    assert sentence in failed.text, failed.output
    assert not [secret for secret in (BY_HAND, guarded.password("auth_service")) if secret in failed.output]
    # Nobody else is in it.
    assert set(re.findall(r"(\w+) does not come in over TLS", failed.text)) == {login}
    guarded.site("--tags", "access")
    green = guarded.play("verify", "--tags", "access")
    assert green.code == 0, green.output
    assert green.count("changed") == 0
    everybody = [*(login_of(guarded, service) for service in ("auth", "user", "admin")), "readonly_user", "postgres"]
    assert f"{', '.join(everybody)} came in over TLS" in green.text, green.output
    assert not [role for role in SECRETS if guarded.password(role) in green.output]
    assert left_behind(guarded) == "0"


def test_a_name_that_the_certificate_lacks_and_another_ca(guarded: Instance, tmp_path: Path) -> None:
    """TLS is verified in full, whatever address is connected to."""
    assert trial(guarded, tmp_path)["came_in"] == [login_of(guarded)]
    wrong_name = trial(guarded, tmp_path, host="db.example.com")
    assert "does not match host name" in wrong_name["msg"]
    other = tmp_path / "other.crt"
    subject = ("-subj", "/CN=other", "-keyout", str(tmp_path / "other.key"), "-out", str(other))
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject)
    wrong_ca = trial(guarded, tmp_path, ca_cert=str(other))
    for result in (wrong_name, wrong_ca):
        assert result["failed"]
        assert result["came_in"] == []
        assert "run site.yml --tags tls" in result["msg"]


@pytest.mark.parametrize("method", ["scram-sha-256", "trust"])
def test_a_way_in_without_tls_is_seen(guarded: Instance, tmp_path: Path, method: str) -> None:
    """As somebody might open one by hand; the password that is right does not make it right."""
    file = guarded.directory / "postgresql" / "pg_hba.conf"
    declared = file.read_text("utf-8")
    file.write_text(f"hostnossl all all all {method}\n{declared}", encoding="utf-8")
    try:
        guarded.sql("SELECT pg_reload_conf()")
        result = trial(guarded, tmp_path)
    finally:
        file.write_text(declared, encoding="utf-8")
        guarded.sql("SELECT pg_reload_conf()")
    assert result["failed"]
    assert f"authdb: {login_of(guarded)} comes in without TLS: run site.yml --tags instance" in result["msg"]
    assert result["came_in"] == []
    assert trial(guarded, tmp_path)["login_problems"] == []


def test_the_last_connection_is_left_to_the_service(guarded: Instance, tmp_path: Path) -> None:
    """A login whose clients need what it has is not tried, which is said and no deviation."""
    login = login_of(guarded)
    limit = guarded.sql(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{login}'")
    guarded.sql(f"ALTER ROLE {login} CONNECTION LIMIT 2")
    service = open_session(guarded, login)
    try:
        result = trial(guarded, tmp_path)
    finally:
        service.close()
        guarded.sql(f"ALTER ROLE {login} CONNECTION LIMIT {limit}")
    assert not result.get("failed"), result["msg"]
    assert result["undecided"] == [
        f"authdb: {login} was not tried over TCP, because its clients leave no connection to spare."
    ]
    assert result["came_in"] == []


def open_session(instance: Instance, login: str) -> Any:
    """Open a session as the service does."""
    account: dict[str, Any] = {"user": login, "password": instance.password("auth_service"), "dbname": "authdb"}
    return psycopg2.connect(host="127.0.0.1", port=instance.port, sslmode="require", **account)
