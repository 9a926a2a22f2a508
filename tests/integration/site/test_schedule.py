"""The host's own runs: cron's line fires and its backup is verified, runs wait for each other, a drill is measured, and what stopped is seen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from every_backup import restore_every
from instance import PASSPHRASE, SECRETS, SUFFIX, Instance, run

NAME = f"amt-sched{SUFFIX}"
CRON = Path("/etc/cron.d") / f"{NAME}-backup"
RUNNER = Path("/opt") / NAME / "runner"
STATE = Path("/var/lib") / NAME
FIRES_WITHIN = 900
# The next one is years away.
NEVER = "0 0 29 2 *"


@pytest.fixture(scope="module")
def scheduled(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance whose backups cron takes: the first one, a full one, a minute or two from now."""
    variables = {
        "postgres_backup_enabled": True,
        "postgres_backup_schedule": True,
        "postgres_backup_schedule_manager": "cron",
        "postgres_backup_drills_kept": 2,
        # What was written is in the repository when a run asks for it, and not by itself while a drill begins.
        "postgres_backup_archive_timeout": 900,
        # Nothing fires but what a test has fire.
        **{f"postgres_backup_schedule_{job}": NEVER for job in ("full", "incr", "logical", "drill")},
    }
    made = Instance(NAME, 25458, tmp_path_factory.mktemp("schedule"), image, variables)
    made.remove()
    made.site()
    yield made
    made.remove()


def noted(job: str) -> dict[str, Any]:
    """Return what the last run of a job has noted."""
    path = STATE / f"{job}.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def backups(instance: Instance) -> list[dict[str, Any]]:
    """Return the backups of the repository."""
    command = ["pgbackrest", f"--stanza={instance.name}", "--output=json", "info"]
    return list(json.loads(run("docker", "exec", "-u", "999", instance.name, *command).stdout)[0]["backup"])


def drills(instance: Instance) -> list[dict[str, Any]]:
    """Return the history of drills."""
    path = instance.repository / "catalog" / "drills.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def visible() -> str:
    """Return every command line and environment on this machine, as root sees them; the tests' own are left out."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(errors="replace")
            if str(RUNNER) in words or "AnsiballZ" in words:
                found.append(words + (process / "environ").read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_second_run_changes_nothing(scheduled: Instance) -> None:
    assert scheduled.site().count("changed") == 0
    checked = scheduled.site("--check", "--diff")
    assert checked.count("changed") == 0


def test_secrets_are_roots_alone(scheduled: Instance) -> None:
    inventory = scheduled.directory / "runner" / "inventory.json"
    assert (inventory.stat().st_mode & 0o777, inventory.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    text = inventory.read_text()
    assert PASSPHRASE in text
    assert [secret for secret in SECRETS.values() if secret in text] == []
    holders = [
        path
        for top in (RUNNER, STATE)
        for path in top.rglob("*")
        if path.is_file() and PASSPHRASE.encode() in path.read_bytes()
    ]
    assert [*holders, *([CRON] if PASSPHRASE in CRON.read_text() else [])] == []


def test_line_of_cron_fires_and_its_backup_is_verified(scheduled: Instance) -> None:
    assert noted("full") == {}
    # On a busy machine site.yml may take longer than until then; what fires meanwhile waits for it.
    for wait in (90, 180, 360):
        at = (datetime.now() + timedelta(seconds=wait)).replace(second=0, microsecond=0)
        scheduled.site(postgres_backup_schedule_full=at.strftime("%M %H * * *"))
        if noted("full") or datetime.now() < at:
            break
    seen, deadline = "", time.monotonic() + FIRES_WITHIN
    while "status" not in noted("full"):
        assert time.monotonic() < deadline, f"cron did not fire at {at}: {CRON.read_text()}"
        seen += visible()
        time.sleep(0.1)
    assert noted("full")["status"] == 0, (STATE / "full.log").read_text()
    (first,) = [backup for backup in backups(scheduled) if backup.get("annotation") == {"reason": "scheduled"}]
    assert first["type"] == "full"
    assert (scheduled.repository / "catalog" / "verified" / f"{first['label']}.json").is_file()
    assert str(RUNNER) in seen
    assert PASSPHRASE not in seen + (STATE / "full.log").read_text()
    status = scheduled.play("status")
    assert f"{first['label']} (full)" in status.text
    assert scheduled.play("verify", "--tags", "backup").code == 0, status.output


def test_scheduled_run_waits_for_one_by_hand(scheduled: Instance) -> None:
    """The same line that cron runs, while somebody takes a backup: both are taken, one after the other."""
    scheduled.site()
    command = CRON.read_text().splitlines()[-1].split(" root ")[1]
    assert command.endswith(" drill")
    by_hand = threading.Thread(target=scheduled.play, args=("backup",))
    before = len(backups(scheduled))
    by_hand.start()
    while not (Path("/run/ai_micro.postgres") / f"{NAME}.lock").exists():
        time.sleep(0.1)
    done = run("env", "-i", "sh", "-c", command.replace(" drill", " incr"), check=False)
    by_hand.join()
    assert done.returncode == 0, (STATE / "incr.log").read_text()
    assert "Waiting for another run: process" in (STATE / "incr.log").read_text()
    assert len(backups(scheduled)) == before + 2


def test_drill_is_measured_and_remembered(scheduled: Instance) -> None:
    scheduled.sql("INSERT INTO users (email, password_hash) VALUES ('drill@example.com', 'h')", "authdb")
    started = scheduled.inspect()["State"]["StartedAt"]
    done = scheduled.play("drill")
    assert done.code == 0, done.output
    (drill,) = drills(scheduled)
    assert (
        f"RTO {drill['rto_seconds']} s, RPO {drill['rpo_seconds']} s; from the backup {backups(scheduled)[-1]['label']}"
        in done.text
    )
    assert drill["passed"]
    assert drill["rto_seconds"] >= drill["restored_in"] > 0
    # What was written before the drill was not archived then.
    assert 0 < drill["rpo_seconds"] < 300
    users = int(scheduled.sql("SELECT count(*) FROM users", "authdb"))
    assert (drill["tables"] >= 9, drill["rows"] > users > 0) == (True, True)
    assert scheduled.inspect()["State"]["StartedAt"] == started
    # The copy went on to a timeline of its own, and archived nothing of it.
    archive = scheduled.repository / "pgbackrest" / "archive" / NAME
    assert [path for path in archive.rglob("*") if path.name.startswith("00000002")] == []
    containers = run("docker", "ps", "-a", "--format", "{{.Names}}", "-f", f"name={NAME}").stdout.split()
    volumes = run("docker", "volume", "ls", "-q", "-f", f"name={NAME}").stdout.split()
    assert (containers, volumes) == ([NAME], [scheduled.volume])
    assert f"drill {drill['at']}: RTO" in scheduled.play("status").text


def test_damage_after_the_verification_is_found_by_the_check(scheduled: Instance) -> None:
    """One bit of a backup that was verified has changed on the disk."""
    label = backups(scheduled)[0]["label"]
    bundle = next((scheduled.repository / "pgbackrest" / "backup" / NAME / label / "bundle").iterdir())
    whole = bundle.read_bytes()
    middle = len(whole) // 2
    bundle.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    red = scheduled.play("verify", "--tags", "backup")
    bundle.write_bytes(whole)
    assert red.code != 0
    assert f"The repository {scheduled.repository} holds files that are not as they were written" in red.text
    assert f"backup: {label}, status: invalid" in red.text
    # It counts no more, for whoever looks, until a check finds it whole again.
    note = scheduled.repository / "catalog" / "damaged.json"
    assert label in json.loads(note.read_text())
    assert f"The backup {label} is damaged and counts no more" in red.text
    status = scheduled.play("status").text
    assert f"The backup {label} is damaged and counts no more: take a full one" in status
    assert re.search(rf"{label} \(full\): \S+ h old, \S+ MB, DAMAGED", status)
    assert scheduled.play("verify", "--tags", "backup").code == 0
    assert not note.exists()
    assert "DAMAGED" not in scheduled.play("status").text


def test_failed_drill_is_remembered_and_seen(scheduled: Instance) -> None:
    directory = scheduled.repository / "pgbackrest" / "backup" / NAME
    whole = {path: path.read_bytes() for path in directory.rglob("bundle/*") if path.is_file()}
    for path, content in whole.items():
        path.write_bytes(content[: len(content) // 2])
    refused = scheduled.play("drill")
    for path, content in whole.items():
        path.write_bytes(content)
    assert refused.code != 0
    assert f"The repository {scheduled.repository} could not be restored into a copy" in refused.text
    assert [drill["passed"] for drill in drills(scheduled)] == [True, False]
    red = scheduled.play("verify", "--tags", "backup")
    assert red.code != 0
    assert (
        f"The drill of {drills(scheduled)[-1]['at']} failed (The repository {scheduled.repository} could not be restored"
        in red.text
    )
    assert scheduled.play("drill").code == 0
    assert [drill["passed"] for drill in drills(scheduled)] == [False, True]
    assert scheduled.play("verify", "--tags", "backup").code == 0


def test_schedule_that_stopped_firing_is_seen(scheduled: Instance) -> None:
    """Nobody has fired the daily check for a week; the check by hand says so, and status too."""
    week_ago = time.time() - 7 * 86400
    times = os.stat(STATE / "schedule.json")
    os.utime(STATE / "schedule.json", (week_ago, week_ago))
    (STATE / "check.json").write_text(json.dumps({"began": int(week_ago), "ended": int(week_ago) + 2, "status": 0}))
    red = scheduled.play("verify", "--tags", "backup")
    status = scheduled.play("status")
    os.utime(STATE / "schedule.json", (times.st_atime, times.st_mtime))
    assert red.code != 0
    for said in (red.text, status.text):
        assert "The schedule stopped firing: check was due at" in said
    assert status.code == 0
    assert scheduled.play("verify", "--tags", "backup").code == 0


def test_run_that_failed_or_was_killed_is_seen_and_the_next_goes_on(scheduled: Instance) -> None:
    command = CRON.read_text().splitlines()[-1].split(" root ")[1].replace(" drill", " incr")
    run("docker", "stop", NAME)
    failed = run("env", "-i", "sh", "-c", command, check=False)
    assert scheduled.play("start").code == 0
    assert failed.returncode != 0
    assert f"The container {NAME} does not run" in noted("incr")["reason"]
    assert noted("incr")["reason"] in failed.stderr
    assert "The scheduled incr of" in scheduled.play("status").text

    with subprocess.Popen(["env", "-i", "sh", "-c", command], start_new_session=True) as killed:
        while "Restore from the repository" not in (STATE / "incr.log").read_text():
            assert killed.poll() is None
            time.sleep(0.1)
        os.killpg(killed.pid, signal.SIGKILL)
    status = scheduled.play("status")
    assert "was cut short: take one by hand" in status.text
    assert "is not verified" in status.text

    done = run("env", "-i", "sh", "-c", command, check=False)
    assert done.returncode == 0, (STATE / "incr.log").read_text()
    assert "its process has ended" in (STATE / "incr.log").read_text()
    assert "The scheduled incr of" not in scheduled.play("status").text


def test_calendar_that_cannot_be_read_is_named(scheduled: Instance) -> None:
    before = CRON.read_text()
    refused = scheduled.refused(postgres_backup_schedule_incr="10 25 * * *")
    assert "The calendar '10 25 * * *' of incr cannot be read: its hour is '25'" in refused.text
    assert "postgres_backup_schedule_incr" in refused.text
    assert CRON.read_text() == before


def test_python_that_cannot_run_it_is_named(scheduled: Instance, tmp_path: Path) -> None:
    old = tmp_path / "python-of-old"
    old.write_text("#!/bin/sh\necho 'ERROR: Ansible requires Python 3.11 or newer on the controller.' >&2\nexit 1\n")
    old.chmod(0o755)
    refused = scheduled.refused(postgres_backup_runner_python=str(old))
    assert f"The host's {old} cannot run ansible-core" in refused.text
    assert "requires Python 3.11" in refused.text
    assert run(str(RUNNER / "ansible-playbook"), "--version").returncode == 0
    assert scheduled.site().count("changed") == 0


def test_every_backup_that_is_called_verified_restores(scheduled: Instance) -> None:
    """Those that cron or its line took, and those that were taken while others were killed or damaged."""
    proved = restore_every(scheduled)
    fired = [each for each in backups(scheduled) if each.get("annotation") == {"reason": "scheduled"}]
    assert {fired[0]["label"], fired[-1]["label"]} <= set(proved)
    assert len(proved) >= 3


def test_jobs_switched_off_go(scheduled: Instance) -> None:
    scheduled.site(postgres_backup_schedule_incr="")
    assert [line.split()[-1] for line in CRON.read_text().splitlines() if " root " in line] == [
        "full",
        "logical",
        "check",
        "drill",
    ]
    CRON.write_text("# Somebody else's.\n" + CRON.read_text())
    assert f"{CRON} is there and not of this schedule" in scheduled.refused().text
    CRON.write_text(CRON.read_text().partition("\n")[2])
    scheduled.site(postgres_backup_schedule=False)
    assert [path for path in (CRON, RUNNER.parent, STATE, scheduled.directory / "runner") if path.exists()] == []
    assert scheduled.site(postgres_backup_schedule=False).count("changed") == 0
