"""A docker-compose deployment is taken over with every row, given back, taken over again, and cleaned up after."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from deployment import PASSWORD, Deployment, plain_image
from instance import SECRETS, SUFFIX, Instance, run
from matrix import deviations
from rotation import clients, come_in, passwords, wait_for
from vector_clients import insert_old_rows, serves_all

EMBEDDINGS = "admindb.langchain_pg_embedding"
NAME = f"amt-adopt{SUFFIX}"
CRON = Path("/etc/cron.d") / f"{NAME}-backup"
RESTRICTED = {"postgres_instance_allowed_sources": ["192.0.2.0/24"]}
# Nothing fires during the test.
GUARDED: dict[str, Any] = {
    **RESTRICTED,
    "postgres_backup_enabled": True,
    "postgres_backup_schedule": True,
    "postgres_backup_schedule_manager": "cron",
    **{f"postgres_backup_schedule_{job}": "0 0 29 2 *" for job in ("full", "incr", "logical", "check", "drill")},
}
SWITCHED: dict[str, Any] = {"postgres_instance_superuser_from_network": False}
COMMANDS = [
    "docker exec {name} psql -U postgres -d authdb -c 'SELECT 1'",
    'docker exec {name} psql -U postgres -c "\\l"',
    "docker exec {name} pg_isready -U postgres",
    "docker exec {name} ls -la /var/lib/postgresql/data",
    "docker volume inspect {name}_postgres_data",
    "docker stats --no-stream {name}",
    "docker logs --tail=100 {name}",
    "psql -h localhost -p {port} -U postgres -d authdb -c 'SELECT 1'",
]


@pytest.fixture(scope="module")
def deployed(image: str) -> Iterator[str]:
    """Give the name of the image that was deployed."""
    name = f"{NAME}-deployed"
    plain_image(image, name)
    yield name
    run("docker", "rmi", name)


@pytest.fixture
def deployment(image: str, deployed: str, tmp_path: Path) -> Iterator[Deployment]:
    """Give the names of a deployment of which nothing is there yet."""
    variables = {"postgres_common_network": f"{NAME}-network"}
    made = Deployment(Instance(NAME, 25447, tmp_path, image, variables), deployed)
    made.remove()
    yield made
    made.remove()


def still_served(deployment: Deployment, before: dict[str, Any], *sentences: str, **changes: Any) -> None:
    """Run site.yml, which must say the sentences and leave the deployment as it was."""
    refused = deployment.instance.refused(**changes)
    for sentence in sentences:
        assert sentence in refused.text, refused.output
    assert deployment.state() == before
    assert run("docker", "inspect", f"{NAME}-replaced", check=False).returncode != 0


@pytest.mark.parametrize(
    "volume", [NAME, f"{NAME}_postgres_data"], ids=["labels without the volume", "volume without labels"]
)
def test_container_that_is_no_deployment_is_refused(deployment: Deployment, image: str, volume: str) -> None:
    """Compose's labels on another volume, or the volume without those labels: neither is taken over."""
    labels = deployment.labels if volume == NAME else []
    command = ["docker", "run", "-d", f"--name={NAME}", *labels, f"--volume={volume}:/var/lib/postgresql/data"]
    run(*command, "--entrypoint=tail", image, "-f", "/dev/null")
    try:
        before = deployment.instance.snapshot()
        refused = deployment.instance.refused()
        assert (
            f"The container {NAME} (image {image}) was not made by this collection, nor by docker-compose on the volume {NAME}_postgres_data"
        ) in refused.text
        assert deployment.instance.snapshot() == before
    finally:
        run("docker", "rm", "-f", NAME)
        run("docker", "volume", "rm", volume)


def test_what_cannot_be_taken_over_goes_on_as_it_was(deployment: Deployment) -> None:
    """Whatever forbids an adoption is found before the old server is stopped, or brings it back."""
    deployment.up("-c", "max_prepared_transactions=2")
    deployment.age()
    sql, before = deployment.instance.sql, deployment.state()
    columns = deployment.columns()
    rows = deployment.contents(columns)

    sql("ALTER SYSTEM SET ssl = off")
    still_served(deployment, before, "sets ssl, which would come before", "-c 'ALTER SYSTEM RESET ssl'")
    sql("ALTER SYSTEM RESET ssl")
    still_served(
        deployment,
        before,
        'unrecognized configuration parameter "no_such_setting"',
        "nothing was replaced",
        postgres_instance_settings={"no_such_setting": "1"},
    )
    sql("ALTER DATABASE apidb RENAME TO elsewhere")
    sql("CREATE ROLE grafana LOGIN")
    sql("BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'waits'")
    sql("SET password_encryption = 'md5'; ALTER ROLE postgres PASSWORD 'old'")
    still_served(
        deployment,
        before,
        "lacks the databases apidb",
        "The roles grafana may log in to the cluster and are not declared",
        "has 1 prepared transactions",
        "The password of postgres is stored as MD5",
    )
    sql("ALTER DATABASE elsewhere RENAME TO apidb")
    sql("DROP ROLE grafana")
    sql(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")

    # A server that is down cannot be asked: what its image does and ours does not is met when ours starts.
    run("docker", "stop", NAME)
    before = deployment.state()
    still_served(
        deployment,
        before,
        f"The cluster was not taken over, and the container {NAME} is as it was before",
        "maximum number of prepared transactions reached",
    )
    run("docker", "start", NAME)
    deployment.wait()
    sql("ROLLBACK PREPARED 'waits'")

    # Everything went well but the last step: the cluster is given back as it was, its indexes built again.
    before = deployment.state()
    # A server that starts well and is never healthy: the check asks for 127.0.0.1.
    unreachable = {"listen_addresses": "127.0.0.2"}
    failed = deployment.instance.refused(
        postgres_instance_settings=unreachable, postgres_instance_healthy_timeout=3, **RESTRICTED
    )
    assert f"The cluster was not taken over, and the container {NAME} is as it was before" in failed.text
    assert f"The container {NAME} did not become healthy within 3 s" in failed.text
    # It was not reachable before the rules were there.
    began = [failed.output.index(f" : {task}]") for task in ("Put the rules in place", "Run the container")]
    assert began == sorted(began)
    returned(deployment, before)
    assert deployment.contents(columns) == rows

    # To destroy an instance is to destroy what it replaced: the volume cannot go while that is there.
    deployment.instance.site()
    destroyed = deployment.instance.play("destroy", "-e", f"confirm_destroy={NAME}")
    assert destroyed.code == 0, destroyed.output
    assert f"The container {NAME}-replaced, which it replaced" in destroyed.text
    assert run("docker", "inspect", before["id"], check=False).returncode != 0
    assert run("docker", "volume", "inspect", deployment.instance.volume, check=False).returncode != 0


def returned(deployment: Deployment, before: dict[str, Any], users: int = 201) -> None:
    """See that the old container serves again as if nothing had happened, and that nothing is remembered."""
    after = deployment.state()
    assert (after["id"], after["running"], after["policy"]) == (before["id"], True, "unless-stopped")
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'postgres'"
    assert deployment.instance.sql(comment) == "default administrative connection database"
    assert deployment.instance.sql("SHOW work_mem") == "7MB"
    assert deployment.service("host=postgres sslmode=disable", deployment.network) == f"postgres {users}"
    left = [path.name for path in deployment.instance.directory.iterdir()]
    assert not [name for name in left if name.startswith(("adoption", "identity", "firewall", "runner"))]
    assert f"--ctorigdstport {deployment.instance.port} " not in run("iptables", "-w", "-S", "DOCKER-USER").stdout
    assert not [path for path in (CRON, deployment.instance.huge_pages) if path.exists()]


def test_deployment_is_taken_over_given_back_and_taken_over_again(deployment: Deployment, tmp_path: Path) -> None:
    deployment.up()
    deployment.age()
    insert_old_rows(deployment.instance, deployed=True)
    instance, before = deployment.instance, deployment.state()
    columns = deployment.columns()
    assert sum(len(names) > 0 for names in columns.values()) == 9
    rows = deployment.contents(columns)
    assert not any(row.startswith("0|") for row in rows.values())

    would = instance.site("--check", "--diff")
    for sentence in (
        f"Would stop the container {NAME} of the docker-compose project {NAME}, keep it as {NAME}-replaced",
        f"in the volume {instance.volume} with every row of it",
        f"Would create the container {NAME}",
        "Would check the database admindb",
        "The cluster keeps its locale: en_US.utf8 (UTF8).",
    ):
        assert sentence in would.text, would.output
    assert would.count("changed") > 0
    assert "is not this instance's, or not there" in instance.refused("--tags", "access").text
    assert deployment.state() == before
    assert not instance.directory.exists()

    adopted = instance.site()
    assert_taken_over(deployment, adopted.text, rows, columns)
    assert instance.site().count("changed") == 0
    # What the deployment had set by ALTER SYSTEM is noted, and stays.
    verified = instance.play("verify", "--tags", "instance")
    assert verified.code == 0, verified.output
    for command in COMMANDS:
        words = shlex.split(command.format(name=NAME, port=instance.port))
        run(*words, env={**os.environ, "PGPASSWORD": PASSWORD})
    rows["authdb.users"] = write_row(deployment, columns)

    # What the host does for the instance goes with it: rules about who may reach the port, and jobs of its own.
    instance.site("--skip-tags", "databases", **GUARDED)
    assert CRON.exists()
    assert (instance.directory / "firewall").exists()
    assert instance.huge_pages.exists()

    # Where the note about the cluster is damaged, the old server serves again all the same, and the run says what is amiss.
    record, container = (instance.directory / name for name in ("adoption_cluster.json", "adoption.json"))
    noted = {path: path.read_text() for path in (record, container)}
    record.write_text("{")
    partly = instance.play("adopt_undo")
    assert partly.code != 0
    assert (
        f"The container {NAME} serves again, but not everything could be put back: {record} cannot be read"
        in partly.text
    )
    assert deployment.service("host=postgres sslmode=disable", deployment.network) == "postgres 202"
    record.write_text(noted[record])
    undone = instance.play("adopt_undo")
    assert undone.code == 0, undone.output
    returned(deployment, before, 202)
    assert deployment.contents(columns) == rows
    assert deployment.service(f"host=host.docker.internal port={instance.port}", "bridge") == "postgres 202"
    assert "trust" in instance.sql("SELECT auth_method FROM pg_hba_file_rules")
    assert "there is nothing to go back to" in instance.play("adopt_undo").text
    assert f"The container {NAME} was not made by this collection" in instance.play("backup").text

    # Taken over once more, by a run that continues one which was killed when it had just renamed the container.
    container.write_text(noted[container])
    run("docker", "update", "--restart=no", NAME)
    run("docker", "stop", NAME)
    run("docker", "rename", NAME, f"{NAME}-replaced")
    again = instance.site()
    assert (
        f"The container {NAME} of the docker-compose project {NAME} is kept, stopped, as {NAME}-replaced" in again.text
    )
    assert instance.site().count("changed") == 0
    switch(deployment, rows, columns)
    # Who may what is as on a fresh instance, after a restart too.
    run("docker", "restart", NAME)
    assert instance.play("start").code == 0
    assert deviations(instance, tmp_path / "matrix") == set()
    rotate(instance, tmp_path)
    # Rows that the deployment's client wrote are found, upserted and deleted by all three; the others stay as they are.
    serves_all(instance)
    rows.update(deployment.contents({EMBEDDINGS: columns[EMBEDDINGS]}))
    clean_up(deployment, before["id"])
    assert deployment.contents(columns) == rows
    without_a_container(deployment)
    assert deployment.contents(columns) == rows


def assert_taken_over(deployment: Deployment, said: str, rows: dict[str, str], columns: dict[str, list[str]]) -> None:
    """Look at everything that an adoption promises."""
    instance = deployment.instance
    for sentence in (
        f"The container {NAME} of the docker-compose project {NAME} is kept, stopped, as {NAME}-replaced",
        "authdb: the collation version was 2.31 and is",
        "public.idx_users_email",
        "It has no data checksums",
        f"It was published on 0.0.0.0:{instance.port}",
        "postgresql.auto.conf sets work_mem = 7MB, which overrides 4MB of the configuration: it is reset",
        "postgresql.auto.conf sets jit = off, which the configuration does not: it stays in force",
        "postgres keeps the password that the replaced deployment gave it",
        "There are no backups: postgres_backup_enabled is false.",
    ):
        assert sentence in said, said
    assert "public.users_pkey" not in said
    assert "nor docker compose down, which would remove that container" in said
    kept = deployment.state(f"{NAME}-replaced")
    assert (kept["running"], kept["policy"]) == (False, "no")
    assert deployment.contents(columns) == rows
    inspected = instance.inspect()
    assert inspected["State"]["Health"]["Status"] == "healthy"
    assert PASSWORD not in str(inspected)
    mismatches = "SELECT count(*) FROM pg_database WHERE datcollversion <> pg_database_collation_actual_version(oid)"
    assert instance.sql(mismatches) == "0"
    assert instance.sql("SELECT count(*) FROM pg_collation WHERE collversion = '2.31'", "authdb") == "0"
    assert instance.sql("SELECT datcollate FROM pg_database WHERE datname = 'authdb'") == "en_US.utf8"
    assert instance.sql("SHOW lc_messages") == "en_US.utf8"
    assert instance.sql("SHOW default_text_search_config") == "pg_catalog.english"
    assert instance.sql("SHOW work_mem") == "4MB"
    assert instance.sql("SHOW jit") == "off"
    assert instance.sql("SHOW ssl") == "on"
    assert "trust" not in instance.sql("SELECT auth_method FROM pg_hba_file_rules")
    # Services go on as they are: by the project's network and by the host, with the password that they know.
    assert deployment.service("host=postgres", deployment.network) == "postgres 201"
    assert deployment.service(f"host={NAME}", deployment.network) == "postgres 201"
    assert deployment.service(f"host=host.docker.internal port={instance.port}", "bridge") == "postgres 201"
    assert "no encryption" in deployment.service("host=postgres sslmode=disable", deployment.network)
    assert (instance.directory / "adoption_cluster.json").stat().st_mode & 0o777 == 0o600


def write_row(deployment: Deployment, columns: dict[str, list[str]]) -> str:
    """Write a row after the adoption, which the way back must keep; return the table's new count and hash."""
    deployment.instance.sql("INSERT INTO users (email, password_hash) VALUES ('later@example.com', 'h')", "authdb")
    return deployment.contents({"authdb.users": columns["authdb.users"]})["authdb.users"]


def switch(deployment: Deployment, rows: dict[str, str], columns: dict[str, list[str]]) -> None:
    """End the superuser's access over the network; the inventory's password is set then and not before."""
    instance = deployment.instance
    instance.site(**SWITCHED)
    assert "pg_hba.conf rejects" in deployment.service("host=postgres", deployment.network)
    again = instance.site(**SWITCHED)
    assert again.count("changed") == 0
    assert "postgres keeps the password" not in again.text
    # Opened again, it is the inventory's password that lets in.
    instance.site()
    assert "password authentication failed" in deployment.service("host=postgres", deployment.network)
    run(
        *("psql", "-h", "localhost", "-p", str(instance.port), "-U", "postgres", "-d", "authdb", "-c", "SELECT 1"),
        env={**os.environ, "PGPASSWORD": SECRETS["postgres"]},
    )
    assert deployment.contents(columns) == rows


def rotate(instance: Instance, folder: Path) -> None:
    """Change the password of one service under a client that connects all the time, as on a fresh instance."""
    service, role = "ai-micro-api-auth", "auth_service"
    new = passwords(auth_service="Rotated-Canary-1@/:")
    with clients(instance, folder, [service]) as outputs:
        wait_for(outputs[service], f"{role}|{role}|5min")
        result = instance.play(
            "rotate_secrets", postgres_databases_rotate=[role], postgres_databases_rotate_grace=2, **new
        )
        assert result.code == 0, result.output
        wait_for(outputs[service], f"{role}_2|{role}|5min")
        lines = [line for line, _same in groupby(outputs[service].read_text("utf-8").splitlines())]
    assert lines == [f"{role}|{role}|5min", f"{role}_2|{role}|5min"]
    for login in (role, f"{role}_2"):
        assert come_in(instance, login, new["postgres_common_role_passwords"][role], "authdb")
        assert not come_in(instance, login, SECRETS[role], "authdb")
    instance.variables.update(new)
    assert instance.site().count("changed") == 0


def clean_up(deployment: Deployment, identifier: str) -> None:
    """Remove what is kept, by name only."""
    instance = deployment.instance
    # A network that docker compose down, or a prune, took away is not asked for any more.
    run("docker", "network", "disconnect", deployment.network, NAME)
    run("docker", "network", "rm", deployment.network)
    assert instance.site("--tags", "instance", "--check").count("changed") == 0
    run("docker", "network", "create", deployment.network)
    run("docker", "network", "connect", deployment.network, NAME)
    refused = instance.play("adopt_cleanup")
    assert f"give -e confirm_adopt_cleanup={NAME}" in refused.text
    assert f"The container {NAME}-replaced" in refused.text
    assert deployment.state(f"{NAME}-replaced")["id"] == identifier
    cleaned = instance.play("adopt_cleanup", "-e", f"confirm_adopt_cleanup={NAME}")
    assert cleaned.code == 0, cleaned.output
    assert run("docker", "inspect", identifier, check=False).returncode != 0
    assert list(instance.inspect()["NetworkSettings"]["Networks"]) == [f"{NAME}-network"]
    assert not list(instance.directory.glob("adoption*"))
    assert instance.site().count("changed") == 0
    assert instance.play("adopt_cleanup", "-e", f"confirm_adopt_cleanup={NAME}").count("changed") == 0


def without_a_container(deployment: Deployment) -> None:
    """Take over a cluster that docker compose down left: what marks it as the instance's own is not there."""
    instance = deployment.instance
    instance.sql("COMMENT ON DATABASE postgres IS NULL")
    instance.sql("UPDATE pg_database SET datcollversion = '2.31' WHERE datname = 'apidb'")
    run("docker", "stop", NAME)
    run("docker", "rm", NAME)
    (instance.directory / "identity.json").unlink()
    adopted = instance.site(postgres_common_superuser_password="Another-Canary-9")
    assert "apidb: the collation version was 2.31 and is" in adopted.text
    assert "postgres keeps the password" in adopted.text
    assert "is kept, stopped, as" not in adopted.text
    run(
        *("psql", "-h", "localhost", "-p", str(instance.port), "-U", "postgres", "-d", "authdb", "-c", "SELECT 1"),
        env={**os.environ, "PGPASSWORD": SECRETS["postgres"]},
    )
