"""The docker-compose deployment that an instance takes over, made as docker compose makes it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instance import Instance, run

DEPLOYED = Path(__file__).parent / "deployed"
PASSWORD = "old-Canary"
DATABASES = ("authdb", "apidb", "admindb")


def plain_image(image: str, name: str) -> None:
    """Make an image of what another one holds, without its labels and with an entrypoint as plain as the deployed one."""
    files = f"{name}-files"
    made = run("docker", "create", image).stdout.strip()
    try:
        run("bash", "-o", "pipefail", "-c", f"docker export {made} | docker import - {files}")
    finally:
        run("docker", "rm", made)
    try:
        run("docker", "build", "--quiet", f"--build-arg=FILES={files}", f"--tag={name}", str(DEPLOYED))
    finally:
        run("docker", "rmi", "--no-prune", files)


@dataclass
class Deployment:
    """A container and a network with docker compose's labels and names, on the instance's volume, of another image than the instance's."""

    instance: Instance
    image: str

    @property
    def network(self) -> str:
        """Name of the project's network."""
        return f"{self.instance.name}_default"

    @property
    def labels(self) -> list[str]:
        """Options with the labels that docker compose gives."""
        return [
            f"--label=com.docker.compose.project={self.instance.name}",
            "--label=com.docker.compose.service=postgres",
            "--label=com.docker.compose.container-number=1",
            "--label=com.docker.compose.oneoff=False",
        ]

    def up(self, *server: str) -> None:
        """Do what docker compose up does, and wait until the first start is over."""
        name = self.instance.name
        project = f"--label=com.docker.compose.project={name}"
        run("docker", "network", "create", project, "--label=com.docker.compose.network=default", self.network)
        run(
            "docker",
            "volume",
            "create",
            project,
            "--label=com.docker.compose.volume=postgres_data",
            self.instance.volume,
        )
        run(
            *("docker", "run", "--detach", f"--name={name}", *self.labels, "--restart=unless-stopped"),
            *(f"--network={self.network}", "--network-alias=postgres", f"--publish={self.instance.port}:5432"),
            *("--env=POSTGRES_USER=postgres", f"--env=POSTGRES_PASSWORD={PASSWORD}"),
            f"--volume={self.instance.volume}:/var/lib/postgresql/data",
            f"--volume={DEPLOYED / 'init.sql'}:/docker-entrypoint-initdb.d/init.sql:ro",
            *(self.image, "postgres", *server),
        )
        self.wait()

    def wait(self) -> None:
        """Wait for the server that listens on the network: the one of the first start does not."""
        give_up = time.monotonic() + 120
        while run("docker", "exec", self.instance.name, "pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode:
            assert time.monotonic() < give_up, run("docker", "logs", self.instance.name, check=False).stderr
            time.sleep(0.2)

    def age(self) -> None:
        """Give the cluster the past that a deployed one has: another C library, and an ALTER SYSTEM."""
        sql = self.instance.sql
        sql("ALTER SYSTEM SET work_mem = '7MB'")
        sql("ALTER SYSTEM SET jit = off")
        sql("SELECT pg_reload_conf()")
        sql("UPDATE pg_database SET datcollversion = '2.31' WHERE datname <> 'template0'")
        sql("UPDATE pg_collation SET collversion = '2.31' WHERE collname = 'en_US'", "authdb")

    def contents(self, columns: dict[str, list[str]]) -> dict[str, str]:
        """Count and hash the rows of every table, by the columns that it had first."""
        found = {}
        for table, names in columns.items():
            database, _dot, name = table.partition(".")
            row = f"ROW({', '.join(names)})::text"
            ordered = f"string_agg(md5({row}), '' ORDER BY md5({row}) COLLATE \"C\")"
            found[table] = self.instance.sql(f"SELECT count(*), md5({ordered}) FROM {name}", database)
        return found

    def columns(self) -> dict[str, list[str]]:
        """Return the columns of each table."""
        statement = (
            "SELECT relname, string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped GROUP BY 1"
        )
        return {
            f"{database}.{row.split('|')[0]}": row.split("|")[1].split(",")
            for database in DATABASES
            for row in self.instance.sql(statement, database).splitlines()
        }

    def state(self, name: str = "") -> dict[str, Any]:
        """Return what a refused run must leave as it was."""
        found = json.loads(run("docker", "inspect", name or self.instance.name).stdout)[0]
        return {
            "id": found["Id"],
            "started": found["State"]["StartedAt"],
            "running": found["State"]["Running"],
            "policy": found["HostConfig"]["RestartPolicy"]["Name"],
        }

    def service(self, conninfo: str, network: str) -> str:
        """Connect as a service does from its own container; return who it is, or what it was told."""
        host = ["--add-host=host.docker.internal:host-gateway"] if network == "bridge" else []
        done = run(
            *("docker", "run", "--rm", f"--network={network}", *host, "--entrypoint=psql", self.instance.image),
            *("-X", "-At", f"{conninfo} user=postgres password={PASSWORD} dbname=authdb"),
            *("-c", "SELECT current_user || ' ' || count(*) FROM users"),
            check=False,
        )
        return (done.stdout or done.stderr).strip()

    def remove(self) -> None:
        """Remove everything that carries its name."""
        run("docker", "rm", "-f", f"{self.instance.name}-replaced", check=False)
        self.instance.remove()
        run("docker", "network", "rm", self.network, self.instance.variables["postgres_common_network"], check=False)
