"""Everything that the budget counts at once, in a container with its limit: the kernel has to end nothing.

Huge pages are counted to no container, so the server has its shared memory in ordinary ones here, with every buffer taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg2
import pytest
from instance import SECRETS, Instance, run

POOLS = {"auth_service": ("authdb", 30), "user_api_service": ("apidb", 20), "admin_api_service": ("admindb", 40)}
# The sorted rows nearly fill work_mem, and stay there as long as the cursor is open. A function in FROM would keep its rows as well, in a
# work_mem of its own.
SORTED = "SELECT md5(i::text) AS h FROM (SELECT generate_series(1, {rows}) AS i) AS numbers ORDER BY h"
HOLD = f"DECLARE held NO SCROLL CURSOR FOR {SORTED}"
SORT = f"EXPLAIN (ANALYZE, TIMING off) {SORTED}"
ROWS = 30000
# 3.2 kB for each vector's place in the graph: nearly all of maintenance_work_mem.
VECTORS = 17000
BUILD = f"""
CREATE UNLOGGED TABLE amt_load (embedding vector(768));
INSERT INTO amt_load SELECT (SELECT array_agg(random())::vector FROM generate_series(1, 768) WHERE i > 0) FROM generate_series(1, {VECTORS}) AS i;
CREATE INDEX ON amt_load USING hnsw (embedding vector_l2_ops) WITH (m = 4, ef_construction = 8)
"""
# A row fills a page, and an INSERT takes each through the shared buffers, which CREATE TABLE AS would go around.
FILL = """
CREATE EXTENSION IF NOT EXISTS pg_buffercache;
CREATE UNLOGGED TABLE amt_fill (filler text);
ALTER TABLE amt_fill ALTER filler SET STORAGE PLAIN;
INSERT INTO amt_fill SELECT repeat('x', 8000) FROM generate_series(1, (SELECT setting::int FROM pg_settings WHERE name = 'shared_buffers'))
"""
FREE = "SELECT count(*) FROM pg_buffercache WHERE relfilenode IS NULL"
CLEAR = "DROP TABLE IF EXISTS amt_load; DROP TABLE IF EXISTS amt_fill; DROP EXTENSION IF EXISTS pg_buffercache"


def restart(instance: Instance) -> None:
    """Restart the server and wait for it."""
    run("docker", "restart", instance.name)
    started = instance.play("start")
    assert started.code == 0, started.output


@pytest.fixture
def counted(hardened: Instance) -> Iterator[Instance]:
    """Give the server with its shared memory in pages that are counted, all buffers in use."""
    hardened.sql("ALTER SYSTEM SET huge_pages = off")
    try:
        restart(hardened)
        hardened.sql(CLEAR, "admindb")
        for statement in FILL.strip().split(";\n"):
            hardened.sql(statement, "admindb")
        yield hardened
    finally:
        hardened.sql(CLEAR, "admindb")
        hardened.sql("ALTER SYSTEM RESET huge_pages")
        restart(hardened)


def killed_by_the_kernel(instance: Instance) -> int:
    """Count the processes that the kernel has ended in the container for want of memory, its first process or any other."""
    process = Path("/proc") / str(instance.inspect()["State"]["Pid"])
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers in ("", "memory"):
            base = Path("/sys/fs/cgroup") / controllers / place.lstrip("/")
            for file in (base / "memory.events", base / "memory.oom_control"):
                if file.is_file():
                    return int(dict(row.split() for row in file.read_text().splitlines())["oom_kill"])
    raise AssertionError(f"no control group with memory: {(process / 'cgroup').read_text()}")


@contextmanager
def busy_pools(instance: Instance) -> Iterator[list[str]]:
    """Open every connection that the inventory declares, each with its work_mem full and asked again and again; give what failed."""
    ended = threading.Event()
    ready = threading.Barrier(sum(size for _, size in POOLS.values()) + 1)
    failures: list[str] = []

    def client(role: str, database: str) -> None:
        try:
            with ExitStack() as stack:
                connection = psycopg2.connect(
                    host="localhost",
                    port=instance.port,
                    user=role,
                    password=SECRETS[role],
                    dbname=database,
                    sslmode="verify-full",
                    sslrootcert=str(instance.directory / "tls/ca.crt"),
                )
                stack.callback(connection.close)
                cursor = connection.cursor()
                cursor.execute(HOLD.format(rows=ROWS))
                cursor.execute("FETCH FROM held")
                if database == "admindb":
                    # Its process maps the buffers, page by page.
                    cursor.execute("SELECT count(*) FROM amt_fill")
                ready.wait(timeout=120)
                while not ended.wait(0.5):
                    cursor.execute("FETCH FROM held")
        except (psycopg2.Error, threading.BrokenBarrierError) as error:
            failures.append(f"{role}: {error}")
            ready.abort()

    threads = [
        threading.Thread(target=client, args=(role, database))
        for role, (database, size) in POOLS.items()
        for _ in range(size)
    ]
    for thread in threads:
        thread.start()
    try:
        ready.wait(timeout=120)
        yield failures
    except threading.BrokenBarrierError as error:
        raise AssertionError(f"not every connection came about: {failures[:3]}") from error
    finally:
        ended.set()
        for thread in threads:
            thread.join(timeout=60)


def test_every_pool_busy_and_an_index_build_end_nothing(counted: Instance) -> None:
    """All connections that the inventory declares hold what they may, while an HNSW index is built in the container's memory."""
    assert counted.pages_of_shared_memory() == "ordinary"
    assert int(counted.sql(FREE, "admindb")) == 0
    plan = counted.sql(SORT.format(rows=ROWS))
    assert "Sort Method: quicksort" in plan, plan
    started = counted.sql("SELECT pg_postmaster_start_time()")
    begun = time.time()
    with busy_pools(counted) as failures:
        notices = run(
            *("docker", "exec", counted.name, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"),
            *("-d", "admindb", "-c", BUILD),
        )
        busy = counted.sql("SELECT count(*) FROM pg_stat_activity WHERE usename <> 'postgres' AND query LIKE 'FETCH%'")

    assert failures == []
    assert "no longer fits" not in notices.stderr
    assert int(busy) == sum(size for _, size in POOLS.values())
    state = counted.inspect()["State"]
    assert (state["OOMKilled"], state["Running"]) == (False, True)
    # A server that lost a process to the kernel would have begun anew inside the container, whose OOMKilled stays false.
    assert killed_by_the_kernel(counted) == 0
    assert counted.sql("SELECT pg_postmaster_start_time()") == started
    logs = run("docker", "logs", "--since", str(int(begun)), counted.name)
    assert "was terminated by signal" not in logs.stdout + logs.stderr
