"""Bad input ends in one sentence that names object and remedy, and the state before equals the state after."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from instance import REPOSITORY, SECRETS, SUFFIX, Instance, run

HOLDER = f"amt-holder{SUFFIX}"


def seed_volume(instance: Instance, files: dict[str, bytes]) -> Path:
    """Create the instance's volume with files in it and return its place."""
    run("docker", "volume", "create", instance.volume)
    mount = Path(run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", instance.volume).stdout.strip())
    for name, content in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return mount


def control_file(identifier: int) -> bytes:
    """Return the head of a pg_control of a cluster that was shut down."""
    return struct.pack("=QIIi", identifier, 1300, 202209061, 1) + bytes(64)


def refused_unchanged(instance: Instance, *sentences: str, **changes: Any) -> None:
    """Run site.yml, which must say the sentences and change nothing."""
    before = instance.snapshot()
    result = instance.refused(**changes)
    for sentence in sentences:
        assert sentence in result.text, result.output
    assert instance.snapshot() == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"postgres_common_superuser_password": ""},
            "postgres_common_superuser_password is not set: give it a secret of 12 or more characters",
        ),
        ({"postgres_common_superuser_password": "Sh0rt-pass"}, "has fewer than 12 characters"),
        ({"postgres_common_superuser_password": "lower-case-only"}, "lacks an upper case letter and a digit"),
        (
            {"postgres_common_role_passwords": {**SECRETS, "readonly_user": "NoSymbol12345"}},
            "postgres_common_role_passwords.readonly_user lacks a symbol",
        ),
        ({"postgres_common_min_memory_mb": 99999999}, "MB of memory, postgres_common_min_memory_mb asks for 99999999"),
        ({"postgres_common_min_free_mb": 99999999}, "MB free, postgres_common_min_free_mb asks for 99999999"),
        (
            {
                "postgres_databases": [
                    {"name": "a", "service": "s", "role": "auth_service"},
                    {"name": "a", "service": "t", "role": "user_api_service"},
                ]
            },
            "The name a stands more than once in postgres_databases",
        ),
        (
            {"postgres_instance_settings": {"max_connections": 60}},
            "open up to 90 connections (size + overflow, times workers) and 3 are reserved, but max_connections is 60, 33 too few",
        ),
        ({"postgres_common_memory": "200m"}, "The server may use 200 MB and would need"),
        ({"postgres_common_memory": "lots"}, "postgres_common_memory is lots, which is no size"),
        (
            {"postgres_instance_allowed_sources": ["192.0.2.7/24"]},
            "192.0.2.7/24 in postgres_instance_allowed_sources is no address or network",
        ),
        ({"postgres_tls_source": "given"}, "postgres_tls_certificate names no file on the controller (nothing)"),
    ],
)
def test_input_is_refused_before_anything_is_touched(
    instance: Instance, changes: dict[str, Any], sentence: str
) -> None:
    refused_unchanged(instance, sentence, **{"postgres_common_role_passwords": SECRETS, **changes})
    assert not instance.directory.exists()


def test_secrets_are_not_shown_when_they_are_refused(instance: Instance) -> None:
    result = instance.refused("-vvv", "--diff", postgres_common_superuser_password="Weak-Canary")
    assert "has fewer than 12 characters" in result.text
    assert "Weak-Canary" not in result.output


def test_port_in_use_names_the_process_and_the_variable(instance: Instance) -> None:
    with socket.create_server(("127.0.0.1", instance.port)):
        refused_unchanged(
            instance,
            f"Port {instance.port} on 127.0.0.1 is held by process",
            f"(pid {os.getpid()}): set postgres_common_port to a free one",
        )


def test_ordinary_user_is_refused(instance: Instance) -> None:
    become = {"ansible_become_method": "su", "ansible_become_user": "nobody", "ansible_become_flags": "-s /bin/sh"}
    refused_unchanged(
        instance,
        "The host is managed as an ordinary user: connect as root or set ansible_become to true.",
        **become,
    )


def test_volume_of_another_major_version(instance: Instance) -> None:
    seed_volume(instance, {"PG_VERSION": b"14\n", "global/pg_control": control_file(7)})
    refused_unchanged(
        instance,
        f"The volume {instance.volume} was initialised by PostgreSQL 14 and this instance runs 15: bring its data over",
    )


def test_volume_with_files_but_no_cluster(instance: Instance) -> None:
    seed_volume(instance, {"holiday.jpg": b"x"})
    refused_unchanged(instance, f"The volume {instance.volume} holds files (holiday.jpg) but no PostgreSQL cluster")


def test_interrupted_initdb_is_named_and_discarded_only_by_name(instance: Instance) -> None:
    seed_volume(instance, {"PG_VERSION": b"15\n"})
    refused_unchanged(instance, f"set postgres_instance_discard_failed_init to {instance.volume} to remove it")
    instance.site(postgres_instance_discard_failed_init=instance.volume)
    assert instance.sql("SELECT count(*) FROM users", "authdb") == "0"


def test_volume_in_use_by_another_container(instance: Instance, image: str) -> None:
    seed_volume(instance, {"PG_VERSION": b"15\n", "global/pg_control": control_file(7)})
    run(
        "docker",
        "run",
        "-d",
        "--name",
        HOLDER,
        "-v",
        f"{instance.volume}:/v",
        "--entrypoint",
        "tail",
        image,
        "-f",
    )
    try:
        refused_unchanged(instance, f"The volume {instance.volume} is in use by the container {HOLDER}: stop it first")
    finally:
        run("docker", "rm", "-f", "-v", HOLDER)


def test_container_of_that_name_that_is_not_ours(instance: Instance, image: str) -> None:
    run("docker", "run", "-d", "--name", instance.name, "--entrypoint", "tail", image, "-f", "/dev/null")
    refused_unchanged(instance, f"The container {instance.name} (image {image}) was not made by this collection")
    down = instance.play("down")
    assert down.code != 0
    assert "was not made by this collection" in down.text


def test_registry_that_cannot_be_reached(instance: Instance) -> None:
    refused = instance.refused(
        postgres_common_image=f"amt-registry{SUFFIX}:pgvector-15",
        postgres_image_source="registry",
        postgres_image_registry_base="localhost:1/postgres:15-bookworm",
    )
    assert "postgres_image_source" in refused.text
    assert "packages" in refused.text
    assert not instance.directory.exists()


def test_script_with_an_error_is_named_never_served_and_completed_after_the_fix(
    instance: Instance, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    shutil.copytree(REPOSITORY / "files", files)
    broken = files / "schema" / "apidb.sql"
    good = broken.read_text()
    broken.write_text(good.replace("user_id    uuid NOT NULL", "user_id    uuidd NOT NULL"))
    line = good[: good.index("user_id    uuid")].count("\n") + 1
    result = instance.refused(postgres_instance_init_sql=str(files / "init.sql"))
    assert f"schema/apidb.sql:{line + 8}: ERROR" in result.text or f"schema/apidb.sql:{line}" in result.text, (
        result.output
    )
    assert 'type "uuidd" does not exist' in result.text
    assert "It is not served; correct that and run again" in result.text
    assert run("docker", "inspect", instance.name, check=False).returncode != 0
    assert not (instance.directory / "secrets").exists()

    broken.write_text(good)
    instance.site(postgres_instance_init_sql=str(files / "init.sql"))
    assert instance.sql("SELECT count(*) FROM profiles", "apidb") == "0"
    assert instance.site(postgres_instance_init_sql=str(files / "init.sql")).count("changed") == 0


def test_cluster_of_this_host(instance: Instance) -> None:
    """One provisioned instance through the things that can be wrong with its cluster and password."""
    instance.site()
    identifier = instance.sql("SELECT system_identifier FROM pg_control_system()")

    # An existing cluster keeps its own password; the inventory's is converged through the socket.
    changed = {**SECRETS, "postgres": "Another-Canary-9"}
    assert instance.site(postgres_common_superuser_password=changed["postgres"]).count("changed") == 1
    assert instance.site(postgres_common_superuser_password=changed["postgres"]).count("changed") == 0
    login(instance, changed["postgres"])

    # A database that is gone is seen; the run adds it again and says so.
    instance.sql("DROP DATABASE apidb WITH (FORCE)")
    verify = instance.play("verify")
    assert verify.code != 0
    assert "apidb database apidb - present missing" in verify.text
    repaired = instance.site()
    assert instance.play("verify").code == 0
    assert repaired.count("changed") >= 1

    # The host's memory of the cluster is lost, and the cluster is unfinished: asked about, not guessed.
    run("docker", "rm", "-f", instance.name)
    identity = instance.directory / "identity.json"
    remembered = identity.read_text()
    identity.unlink()
    instance.site()
    assert identity.read_text() == remembered
    instance.sql("DROP DATABASE apidb WITH (FORCE)")
    run("docker", "stop", instance.name)
    run("docker", "rm", instance.name)
    identity.unlink()
    refused = instance.refused()
    assert f"set postgres_instance_accept_system_identifier to {identifier} to have them added" in refused.text
    assert "lacks the databases apidb" in refused.text
    instance.site(postgres_instance_accept_system_identifier=identifier)
    assert instance.sql("SELECT count(*) FROM profiles", "apidb") == "0"

    # A foreign cluster, and an empty volume where data used to be.
    run("docker", "stop", instance.name)
    run("docker", "rm", instance.name)
    known = json.loads(identity.read_text())
    identity.write_text(json.dumps({**known, "system_identifier": "7000000000000000001"}))
    refused_unchanged(
        instance, f"The volume {instance.volume} holds the cluster {identifier}, this host served 7000000000000000001"
    )
    identity.write_text(json.dumps(known))
    run("docker", "volume", "rm", instance.volume)
    refused_unchanged(instance, f"The volume {instance.volume} is empty or gone, but held the cluster {identifier}")
    instance.site(postgres_instance_accept_empty_volume=instance.volume)
    assert instance.sql("SELECT system_identifier FROM pg_control_system()") != identifier


def login(instance: Instance, password: str) -> None:
    """Log in over TCP from the host with TLS."""
    run(
        "psql",
        f"host=localhost port={instance.port} user=postgres dbname=authdb sslmode=verify-full "
        f"sslrootcert={instance.directory}/tls/ca.crt",
        "-c",
        "SELECT 1",
        env={**os.environ, "PGPASSWORD": password},
    )
