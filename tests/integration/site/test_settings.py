"""What the inventory says of settings is what the server does: a wrong one changes nothing, one changed by hand is seen and put right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from instance import Instance, run


@pytest.fixture
def settled(hardened: Instance) -> Iterator[Instance]:
    """Give the shared instance, and have it as it was afterwards."""
    yield hardened
    hardened.site("--tags", "instance")


def configuration(instance: Instance) -> str:
    """Return all settings, their values in the files and where they come from."""
    files = "SELECT name, setting, sourcefile FROM pg_file_settings ORDER BY seqno"
    settings = "SELECT name, setting, pending_restart FROM pg_settings WHERE source <> 'client' ORDER BY name"
    return instance.sql(files) + instance.sql(settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"no_such_setting": "1"}, 'unrecognized configuration parameter "no_such_setting"'),
        ({"no.such": "1"}, "no.such: no such setting"),
        ({"work_mem": "1kB"}, '1 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)'),
        ({"max_connections": 300000}, 'is outside the valid range for parameter "max_connections"'),
        ({"deadlock_timeout": "1 fortnight"}, 'invalid value for parameter "deadlock_timeout": "1 fortnight"'),
        ({"maintenance_work_mem": "64XB"}, 'HINT: Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'),
        ({"shared_buffers": "lots"}, 'invalid value for parameter "shared_buffers": "lots"'),
        ({"log_statement": "some"}, "HINT: Available values: none, ddl, mod, all."),
    ],
)
def test_wrong_setting_stops_the_run_with_the_reason(hardened: Instance, settings: dict[str, Any], reason: str) -> None:
    before, configured = hardened.snapshot(), configuration(hardened)
    volumes = run("docker", "volume", "ls", "-q").stdout.split()
    refused = hardened.refused("--tags", "instance", postgres_instance_settings=settings)
    assert reason in refused.text, refused.output
    assert "so nothing was replaced" in refused.text
    assert refused.count("changed") == 0
    assert hardened.snapshot() == before
    assert configuration(hardened) == configured
    assert [name for name in run("docker", "volume", "ls", "-q").stdout.split() if name not in volumes] == []


def test_wrong_setting_of_a_new_instance_leaves_nothing_of_it(instance: Instance) -> None:
    refused = instance.refused(postgres_instance_settings={"work_mem": "4XB"})
    assert 'invalid value for parameter "work_mem": "4XB"' in refused.text
    assert run("docker", "volume", "inspect", instance.volume, check=False).returncode != 0
    assert run("docker", "inspect", instance.name, check=False).returncode != 0
    assert not (instance.directory / "postgresql").exists()


def test_setting_of_any_spelling_takes_the_place_of_the_roles(settled: Instance) -> None:
    given = {"TimeZone": "Europe/Berlin", "WORK_MEM": "5MB", "temp_tablespaces": [], "cluster_name": "it's"}
    settled.site("--tags", "instance", postgres_instance_settings=given, postgres_instance_restart_permitted=False)
    assert (settled.sql("SHOW timezone"), settled.sql("SHOW work_mem")) == ("Europe/Berlin", "5MB")
    again = settled.site(
        "--tags", "instance", postgres_instance_settings=given, postgres_instance_restart_permitted=False
    )
    assert again.count("changed") == 0


def test_file_changed_by_hand_is_seen_and_put_right(settled: Instance) -> None:
    path = settled.directory / "postgresql" / "postgresql.conf"
    text = path.read_text()
    path.write_text(text + "work_mem = 77MB\nlog_statement = none\n")
    settled.sql("SELECT pg_reload_conf()")
    check = settled.site("--tags", "instance", "--check", "--diff")
    assert check.count("changed") >= 1
    assert "-work_mem = 77MB" in check.output
    assert settled.sql("SHOW work_mem") == "77MB"
    assert settled.site("--tags", "instance").count("changed") == 1
    assert (path.read_text(), settled.sql("SHOW work_mem"), settled.sql("SHOW log_statement")) == (text, "4MB", "ddl")


def test_restart_happens_only_where_it_is_permitted(settled: Instance) -> None:
    """A setting of the start, changed by hand and brought into force by hand."""
    settled.sql("ALTER SYSTEM SET max_connections = 140")
    settled.sql("ALTER SYSTEM SET work_mem = '99MB'")
    run("docker", "restart", settled.name)
    assert settled.play("start").code == 0
    assert (settled.sql("SHOW max_connections"), settled.sql("SHOW work_mem")) == ("140", "99MB")
    begun = settled.sql("SELECT pg_postmaster_start_time()")

    check = settled.site("--tags", "instance", "--check", "--diff")
    assert check.count("changed") == 1
    assert "-max_connections = 140" in check.output
    assert "+max_connections = 100" in check.output
    verify = settled.play("verify", "--tags", "instance")
    assert verify.code != 0
    assert "max_connections is 140, not 100" in verify.text
    assert "work_mem is 99MB, not 4MB" in verify.text

    waiting = settled.site("--tags", "instance", postgres_instance_restart_permitted=False)
    line = "max_connections: changed, and in force only after a restart, which postgres_instance_restart_permitted does not permit"
    assert waiting.text.count(line) == 1, waiting.output
    assert (settled.sql("SHOW max_connections"), settled.sql("SHOW work_mem")) == ("140", "4MB")
    assert settled.sql("SELECT pg_postmaster_start_time()") == begun

    settled.site("--tags", "instance")
    assert settled.sql("SHOW max_connections") == "100"
    assert settled.sql("SELECT pg_postmaster_start_time()") != begun
    assert settled.site("--tags", "instance").count("changed") == 0


def test_reload_is_enough_for_what_needs_no_restart(settled: Instance) -> None:
    begun = settled.sql("SELECT pg_postmaster_start_time()")
    settled.site("--tags", "instance", postgres_instance_settings={"work_mem": "6MB"})
    assert settled.sql("SHOW work_mem") == "6MB"
    assert settled.sql("SELECT pg_postmaster_start_time()") == begun


def test_container_is_replaced_only_where_a_restart_is_permitted(settled: Instance) -> None:
    before = settled.inspect()["Id"]
    waiting = settled.site(
        "--tags", "instance", postgres_instance_shm_size_mb=300, postgres_instance_restart_permitted=False
    )
    line = f"The container {settled.name} differs from the declared in shm_size: to replace it restarts the server"
    assert waiting.text.count(line) == 1, waiting.output
    assert waiting.count("changed") == 0
    assert settled.inspect()["Id"] == before
    settled.site("--tags", "instance", postgres_instance_shm_size_mb=300)
    assert settled.inspect()["HostConfig"]["ShmSize"] == 300 << 20
