# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory that a server may use, and what its settings may take of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._budget import memory_budget, memory_limit, need
from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE

POOLS: list[Any] = [{"pool": {"size": size, "overflow": over}} for size, over in ((20, 10), (15, 5), (25, 15))]


def budget(megabytes: int, databases: Any = None, cpus: int = 2, disk: str = "ssd", **overrides: Any) -> dict[str, Any]:
    host = {"memory_bytes": megabytes * MEBIBYTE, "cpus": cpus}
    return memory_budget(host, "", POOLS if databases is None else databases, overrides, disk)


def megabytes(text: Any) -> float:
    return float(text.removesuffix("kB")) / 1024 if text.endswith("kB") else float(text.removesuffix("MB"))


@pytest.mark.parametrize(
    ("memory", "buffers", "cache", "work", "maintenance", "autovacuum", "wal"),
    [
        (1024, "256MB", "614MB", "4MB", "64MB", "16MB", "8MB"),
        (4096, "1024MB", "2457MB", "10MB", "245MB", "64MB", "16MB"),
        (65536, "16384MB", "39321MB", "164480kB", "2048MB", "512MB", "16MB"),
    ],
)
def test_shares(memory: int, buffers: str, cache: str, work: str, maintenance: str, autovacuum: str, wal: str) -> None:
    settings = budget(memory)["settings"]
    assert settings["shared_buffers"] == buffers
    assert settings["effective_cache_size"] == cache
    assert settings["work_mem"] == work
    assert settings["maintenance_work_mem"] == maintenance
    assert settings["autovacuum_work_mem"] == autovacuum
    assert settings["wal_buffers"] == wal
    assert settings["max_connections"] == 100


@pytest.mark.parametrize("memory", [512, 700, 1024, 1500, 2048, 4096, 16384, 262144])
@pytest.mark.parametrize("cpus", [1, 2, 8, 96])
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("rows", [0, 100_000, 10_000_000])
def test_the_sum_never_exceeds_the_memory_or_is_a_problem(memory: int, cpus: int, workers: int, rows: int) -> None:
    databases: list[Any] = [{"pool": {**each["pool"], "workers": workers}} for each in POOLS]
    databases.append({"collections": [{"dimensions": 768, "expected_rows": rows}]})
    found = budget(memory, databases, cpus)
    settings = found["settings"]
    sessions = settings["max_connections"] + settings["max_parallel_workers"]
    taken = (
        megabytes(settings["shared_buffers"])
        + megabytes(settings["wal_buffers"])
        + megabytes(settings["maintenance_work_mem"])
        + settings["autovacuum_max_workers"] * megabytes(settings["autovacuum_work_mem"])
        + sessions * (2 + megabytes(settings["work_mem"]) * float(settings["hash_mem_multiplier"]))
    )
    assert settings["max_connections"] >= 90 * workers + settings["superuser_reserved_connections"]
    assert settings["max_parallel_workers"] <= settings["max_worker_processes"]
    assert found["shm_mb"] >= megabytes(settings["maintenance_work_mem"]) + 64
    if not found["problems"]:
        assert taken <= found["sum_mb"] <= found["limit_mb"] == memory
    else:
        assert found["sum_mb"] > memory
        # Nothing that could give way is more than it has to be.
        assert (settings["shared_buffers"], settings["work_mem"]) == ("64MB", "1MB")


def test_more_memory_never_means_less() -> None:
    for smaller, larger in itertools.pairwise(range(512, 20000, 512)):
        one, other = budget(smaller)["settings"], budget(larger)["settings"]
        for name in ("shared_buffers", "maintenance_work_mem", "autovacuum_work_mem", "wal_buffers", "max_wal_size"):
            assert megabytes(one[name]) <= megabytes(other[name]), (name, smaller)


def test_smallest_host_carries_the_declared_pools() -> None:
    assert budget(512)["problems"] == []


def test_what_cannot_fit_is_said_with_the_arithmetic() -> None:
    (problem,) = budget(512, [{"pool": {"size": 400, "overflow": 100}}])["problems"]
    assert problem.startswith("The server may use 512 MB and would need ")
    assert "1024 MB sessions and parallel workers (512 x 2 MB)" in problem
    assert "Raise postgres_common_memory" in problem


def test_pools_beyond_max_connections_are_said_with_the_number() -> None:
    (problem,) = budget(1024, max_connections=60)["problems"]
    assert "up to 90 connections" in problem
    assert "max_connections is 60, 33 too few" in problem
    assert budget(1024, max_connections=93)["problems"] == []
    assert len(budget(1024, max_connections="92")["problems"]) == 1


def test_overrides_count_as_they_are_given_and_the_rest_makes_room() -> None:
    plain, given = budget(2048), budget(2048, shared_buffers="1300MB")
    assert given["settings"]["shared_buffers"] == "1300MB"
    assert megabytes(given["settings"]["work_mem"]) < megabytes(plain["settings"]["work_mem"])
    assert given["problems"] == []
    assert len(budget(2048, shared_buffers="2GB")["problems"]) == 1
    assert len(budget(2048, work_mem="64MB")["problems"]) == 1
    assert budget(2048, work_mem="8MB")["problems"] == []
    assert len(budget(2048, work_mem="8MB", hash_mem_multiplier=2.0)["problems"]) == 1
    assert megabytes(budget(2048, hash_mem_multiplier=2)["settings"]["work_mem"]) <= megabytes(
        plain["settings"]["work_mem"]
    )
    assert budget(2048, Shared_Buffers=32768)["settings"]["shared_buffers"] == "256MB"
    assert budget(2048, maintenance_work_mem="512MB")["shm_mb"] == 576
    assert budget(2048, wal_buffers="64kB")["settings"]["wal_buffers"] == "64kB"
    assert budget(2048, work_mem="lots") == plain  # PostgreSQL says what is wrong with it


def test_expected_embeddings_raise_the_memory_of_a_build() -> None:
    collection = {"dimensions": 768, "expected_rows": 100_000, "index": {"method": "hnsw", "m": 16}}
    databases = [*POOLS, {"collections": [collection]}]
    assert need(databases).build == 100_000 * (768 * 4 + 785) // 1024
    assert megabytes(budget(4096, databases)["settings"]["maintenance_work_mem"]) == 404
    assert megabytes(budget(1024, databases)["settings"]["maintenance_work_mem"]) == 256


def test_embeddings_that_do_not_fit_are_said_with_the_number() -> None:
    collection = {"name": "documents", "dimensions": 768, "expected_rows": 10_000_000}
    found = budget(1024, [{"name": "admindb", "collections": [collection]}])
    (note,) = found["notes"]
    assert "(documents in admindb) takes 40462 MB" in note
    assert "maintenance_work_mem is 256 MB, 40206 MB too little" in note
    assert found["problems"] == []
    assert budget(1024, [{"collections": [{**collection, "expected_rows": 50_000}]}])["notes"] == []


def test_vacuums_that_take_maintenance_work_mem_are_counted_with_it() -> None:
    """-1 is PostgreSQL's own default of autovacuum_work_mem, and means maintenance_work_mem for each worker."""
    given = budget(2048, autovacuum_work_mem=-1, maintenance_work_mem="128MB")
    assert given["sum_mb"] >= budget(2048, maintenance_work_mem="128MB")["sum_mb"]
    (problem,) = budget(1024, autovacuum_work_mem="-1", maintenance_work_mem="256MB")["problems"]
    assert "768 MB autovacuum_work_mem (3 x 256 MB)" in problem


@pytest.mark.parametrize(
    ("database", "role_settings", "part"),
    [
        ({"settings": {"work_mem": "256MB"}}, {}, "10240 MB work_mem of writer (40 x 256 MB)"),
        ({"settings": {"WORK_MEM": "256MB"}}, {"work_mem": "1MB"}, "10240 MB work_mem of writer (40 x 256 MB)"),
        ({}, {"work_mem": "256MB"}, "10240 MB work_mem of writer (40 x 256 MB)"),
        ({"settings": {"hash_mem_multiplier": 256}}, {"work_mem": "1MB"}, "10240 MB work_mem of writer (40 x 256 MB)"),
        ({"settings": {"work_mem": "256MB"}, "connection_limit": 50}, {}, "work_mem of writer (50 x 256 MB)"),
        ({"settings": {"work_mem": "256MB"}, "connection_limit": -1}, {}, "work_mem of writer (100 x 256 MB)"),
    ],
)
def test_work_mem_of_a_role_is_counted_as_often_as_it_connects(
    database: dict[str, Any], role_settings: dict[str, Any], part: str
) -> None:
    pool = {"role": "writer", "pool": {"size": 25, "overflow": 15}}
    host = {"memory_bytes": 1024 * MEBIBYTE, "cpus": 2}
    (problem,) = memory_budget(host, "", [{**pool, **database}], {}, "ssd", role_settings)["problems"]
    assert part in problem
    assert "512 MB work_mem of parallel workers (2 x 256 MB)" in problem


def test_work_mem_of_a_role_takes_from_the_others() -> None:
    databases = [{**POOLS[2], "role": "writer", "settings": {"work_mem": "8MB"}}, *POOLS[:2]]
    plain, given = budget(2048), budget(2048, databases)
    assert given["problems"] == []
    assert given["sum_mb"] <= given["limit_mb"]
    assert megabytes(given["settings"]["work_mem"]) <= megabytes(plain["settings"]["work_mem"])
    modest = [{**POOLS[2], "role": "writer", "settings": {"work_mem": "1MB"}}, *POOLS[:2]]
    assert budget(2048, modest)["sum_mb"] <= 2048


@pytest.mark.parametrize(("disk", "cost", "reads"), [("ssd", "1.1", 200), ("hdd", "4", 2)])
def test_disk(disk: str, cost: str, reads: int) -> None:
    settings = budget(1024, disk=disk)["settings"]
    assert (settings["random_page_cost"], settings["effective_io_concurrency"]) == (cost, reads)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("", 8192), ("1g", 1024), ("512m", 512), ("1GB", 1024), ("2GiB", 2048), ("1073741824", 1024), ("64g", 8192)],
)
def test_memory_limit(given: str, wanted: int) -> None:
    assert memory_limit(given, 8192 * MEBIBYTE) == wanted * MEBIBYTE


@pytest.mark.parametrize("given", ["lots", "-1g", "1x"])
def test_limit_that_is_no_size_is_said(given: str) -> None:
    (problem,) = memory_budget({"memory_bytes": 8192 * MEBIBYTE, "cpus": 2}, given, POOLS)["problems"]
    assert problem.startswith(f"postgres_common_memory is {given}, which is no size: write it as 512m or 2g")
