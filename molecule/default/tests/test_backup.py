"""The schedule on a host with systemd: a timer fires by itself, and its backup is verified."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from testinfra.host import Host as Target

from tests.hosts.run import Run

UNIT = "ai-micro-postgres-backup"
STATE = "/var/lib/ai-micro-postgres"
CATALOG = "/var/backups/ai-micro-postgres/catalog/verified"
FIRES_WITHIN = 900


def noted(host: Target, job: str) -> dict[str, Any]:
    """Give what the last run of a job has noted."""
    found = host.run(f"cat {STATE}/{job}.json")
    return dict(json.loads(found.stdout)) if found.rc == 0 else {}


def local_time(host: Target) -> datetime:
    """Give the host's own time."""
    return datetime.fromisoformat(host.check_output("date +%Y-%m-%dT%H:%M:%S").strip())


def test_timers_wait(host: Target) -> None:
    """Each job has a timer that is started, and will be after a boot."""
    for job in ("full", "incr", "logical", "check", "drill"):
        timer = f"{UNIT}-{job}.timer"
        assert host.check_output(f"systemctl is-active {timer}; systemctl is-enabled {timer}").split() == [
            "active",
            "enabled",
        ]
        assert host.check_output(f"systemctl show --value --property=NextElapseUSecRealtime {timer}").strip()
        assert host.run(f"systemd-analyze verify /etc/systemd/system/{UNIT}-{job}.service").rc == 0


def test_timer_fires_and_its_backup_is_verified(host: Target, ansible: Callable[..., Run]) -> None:
    """Nobody starts the service: site.yml moves the timer to some minutes from now."""
    assert noted(host, "full") == {}
    # On a busy machine site.yml may take longer than until then; what fires meanwhile waits for it.
    for wait in (90, 180, 360):
        at = (local_time(host) + timedelta(seconds=wait)).replace(second=0)
        changes = {"postgres_backup_schedule_full": at.strftime("%M %H * * *"), "postgres_backup_schedule_delay": 0}
        run = ansible("ansible-playbook", "playbooks/site.yml", "-e", json.dumps(changes))
        assert run.code == 0, run.report()
        if noted(host, "full") or local_time(host) < at:
            break

    deadline = time.monotonic() + FIRES_WITHIN
    while "status" not in noted(host, "full"):
        assert time.monotonic() < deadline, host.run("systemctl list-timers --all").stdout
        time.sleep(1)

    assert noted(host, "full")["status"] == 0, host.run(f"cat {STATE}/full.log").stdout
    assert "systemd" in host.check_output(f"journalctl --unit={UNIT}-full.service --output=short")
    assert "full went well in" in host.check_output(f"journalctl --unit={UNIT}-full.service")
    (name,) = host.file(CATALOG).listdir()
    record = json.loads(str(host.file(f"{CATALOG}/{name}").content_string))
    assert (record["type"], record["rows"] > 0) == ("full", True)
    shown = ansible("ansible-playbook", "playbooks/verify.yml", "--tags", "backup")
    assert shown.code == 0, shown.report()

    back = ansible("ansible-playbook", "playbooks/site.yml")
    assert back.code == 0, back.report()
    again = ansible("ansible-playbook", "playbooks/site.yml")
    assert again.count("changed") == 0, again.report()
