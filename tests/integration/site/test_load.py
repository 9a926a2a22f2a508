"""Everything that the budget counts at once, in a container with its limit: the kernel has to end nothing."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import psycopg2
from instance import SECRETS, Instance, run

POOLS = {"auth_service": ("authdb", 30), "user_api_service": ("apidb", 20), "admin_api_service": ("admindb", 40)}
# Sorts and hashes what fills work_mem, for as long as it is asked to.
BUSY = "SELECT count(*) FROM (SELECT md5(i::text) AS h FROM generate_series(1, 60000) AS i ORDER BY h) AS sorted"
ROWS = 6000
BUILD = f"""
CREATE TABLE amt_load (embedding vector(768));
INSERT INTO amt_load SELECT (SELECT array_agg(random())::vector FROM generate_series(1, 768) WHERE i > 0) FROM generate_series(1, {ROWS}) AS i;
CREATE INDEX ON amt_load USING hnsw (embedding vector_cosine_ops)
"""


def limit_of(instance: Instance, name: str) -> int:
    """Return a figure of the container's own control group, in bytes."""
    pid = instance.inspect()["State"]["Pid"]
    line = next(
        row
        for row in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        if row.startswith("0::") or ":memory:" in row
    )
    place = line.split(":", 2)[2].lstrip("/")
    for base in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")):
        for file in (base / place / name, base / place / {"memory.peak": "memory.max_usage_in_bytes"}.get(name, name)):
            if file.is_file():
                return int(file.read_text())
    return 0


def test_every_pool_busy_and_an_index_build_end_nothing(hardened: Instance) -> None:
    """All connections that the inventory declares, each with a statement, while an HNSW index is built in the container's memory."""
    ended = threading.Event()
    failures: list[str] = []
    rounds: list[int] = []

    def client(role: str, database: str) -> None:
        count = 0
        try:
            connection = psycopg2.connect(
                host="localhost",
                port=hardened.port,
                user=role,
                password=SECRETS[role],
                dbname=database,
                sslmode="verify-full",
                sslrootcert=str(hardened.directory / "tls/ca.crt"),
            )
            with ExitStack() as stack:
                stack.callback(connection.close)
                while not ended.is_set():
                    with connection.cursor() as cursor:
                        cursor.execute(BUSY)
                        count += 1
                    connection.commit()
        except psycopg2.Error as error:
            failures.append(str(error))
        rounds.append(count)

    threads = [
        threading.Thread(target=client, args=(role, database))
        for role, (database, size) in POOLS.items()
        for _ in range(size)
    ]
    for thread in threads:
        thread.start()
    try:
        for statement in BUILD.split(";"):
            hardened.sql(statement, "admindb")
        busy = hardened.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    finally:
        ended.set()
        for thread in threads:
            thread.join(timeout=120)
        hardened.sql("DROP TABLE IF EXISTS amt_load", "admindb")

    assert failures == []
    assert int(busy) > 90
    assert len(rounds) == 90
    state = hardened.inspect()["State"]
    assert (state["OOMKilled"], state["Running"]) == (False, True)
    events = run("docker", "logs", hardened.name)
    assert "was terminated by signal" not in events.stdout + events.stderr
    peak = limit_of(hardened, "memory.peak")
    print(f"peak {peak >> 20} MB of {hardened.inspect()['HostConfig']['Memory'] >> 20} MB")
