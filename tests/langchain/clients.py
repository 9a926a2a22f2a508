"""LangChain's clients, in an environment of their own: what they do on a table is asked of them."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = Path(__file__).resolve().parents[2] / ".cache"
CLIENTS = ("langchain_postgres.PGVector", "langchain_postgres.PGVectorStore", "langchain_community.PGVector")


def environment() -> str:
    """Return the Python of the environment, made once for its list of packages, whoever comes first."""
    requirements = HERE / "requirements.txt"
    home = CACHE / "langchain"
    stamp = home / "requirements.txt"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "langchain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_bytes() != requirements.read_bytes():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            pip = [str(home / "bin/pip"), "install", "--quiet", "--requirement", str(requirements)]
            subprocess.run(pip, check=True, timeout=900)
            stamp.write_bytes(requirements.read_bytes())
    return str(home / "bin" / "python")


def try_all(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return of each job its operations, with an empty string or with what the client said."""
    done = subprocess.run(
        [environment(), str(HERE / "try_clients.py")],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    assert len(results) == len(jobs)
    return results
