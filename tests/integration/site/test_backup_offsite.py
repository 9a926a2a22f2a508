"""A second repository off site: filled beside the local one, missed without harm, and enough by itself."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from every_backup import restore_every
from instance import PASSPHRASE, SUFFIX, Instance, run
from object_store import HOST, ObjectStore

NAME = f"amt-offsite{SUFFIX}"
SECRETS = {
    "postgres_backup_offsite_secret": "Offsite-Secret-Canary-8",
    "postgres_backup_offsite_passphrase": "Offsite-Passphrase-Canary-9",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Give a service with an empty bucket."""
    made = ObjectStore(tmp_path_factory.mktemp("store"), 25480)
    made.start()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def backed(image: str, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance that archives into both repositories."""
    # Docker names the bridge's own gateway, the first address, only from its second start on.
    subnet = run("docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "bridge").stdout.strip()
    gateway = str(next(ipaddress.ip_network(subnet).hosts()))
    variables = {
        "postgres_backup_enabled": True,
        "postgres_backup_offsite_bucket": store.bucket,
        "postgres_backup_offsite_endpoint": HOST,
        "postgres_backup_offsite_port": store.port,
        "postgres_backup_offsite_address": gateway,
        "postgres_backup_offsite_uri_style": "path",
        "postgres_backup_offsite_ca": str(store.certificate),
        "postgres_backup_offsite_key": "Offsite-Key-Canary-7",
        **SECRETS,
    }
    made = Instance(NAME, 25459, tmp_path_factory.mktemp("offsite"), image, variables)
    made.remove()
    made.site()
    yield made
    made.remove()


def offsite(instance: Instance) -> dict[str, Any]:
    """Return what pgBackRest says of the off-site repository."""
    words = ["pgbackrest", "--config=/etc/pgbackrest/offsite.conf", f"--stanza={NAME}", "--output=json", "info"]
    return dict(json.loads(run("docker", "exec", "-u", "999", instance.name, *words).stdout)[0])


def add_user(instance: Instance, name: str) -> None:
    instance.sql(f"INSERT INTO users (email, password_hash) VALUES ('{name}@example.com', 'h')", "authdb")


def users(instance: Instance) -> list[str]:
    return [email.split("@")[0] for email in instance.sql("SELECT email FROM users ORDER BY email", "authdb").split()]


def prove(instance: Instance) -> None:
    """Restore what each repository shows as verified, before the records that say so are lost with the local one."""
    assert restore_every(instance)
    assert offsite(instance)["backup"][-1]["label"] in restore_every(instance, offsite=True)


def test_backup_goes_off_site_too_and_is_verified_there(backed: Instance) -> None:
    add_user(backed, "ann")
    taken = backed.site("--tags", "backup", "-vvv", "--diff")
    assert "WARNING" not in taken.text, taken.text
    assert "Off site: backup" in taken.text
    assert "verified: fetched and restored in" in taken.text
    assert [secret for secret in (PASSPHRASE, *SECRETS.values()) if secret in taken.output] == []
    (made,) = offsite(backed)["backup"]
    assert (backed.repository / "catalog" / "offsite" / "verified" / f"{made['label']}.json").is_file()
    status = backed.play("status")
    assert f"off site {made['label']} (full)" in status.text
    assert "WARNING" not in status.text
    assert backed.site().count("changed") == 0


def test_wrong_passphrase_off_site_is_named(backed: Instance, store: ObjectStore) -> None:
    before = backed.snapshot()
    refused = backed.refused("-vvv", "--diff", postgres_backup_offsite_passphrase="Another-Passphrase-7")
    said = f"postgres_backup_offsite_passphrase does not open the off-site repository s3://{store.bucket}/{NAME}"
    assert said in refused.text
    secrets = ("Another-Passphrase-7", PASSPHRASE, *SECRETS.values())
    assert [secret for secret in secrets if secret in refused.output] == []
    assert backed.snapshot() == before


def test_damage_off_site_is_found_by_the_check(backed: Instance) -> None:
    """One bit has changed where nobody on this host sees it."""
    label = offsite(backed)["backup"][-1]["label"]
    path = f"backup/{NAME}/{label}/bundle/1"
    words = ["docker", "exec", "-i", "-u", "999", NAME, "pgbackrest", "--config=/etc/pgbackrest/offsite.conf"]
    words += [f"--stanza={NAME}", "--raw"]
    whole = subprocess.run([*words, "repo-get", path], check=True, capture_output=True).stdout
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    subprocess.run([*words, "repo-put", path], input=changed, check=True, capture_output=True)
    red = backed.play("verify", "--tags", "backup")
    subprocess.run([*words, "repo-put", path], input=whole, check=True, capture_output=True)
    assert red.code != 0
    assert "The off-site repository s3://" in red.text
    assert "holds files that are not as they were written" in red.text
    assert f"The backup {label} off site is damaged and counts no more" in red.text
    assert f"The repository {backed.repository}" not in red.text
    assert [secret for secret in (PASSPHRASE, *SECRETS.values()) if secret in red.output] == []
    mended = backed.play("verify", "--tags", "backup")
    assert mended.code == 0, mended.output


def test_secrets_are_in_files_that_root_alone_reads(backed: Instance) -> None:
    secrets = [PASSPHRASE, *SECRETS.values()]
    assert [secret for secret in secrets if secret in json.dumps(backed.inspect())] == []
    for process in run("docker", "top", NAME, "-eo", "pid").stdout.split()[1:]:
        for name in ("environ", "cmdline"):
            content = run("cat", f"/proc/{process}/{name}", check=False).stdout
            assert [secret for secret in secrets if secret in content] == []
    for path in (backed.directory / "pgbackrest").iterdir():
        assert path.stat().st_mode & 0o777 == 0o640
        assert path.stat().st_uid == 0
    assert (backed.directory / "pgbackrest").stat().st_mode & 0o777 == 0o750


def test_local_repository_goes_on_without_the_other(backed: Instance, store: ObjectStore) -> None:
    store.shut()
    add_user(backed, "bob")
    taken = backed.play("backup")
    assert taken.code == 0, taken.output
    assert f"WARNING: nothing was taken off site in s3://{store.bucket}/{NAME}, the local backup counts" in taken.text
    assert "verified: restored in" in taken.text
    status = backed.play("status")
    assert "The off-site repository cannot be used, and the local one goes on without it" in status.text
    assert re.search(r"The off-site repository lacks \d+ WAL files that the local one has", status.text)
    assert (
        backed.sql("SELECT last_archived_time > COALESCE(last_failed_time, '-infinity') FROM pg_stat_archiver") == "t"
    )
    assert "WAL does not reach the repository" not in status.text
    store.open()
    taken = backed.play("backup")
    assert taken.code == 0, taken.output
    assert "verified: fetched and restored in" in taken.text
    status = backed.play("status")
    assert "off-site repository" not in status.text
    assert not list((backed.repository / "pgbackrest" / "offsite-missed").iterdir())


def test_lost_host_and_local_repository_come_back_from_off_site_alone(backed: Instance) -> None:
    add_user(backed, "cat")
    backed.sql("SELECT pg_create_restore_point('last')")
    assert "verified: fetched" in backed.play("backup").text
    prove(backed)
    run("docker", "kill", NAME)
    run("docker", "rm", NAME)
    run("docker", "volume", "rm", backed.volume)
    shutil.rmtree(backed.repository)
    shutil.rmtree(backed.directory)
    lost = backed.play("restore", "-e", f"confirm_restore={NAME}")
    assert lost.code != 0
    assert "-e restore_repository=offsite" in lost.text
    result = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_repository=offsite")
    assert result.code == 0, result.output
    assert users(backed) == ["ann", "bob", "cat"]
    assert backed.site().count("changed") == 0
    # Both repositories go on from here.
    taken = backed.play("backup")
    assert taken.code == 0, taken.output
    assert "(full)" in taken.text
    assert "verified: fetched and restored in" in taken.text
    assert backed.play("verify", "--tags", "backup").code == 0


def test_undone_restore_is_known_off_site(backed: Instance) -> None:
    """The timeline that was served is known where nothing but the off-site repository is left."""
    add_user(backed, "dan")
    restored = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_repository=offsite")
    assert restored.code == 0, restored.output
    assert backed.play("restore_undo").code == 0
    add_user(backed, "eve")
    assert "verified: fetched" in backed.play("backup").text
    prove(backed)
    run("docker", "kill", NAME)
    run("docker", "rm", NAME)
    for volume in run("docker", "volume", "ls", "-q", "-f", f"name={NAME}_").stdout.split():
        run("docker", "volume", "rm", volume)
    shutil.rmtree(backed.repository)
    result = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_repository=offsite")
    assert result.code == 0, result.output
    assert users(backed) == ["ann", "bob", "cat", "dan", "eve"]


def test_migration_has_its_backup_off_site_too(backed: Instance, store: ObjectStore) -> None:
    """It is taken before the run has asked whether the off-site repository answers; where that does not, the local one leads back."""
    backed.sql("DELETE FROM ai_micro.schema_migration", "admindb")
    migrated = backed.site()
    assert "WARNING" not in migrated.text, migrated.text
    assert "verified: fetched and restored in" in migrated.text
    last = offsite(backed)["backup"][-1]
    assert (last["type"], last["annotation"]["keep"]) == ("full", "until removed by hand")
    assert (backed.repository / "catalog" / "offsite" / "verified" / f"{last['label']}.json").is_file()
    backed.sql("DELETE FROM ai_micro.schema_migration", "admindb")
    store.shut()
    missed = backed.site()
    store.open()
    assert f"WARNING: nothing was taken off site in s3://{store.bucket}/{NAME}, the local backup counts" in missed.text
    assert "verified: restored in" in missed.text
    assert backed.sql("SELECT count(*) FROM ai_micro.schema_migration", "admindb") == "1"
    assert offsite(backed)["backup"][-1]["label"] == last["label"]
    prove(backed)


def test_last_backup_before_destroy_lies_off_site_too(backed: Instance) -> None:
    """With what was written while the off-site repository did not answer."""
    add_user(backed, "fay")
    gone = backed.play("destroy", "-e", f"confirm_destroy={NAME}")
    assert gone.code == 0, gone.output
    assert "WARNING" not in gone.text, gone.text
    assert "verified: fetched and restored in" in gone.text
    assert not list((backed.repository / "pgbackrest" / "offsite-missed").iterdir())
    shutil.rmtree(backed.repository)
    result = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_repository=offsite")
    assert result.code == 0, result.output
    last = offsite(backed)["backup"][-1]
    assert (last["type"], last["annotation"]) == ("full", {"reason": "before destroy"})
    assert users(backed) == ["ann", "bob", "cat", "dan", "eve", "fay"]
    assert backed.site().count("changed") == 0


def test_unknown_repository_and_missing_keys_are_refused(backed: Instance) -> None:
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_repository=tape")
    assert refused.code != 0
    assert "restore_repository is tape" in refused.text
    refused = backed.refused(postgres_backup_offsite_key="", postgres_backup_offsite_passphrase="short")
    assert "postgres_backup_offsite_key is empty, and postgres_backup_offsite_bucket names a bucket" in refused.text
    assert "postgres_backup_offsite_passphrase" in refused.text


def test_credentials_of_a_repository_that_is_given_up_do_not_stay(backed: Instance) -> None:
    backed.site(postgres_backup_offsite_bucket="")
    kept = (backed.directory / "pgbackrest" / "offsite.conf").read_text(encoding="utf-8")
    assert [secret for secret in ("Offsite-Key-Canary-7", *SECRETS.values()) if secret in kept] == []
    assert backed.site(postgres_backup_offsite_bucket="").count("changed") == 0
    # It ends when the local repository has its WAL: nothing waits for the other.
    taken = backed.play("backup", postgres_backup_offsite_bucket="", postgres_backup_verify=False)
    assert taken.code == 0, taken.output
