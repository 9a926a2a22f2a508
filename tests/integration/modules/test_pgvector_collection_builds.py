"""How pgvector_collection builds an index: the memory that it asks for, its progress, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _collection_run
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import MARGIN, mebibytes
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import build_memory

from .collections import Collection, Failed, copied, found, template_database
from .conftest import ROOT, Server

TEMPLATE = "vector_builds_template"
OURS = "langchain_pg_embedding_embedding_cosine_hnsw_idx"
THEIRS = "CREATE INDEX CONCURRENTLY theirs ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)"


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    with template_database(server, TEMPLATE, "DROP INDEX embedding_hnsw") as made:
        yield made


@pytest.fixture
def collection(server: Server, template: str) -> Iterator[Collection]:
    with copied(server, template, "vector_build") as made:
        yield made


@contextmanager
def writer(collection: Collection) -> Iterator[Any]:
    """A transaction that builds have to wait for, until it is closed."""
    connection = collection.server.connect(collection.db)
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE langchain_pg_embedding IN ROW EXCLUSIVE MODE")
    yield connection
    connection.close()


def wait_until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def building(collection: Collection, what: str = "pid") -> list[tuple[Any, ...]]:
    return collection.sql(f"SELECT {what} FROM pg_stat_progress_create_index WHERE index_relid <> 0")


@contextmanager
def building_theirs(collection: Collection, statement: str) -> Iterator[None]:
    """Another session builds indexes, and comes to its end when the block does."""
    builder = collection.server.connect(collection.db)

    def work() -> None:
        with builder.cursor() as cursor:
            cursor.execute(statement)

    thread = threading.Thread(target=work)
    with writer(collection):
        thread.start()
        wait_until(lambda: building(collection, "phase") == [("waiting for writers before build",)])
        yield
    thread.join(timeout=60)
    builder.close()


def invalid(collection: Collection) -> list[tuple[Any, ...]]:
    return collection.sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


def test_build_in_progress_is_left_alone(collection: Collection) -> None:
    """Another session builds: it is reported with its progress, and not disturbed."""
    with building_theirs(collection, THEIRS):
        # No other index serves searches until then.
        result = collection.call("present")
        assert found(result) == {"index_building": "error"}
        assert result["queries"] == []
        assert not result["in_order"]
    assert found(collection.call("present")) == {}


@pytest.mark.parametrize("statement", [THEIRS, "REINDEX TABLE CONCURRENTLY langchain_pg_embedding"])
def test_searches_that_an_index_serves_are_in_order_while_another_is_built(
    collection: Collection, statement: str
) -> None:
    collection.sql("CREATE INDEX ours ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)")
    with building_theirs(collection, statement):
        result = collection.call("present")
        assert found(result) == {"index_building": "info"}
        assert result["queries"] == []
        assert result["in_order"]


def test_leftover_is_not_taken_for_what_another_session_builds(collection: Collection) -> None:
    collection.sql("CREATE INDEX ours ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)")
    collection.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ours'::regclass")
    with building_theirs(collection, "CREATE INDEX CONCURRENTLY ON langchain_pg_embedding (chunk_index)"):
        assert found(collection.call()) == {"index_valid": "error"}
        assert len(collection.call("present", check=True)["queries"]) > 1
    assert found(collection.call("present")) == {}
    assert invalid(collection) == []


def test_progress_of_a_long_build_is_written_to_the_log(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_collection_run, "PROGRESS_EVERY", 0.05)
    with writer(collection) as waited_for:

        def release() -> None:
            wait_until(lambda: collection.lines)
            waited_for.close()

        thread = threading.Thread(target=release)
        thread.start()
        done = collection.call("present")
        thread.join()
    assert found(done) == {}
    assert collection.lines[0] == f"index {OURS}: waiting for writers before build"


@pytest.mark.parametrize(
    ("ending", "said", "left"),
    [
        # The session goes on, and takes away what the build left.
        ("pg_cancel_backend", "run again", []),
        ("pg_terminate_backend", f"The server ended the session that built index {OURS}: .* run again", [(OURS,)]),
    ],
)
def test_build_that_ends_midway_is_built_by_the_next_run(
    collection: Collection, ending: str, said: str, left: list[tuple[str]]
) -> None:
    with writer(collection) as waited_for:

        def end() -> None:
            wait_until(lambda: building(collection, f"{ending}(pid)"))
            waited_for.close()

        thread = threading.Thread(target=end)
        thread.start()
        with pytest.raises(Failed, match=said):
            collection.call("present")
        thread.join()
    assert invalid(collection) == left
    assert found(collection.call()) == ({"index_valid": "error"} if left else {"index": "error"})
    assert found(collection.call("present")) == {}
    assert invalid(collection) == []


def test_build_of_a_killed_module_is_waited_for(collection: Collection) -> None:
    """The server goes on with what a killed run began: the next one leaves it alone, and takes what came of it."""
    given = {
        "login_unix_socket": collection.server.socket,
        "login_port": collection.server.port,
        "login_db": collection.db,
        "state": "present",
        **collection.declared,
    }
    with writer(collection):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "plugins/modules/pgvector_collection.py")],
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
        process.stdin.close()
        wait_until(lambda: building(collection))
        process.kill()
        process.wait()
        result = collection.call("present")
        assert found(result) == {"index_building": "error"}
        assert result["queries"] == []
    wait_until(lambda: not building(collection))
    done = collection.call("present")
    assert found(done) == {}
    assert done["stats"]["index"] == OURS
    assert invalid(collection) == []


@pytest.mark.parametrize(("kind", "dimensions", "rows", "m"), [("vector", 8, 3000, 16), ("halfvec", 16, 6000, 8)])
def test_memory_that_is_asked_for_is_what_a_build_fills(
    collection: Collection, kind: str, dimensions: int, rows: int, m: int
) -> None:
    """With it the graph stays in memory; with much less pgvector says that it does not."""
    collection.sql(
        f"CREATE UNLOGGED TABLE built AS SELECT ARRAY(SELECT random() FROM generate_series(1, {dimensions}) WHERE n > 0)"
        f"::{kind}({dimensions}) AS embedding FROM generate_series(1, {rows}) n"
    )
    needed = build_memory(rows, dimensions, "hnsw", kind, {"m": m})
    spilt = []
    connection = collection.server.connect(collection.db)
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_maintenance_workers = 0")
        for kilobytes in (1024 * mebibytes(int(needed * MARGIN)), int(0.7 * needed) // 1024):
            cursor.execute(f"SET maintenance_work_mem = {kilobytes}")
            connection.notices.clear()
            cursor.execute(
                f"CREATE INDEX ON built USING hnsw (embedding {kind}_cosine_ops) WITH (m = {m}, ef_construction = {2 * m})"
            )
            spilt.append(any("no longer fits into maintenance_work_mem" in notice for notice in connection.notices))
    connection.close()
    assert spilt == [False, True]
