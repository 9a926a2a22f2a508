"""Dumps that are restored by the documented commands, with nothing but openssl and pg_restore, into a server that knows nothing of this collection."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instance import PASSPHRASE, Instance, run

WORDS = "openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -pass stdin -in"


@contextmanager
def restored_dumps(instance: Instance, directory: Path, *databases: str) -> Iterator[str]:
    """Give the name of a server on which the roles and some databases of one time's dumps are."""
    server = f"{instance.name}-init"
    run("docker", "run", "-d", "--name", server, "-e", "POSTGRES_PASSWORD=x", instance.image)
    try:
        for _attempt in range(300):
            if run("docker", "exec", server, "pg_isready", "-h", "127.0.0.1", check=False).returncode == 0:
                break
            run("docker", "exec", server, "sleep", "0.1", check=False)
        feeds = {
            "globals.sql.enc": "psql -q -U postgres",
            **{f"{name}.dump.enc": "pg_restore -U postgres -C -d postgres" for name in databases},
        }
        for name, feed in feeds.items():
            secret = {"input": PASSPHRASE.encode(), "capture_output": True}
            text: Any = subprocess.run([*WORDS.split(), str(directory / name)], check=True, **secret)
            fed = ["docker", "exec", "-i", server, *feed.split()]
            subprocess.run(fed, input=text.stdout, capture_output=True, check="psql" not in feed)
        yield server
    finally:
        run("docker", "rm", "-f", "-v", server)


def ask(server: str, database: str, statement: str) -> str:
    """Ask that server."""
    words = ["psql", "-X", "-qAt", "-U", "postgres", "-d", database, "-c", statement]
    return run("docker", "exec", server, *words).stdout.strip()
