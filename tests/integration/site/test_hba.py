"""Declared rules for pg_hba.conf: what of them is refused before anything is touched, and that the server has exactly them."""

from __future__ import annotations

import time
from typing import Any

import psycopg2
import pytest
from instance import Instance

SERVICES = {"authdb": "auth_service", "apidb": "user_api_service", "admindb": "admin_api_service"}
REPORTS = {"database": list(SERVICES), "role": ["readonly_user"]}


def rules(*first: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Give rules that let every service in, behind others."""
    services = [{"database": [database], "role": [role], **more} for database, role in SERVICES.items()]
    return [*first, *services, REPORTS]


def connect(instance: Instance, role: str, database: str, host: str = "127.0.0.1") -> str:
    """Say what becomes of a connection from this machine: nothing where it comes in."""
    try:
        psycopg2.connect(
            host=host,
            port=instance.port,
            user=role,
            password=instance.password(role),
            dbname=database,
            sslmode="require",
        ).close()
    except psycopg2.OperationalError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (
            rules({"database": ["all"], "role": ["all"], "source": "172.16.0.0/12"}, source="172.16.0.0/16"),
            "Rule 2 of postgres_instance_hba (authdb for auth_service, auth_service_2 from 172.16.0.0/16) can never match, because rule 1",
        ),
        (
            rules({"database": ["all"], "role": ["auth_service"], "method": "reject"}),
            "Rule 2 of postgres_instance_hba (authdb for auth_service, auth_service_2 from all) can never match, because rule 1",
        ),
        (
            rules({"database": ["apidb"], "role": ["auth_service"]}),
            "Rule 1 of postgres_instance_hba (apidb for auth_service, auth_service_2 from all) is of no use: auth_service may not enter apidb",
        ),
        (
            rules({"database": ["authdb"], "role": ["auth_servce"]}),
            "Rule 1 of postgres_instance_hba (authdb for auth_servce from all) names the role auth_servce, which the inventory does not declare",
        ),
        (rules()[1:], "No rule of postgres_instance_hba lets auth_service into authdb"),
    ],
)
def test_a_rule_that_can_never_match_is_refused(guarded: Instance, declared: list[dict[str, Any]], words: str) -> None:
    """Before anything is touched, with the number of the rule and of the one that comes before it."""
    before = guarded.snapshot()
    refused = guarded.refused("--tags", "instance", postgres_instance_hba=declared)
    assert words in refused.text, refused.output
    assert guarded.snapshot() == before


def test_the_server_has_the_declared_rules(guarded: Instance) -> None:
    """A source that is no network of this machine keeps its role out; postgres, whom no rule names, is rejected; no restart."""
    started = guarded.inspect()["State"]["StartedAt"]
    declared = rules(
        {"database": ["authdb"], "role": ["readonly_user"], "source": "192.0.2.0/24", "method": "reject"},
        {"database": ["apidb"], "role": ["readonly_user"], "source": "2001:db8::/32", "method": "reject"},
    )
    declared[2] = {**declared[2], "source": "192.0.2.1"}
    wanted = {"postgres_instance_hba": declared}
    assert guarded.site("--tags", "instance", **wanted).count("changed") > 0
    shown = guarded.sql(
        "SELECT type, database, user_name, address, netmask, auth_method FROM pg_hba_file_rules ORDER BY line_number"
    )
    assert shown.splitlines() == [
        "local|{all}|{postgres}|||peer",
        "local|{all}|{all}|||reject",
        "hostssl|{authdb}|{readonly_user}|192.0.2.0|255.255.255.0|reject",
        "hostssl|{apidb}|{readonly_user}|2001:db8::|ffff:ffff::|reject",
        "hostssl|{authdb}|{auth_service,auth_service_2}|192.0.2.1|255.255.255.255|scram-sha-256",
        "hostssl|{apidb}|{user_api_service,user_api_service_2}|all||scram-sha-256",
        "hostssl|{admindb}|{admin_api_service,admin_api_service_2}|all||scram-sha-256",
        "hostssl|{authdb,apidb,admindb}|{readonly_user}|all||scram-sha-256",
        "host|{all}|{all}|all||reject",
    ]
    assert "pg_hba.conf rejects" in connect(guarded, "auth_service", "authdb")
    assert "pg_hba.conf rejects" in connect(guarded, "postgres", "authdb")
    assert connect(guarded, "user_api_service", "apidb") == ""
    assert connect(guarded, "readonly_user", "authdb") == ""
    assert guarded.site("--tags", "instance", **wanted).count("changed") == 0
    assert guarded.play("verify", "--tags", "access", **wanted).code == 0
    # The other way round: what is in force is not what is declared.
    failed = guarded.play("verify", "--tags", "access")
    assert failed.code != 0
    assert (
        "hostssl authdb readonly_user 192.0.2.0/24 reject where hostssl authdb auth_service,auth_service_2"
        in failed.text
    )
    assert guarded.site("--tags", "instance").count("changed") > 0
    assert connect(guarded, "auth_service", "authdb") == ""
    assert guarded.inspect()["State"]["StartedAt"] == started


def test_what_the_server_cannot_read_is_never_left(guarded: Instance) -> None:
    """A line that is wrong is seen by verify.yml with PostgreSQL's words; the server serves on, and the next run mends it."""
    path = guarded.directory / "postgresql" / "pg_hba.conf"
    path.write_text(path.read_text("utf-8") + "hostssl all all all nonsense\n", encoding="utf-8")
    failed = guarded.play("verify", "--tags", "access")
    assert failed.code != 0
    assert 'invalid authentication method "nonsense"' in failed.text
    assert connect(guarded, "auth_service", "authdb") == ""
    guarded.site("--tags", "instance")
    assert guarded.sql("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"
    assert guarded.play("verify", "--tags", "access").code == 0


def test_a_file_that_was_not_loaded_is_loaded_by_the_next_run(guarded: Instance) -> None:
    """What a run that was killed between writing and reloading leaves: the file is right, and what is in force is not."""
    path = guarded.directory / "postgresql" / "pg_hba.conf"
    right = path.read_text("utf-8")
    path.write_text(right.replace('"auth_service",', '"nobody",'), encoding="utf-8")
    guarded.sql("SELECT pg_reload_conf()")
    # The time of a file is told in whole seconds.
    later = "SELECT now() >= date_trunc('second', pg_conf_load_time()) + interval '1 second'"
    deadline = time.monotonic() + 10
    while not (connect(guarded, "auth_service", "authdb") and guarded.sql(later) == "t"):
        assert time.monotonic() < deadline, "the server did not reload"
        time.sleep(0.1)
    path.write_text(right, encoding="utf-8")
    assert "pg_hba.conf rejects" in connect(guarded, "auth_service", "authdb")
    assert guarded.site("--tags", "instance").count("changed") == 1
    assert connect(guarded, "auth_service", "authdb") == ""
