"""A real PostgreSQL for the modules, and modules called as Ansible calls them, without a playbook.

AI_MICRO_TEST_PG_SOCKET names the socket directory of a server to use (AI_MICRO_TEST_PG_PORT its port); without it a
throw-away container of the image AI_MICRO_TEST_IMAGE is started.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

ROOT = Path(__file__).parents[3]
PASSWORD = "for-tests-ONLY-1"
PATIENCE = 60
# Beside the socket. All statements of all tests are in it, and Docker's own log of them takes seconds to be read.
LOG = "server.log"
LOGGING = ("logging_collector=on", "log_directory=/var/run/postgresql", f"log_filename={LOG}", "log_rotation_size=0")


@dataclass(frozen=True)
class Server:
    """Where the server is, and what is done to it as its superuser or as somebody else."""

    socket: str
    port: int
    container: str = ""

    def connect(self, db: str = "postgres", user: str = "postgres", password: str | None = None) -> Any:
        # Over TCP when a password is given: pg_hba asks for it there.
        host = "127.0.0.1" if password is not None else self.socket
        made = psycopg2.connect(host=host, port=self.port, dbname=db, user=user, password=password)
        made.autocommit = True
        return made

    def sql(self, statement: Any, *params: Any, db: str = "postgres", role: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement, as another role where one is named, and return its rows."""
        connection = self.connect(db)
        try:
            with connection.cursor() as cursor:
                if role is not None:
                    cursor.execute("SELECT pg_catalog.set_config('role', %s, false)", (role,))
                cursor.execute(statement, params or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def shell(self, command: str) -> None:
        """Run a shell command where the server runs, as its user.

        What COPY sends is read first: PostgreSQL reports a broken pipe where the program has ended before it writes.
        """
        self.sql(sql.SQL("COPY (SELECT 1) TO PROGRAM {}").format(sql.Literal(f"cat > /dev/null && {command}")))

    def log_end(self) -> int:
        """Give where the log ends once all that was done until now is in it; 0 for a server that was given by its socket."""
        if not self.container:
            return 0
        log = Path(self.socket) / LOG
        begin, last = log.stat().st_size, secrets.token_hex(8)
        self.sql(f"SELECT '{last}'")
        deadline = time.monotonic() + PATIENCE
        while (found := read(log, begin).find(last.encode())) < 0:
            assert time.monotonic() < deadline, "the server does not log what it is asked"
            time.sleep(0.01)
        return begin + found

    def log(self, since: int = 0) -> str:
        """Give what the server has logged, all or from an end of before; nothing of a server that was given by its socket."""
        end = self.log_end()
        text = read(Path(self.socket) / LOG, since, end - since).decode(errors="replace") if end else ""
        # Without the line that its end was found by.
        return text.rpartition("\n")[0]

    def call(self, module: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call one module of the collection and return its result."""
        given = {
            "login_unix_socket": self.socket,
            "login_port": self.port,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **arguments,
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"ANSIBLE_MODULE_ARGS": given}, file)
            file.flush()
            done = subprocess.run(
                [sys.executable, str(ROOT / "plugins" / "modules" / f"{module}.py"), file.name],
                env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.stdout.strip().startswith("{"), f"{module} printed no result:\n{done.stdout}{done.stderr}"
        result: dict[str, Any] = json.loads(done.stdout)
        result["raw"] = done.stdout + done.stderr
        return result


def read(path: Path, begin: int, size: int = -1) -> bytes:
    """Read a file from a byte on."""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(size)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def wait_for(made: Server, name: str) -> None:
    """Wait until the server answers over TCP: the one that initialises the cluster listens on the socket alone."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            made.connect(password=PASSWORD).close()
        except psycopg2.OperationalError as error:
            if time.monotonic() >= deadline:
                logs, log = docker("logs", name), Path(made.socket) / LOG
                said = log.read_text(errors="replace")[-10000:] if log.exists() else ""
                pytest.fail(f"The server does not answer: {error}\n{logs.stdout}{logs.stderr}{said}")
            time.sleep(0.1)
        else:
            return


@contextmanager
def running_server(*settings: str) -> Iterator[Server]:
    """Yield a server that was given by its socket, or one in a container that is removed afterwards; one with settings of its own is always that."""
    given = os.environ.get("AI_MICRO_TEST_PG_SOCKET")
    if given and not settings:
        yield Server(given, int(os.environ.get("AI_MICRO_TEST_PG_PORT", "5432")))
        return
    image = os.environ.get("AI_MICRO_TEST_IMAGE", "")
    assert image, "AI_MICRO_TEST_IMAGE is not set: run the tests by make test, which builds the image and sets it."
    # pytest's own directories are closed to other users, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="amt-pg-", ignore_cleanup_errors=True) as home:
        port = free_port()
        name = f"amt-pg-{secrets.token_hex(4)}"
        # A socket is named after the server's port, so the port is the same on both sides.
        started = docker(
            # Not --rm: a restarted container is now and then removed by it, as the Engine looks at the flag while the stop ends.
            *("run", "--detach", "--name", name, "--volume", f"{home}:/var/run/postgresql"),
            # As the role does, for parallel builds of an index.
            "--shm-size=256m",
            *(
                "--publish",
                f"127.0.0.1:{port}:{port}",
                "--env",
                f"PGPORT={port}",
                "--env",
                f"POSTGRES_PASSWORD={PASSWORD}",
            ),
            *("--env", "POSTGRES_INITDB_ARGS=--no-sync --locale=C.UTF-8", image),
            *(
                word
                for setting in ("fsync=off", "log_statement=all", "log_file_mode=0644", *LOGGING, *settings)
                for word in ("-c", setting)
            ),
        )
        try:
            assert started.returncode == 0, f"The server of {image} did not start:\n{started.stderr}"
            made = Server(home, port, name)
            wait_for(made, name)
            yield made
        finally:
            docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Yield a running server."""
    with running_server() as running:
        yield running
