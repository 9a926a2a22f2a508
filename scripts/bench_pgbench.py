"""pgbench in the provisioned container and in one with PostgreSQL's stock settings: the same image, memory limit and durability."""

from __future__ import annotations

import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration" / "site"))

from instance import Instance  # noqa: E402

IMAGE = os.environ.get("AI_MICRO_TEST_IMAGE", "ai-micro-postgres:pgvector-15")
MEMORY = "1g"
# 50 is 750 MB: several times the buffers of either and less than the memory. A checkpoint has pages to write then, and WAL holds whole pages,
# as in a database that is in use.
SCALE = 50
CLIENTS = 8
# Long enough that what connections find in the buffers counts, and not how they come to it.
KINDS = {"TPC-B-like": ("-b", "tpcb-like"), "select-only": ("-b", "select-only")}
DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "wal_sync_method")


def docker(*arguments: str) -> str:
    """Run docker, which must succeed, and give its output."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def inside(container: str, *command: str) -> str:
    """Run a program beside the server, as the server's user, over the socket."""
    return docker("exec", "-u", "999", "-e", "PGUSER=postgres", container, *command)


@contextmanager
def stock(name: str, options: Sequence[str] = ("--memory", MEMORY), server: Sequence[str] = ()) -> Iterator[str]:
    """Run a server with the settings that initdb writes and those that are given; checksums as the collection's cluster has them."""
    docker(
        *("run", "-d", "--name", name, "--network", "none", *options, "-e", "POSTGRES_HOST_AUTH_METHOD=trust"),
        *("-e", "POSTGRES_INITDB_ARGS=--data-checksums --encoding=UTF8 --locale=C.UTF-8", IMAGE),
        *(("postgres", *server) if server else ()),
    )
    try:
        deadline = time.monotonic() + 120
        # The entrypoint's own server, which initialises, listens on no TCP port.
        while subprocess.run(["docker", "exec", name, "pg_isready", "-q", "-h", "127.0.0.1"], check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} does not serve: {docker('logs', name)}")
            time.sleep(0.5)
        yield name
    finally:
        docker("rm", "-f", "-v", name)


@contextmanager
def tuned(name: str) -> Iterator[str]:
    """Run what site.yml provisions."""
    with tempfile.TemporaryDirectory(prefix="amt-bench-") as folder:
        instance = Instance(name, 25470, Path(folder), IMAGE, {"postgres_common_memory": MEMORY})
        instance.remove()
        try:
            instance.site()
            yield name
        finally:
            instance.remove()


def rate(container: str, kind: str, seconds: int) -> float:
    """Transactions per second of one run that begins with a checkpoint behind it."""
    inside(container, "psql", "-qc", "CHECKPOINT")
    options = ("-c", str(CLIENTS), "-j", "2", "-T", str(seconds), *KINDS[kind], "pgbench")
    found = re.search(r"^tps = ([\d.]+)", inside(container, "pgbench", *options), re.MULTILINE)
    assert found
    return float(found.group(1))


def measure_pgbench(runs: int, seconds: int = 60) -> bool:
    """Both kinds in both containers, in turn; tuned must not be slower than stock in either."""
    label = secrets.token_hex(3)
    figures: dict[tuple[str, str], list[float]] = {}
    # The kernel gives no huge pages until it is told to, which belongs to ours.
    plain = stock(f"amt-bench-stock-{label}", server=("-c", "huge_pages=off"))
    with tuned(f"amt-bench-tuned-{label}") as ours, plain as other:
        containers = {"tuned": ours, "stock": other}
        ask = " || ' ' || ".join(f"current_setting('{name}')" for name in DURABILITY)
        durable = {who: inside(name, "psql", "-XAtc", f"SELECT {ask}") for who, name in containers.items()}
        if durable["tuned"] != durable["stock"]:
            raise SystemExit(f"The two differ in durability: {durable}")
        for name in containers.values():
            inside(name, "createdb", "pgbench")
            inside(name, "pgbench", "-i", "-q", "-s", str(SCALE), "pgbench")
        for turn in range(runs):
            for kind in KINDS:
                # In turn, so that what else the machine does meets both.
                for who in sorted(containers, reverse=turn % 2 == 1):
                    figures.setdefault((kind, who), []).append(rate(containers[who], kind, seconds))
    print(f"pgbench: scale {SCALE}, {CLIENTS} clients, {seconds} s, {MEMORY} of memory, medians of {runs} runs")
    held = True
    for kind in KINDS:
        medians = {who: statistics.median(figures[kind, who]) for who in ("tuned", "stock")}
        for who, median in medians.items():
            print(
                f"  {kind:<12} {who}  {median:9.0f} tps   ({', '.join(f'{each:.0f}' for each in figures[kind, who])})"
            )
        ratio = medians["tuned"] / medians["stock"]
        held &= ratio >= 1
        print(
            f"  {'holds ' if ratio >= 1 else 'MISSED'}  {kind}: tuned / stock = {ratio:.2f} (target: at least 1)",
            flush=True,
        )
    return held
