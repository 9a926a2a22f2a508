"""A real PostgreSQL for the modules, and modules called as Ansible calls them, without a playbook.

AI_MICRO_TEST_PG_SOCKET names the socket directory of a server to use (AI_MICRO_TEST_PG_PORT its port); without it a
throw-away cluster is started from the packages of this machine.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Server:
    """Where the server is, and what is done to it as its superuser or as somebody else."""

    socket: str
    port: int

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


def newest_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    assert found, "No server package is installed: install postgresql, or set AI_MICRO_TEST_PG_SOCKET."
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_postgres(*command: str) -> None:
    prefix = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Yield a running server."""
    given = os.environ.get("AI_MICRO_TEST_PG_SOCKET")
    if given:
        yield Server(given, int(os.environ.get("AI_MICRO_TEST_PG_PORT", "5432")))
        return
    binaries, port = newest_binaries(), free_port()
    # pytest's own directories are closed to other users, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="aimpg") as name:
        home = Path(name)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(home, owner.pw_uid, owner.pw_gid)
        data = home / "data"
        as_postgres(
            *(str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--no-sync", "-E", "UTF8"),
            *("--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256"),
        )
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off -c log_statement=all"
        as_postgres(str(binaries / "pg_ctl"), "-D", str(data), "-l", str(home / "log"), "-w", "-o", options, "start")
        try:
            yield Server(str(home), port)
        finally:
            as_postgres(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
