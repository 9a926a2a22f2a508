"""What the inventory says of settings is what the server does: a wrong one changes nothing, one changed by hand is seen and put right."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from instance import Instance, run


def configuration(instance: Instance) -> str:
    """Return all settings, their values in the files and where they come from."""
    files = "SELECT name, setting, sourcefile FROM pg_file_settings ORDER BY seqno"
    settings = "SELECT name, setting, pending_restart FROM pg_settings WHERE source <> 'client' ORDER BY name"
    return instance.sql(files) + instance.sql(settings)


def volumes_of_the_proof(instance: Instance, begun: float) -> list[str]:
    """Return the volumes that the throw-away server was given since a moment; the image declares one, which would be left behind."""
    command = ("docker", "events", "--since", f"{begun:.3f}", "--until", f"{time.time():.3f}", "--format", "{{json .}}")
    events = [json.loads(line) for line in run(*command).stdout.splitlines()]
    proofs = {
        event["Actor"]["ID"]
        for event in events
        if (event["Type"], event["Action"]) == ("container", "create")
        and event["Actor"]["Attributes"]["name"] == f"{instance.name}-proof"
    }
    assert len(proofs) == 1
    return [
        event["Actor"]["ID"]
        for event in events
        if event["Type"] == "volume" and event["Actor"]["Attributes"].get("container") in proofs
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"no_such_setting": "1"}, 'unrecognized configuration parameter "no_such_setting"'),
        ({"no.such": "1"}, "no.such: no such setting"),
        ({"work_mem": "1kB"}, '1 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)'),
        ({"maintenance_work_mem": "64XB"}, 'HINT: Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'),
        ({"log_statement": "some"}, "HINT: Available values: none, ddl, mod, all."),
    ],
)
def test_wrong_setting_stops_the_run_with_the_reason(hardened: Instance, settings: dict[str, Any], reason: str) -> None:
    before, configured = hardened.snapshot(), configuration(hardened)
    begun = time.time()
    refused = hardened.refused("--tags", "instance", postgres_instance_settings=settings)
    assert reason in refused.text, refused.output
    assert "so nothing was replaced" in refused.text
    assert refused.count("changed") == 0
    assert hardened.snapshot() == before
    assert configuration(hardened) == configured
    assert volumes_of_the_proof(hardened, begun) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"no_such_setting": "1"}, 'unrecognized configuration parameter "no_such_setting"'),
        ({"work_mem": "1kB"}, '1 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)'),
        ({"work_mem": "4XB"}, 'invalid value for parameter "work_mem": "4XB"'),
        ({"ssl_ciphers": "NO-SUCH-CIPHER"}, "could not set the cipher list"),
    ],
)
def test_wrong_setting_of_a_new_instance_leaves_nothing_of_it(
    instance: Instance, settings: dict[str, Any], reason: str
) -> None:
    """The server is asked once there is an image, before certificate, directory, repository and rules are made."""
    begun = time.time()
    more = {"postgres_backup_enabled": True, "postgres_instance_allowed_sources": ["192.0.2.0/24"]}
    refused = instance.refused(postgres_instance_settings=settings, **more)
    assert reason in refused.text, refused.output
    assert "so nothing was replaced" in refused.text
    assert refused.count("changed") == 0
    assert run("docker", "volume", "inspect", instance.volume, check=False).returncode != 0
    assert run("docker", "inspect", instance.name, check=False).returncode != 0
    candidate = Path(f"/run/{instance.name}-candidate")
    assert not [path for path in (instance.directory, instance.repository, candidate) if path.exists()]
    assert volumes_of_the_proof(instance, begun) == []


def test_setting_of_any_spelling_takes_the_place_of_the_roles_without_a_restart(hardened: Instance) -> None:
    begun = hardened.sql("SELECT pg_postmaster_start_time()")
    given = {"TimeZone": "Europe/Berlin", "WORK_MEM": "3MB", "temp_tablespaces": [], "application_name": "it's"}
    hardened.site("--tags", "instance", postgres_instance_settings=given)
    assert (hardened.sql("SHOW timezone"), hardened.sql("SHOW work_mem")) == ("Europe/Berlin", "3MB")
    assert hardened.site("--tags", "instance", postgres_instance_settings=given).count("changed") == 0
    hardened.site("--tags", "instance")
    assert (hardened.sql("SHOW timezone"), hardened.sql("SHOW work_mem")) == ("UTC", "4MB")
    assert hardened.sql("SELECT pg_postmaster_start_time()") == begun


def test_file_changed_by_hand_is_seen_and_put_right(hardened: Instance) -> None:
    path = hardened.directory / "postgresql" / "postgresql.conf"
    text = path.read_text()
    path.write_text(text + "work_mem = 77MB\nlog_statement = none\n")
    hardened.sql("SELECT pg_reload_conf()")
    check = hardened.site("--tags", "instance", "--check", "--diff")
    assert check.count("changed") >= 1
    assert "-work_mem = 77MB" in check.output
    assert hardened.sql("SHOW work_mem") == "77MB"
    assert hardened.site("--tags", "instance").count("changed") == 1
    assert (path.read_text(), hardened.sql("SHOW work_mem"), hardened.sql("SHOW log_statement")) == (text, "4MB", "ddl")


def test_restart_happens_only_where_it_is_permitted(hardened: Instance) -> None:
    """A setting of the server's start, changed by hand and brought into force by hand."""
    hardened.sql("ALTER SYSTEM SET max_connections = 140")
    hardened.sql("ALTER SYSTEM SET work_mem = '99MB'")
    hardened.sql("ALTER DATABASE authdb SET work_mem = '50MB'")
    run("docker", "restart", hardened.name)
    assert hardened.play("start").code == 0
    assert (hardened.sql("SHOW max_connections"), hardened.sql("SHOW work_mem")) == ("140", "99MB")
    begun = hardened.sql("SELECT pg_postmaster_start_time()")

    check = hardened.site("--tags", "instance", "--check", "--diff")
    assert check.count("changed") == 1
    assert "-max_connections = 140" in check.output
    assert "+max_connections = 100" in check.output
    for_sessions = "ALTER DATABASE authdb SET work_mem=50MB: comes before the declared value"
    assert for_sessions in check.text
    verify = hardened.play("verify", "--tags", "instance")
    assert verify.code != 0
    assert for_sessions in verify.text
    hardened.sql("ALTER DATABASE authdb RESET work_mem")
    assert "max_connections is 140, not 100" in verify.text
    assert "work_mem is 99MB, not 4MB" in verify.text

    # The line is said as long as it is true.
    line = "max_connections: changed, and in force only after a restart, which postgres_instance_restart_permitted does not permit"
    for changed in (1, 0):
        waiting = hardened.site("--tags", "instance", postgres_instance_restart_permitted=False)
        assert waiting.text.count(line) == 1, waiting.output
        assert waiting.count("changed") == changed
    assert (hardened.sql("SHOW max_connections"), hardened.sql("SHOW work_mem")) == ("140", "4MB")
    assert hardened.sql("SELECT pg_postmaster_start_time()") == begun

    assert hardened.site("--tags", "instance", "--check").count("changed") == 1
    hardened.site("--tags", "instance")
    assert hardened.sql("SHOW max_connections") == "100"
    assert hardened.sql("SELECT pg_postmaster_start_time()") != begun
    again = hardened.site("--tags", "instance")
    assert again.count("changed") == 0
    assert "postgres may connect over the network" not in again.text


def test_container_is_replaced_only_where_a_restart_is_permitted(hardened: Instance) -> None:
    before = hardened.inspect()["Id"]
    waiting = hardened.site(
        "--tags", "instance", postgres_instance_shm_size_mb=300, postgres_instance_restart_permitted=False
    )
    line = f"The container {hardened.name} differs from the declared in shm_size: to replace it restarts the server"
    assert waiting.text.count(line) == 1, waiting.output
    assert waiting.count("changed") == 0
    assert hardened.inspect()["Id"] == before


def test_shared_memory_lies_in_huge_pages_unless_the_inventory_says_otherwise(hardened: Instance) -> None:
    limit = Path("/proc/sys/vm/nr_overcommit_hugepages")
    kept = f"vm.nr_overcommit_hugepages={int(limit.read_text())}"
    assert hardened.huge_pages.read_text().split() == [kept]
    assert hardened.sql("SHOW huge_pages") == "try"
    assert hardened.pages_of_shared_memory() == "huge"
    assert hardened.site("--tags", "instance", postgres_instance_huge_pages=False).count("changed") > 0
    assert hardened.sql("SHOW huge_pages") == "off"
    assert hardened.pages_of_shared_memory() == "ordinary"
    assert not hardened.huge_pages.exists()
    assert hardened.site("--tags", "instance", "--check", "--diff").count("changed") > 0
    assert not hardened.huge_pages.exists()
    hardened.site("--tags", "instance")
    assert hardened.huge_pages.read_text().split() == [kept]
    assert hardened.pages_of_shared_memory() == "huge"
    assert hardened.site("--tags", "instance").count("changed") == 0
