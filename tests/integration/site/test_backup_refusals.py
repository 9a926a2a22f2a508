"""What can go wrong with a backup or a restore: each ends with a sentence, the server as it was, and the next run goes on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from instance import SUFFIX, Instance, PlaybookResult, run

NAME = f"amt-refuse{SUFFIX}"
CONFIRMED = ("-e", f"confirm_restore={NAME}")
REPOSITORY_MB = 256

# Debian has two minor versions of PostgreSQL 15: its release's and its security archive's.
OTHER_MINOR = """
FROM {image}
USER root
RUN set -eu; \\
    apt-get -q update; \\
    have=$(dpkg-query -W -f '${{Version}}' postgresql-15); \\
    other=$(apt-cache madison postgresql-15 | awk -v have="$have" '$3 != have {{ print $3; exit }}'); \\
    apt-get -q install -y --no-install-recommends --allow-downgrades "postgresql-15=$other" "postgresql-client-15=$other"
USER 999:999
"""


@pytest.fixture(scope="module")
def backed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an instance with one verified backup, in a repository on a file system of its own."""
    made = Instance(NAME, 25484, tmp_path_factory.mktemp("refuse"), image, {"postgres_backup_enabled": True})
    run("umount", str(made.repository), check=False)
    made.remove()
    made.repository.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", f"size={REPOSITORY_MB}m", "tmpfs", str(made.repository))
    made.site()
    made.sql("INSERT INTO users (email, password_hash) VALUES ('ann@example.com', 'h')", "authdb")
    assert "verified: restored in" in made.site("--tags", "backup").text
    yield made
    run("docker", "rm", "-f", NAME, check=False)
    run("umount", str(made.repository), check=False)
    made.remove()


def backups(instance: Instance) -> list[dict[str, Any]]:
    """What pgBackRest lists, oldest first."""
    command = ["pgbackrest", f"--stanza={NAME}", "--output=json", "info"]
    return list(json.loads(run("docker", "exec", "-u", "999", instance.name, *command).stdout)[0]["backup"])


def state(instance: Instance) -> Any:
    """What a refused run leaves as it was: the server, its rows and databases, its backups, and nothing beside them."""
    rows = [
        instance.sql("SELECT id, email FROM users ORDER BY id", "authdb"),
        instance.sql("SELECT datname FROM pg_database ORDER BY 1"),
    ]
    return (instance.inspect()["State"]["StartedAt"], rows, instance.beside(), len(backups(instance)))


def refused(result: PlaybookResult, sentence: str) -> None:
    """A run ended red, with a sentence and without a traceback."""
    assert result.code != 0, result.output
    assert "Traceback" not in result.output, result.output
    assert re.search(sentence, result.text), result.output


@contextmanager
def unchanged(instance: Instance) -> Iterator[None]:
    """Whatever happens inside, the instance is afterwards as it was."""
    before = state(instance)
    yield
    assert state(instance) == before


def wal_files(instance: Instance) -> list[Path]:
    return sorted(
        path for path in (instance.repository / "pgbackrest" / "archive" / NAME).rglob("0*.zst") if path.is_file()
    )


def archived(instance: Instance, wal: str) -> None:
    """Wait until a WAL file is in the repository."""
    give_up = time.monotonic() + 60
    while not any(path.name.startswith(wal) for path in wal_files(instance)):
        assert time.monotonic() < give_up, f"{wal} was not archived"
        time.sleep(0.2)


def test_missing_wal_ends_the_restore(backed: Instance, tmp_path: Path) -> None:
    backed.sql("SELECT pg_switch_wal()")
    backed.sql("INSERT INTO users (email, password_hash) VALUES ('bob@example.com', 'h')", "authdb")
    backed.sql("SELECT pg_create_restore_point('after_the_gap')")
    last = backed.sql("SELECT pg_walfile_name(pg_switch_wal())")
    archived(backed, last)
    stop = backups(backed)[-1]["archive"]["stop"]
    gap = next(path for path in wal_files(backed) if path.name[:24] > stop)
    shutil.copy2(gap, tmp_path / "gap")
    gap.unlink()
    with unchanged(backed):
        result = backed.play("restore", *CONFIRMED, "-e", "restore_point=after_the_gap")
        refused(
            result,
            "Nothing was restored, and the server is as it was: .*cannot be recovered to after_the_gap.*WAL on the way there is missing",
        )
    shutil.copy2(tmp_path / "gap", gap)
    shutil.chown(gap, 999, 999)


def test_wal_that_a_backup_needs_is_missed_by_the_check(backed: Instance, tmp_path: Path) -> None:
    """pgBackRest's own verify says of a repository without it that all is well."""
    for row in ("one", "two", "three"):
        backed.sql(f"INSERT INTO users (email, password_hash) VALUES ('{row}@gap.example', 'h')", "authdb")
        archived(backed, backed.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    newest = backups(backed)[-1]
    inside = next(path for path in wal_files(backed) if path.name.startswith(newest["archive"]["stop"]))
    # Not the first that is left: by that one pgBackRest learns how long WAL files are, and reads no other where it is damaged.
    after = [path for path in wal_files(backed) if path.name[:24] > newest["archive"]["stop"]][1]
    for file in (inside, after):
        shutil.copy2(file, tmp_path / file.name)
    after.write_bytes(after.read_bytes()[:100] + b"xxxx" + after.read_bytes()[104:])
    inside.unlink()
    with unchanged(backed):
        result = backed.play("verify", "--tags", "backup")
    for file in (inside, after):
        shutil.copy2(tmp_path / file.name, file)
        shutil.chown(file, 999, 999)
    label = newest["label"]
    refused(
        result,
        f"It lacks the WAL file {inside.name[:24]}, without which the backup {label} cannot be restored: take a full",
    )
    refused(
        result,
        f"It lacks the WAL file {after.name[:24]}, so that no moment since the backup {label} can be restored: take a",
    )
    refused(result, f"The backup {label} is damaged and counts no more")
    green = backed.play("verify", "--tags", "backup")
    assert green.code == 0, green.output


@pytest.mark.parametrize("moment", ["tomorrow", "2001-01-01 00:00:00+00"])
def test_time_that_cannot_be_reached_is_not_restored(backed: Instance, moment: str) -> None:
    then = backed.sql(f"SELECT date_trunc('second', '{moment}'::timestamptz)")
    with unchanged(backed):
        result = backed.play("restore", *CONFIRMED, "-e", f"restore_time='{then}'")
        refused(
            result,
            "Nothing was restored, and the server is as it was: .*(recovery ended before|No backup ended before).*give another restore_time",
        )


def test_time_that_is_not_understood_is_not_restored(backed: Instance) -> None:
    """PostgreSQL would take it, but nobody could tell which backup leads there: recovery would stop at the end of any."""
    with unchanged(backed):
        result = backed.play("restore", *CONFIRMED, "-e", "restore_time=yesterday")
        refused(
            result,
            "Nothing was restored, and the server is as it was: .*yesterday is no time that is understood: write it as",
        )


def test_history_of_a_timeline_that_cannot_be_read_is_not_taken_for_none(backed: Instance) -> None:
    (archive,) = (backed.repository / "pgbackrest" / "archive" / NAME).glob("15-*")
    history = archive / "00000007.history"
    history.write_bytes(b"damaged" * 10)
    with unchanged(backed):
        result = backed.play("restore", *CONFIRMED, "-e", "restore_timeline=7")
    history.unlink()
    refused(
        result, "Which backups lead to the timeline 7 cannot be told, since the repository does not give its history: "
    )
    with unchanged(backed):
        refused(
            backed.play("restore", *CONFIRMED, "-e", "restore_timeline=7"), "[Nn]o backup .*leads to the timeline 7"
        )


def test_full_disk_ends_the_backup(backed: Instance) -> None:
    filler = backed.repository / "filler"
    try:
        with filler.open("wb") as file:
            free = shutil.disk_usage(backed.repository).free
            file.write(b"\0" * max(free - 1024**2, 0))
        with unchanged(backed):
            result = backed.play("backup", "-e", "backup_type=full", postgres_backup_verify=False)
            refused(result, "pgBackRest could not take the backup: .*unable to write .*; look at the space left")
    finally:
        filler.unlink()
    again = backed.play("backup")
    assert again.code == 0, again.output
    assert "verified: restored in" in again.text


def test_full_disk_ends_the_dumps(backed: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository's disk is full when the first dump is written; the backup that they would come from counts all the same."""
    filler, dumps = backed.repository / "filler", backed.repository / "dumps"
    before = state(backed)
    try:
        with monkeypatch.context() as hooked:
            hooked.setenv("ANSIBLE_CALLBACK_PLUGINS", str(Path(__file__).parent / "callbacks"))
            hooked.setenv("AMT_AT_TASK", "Dump each database of the copy")
            hooked.setenv("AMT_COMMAND", f"mkdir -p {dumps}; cat /dev/zero > {filler} 2>/dev/null")
            result = backed.play("backup", "-e", "backup_type=logical")
        # No WAL reaches the repository either: the server goes on, and whoever looks is told.
        run("sh", "-c", f"cat /dev/zero >> {filler}", check=False)
        backed.sql("INSERT INTO users (email, password_hash) VALUES ('full@example.com', 'h')", "authdb")
        wal = backed.sql("SELECT pg_walfile_name(pg_switch_wal())")
        failing = "SELECT last_failed_time > COALESCE(last_archived_time, '-infinity') FROM pg_stat_archiver"
        give_up = time.monotonic() + 120
        while backed.sql(failing) != "t":
            assert time.monotonic() < give_up, run("docker", "logs", "--tail=20", NAME).stderr
            time.sleep(0.2)
        status = backed.play("status")
        backed.sql("DELETE FROM users WHERE email = 'full@example.com'", "authdb")
    finally:
        filler.unlink()
    refused(
        result, rf"No dumps were kept of \S+: {dumps}: No space left on device; make room there, or keep fewer of them"
    )
    assert list(dumps.iterdir()) == []
    said = r"WAL does not reach the repository \(\w+ failed\): docker logs shows what archive_command says"
    assert re.search(said, status.text), status.output
    archived(backed, wal)
    label = backups(backed)[-1]["label"]
    assert (backed.repository / "catalog" / "verified" / f"{label}.json").exists()
    *same, count = before
    assert state(backed) == (*same, count + 1)
    again = backed.play("backup", "-e", "backup_type=logical")
    assert again.code == 0, again.output
    assert "each was restored and compared" in again.text
    assert "WAL does not reach the repository" not in backed.play("status").text


def test_full_disk_ends_the_restore(backed: Instance) -> None:
    """The volume of the copy lies on a file system that is too small."""
    root = run("docker", "info", "-f", "{{.DockerRootDir}}").stdout.strip()
    place = Path(root) / "volumes" / f"{NAME}_restore"
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place))
    started = backed.inspect()["State"]["StartedAt"]
    try:
        result = backed.play("restore", *CONFIRMED)
        # Which of both pgBackRest says depends on which of its processes comes upon it.
        full = "(No space left on device|unable to write .*; look at the space left)"
        refused(result, f"could not be restored into a copy, and the server is as it was: .*{full}")
        assert backed.inspect()["State"]["StartedAt"] == started
        assert backed.kept() == []
    finally:
        run("umount", str(place))
        run("docker", "volume", "rm", "-f", f"{NAME}_restore", check=False)
        shutil.rmtree(place, ignore_errors=True)


def test_volume_of_another_cluster_is_not_served_and_gives_way_to_no_restore(backed: Instance, tmp_path: Path) -> None:
    """Under the instance's own name, as by a copy to the wrong place; the repository is that of the cluster that was there."""
    data = Path(run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", backed.volume).stdout.strip())
    before = state(backed)
    run("docker", "stop", NAME)
    # The server has archived what it wrote last.
    files = {path: path.stat().st_mtime_ns for path in wal_files(backed)}
    own, stranger = data.with_name("own"), data.with_name("stranger")
    words = ("--entrypoint=initdb", backed.image, "-U", "postgres", "-D", "/data/stranger", "--no-sync")
    data.parent.chmod(0o777)
    run("docker", "run", "--rm", "--user=999:999", f"--mount=type=bind,source={data.parent},target=/data", *words)
    data.rename(own)
    stranger.rename(data)
    there = sorted((str(path), path.stat().st_mtime_ns) for path in data.rglob("*"))
    try:
        for playbook, *arguments in (("site",), ("restore", *CONFIRMED), ("start",), ("restart",)):
            refused(
                backed.play(playbook, *arguments),
                f"The volume {backed.volume} holds the cluster [0-9]+, this host served [0-9]+: mount the right volume, or set",
            )
        assert backed.inspect()["State"]["Running"] is False
        assert sorted((str(path), path.stat().st_mtime_ns) for path in data.rglob("*")) == there
        assert {path: path.stat().st_mtime_ns for path in wal_files(backed)} == files
    finally:
        shutil.rmtree(data)
        own.rename(data)
        data.parent.chmod(0o701)
        run("docker", "start", NAME)
    assert backed.site().count("changed") == 0
    assert state(backed)[1:] == before[1:]


def test_volume_that_somebody_else_mounts_is_not_exchanged(backed: Instance) -> None:
    """Found out by the preflight of every run, before the server is stopped and before the work."""
    guest = f"{NAME}-guest"
    with unchanged(backed):
        run(
            "docker",
            "run",
            "-d",
            "--name",
            guest,
            "--entrypoint",
            "sleep",
            "-v",
            f"{backed.volume}:/data:ro",
            backed.image,
            "600",
        )
        try:
            result = backed.play("restore", *CONFIRMED)
        finally:
            run("docker", "rm", "-f", "-v", guest)
        refused(result, f"The volume {backed.volume} is in use by the container {guest}: stop it first")


def test_volume_on_a_mount_of_its_own_is_not_exchanged(backed: Instance) -> None:
    mounted = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", backed.volume).stdout.strip()
    place = str(Path(mounted).parent)
    with unchanged(backed):
        run("mount", "--bind", place, place)
        try:
            result = backed.play("restore", *CONFIRMED)
        finally:
            run("umount", place)
        refused(
            result,
            f"Nothing was restored, and the server is as it was: .*{mounted} is on the file system mounted at {place} and",
        )


def test_dump_of_a_database_with_a_missing_extension_is_not_restored(backed: Instance) -> None:
    """The catalogue names an extension that this image does not have, as that of an older host may."""
    backed.sql("CREATE DATABASE foreign_one")
    backed.sql("CREATE EXTENSION pg_trgm", "foreign_one")
    backed.sql("UPDATE pg_extension SET extname = 'not_in_this_image' WHERE extname = 'pg_trgm'", "foreign_one")
    try:
        with unchanged(backed):
            result = backed.play("restore", *CONFIRMED, "-e", "restore_database=foreign_one")
            refused(result, 'Nothing was restored: .*foreign_one.*extension "not_in_this_image" is not available')
    finally:
        backed.sql("DROP DATABASE foreign_one WITH (FORCE)")


def test_second_backup_at_the_same_time_is_refused(backed: Instance) -> None:
    """Another one that this collection has not started holds pgBackRest's own lock."""
    words = ["docker", "exec", "-u", "999", NAME, "flock", f"/tmp/{NAME}-backup.lock", "-c", "echo locked; cat"]
    with subprocess.Popen(
        [*words[:2], "-i", *words[2:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline().strip() == "locked"
        with unchanged(backed):
            refused(
                backed.play("backup"),
                "pgBackRest could not take the backup: .*another backup of this instance runs: wait for its end",
            )
        holder.stdin.close()
    assert backed.play("backup", postgres_backup_verify=False).code == 0


def test_another_minor_version_has_a_restore_point_before_it_and_restores(backed: Instance) -> None:
    """Another image with another minor version: the moment before it is named, and what was backed up with the old one is restored with it."""
    other = f"amt-refuse-other{SUFFIX}:pgvector-15"
    made = subprocess.run(
        ["docker", "build", "-q", "-t", other, "-"],
        input=OTHER_MINOR.format(image=backed.image),
        text=True,
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    version = backed.sql("SHOW server_version_num")
    backed.variables["postgres_common_image"] = other
    try:
        changed = backed.site()
        assert version != backed.sql("SHOW server_version_num")
        point = re.search(r"The restore point (before_image_\w+) is the moment before", changed.text)
        assert point, changed.output
        before = backed.sql("SELECT id, email FROM users ORDER BY id", "authdb")
        backed.sql("DELETE FROM users", "authdb")
        result = backed.play("restore", *CONFIRMED, "-e", f"restore_point={point[1]}")
        assert result.code == 0, result.output
        assert "The restore point before_restore_" in result.text
        assert backed.sql("SELECT id, email FROM users ORDER BY id", "authdb") == before
        assert backed.site().count("changed") == 0
        assert "verified: restored in" in backed.play("backup").text
    finally:
        del backed.variables["postgres_common_image"]
        run("docker", "rm", "-f", NAME, check=False)
        run("docker", "rmi", "-f", other, check=False)
    backed.site()
    assert backed.sql("SHOW server_version_num") == version
    assert backed.sql("SELECT id, email FROM users ORDER BY id", "authdb") == before


def test_server_that_starts_over_and_over_is_restored(backed: Instance) -> None:
    """Docker calls it running, and nobody can ask it anything: a restore is what it needs, to the end of what is archived."""
    before = backed.sql("SELECT id, email FROM users ORDER BY id", "authdb")
    run("docker", "stop", NAME)
    mounted = run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", backed.volume).stdout.strip()
    control = Path(mounted) / "global" / "pg_control"
    whole = control.read_bytes()
    control.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    run("docker", "start", NAME)
    give_up = time.monotonic() + 60
    while not backed.inspect()["State"]["Restarting"]:
        assert time.monotonic() < give_up, run("docker", "logs", "--tail=20", NAME).stderr
        time.sleep(0.2)
    assert backed.inspect()["State"]["Running"] is True
    result = backed.play("restore", *CONFIRMED)
    assert result.code == 0, result.output
    assert f"{NAME} runs, but does not answer, so that this moment gets no name" in result.text
    assert backed.sql("SELECT id, email FROM users ORDER BY id", "authdb") == before
