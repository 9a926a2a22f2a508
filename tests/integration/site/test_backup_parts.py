"""Dumps of one moment, and one database, one table or some rows restored while everything else goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from every_backup import restore_every
from instance import PASSPHRASE, REPOSITORY, SECRETS, SUFFIX, Instance, PlaybookResult, run
from restored_dumps import ask, restored_dumps

NAME = f"amt-parts{SUFFIX}"
THOROUGH = pytest.mark.thorough


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


def wal(instance: Instance, like: str) -> list[str]:
    """The WAL files that the repository holds of another one's timeline."""
    archive = instance.repository / "pgbackrest" / "archive" / NAME
    return sorted(path.name[:24] for path in archive.rglob(f"{like[:8]}????????????????-*") if path.is_file())


def numbers(files: list[str]) -> list[int]:
    """Count WAL files of 16 MB through."""
    return [int(file[8:16], 16) * 256 + int(file[16:], 16) for file in files]


def run_of(numbers: list[int]) -> list[int]:
    """The same from the first to the last without a gap."""
    return list(range(numbers[0], numbers[-1] + 1))


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
    assert backed.beside() == []


def test_dump_is_restored_by_the_documented_commands(backed: Instance) -> None:
    (directory,) = dumps(backed)
    with restored_dumps(backed, directory, "authdb") as server:
        assert ask(server, "authdb", "SELECT count(*) FROM users") == "3"


def test_dumps_of_an_unverified_backup_are_refused(backed: Instance) -> None:
    refused = backed.play("backup", "-e", "backup_type=logical", postgres_backup_verify=False)
    assert refused.code != 0
    assert "backup_type logical needs postgres_backup_verify true" in refused.text


def test_dump_that_changed_on_the_disk_is_found_by_the_check(backed: Instance) -> None:
    """Its size is what it was; the manifest knows more."""
    (directory,) = dumps(backed)
    path = directory / "authdb.dump.enc"
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    red = backed.play("verify", "--tags", "backup")
    path.write_bytes(whole)
    assert red.code != 0
    assert f"The dumps {directory} lack authdb.dump.enc as it was written" in red.text
    # It is known from there on, until a check finds it mended.
    assert "lack authdb.dump.enc as it was written" in backed.play("status").text
    mended = backed.play("verify", "--tags", "backup")
    assert mended.code == 0, mended.output
    assert "lack authdb.dump.enc" not in backed.play("status").text


@THOROUGH
def test_copy_that_differs_from_the_server_is_no_verified_backup(backed: Instance) -> None:
    """A table whose rows never reach a backup, and which the server takes for one whose do."""
    before = records(backed)
    backed.sql("CREATE UNLOGGED TABLE lost (id int); INSERT INTO lost VALUES (1), (2), (3)", "undeclared")
    backed.sql("UPDATE pg_class SET relpersistence = 'p' WHERE oid = 'lost'::regclass", "undeclared")
    red = backed.play("backup")
    backed.sql("DROP TABLE lost", "undeclared")
    label = backups(backed)[-1]["label"]
    assert red.code != 0
    assert f"The backup {label} is NOT verified, since its copy differs from the server" in red.text
    assert "undeclared: table public.lost has 0 rows, had 3" in red.text
    assert "Take a full backup (-e backup_type=full)" in red.text
    assert records(backed) == before
    assert f"The newest backup, {label}, is not verified" in backed.play("status").text
    assert backed.beside() == []


@THOROUGH
def test_copy_with_a_damaged_index_is_no_verified_backup(backed: Instance) -> None:
    """An index that lacks a row of its table: what is restored is what the server has, and both are damaged."""
    before = records(backed)
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'item_id'::regclass"
    backed.sql(
        "CREATE TABLE item (id int); CREATE INDEX item_id ON item (id); INSERT INTO item VALUES (1)", "undeclared"
    )
    backed.sql(ready.format("false"), "undeclared")
    backed.sql("INSERT INTO item VALUES (2)", "undeclared")
    backed.sql(ready.format("true"), "undeclared")
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}")
    assert refused.code != 0
    assert re.search("Nothing was restored, and the server is as it was: .* pg_amcheck found damage", refused.text)
    red = backed.play("backup")
    backed.sql("DROP TABLE item", "undeclared")
    label = backups(backed)[-1]["label"]
    assert red.code != 0
    assert f"The backup {label} is NOT verified: pg_amcheck found damage in its copy" in red.text
    assert records(backed) == before
    assert backed.beside() == []
    taken = backed.play("backup")
    assert taken.code == 0, taken.output
    assert "verified: restored in" in taken.text


@THOROUGH
def test_copy_that_does_not_fit_is_not_made(backed: Instance) -> None:
    """The disk is the server's first; what earlier runs have left there goes, whatever it was for, and a stranger's does not."""
    label, stranger = f"ai_micro.postgres.clone={NAME}", f"{NAME}-clone"
    run("docker", "volume", "create", "--label", label, f"{NAME}_drill")
    run("docker", "create", "--label", label, "--name", f"{NAME}-drill", "-v", f"{NAME}_drill:/x", backed.image, "true")
    run("docker", "create", "--name", stranger, backed.image, "true")
    before, served = records(backed), users(backed)
    full = {"postgres_backup_copy_reserve_mb": 100_000_000}
    try:
        taken = backed.play("backup", **full)
        assert taken.code == 0, taken.output
        last = backups(backed)[-1]["label"]
        assert f"NOT verified (A copy of the backup {last} needs 1000" in taken.text
        assert "MB are free: make room there)" in taken.text
        assert backed.beside() == [stranger]
    finally:
        run("docker", "rm", "-f", "-v", stranger)
    assert records(backed) == before
    dumped = backed.play("backup", "-e", "backup_type=logical", **full)
    assert dumped.code != 0
    said = "No dumps were taken, since they come from the verified copy. The backup is NOT verified: A copy of"
    assert said in dumped.text
    drilled = backed.play("drill", **full)
    assert drilled.code != 0
    assert re.search(r"A copy of the backup \S+ needs \d+ MB on the disk of \S+ .* and \d+ MB are free", drilled.text)
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}", **full)
    assert refused.code != 0
    assert "Nothing was restored, and the server is as it was: A copy of the backup" in refused.text
    assert (users(backed), backed.beside(), len(dumps(backed))) == (served, [], 1)
    # With room again, the next one is verified, and the drill passes.
    assert "verified: restored in" in backed.play("backup").text
    assert backed.play("drill").code == 0


def lost_now(instance: Instance) -> int:
    """What status.yml says would be lost with the host, in seconds."""
    said = re.search(r"Lost with the host now: (\d+) s of work", instance.play("status").text)
    assert said
    return int(said[1])


@THOROUGH
def test_failing_archive_is_counted_and_named(backed: Instance) -> None:
    """Though the open WAL file holds nothing: what counts is the closed one that is not in the repository."""
    backed.sql("ALTER SYSTEM SET archive_command = '/bin/false'")
    backed.sql("SELECT pg_reload_conf()")
    try:
        backed.sql("CREATE TABLE amt_rpo (id int); DROP TABLE amt_rpo", "undeclared")
        backed.sql("SELECT pg_switch_wal()")
        failing = "SELECT last_failed_time > COALESCE(last_archived_time, '-infinity') FROM pg_stat_archiver"
        for _attempt in range(300):
            if backed.sql(failing) == "t":
                break
            backed.sql("SELECT pg_sleep(0.1)")
        backed.sql("SELECT pg_sleep(1.1)")
        assert "WAL does not reach the repository" in backed.play("status").text
        assert lost_now(backed) > 0
    finally:
        backed.sql("ALTER SYSTEM RESET archive_command")
        backed.sql("SELECT pg_reload_conf()")
    # It tries again, and a backup waits for it.
    assert "verified: restored in" in backed.play("backup").text
    assert lost_now(backed) <= 30
    assert "WAL does not reach the repository" not in backed.play("status").text


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
    assert backed.beside() == []


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
    backed.sql("REVOKE SELECT ON users FROM auth_service", "authdb")
    gone = backed.play("restore_undo", "-e", "restore_database=authdb")
    assert gone.code == 0, gone.output
    assert (
        "WARNING: authdb has the privileges of its time, until site.yml brings schema and privileges in order"
        in gone.text
    )
    assert backed.sql("SELECT to_regclass('public.users') IS NULL", "authdb") == "t"
    assert backed.play("restore_undo", "-e", "restore_database=authdb").code == 0
    assert users(backed) == before
    # With the privileges that are declared, which it did not have when it was closed.
    assert reads_as_service(backed) == "4"
    assert backed.beside() == []


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


@THOROUGH
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
        "No restore point nowhere is in the": (
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
    assert backed.beside() == []


@THOROUGH
def test_restore_to_the_end_of_one_backup(backed: Instance) -> None:
    """The whole instance, as it was when the backup ended, though nothing is archived any more; the latest is not restored then."""
    label, before = dumps(backed)[0].name, users(backed)
    backed.sql("ALTER SYSTEM SET archive_command = '/bin/false'")
    backed.sql("SELECT pg_reload_conf()")
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "postgres_backup_timeout=3")
    assert refused.code != 0
    assert re.search("The WAL file .* To restore without what is not archived, give restore_time", refused.text)
    said = restored(backed, "-e", f"restore_set={label}", "-e", "postgres_backup_timeout=20")
    assert "WARNING: what was written last cannot be restored: The WAL file" in said
    assert users(backed) == ["ann@example.com", "bob@example.com", "cat@example.com"]
    assert reads_as_service(backed) == "3"
    assert backed.play("restore_undo").code == 0
    assert users(backed) == before
    backed.sql("ALTER SYSTEM RESET archive_command")
    backed.sql("SELECT pg_reload_conf()")
    assert backed.play("restore_cleanup", "-e", f"confirm_restore_cleanup={NAME}").code == 0


@THOROUGH
def test_migration_has_a_way_back_that_stays(backed: Instance) -> None:
    backed.sql("DELETE FROM ai_micro.schema_migration", "admindb")
    backed.sql("DROP INDEX idx_users_email", "authdb")
    said = backed.site().text
    last = backups(backed)[-1]
    assert last["type"] == "full"
    assert last["annotation"] == {"keep": "until removed by hand", "reason": "before 0001_embedding_superset.sql"}
    assert "The restore point before_migration_" in said
    assert "verified: restored in" in said
    assert backed.sql("SELECT count(*) FROM ai_micro.schema_migration", "admindb") == "1"
    again = backed.site()
    assert again.count("changed") == 0
    assert "The restore point" not in again.text
    # What was made good before the migration has a moment of its own, from which that backup does not lead back: an older one is begun with.
    schema = re.search(r"The restore point (before_schema_\w+) is the moment before", said)
    assert schema, said
    asked = backed.play("rescue", "-e", "database=authdb", "-e", "table=users", "-e", f"point={schema[1]}")
    assert asked.code == 0, asked.output
    assert "0 rows deleted since, 0 changed, 0 added" in asked.text


@THOROUGH
def test_change_of_model_has_a_way_back(backed: Instance) -> None:
    """Named where a column is to be added or dropped, and by no run that changes nothing."""
    defaults = yaml.safe_load((REPOSITORY / "roles/postgres_common/defaults/main.yml").read_text())
    databases = defaults["postgres_databases"]
    (collection,) = next(each for each in databases if each["name"] == "admindb")["collections"]
    collection.update(model="mxbai-embed-large", dimensions=1024)

    def change(*arguments: str) -> PlaybookResult:
        chosen = ("-e", "change_collection=admin_documents", *arguments)
        result = backed.play("change_embedding_model", *chosen, postgres_databases=databases)
        assert result.code == 0, result.output
        return result

    backed.sql(
        """INSERT INTO langchain_pg_embedding (id, collection_id, document, embedding)
           SELECT 'x', uuid, 'text', array_fill(1, ARRAY[768])::vector FROM langchain_pg_collection""",
        "admindb",
    )
    column = "SELECT count(*) FROM pg_attribute WHERE attname = 'embedding_next' AND NOT attisdropped"
    for arguments, columns in (((), "1"), (("-e", "change_drop=embedding_next"), "0")):
        changed, unchanged = change(*arguments), change(*arguments)
        assert (changed.count("changed") > 0, unchanged.count("changed")) == (True, 0)
        assert "The restore point before_model_" in changed.text
        assert "The restore point" not in unchanged.text
        assert backed.sql(column, "admindb") == columns
    backed.sql("DELETE FROM langchain_pg_embedding", "admindb")
    assert backed.site().count("changed") == 0


def test_every_backup_that_is_called_verified_restores(backed: Instance) -> None:
    """Before retention takes some of them."""
    proved = restore_every(backed)
    assert {dumps(backed)[0].name, backups(backed)[-1]["label"]} <= set(proved)


@THOROUGH
def test_what_is_too_old_goes_but_not_what_is_kept_or_was_verified_last(backed: Instance) -> None:
    first, *_others, kept = [each["label"] for each in backups(backed)]
    limits = {"postgres_backup_full_days": 0, "postgres_backup_generations": 2}
    assert kept in records(backed)
    point(backed, "between them")
    backed.sql("SELECT pg_switch_wal()")
    said = backed.play("backup", "-e", "backup_type=full", **limits)
    assert said.code == 0, said.output
    assert f"Removed for their age: {first}, with what was built on them" in said.text
    last = backups(backed)[-1]["label"]
    assert [each["label"] for each in backups(backed)] == [kept, last]
    assert records(backed) == [kept, last]
    # Both are of the days of which any moment can be restored: WAL leads on from the older one, and what was before it is gone.
    begin = backups(backed)[0]["archive"]["start"]
    assert numbers(wal(backed, begin)) == run_of(numbers(wal(backed, begin)))
    assert wal(backed, begin)[0] == begin
    restored(backed, "-e", "restore_point='between them'")
    assert backed.play("restore_undo").code == 0
    # From here on there are no such days: only what leads on from the newest verified one stays, and the older one has its own.
    limits["postgres_backup_wal_days"] = 0
    unverified = backed.play("backup", "-e", "backup_type=full", postgres_backup_verify=False, **limits)
    assert unverified.code == 0, unverified.output
    older, newer, _unverified = backups(backed)
    assert [older["label"], newer["label"]] == [kept, last]
    own = numbers([older["archive"][edge] for edge in ("start", "stop")])
    there = numbers(wal(backed, begin))
    leads_on = [file for file in there if file > own[1]]
    assert there == [*range(own[0], own[1] + 1), *run_of(leads_on)]
    assert leads_on[0] == numbers([newer["archive"]["start"]])[0] > own[1] + 1
    refused = backed.play("restore", "-e", f"confirm_restore={NAME}", "-e", "restore_point='between them'")
    assert refused.code != 0
    assert re.search(
        r"No restore point between them is in the .*; \d+ of that time are not in the repository \(postgres_backup_wal_days\)",
        refused.text,
    )
    # What is kept leads back to its own end, without WAL of the time since.
    restored(backed, "-e", f"restore_set={kept}")
    assert backed.play("restore_undo").code == 0
    assert backed.play("restore_cleanup", "-e", f"confirm_restore_cleanup={NAME}").code == 0


@THOROUGH
def test_destroy_takes_a_last_backup_or_deletes_nothing(backed: Instance) -> None:
    destroy = ("-e", f"confirm_destroy={NAME}")
    before, rows = backed.snapshot(), users(backed)
    refused = backed.play("destroy", *destroy, postgres_backup_lock_timeout="nonsense")
    assert refused.code != 0
    assert "Nothing was deleted, since the last backup failed" in refused.text
    assert backed.snapshot() == before
    gone = backed.play("destroy", *destroy)
    assert gone.code == 0, gone.output
    assert "verified: restored in" in gone.text
    assert backed.beside() == []
    assert run("docker", "inspect", NAME, check=False).returncode != 0
    # No server says which timeline was served, and the newest is one that an undone restore has left.
    note = backed.repository / "catalog" / "served_timeline"
    note.rename(note.with_name("moved"))
    lost = backed.play("restore", "-e", f"confirm_restore={NAME}")
    assert lost.code != 0
    assert (
        "give the number of the one that was served last (-e restore_timeline=<number>); the newest backup of each is"
        in lost.text
    )
    assert backed.beside() == []
    note.with_name("moved").rename(note)
    restored(backed)
    assert backups(backed)[-1]["annotation"] == {"reason": "before destroy"}
    assert users(backed) == rows
    assert backed.play("destroy", *destroy, "-e", "destroy_backup=false").code == 0
