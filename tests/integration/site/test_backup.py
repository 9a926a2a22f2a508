"""Backups that were restored before they count; restores beside the server, the way back, and what must not work."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from every_backup import restore_every
from instance import PASSPHRASE, REPOSITORY, SECRETS, SUFFIX, Instance, run

NAME = f"amt-backup{SUFFIX}"
# More WAL files than the bounded search reads in its one second.
FILES = 60
WRITE = f"""
DO $$ BEGIN FOR file IN 1..{FILES} LOOP
    PERFORM pg_logical_emit_message(false, 'test', 'something'); PERFORM pg_switch_wal();
END LOOP; END $$
"""


@pytest.fixture(scope="module")
def backed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance with one full, verified backup."""
    made = Instance(NAME, 25455, tmp_path_factory.mktemp("backup"), image, {"postgres_backup_enabled": True})
    made.remove()
    assert "There is no backup yet: no schedule takes one; site.yml --tags backup takes one now" in made.site().text
    assert stanza(made)["backup"] == []
    taken = made.site("--tags", "backup", "-vvv", "--diff", "-e", "backup_type=full")
    assert "verified: restored in" in taken.text
    assert PASSPHRASE not in taken.output
    yield made
    made.remove()


def stanza(instance: Instance) -> dict[str, Any]:
    """Return what pgBackRest says of the repository."""
    command = ["pgbackrest", f"--stanza={instance.name}", "--output=json", "info"]
    answer = run("docker", "exec", "-u", "999", instance.name, *command).stdout
    return dict(json.loads(answer)[0])


def add_user(instance: Instance, email: str) -> None:
    instance.sql(f"INSERT INTO users (email, password_hash) VALUES ('{email}', 'h')", "authdb")


def users(instance: Instance) -> list[str]:
    return instance.sql("SELECT email FROM users ORDER BY email", "authdb").split()


def restored(instance: Instance, *arguments: str) -> str:
    """Restore, which must succeed, and return what was said."""
    result = instance.play("restore", "-e", f"confirm_restore={instance.name}", *arguments)
    assert result.code == 0, result.output
    return result.text


def test_backup_is_verified_and_leaves_no_copy(backed: Instance) -> None:
    (first,) = stanza(backed)["backup"]
    assert first["type"] == "full"
    record = json.loads((backed.repository / "catalog" / "verified" / f"{first['label']}.json").read_text())
    assert (record["label"], record["tables"] >= 9, record["rows"] >= 2) == (first["label"], True, True)
    containers = run("docker", "ps", "-a", "--format", "{{.Names}}", "-f", f"name={NAME}").stdout.split()
    volumes = run("docker", "volume", "ls", "-q", "-f", f"name={NAME}").stdout.split()
    assert (containers, volumes) == ([NAME], [backed.volume])
    assert PASSPHRASE not in json.dumps(backed.inspect())
    for path in (backed.repository, backed.repository / "catalog", backed.repository / "pgbackrest"):
        assert path.stat().st_mode & 0o007 == 0


def test_wal_is_archived(backed: Instance) -> None:
    """As an audit asks: switched on, by pgBackRest, and what was written is in the repository."""
    assert backed.sql("SHOW archive_mode") == "on"
    assert backed.sql("SHOW archive_command") == f"pgbackrest --stanza={NAME} archive-push %p"
    assert backed.sql("SHOW archive_library") == ""
    segment = backed.sql("SELECT pg_walfile_name(pg_switch_wal())")
    archived = f"SELECT coalesce(last_archived_wal, '') >= '{segment}' FROM pg_stat_archiver"
    end = time.monotonic() + 30
    while backed.sql(archived) != "t":
        assert time.monotonic() < end, run("docker", "logs", "--tail=20", NAME).stderr
        time.sleep(0.2)
    assert (
        backed.sql("SELECT last_failed_time IS NULL OR last_failed_time < last_archived_time FROM pg_stat_archiver")
        == "t"
    )
    assert list((backed.repository / "pgbackrest" / "archive" / NAME).rglob(f"{segment}-*"))


def test_another_backup_is_incremental_and_remembers_its_reason(backed: Instance) -> None:
    add_user(backed, "before@example.com")
    taken = backed.play("backup", postgres_backup_reason="before a test")
    assert taken.code == 0, taken.output
    assert "(incr)" in taken.text
    assert "Taking a backup of" not in taken.text
    assert stanza(backed)["backup"][-1]["annotation"] == {"reason": "before a test"}
    again = backed.site()
    assert again.count("changed") == 0
    assert "There is no backup yet" not in again.text


def test_nobody_writes_unnoticed_while_the_moment_is_named(backed: Instance) -> None:
    """A transaction that does not end keeps the moment from being found: it is said, and the backup is no verified one.

    What is too old goes all the same, as the record of a backup that is there no more; and a drill that is kept from it is in the history.
    """
    outdated = backed.repository / "catalog" / "verified" / "20000101-000000F.json"
    outdated.write_text("{}")
    impatient = {"postgres_backup_lock_timeout": "200ms", "postgres_backup_lock_attempts": 2}
    run(
        "docker",
        "exec",
        "-d",
        NAME,
        "psql",
        "-U",
        "postgres",
        "-d",
        "authdb",
        "-c",
        "BEGIN; DELETE FROM users; SELECT pg_sleep(600)",
    )
    backed.sql("SELECT 1")
    refused = backed.play("backup", **impatient)
    drilled = backed.play("drill", **impatient)
    backed.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
    )
    assert refused.code != 0
    assert "The backup is NOT verified: No moment was found in 2 attempts in which nobody writes" in refused.text
    assert not outdated.exists()
    label = stanza(backed)["backup"][-1]["label"]
    assert not (backed.repository / "catalog" / "verified" / f"{label}.json").exists()
    assert drilled.code != 0
    noted = json.loads((backed.repository / "catalog" / "drills.jsonl").read_text().splitlines()[-1])
    assert (noted["passed"], noted["reason"].startswith("No moment was found in 2 attempts")) == (False, True)


def test_wrong_passphrase_is_named(backed: Instance) -> None:
    before = backed.snapshot()
    refused = backed.refused("--tags", "backup", "-vvv", "--diff", postgres_backup_passphrase="Another-Passphrase-7")
    assert f"postgres_backup_passphrase does not open the repository {backed.repository}" in refused.text
    assert not [word for word in (PASSPHRASE, "Another-Passphrase-7") if word in refused.output]
    assert backed.snapshot() == before


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 4096]) + content[middle + 4096 :]


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damaged", [flipped, truncated])
def test_damaged_backup_is_not_restored_and_the_server_goes_on(
    backed: Instance, damaged: Callable[[bytes], bytes]
) -> None:
    started = backed.inspect()["State"]["StartedAt"]
    directory = backed.repository / "pgbackrest" / "backup" / NAME
    files = [path for path in directory.rglob("bundle/*") if path.is_file()]
    whole = {path: path.read_bytes() for path in files}
    for path, content in whole.items():
        path.write_bytes(damaged(content))
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}")
    checked = backed.play("verify", "--tags", "backup")
    for path, content in whole.items():
        path.write_bytes(content)
    # The next check would find it mended.
    (backed.repository / "catalog" / "damaged.json").unlink()
    assert refused.code != 0
    assert "Nothing was restored, and the server is as it was" in refused.text
    assert "a file is damaged: run verify.yml --tags backup" in refused.text
    assert (
        f"The backup {stanza(backed)['backup'][0]['label']} is damaged and counts no more: take a full" in checked.text
    )
    assert backed.inspect()["State"]["StartedAt"] == started
    assert backed.kept() == []


def test_point_that_is_not_there_is_not_restored(backed: Instance) -> None:
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_point=nowhere")
    assert refused.code != 0
    assert "Nothing was restored, and the server is as it was" in refused.text
    assert "No restore point nowhere is in the " in refused.text
    assert (
        "look how it is spelled, or give another restore_point, a restore_time, or the label of a backup"
        in refused.text
    )
    assert backed.kept() == []
    # Which backup leads there may be told instead of looked for.
    label = stanza(backed)["backup"][0]["label"]
    told = backed.play(
        *("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_point=nowhere", "-e", f"restore_set={label}")
    )
    assert told.code != 0
    assert "cannot be recovered to nowhere, and the server is as it was" in told.text
    assert "recovery ended before configured recovery target was reached" in told.text
    assert backed.kept() == []


def test_restore_to_a_point_and_back(backed: Instance) -> None:
    """The point is somebody's own, the second of its name, and older than the newest backup, from which no WAL leads back.

    One service had no role then, one might not do what it is declared to, and of one the password and the login have changed since.
    """
    leads = stanza(backed)["backup"][-1]["label"]
    backed.sql(
        "REASSIGN OWNED BY user_api_service TO postgres; DROP OWNED BY user_api_service; DROP ROLE user_api_service",
        "apidb",
    )
    backed.sql("REVOKE ALL ON users FROM auth_service", "authdb")
    backed.sql("SELECT pg_create_restore_point('an accident')")
    backed.sql("UPDATE users SET password_hash = 'changed'", "authdb")
    backed.sql("SELECT pg_create_restore_point('an accident')")
    backed.sql("DELETE FROM users", "authdb")
    passwords = {role: secret for role, secret in SECRETS.items() if role != "postgres"}
    backed.variables["postgres_common_role_passwords"] = {**passwords, "admin_api_service": "Admin-Canary-10"}
    turn = ("-e", "postgres_databases_rotate=admin_api_service", "-e", "postgres_databases_rotate_grace=1")
    rotated = backed.play("rotate_secrets", *turn)
    assert rotated.code == 0, rotated.output
    assert backed.play("backup", postgres_backup_verify=False).code == 0
    backed.sql(WRITE)
    before = backed.snapshot()
    # With a setting that a run which got as far as the configuration would have written.
    asked = backed.play("restore", "-e", "restore_point='an accident'", postgres_instance_settings={"work_mem": "3MB"})
    assert asked.code != 0
    assert f"Nothing was changed: to restore as said above, give -e confirm_restore={NAME}" in asked.text
    assert asked.count("changed") == 0
    assert backed.snapshot() == before
    assert users(backed) == []
    point = ("-e", f"confirm_restore={NAME}", "-e", "restore_point='an accident'")
    given_up = backed.play("restore", *point, postgres_backup_point_search=1)
    assert given_up.code != 0
    bound = re.search(
        r"Nothing was restored, and the server is as it was: .*The restore point an accident is in none of the (\d+) newest WAL files, which is as far as "
        r"postgres_backup_point_search lets a restore look: give the label of the backup to begin with \(restore_set\), one of (.+), or a higher ",
        given_up.text,
    )
    assert bound, given_up.output
    assert int(bound[1]) < FILES
    assert leads in bound[2].split(", ")
    assert backed.kept() == []
    said = restored(backed, "-e", "restore_point='an accident'")
    services = {"auth_service authdb", "user_api_service apidb", "admin_api_service_2 admindb"}
    assert backed.who_comes_in() == services
    assert f"the restore begins with the backup {leads}, which ended before it" in said
    assert f"What was served before is in the volume {backed.kept()[0]}" in said
    # What has looked for damage is gone again.
    assert backed.sql("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", "authdb") == "0"
    assert users(backed) == ["before@example.com"]
    assert backed.sql("SELECT password_hash FROM users", "authdb") == "changed"
    assert backed.site().count("changed") == 0
    assert len(backed.kept()) == 1
    # The newest backup is one of the timeline before, and leads to this one.
    drilled = backed.play("drill")
    assert drilled.code == 0, drilled.output
    # The new timeline is archived too, so that the next restore finds it; what is taken there builds on the full one alone.
    add_user(backed, "after@example.com")
    # How far it is, is said of any that takes longer than that.
    taken = backed.play("backup", "-e", "backup_type=diff", "-e", "_postgres_backup_progress=1")
    assert taken.code == 0, taken.output
    assert "(diff)" in taken.text
    assert re.search(rf"Taking a backup of {NAME}: (\d+ % copied, )?under way for \d+ s\.", taken.text)
    assert "verified: restored in" in taken.text
    verified = backed.play("verify")
    assert verified.code == 0, verified.output
    first, *_others, unverified, last = stanza(backed)["backup"]
    assert (last["type"], last["prior"]) == ("diff", first["label"])
    assert backed.play("restore_undo").code == 0
    assert users(backed) == []
    # The newest one lies on the timeline that was left, and counts no more.
    said = f"The newest backup that leads to what is served, {unverified['label']}, is not verified"
    assert said in backed.play("status").text
    assert backed.play("restore_undo").code == 0
    assert users(backed) == ["after@example.com", "before@example.com"]
    refused = backed.play("restore_cleanup")
    assert f"The volume {backed.kept()[0]} with every database in it" in refused.text
    assert len(backed.kept()) == 1
    assert backed.play("restore_cleanup", "-e", f"confirm_restore_cleanup={NAME}").code == 0
    assert backed.kept() == []
    assert backed.site().count("changed") == 0


def test_time_between_two_transactions_gives_exactly_the_first(
    backed: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are archived, and nothing but the time that the server had between them tells one from the other.

    Without a zone it is UTC, whatever the server's own zone is. While it is looked for, the copy reaches nothing.
    """
    before = users(backed)
    look = f"docker inspect -f '{{{{.HostConfig.NetworkMode}}}}' {NAME}-restore > {tmp_path}/copy"
    workers = f"docker exec {NAME}-restore psql -U postgres -qAtc 'SHOW max_logical_replication_workers'"
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(Path(__file__).parent / "callbacks"))
    monkeypatch.setenv("AMT_AT_TASK", "Read the rows of the copy")
    monkeypatch.setenv("AMT_COMMAND", f"{look}; {workers} >> {tmp_path}/copy")
    backed.sql("BEGIN; INSERT INTO users (email, password_hash) VALUES ('first@example.com', 'h'); COMMIT", "authdb")
    between = backed.sql("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    backed.sql("BEGIN; INSERT INTO users (email, password_hash) VALUES ('second@example.com', 'h'); COMMIT", "authdb")
    far = json.dumps({"postgres_instance_settings": {"TimeZone": "Asia/Tokyo"}})
    said = restored(backed, "-e", f"restore_time='{between}'", "-e", far)
    assert f"to the time {between}" in said
    assert (tmp_path / "copy").read_text().split() == ["none", "0"]
    assert backed.sql("SHOW TimeZone") == "Asia/Tokyo"
    assert users(backed) == sorted([*before, "first@example.com"])


def test_lost_host_comes_back_from_the_repository(backed: Instance) -> None:
    """Container, volume and configuration are gone; what was acknowledged and archived is there again.

    The newest backup is one of a restore that was undone, the one to a time: no WAL leads from it to what was served.
    """
    add_user(backed, "abandoned@example.com")
    assert "verified" in backed.play("backup").text
    assert backed.play("restore_undo").code == 0
    served, newest = int(backed.sql("SELECT timeline_id FROM pg_control_checkpoint()")), stanza(backed)["backup"][-1]
    assert int(newest["archive"]["start"][:8], 16) > served
    add_user(backed, "last@example.com")
    backed.sql("SELECT pg_switch_wal()")
    wait = "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver"
    for _attempt in range(100):
        if backed.sql(wait) == "t":
            break
        backed.sql("SELECT pg_sleep(0.1)")
    identifier = backed.sql("SELECT system_identifier FROM pg_control_system()")
    run("docker", "kill", NAME)
    run("docker", "rm", NAME)
    run("docker", "volume", "rm", backed.volume)
    shutil.rmtree(backed.directory)
    said = restored(backed)
    # The volume that was empty is kept, but there is nothing in it to go back to.
    assert "What was served before is in the volume" not in said
    # Nor is what an earlier restore has kept what was served before this one.
    journal = backed.directory / "restores.json"
    noted = json.loads(journal.read_text())
    ((newest, entry),) = noted.items()
    assert (newest, entry["state"]) == (backed.kept()[-1], "empty")
    journal.write_text(json.dumps({**noted, backed.kept()[0]: {**entry, "state": "swapped"}}))
    before = backed.snapshot()
    refused = backed.play("restore_undo")
    assert refused.code != 0
    assert "There is nothing to go back to" in refused.text
    assert backed.snapshot() == before
    journal.write_text(json.dumps(noted))
    assert users(backed) == [f"{name}@example.com" for name in ("after", "before", "first", "last", "second")]
    # Which login has its turn was known to the lost host alone.
    services = {"auth_service authdb", "user_api_service apidb", "admin_api_service admindb"}
    assert backed.who_comes_in() == services
    assert backed.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE '%service_2'") == "0"
    assert backed.sql("SELECT system_identifier FROM pg_control_system()") == identifier
    assert backed.site().count("changed") == 0
    assert backed.play("verify").code == 0


def test_every_backup_that_is_called_verified_restores(backed: Instance) -> None:
    """Of each type and of several timelines, after the host that took them was lost."""
    types = {each["label"]: each["type"] for each in stanza(backed)["backup"]}
    proved = restore_every(backed)
    assert {types[label] for label in proved} == {"full", "incr", "diff"}
    assert len(proved) >= 4


# With what the module's documentation says, and nothing of this collection's roles.
STRANGER = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ai_micro.postgres.postgres_backup_info:
        login_host: 127.0.0.1
        login_port: {port}
        login_password: {password}
        ssl_mode: require
        container: {name}
        stanza: {name}
        catalog: {catalog}
      register: found
    - ansible.builtin.copy:
        content: "{{{{ found | to_json }}}}"
        dest: {answer}
        mode: "0600"
      check_mode: false
"""


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check mode"])
def test_playbook_of_a_stranger_is_told_of_the_backups(
    backed: Instance, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    catalog, answer, playbook = backed.repository / "catalog", tmp_path / "answer.json", tmp_path / "stranger.yml"
    words = {"port": backed.port, "password": backed.password("postgres"), "name": NAME}
    playbook.write_text(STRANGER.format(**words, catalog=catalog, answer=answer))
    archived = "SELECT last_archived_wal FROM pg_stat_archiver"
    before = backed.sql(archived)
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    run(program, str(playbook), "-i", "localhost,", "-c", "local", *arguments, cwd=REPOSITORY)
    found = json.loads(answer.read_text())
    assert found["changed"] is False
    listed = stanza(backed)["backup"]
    records = {path.stem: json.loads(path.read_text()) for path in (catalog / "verified").iterdir()}
    assert [
        (each["label"], each["type"], each["size"], each["ended"], each["seconds"], each["verified_at"])
        for each in found["backups"]
    ] == [
        (
            each["label"],
            each["type"],
            each["info"]["size"],
            each["timestamp"]["stop"],
            each["timestamp"]["stop"] - each["timestamp"]["start"],
            records.get(each["label"], {}).get("verified_at"),
        )
        for each in listed
    ]
    assert {each["verified_at"] is None for each in found["backups"]} == {True, False}
    # All are as old at one moment, which is now.
    (asked,) = {each["ended"] + each["age"] for each in found["backups"]}
    assert listed[-1]["timestamp"]["stop"] <= asked <= time.time()
    passed = [
        drill for drill in map(json.loads, (catalog / "drills.jsonl").read_text().splitlines()) if drill["passed"]
    ]
    assert passed
    assert found["drill"]["rto_seconds"] == passed[-1]["rto_seconds"] > 0
    assert found["rpo_seconds"] >= 0
    assert found["rto_seconds"] in {record["restored_in"] for record in records.values()}
    assert before <= found["last_archived_wal"] <= backed.sql(archived)
    assert found["warnings_found"] == []


def test_repository_of_another_cluster_is_refused_or_taken_by_its_name(backed: Instance, tmp_path: Path) -> None:
    """Restored as a clone of that cluster: its rows are served by the passwords of this inventory, and the way back leads to the data of before."""
    passwords = {role: f"Other-{secret}" for role, secret in SECRETS.items()}
    variables = {
        "postgres_common_superuser_password": passwords.pop("postgres"),
        "postgres_common_role_passwords": passwords,
    }
    other = Instance(f"{NAME}-other", 25456, tmp_path, backed.image, variables)
    other.remove()
    try:
        other.site()
        add_user(other, "own@example.com")
        shutil.copytree(backed.repository, other.repository)
        conf = other.repository / "pgbackrest"
        for kind in ("archive", "backup"):
            (conf / kind / NAME).rename(conf / kind / other.name)
        run("chown", "-R", "999:999", str(conf))
        files = {path: path.stat().st_mtime_ns for path in conf.rglob("*") if path.is_file()}
        refused = other.refused(postgres_backup_enabled=True)
        assert f"The repository of {other.name} holds the backups of the cluster" in refused.text
        identifier = other.sql("SELECT system_identifier FROM pg_control_system()")
        served = other.snapshot()
        confirmed = ("-e", f"confirm_restore={other.name}")
        for arguments in ((), ("-e", "restore_database=authdb")):
            restoring = other.play("restore", *confirmed, *arguments, postgres_backup_enabled=True)
            assert restoring.code != 0
            assert (
                f"the volume {other.volume} holds the cluster {identifier}. Name its own repository" in restoring.text
            )
        assert other.snapshot() == served
        assert {path: path.stat().st_mtime_ns for path in conf.rglob("*") if path.is_file()} == files

        note = other.repository / "catalog" / "served_timeline"
        result = other.play(
            "restore", *confirmed, postgres_backup_enabled=True, postgres_backup_accept_system_identifier=identifier
        )
        assert result.code == 0, result.output
        (volume,) = other.kept()
        assert f"What was served before is in the volume {volume}" in result.text
        other.variables["postgres_backup_enabled"] = True
        assert users(other) == users(backed)
        cluster = "SELECT system_identifier FROM pg_control_system()"
        assert other.sql(cluster) == backed.sql(cluster)
        assert other.who_comes_in() == {"auth_service authdb", "user_api_service apidb", "admin_api_service admindb"}
        assert other.site().count("changed") == 0
        verified = other.play("verify")
        assert verified.code == 0, verified.output
        served = note.read_text()
        assert int(served) > int(backed.sql("SELECT timeline_id FROM pg_control_checkpoint()"))
        undone = other.play("restore_undo")
        assert undone.code == 0, undone.output
        assert (other.sql(cluster), users(other)) == (identifier, ["own@example.com"])
        # What is restored from there is that cluster's, along its own timeline.
        assert note.read_text() == served
        accepted = other.site(postgres_backup_enabled=True, postgres_backup_accept_system_identifier=identifier)
        assert accepted.count("failed") == 0
        assert len(stanza(other)["backup"]) == len(stanza(backed)["backup"])
    finally:
        other.remove()
