"""Dumps of one moment, and one database, one table or some rows restored while everything else goes on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from instance import PASSPHRASE, SECRETS, SUFFIX, Instance, run

NAME = f"amt-parts{SUFFIX}"


@pytest.fixture(scope="module")
def backed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance with some users and one backup with dumps."""
    made = Instance(NAME, 25457, tmp_path_factory.mktemp("parts"), image, {"postgres_backup_enabled": True})
    made.remove()
    made.site()
    for user in ("ann", "bob", "cat"):
        made.sql(f"INSERT INTO users (email, password_hash) VALUES ('{user}@example.com', 'Canary-Hash')", "authdb")
    made.sql("INSERT INTO profiles (user_id, name) VALUES (uuid_generate_v4(), 'Ann')", "apidb")
    made.sql("CREATE DATABASE undeclared")
    taken = made.site("--tags", "backup", "-vvv", "--diff", "-e", "backup_type=logical")
    assert "each was restored and compared" in taken.text
    assert PASSPHRASE not in taken.output
    yield made
    for volume in run("docker", "volume", "ls", "-q", "-f", f"name={NAME}_kept_").stdout.split():
        run("docker", "volume", "rm", volume)
    made.remove()


def dumps(instance: Instance) -> list[Path]:
    return sorted((instance.repository / "dumps").iterdir())


def users(instance: Instance) -> list[str]:
    return instance.sql("SELECT email FROM users ORDER BY email", "authdb").split()


def backups(instance: Instance) -> list[dict[str, Any]]:
    """What pgBackRest lists, oldest first."""
    command = ["pgbackrest", f"--stanza={NAME}", "--output=json", "info"]
    answer = json.loads(run("docker", "exec", "-u", "999", instance.name, *command).stdout)
    return list(answer[0]["backup"])


def records(instance: Instance) -> list[str]:
    return sorted(path.stem for path in (instance.repository / "catalog" / "verified").iterdir())


def databases(instance: Instance) -> list[str]:
    return instance.sql("SELECT datname FROM pg_database WHERE datname LIKE 'authdb%' ORDER BY 1").split()


def point(instance: Instance, name: str) -> None:
    instance.sql(f"SELECT pg_create_restore_point('{name}')")


def moment(instance: Instance) -> str:
    """A time between what was committed before and what is committed from now on."""
    instance.sql("SELECT pg_sleep(0.1)")
    now = instance.sql("SELECT now()")
    instance.sql("SELECT pg_sleep(0.1)")
    return now


def restored(instance: Instance, *arguments: str) -> str:
    """Restore, which must succeed, and return what was said."""
    result = instance.play("restore", "-e", f"confirm_restore={instance.name}", *arguments)
    assert result.code == 0, result.output
    return result.text


def copies(instance: Instance) -> list[str]:
    """Containers and volumes besides the instance's own."""
    containers = run("docker", "ps", "-a", "--format", "{{.Names}}", "-f", f"name={NAME}").stdout.split()
    volumes = run("docker", "volume", "ls", "-q", "-f", f"name={NAME}").stdout.split()
    return [name for name in containers + volumes if name not in (NAME, instance.volume)]


def reads_as_service(instance: Instance) -> str:
    """What the service sees over TLS, with its password."""
    address = f"host=127.0.0.1 port={instance.port} dbname=authdb user=auth_service sslmode=require"
    command = ["psql", "-X", "-qAt", address, "-c", "SELECT count(*) FROM users"]
    return run(*command, env={"PGPASSWORD": SECRETS["auth_service"], "PATH": "/usr/bin:/bin"}).stdout.strip()


def test_dumps_lie_encrypted_with_their_manifest(backed: Instance) -> None:
    (directory,) = dumps(backed)
    manifest = json.loads((directory / "manifest.json").read_text())
    assert {entry["database"] for entry in manifest["files"]} == {"authdb", "apidb", "admindb", ""}
    assert manifest["restore_point"] == f"verify_{directory.name}"
    assert {path.name for path in directory.iterdir()} == {
        "manifest.json",
        *(entry["name"] for entry in manifest["files"]),
    }
    for entry in manifest["files"]:
        path = directory / entry["name"]
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"Canary-Hash" not in path.read_bytes()
    record = json.loads((backed.repository / "catalog" / "verified" / f"{directory.name}.json").read_text())
    assert record["databases"] == ["admindb", "apidb", "authdb", "postgres", "undeclared"]
    status = backed.play("status")
    assert "dumps of authdb, apidb, admindb" in status.text
    (directory / "authdb.dump.enc").rename(directory / "moved")
    assert "lack authdb.dump.enc as it was written" in backed.play("status").text
    (directory / "moved").rename(directory / "authdb.dump.enc")
    assert copies(backed) == []


def test_dump_is_restored_by_the_documented_commands(backed: Instance) -> None:
    """With nothing but openssl and pg_restore, into another server."""
    (directory,) = dumps(backed)
    words = "openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -pass stdin -in"
    other = f"{NAME}-init"
    run("docker", "run", "-d", "--name", other, "-e", "POSTGRES_PASSWORD=x", backed.image)
    try:
        for _attempt in range(300):
            if run("docker", "exec", other, "pg_isready", "-h", "127.0.0.1", check=False).returncode == 0:
                break
            run("docker", "exec", other, "sleep", "0.1", check=False)
        feeds = {"globals.sql.enc": "psql -q -U postgres", "authdb.dump.enc": "pg_restore -U postgres -C -d postgres"}
        for name, feed in feeds.items():
            secret = {"input": PASSPHRASE.encode(), "capture_output": True}
            text: Any = subprocess.run([*words.split(), str(directory / name)], check=True, **secret)
            fed = ["docker", "exec", "-i", other, *feed.split()]
            subprocess.run(fed, input=text.stdout, capture_output=True, check="psql" not in feed)
        asked = ["psql", "-qAt", "-U", "postgres", "-d", "authdb", "-c", "SELECT count(*) FROM users"]
        assert run("docker", "exec", other, *asked).stdout.strip() == "3"
    finally:
        run("docker", "rm", "-f", "-v", other)


def test_dumps_of_an_unverified_backup_are_refused(backed: Instance) -> None:
    refused = backed.play("backup", "-e", "backup_type=logical", postgres_backup_verify=False)
    assert refused.code != 0
    assert "backup_type logical needs postgres_backup_verify true" in refused.text


def test_somebody_deleted_users_at_14_00(backed: Instance) -> None:
    then = moment(backed)
    backed.sql("DELETE FROM users WHERE email LIKE 'a%' OR email LIKE 'b%'", "authdb")
    backed.sql("UPDATE users SET is_active = false WHERE email LIKE 'c%'", "authdb")
    backed.sql("INSERT INTO users (email, password_hash) VALUES ('dan@example.com', 'h')", "authdb")
    asked = ("-e", "database=authdb", "-e", "table=users", "-e", f"time='{then}'")
    seen = backed.play("rescue", *asked)
    assert seen.code == 0, seen.output
    assert "2 rows deleted since, 1 changed, 1 added" in seen.text
    assert "(is_active)" in seen.text
    assert "Nothing was put back" in seen.text
    assert "Canary-Hash" not in seen.output
    assert users(backed) == ["cat@example.com", "dan@example.com"]
    started = backed.inspect()["State"]["StartedAt"]
    back = backed.play("rescue", *asked, "-e", "rescue_rows=deleted")
    assert back.code == 0, back.output
    assert users(backed) == ["ann@example.com", "bob@example.com", "cat@example.com", "dan@example.com"]
    assert backed.sql("SELECT is_active FROM users WHERE email LIKE 'c%'", "authdb") == "f"
    key = backed.sql("SELECT id FROM users WHERE email LIKE 'c%'", "authdb")
    chosen = backed.play("rescue", *asked, "-e", json.dumps({"rescue_rows": [key]}))
    assert chosen.code == 0, chosen.output
    assert backed.sql("SELECT is_active FROM users WHERE email LIKE 'c%'", "authdb") == "t"
    assert backed.inspect()["State"]["StartedAt"] == started
    assert copies(backed) == []


def test_one_database_comes_back_and_goes_again(backed: Instance) -> None:
    before = users(backed)
    point(backed, "before_the_loss")
    backed.sql("DROP TABLE users", "authdb")
    backed.sql("INSERT INTO profiles (user_id, name) VALUES (uuid_generate_v4(), 'Later')", "apidb")
    target = ("-e", "restore_database=authdb", "-e", "restore_point=before_the_loss")
    asked = backed.play("restore", *target)
    assert f"give -e confirm_restore={NAME}" in asked.text
    started = backed.inspect()["State"]["StartedAt"]
    said = restored(backed, *target)
    assert "What was served before is kept in the database authdb_kept_" in said
    assert users(backed) == before
    assert reads_as_service(backed) == "4"
    assert backed.sql("SELECT count(*) FROM profiles", "apidb") == "2"
    assert backed.inspect()["State"]["StartedAt"] == started
    kept = databases(backed)[-1]
    assert databases(backed) == ["authdb", kept]
    assert backed.site().count("changed") == 0
    assert backed.play("verify").code == 0
    assert backed.play("restore_undo", "-e", "restore_database=authdb").code == 0
    assert backed.sql("SELECT to_regclass('public.users') IS NULL", "authdb") == "t"
    assert backed.play("restore_undo", "-e", "restore_database=authdb").code == 0
    assert users(backed) == before
    assert copies(backed) == []


def test_one_table_comes_back_and_goes_again(backed: Instance) -> None:
    before = users(backed)
    then = moment(backed)
    backed.sql("DELETE FROM users; INSERT INTO users (email, password_hash) VALUES ('eve@example.com', 'h')", "authdb")
    said = restored(
        backed, "-e", "restore_database=authdb", "-e", "restore_table=users", "-e", f"restore_time='{then}'"
    )
    assert "4 rows came back, 0 were changed back, 1 were taken away" in said
    assert users(backed) == before
    assert reads_as_service(backed) == "4"
    table = ("-e", "restore_database=authdb", "-e", "restore_table=users")
    assert backed.play("restore_undo", *table).code == 0
    assert users(backed) == ["eve@example.com"]
    restored(backed, *table, "-e", f"restore_time='{then}'")
    assert users(backed) == before


def test_killed_restore_is_finished_by_the_next_run(backed: Instance) -> None:
    """Killed before its place was taken, it has left a copy; killed right after, a database that is closed."""
    backed.sql("CREATE DATABASE authdb_restoring_20261125t140000")
    backed.sql("ALTER DATABASE authdb CONNECTION LIMIT 0")
    backed.sql("ALTER DATABASE authdb SET ai_micro.connection_limit = '-1'")
    # It opens the database, and finds everything that was restored before in order.
    assert backed.site().count("changed") == 1
    assert reads_as_service(backed) == "4"
    assert backed.site().count("changed") == 0
    refused = backed.play("restore_cleanup")
    assert "The database authdb_restoring_20261125t140000" in refused.text
    assert "The rows in ai_micro.kept_" in refused.text
    assert len(databases(backed)) == 3
    cleaned = backed.play("restore_cleanup", "-e", f"confirm_restore_cleanup={NAME}")
    assert cleaned.code == 0, cleaned.output
    assert databases(backed) == ["authdb"]
    assert (
        backed.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'ai_micro' AND tablename LIKE 'kept%'", "authdb")
        == "0"
    )
    assert "Nothing: no restore has kept anything" in backed.play("restore_cleanup").text


def test_what_cannot_be_restored_leaves_everything_as_it_was(backed: Instance) -> None:
    before = (users(backed), databases(backed), backed.inspect()["State"]["StartedAt"])
    confirmed = ("-e", f"confirm_restore={NAME}")
    cases = {
        "Nothing was restored: Cannot connect to PostgreSQL": ("restore", "-e", "restore_database=nowhere", *confirmed),
        "there was no table nowhere in authdb": (
            "restore",
            "-e",
            "restore_database=authdb",
            "-e",
            "restore_table=nowhere",
            *confirmed,
        ),
        "cannot be recovered to nowhere": (
            "restore",
            "-e",
            "restore_database=authdb",
            "-e",
            "restore_point=nowhere",
            *confirmed,
        ),
        "Say where rows are missing": ("rescue", "-e", "database=authdb", "-e", "table=users"),
        "rescue_rows is deleted, changed, all": (
            *("rescue", "-e", "database=authdb", "-e", "table=users", "-e", "time=now", "-e", "rescue_rows=some"),
        ),
    }
    for sentence, (playbook, *arguments) in cases.items():
        refused = backed.play(playbook, *arguments)
        assert refused.code != 0
        assert sentence in refused.text, refused.output
        assert "Traceback" not in refused.output
    assert (users(backed), databases(backed), backed.inspect()["State"]["StartedAt"]) == before
    assert copies(backed) == []


def test_restore_to_the_end_of_one_backup(backed: Instance) -> None:
    """The whole instance, as it was when the backup ended."""
    label = dumps(backed)[0].name
    restored(backed, "-e", f"restore_set={label}")
    assert users(backed) == ["ann@example.com", "bob@example.com", "cat@example.com"]
    assert reads_as_service(backed) == "3"
    assert backed.play("restore_undo").code == 0
    assert len(users(backed)) == 4
    assert backed.play("restore_cleanup", "-e", f"confirm_restore_cleanup={NAME}").code == 0


def test_migration_has_a_way_back_that_stays(backed: Instance) -> None:
    backed.sql("DELETE FROM ai_micro.schema_migration", "admindb")
    said = backed.site().text
    last = backups(backed)[-1]
    assert last["type"] == "full"
    assert last["annotation"] == {"keep": "until removed by hand", "reason": "before 0001_embedding_superset.sql"}
    assert "The restore point before_migration_" in said
    assert "verified: restored in" in said
    assert backed.sql("SELECT count(*) FROM ai_micro.schema_migration", "admindb") == "1"
    assert backed.site().count("changed") == 0


def test_what_is_too_old_goes_but_not_what_is_kept_or_was_verified_last(backed: Instance) -> None:
    first, *_others, kept = [each["label"] for each in backups(backed)]
    limits = {"postgres_backup_full_days": 0, "postgres_backup_generations": 1}
    assert kept in records(backed)
    said = backed.play("backup", "-e", "backup_type=full", **limits)
    assert said.code == 0, said.output
    assert f"Removed for their age: {first}, with what was built on them" in said.text
    last = backups(backed)[-1]["label"]
    assert [each["label"] for each in backups(backed)] == [kept, last]
    assert records(backed) == [kept, last]
    unverified = backed.play("backup", "-e", "backup_type=full", postgres_backup_verify=False, **limits)
    assert unverified.code == 0, unverified.output
    assert last in [each["label"] for each in backups(backed)]
    # What is kept leads back to its own end, without WAL of the time since.
    restored(backed, "-e", f"restore_set={kept}")
    assert backed.play("restore_undo").code == 0
    assert backed.play("restore_cleanup", "-e", f"confirm_restore_cleanup={NAME}").code == 0


def test_destroy_takes_a_last_backup_or_deletes_nothing(backed: Instance) -> None:
    destroy = ("-e", f"confirm_destroy={NAME}")
    before = (backed.snapshot(), len(backups(backed)))
    refused = backed.play("destroy", *destroy, postgres_backup_lock_timeout="nonsense")
    assert refused.code != 0
    assert "Nothing was deleted, since the last backup failed" in refused.text
    assert backed.snapshot() == before[0]
    gone = backed.play("destroy", *destroy)
    assert gone.code == 0, gone.output
    assert "verified: restored in" in gone.text
    assert copies(backed) == []
    assert run("docker", "inspect", NAME, check=False).returncode != 0
    # No server says which timeline was served, and the newest is one that an undone restore has left.
    note = backed.repository / "catalog" / "served_timeline"
    note.rename(note.with_name("moved"))
    lost = backed.play("restore", "-e", f"confirm_restore={NAME}")
    assert lost.code != 0
    assert "give -e restore_timeline=current, which is that of the backup" in lost.text
    assert copies(backed) == []
    note.with_name("moved").rename(note)
    restored(backed)
    assert backups(backed)[-1]["annotation"] == {"reason": "before destroy"}
    assert len(users(backed)) == 4
    assert backed.play("destroy", *destroy, "-e", "destroy_backup=false").code == 0
