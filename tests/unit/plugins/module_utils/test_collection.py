# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pgvector_collection decides without a server: names, casts, memory, ranks, declarations."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    DeclarationError,
    Thresholds,
    read_declaration,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_filtered import selective
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_indexes import (
    Target,
    index_name,
    is_cast,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Column, Look, choose_column
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_memory import budget, mebibytes
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_preflight import collection_problems
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_run import sample_size
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_search import count_hits, nodes
from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import collection_settings
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import (
    build_memory,
    flaws,
    numbers,
    parallel_build_is_unsafe,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE

THRESHOLDS: dict[str, Any] = {
    **dict.fromkeys(("null_embeddings", "zero_norm", "wrong_dimensions", "orphans", "duplicates"), 0),
    "stale_fraction": 0.2,
    "exact_rows": 10000,
    "scan_rows": 200000,
    "build_memory_mb": None,
    "shm_size_mb": None,
}
PARAMS: dict[str, Any] = {
    "name": "c",
    "table": "t",
    "collection_table": None,
    "column": None,
    "model": None,
    "role": None,
    "dimensions": 768,
    "distance": "cosine",
    "index": {"method": "hnsw", "m": 16, "ef_construction": 64, "lists": 100, "type": None},
    "recall": {"k": 10, "sample": 50, "minimum": 0.95, "ef_search": None},
    "thresholds": THRESHOLDS,
}
TARGET = Target("embedding", "vector", "vector", 768, "cosine", "hnsw", (("m", 16), ("ef_construction", 64)))


def server(**changes: Any) -> Look:
    about = {
        "available": "0.8.2",
        "maintenance_work_mem": 64 * MEBIBYTE,
        "effective_cache_size": 4096 * MEBIBYTE,
        "parallel_workers": 2,
    }
    return Look({**about, **changes})


@pytest.mark.parametrize(
    ("group", "change", "said"),
    [
        (None, {"dimensions": 16001}, "dimensions is 16001: give a number from 1 to 16000."),
        ("index", {"m": 101}, "index.m is 101: give a number from 2 to 100."),
        ("index", {"ef_construction": 31}, "raise it to 32, or lower index.m."),
        ("recall", {"k": 0}, "recall.k is 0"),
        ("recall", {"minimum": 1.1}, "recall.minimum is 1.1"),
        ("thresholds", {"zero_norm": -1}, "thresholds.zero_norm is -1: give 0 or more."),
        (None, {"table": ""}, "table is empty: give the table of the collection."),
    ],
)
def test_declaration_is_refused(group: str | None, change: dict[str, Any], said: str) -> None:
    params = copy.deepcopy(PARAMS)
    (params[group] if group else params).update(change)
    with pytest.raises(DeclarationError) as refused:
        read_declaration(params)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("method", "options"),
    [("hnsw", {"m": 16, "ef_construction": 64}), ("ivfflat", {"lists": 100}), ("none", {})],
)
def test_options_are_those_of_the_method(method: str, options: dict[str, int]) -> None:
    params = copy.deepcopy(PARAMS)
    params["index"]["method"] = method
    assert read_declaration(params).options == options


@pytest.mark.parametrize(
    ("table", "column", "taken", "name"),
    [
        ("t", "e", set(), "t_e_hnsw_idx"),
        ("t", "e", {"t_e_hnsw_idx", "t_e_hnsw_idx1"}, "t_e_hnsw_idx2"),
        ("x" * 63, "e", set(), None),
        ("ü" * 31, "ö" * 31, set(), None),
    ],
)
def test_index_name_is_short_and_free(table: str, column: str, taken: set[str], name: str | None) -> None:
    made = index_name(table, column, "hnsw_idx", frozenset(taken))
    assert made == name or name is None
    assert len(made.encode()) <= 63
    assert made.endswith("hnsw_idx") or made[-1].isdigit()
    second = index_name(table, column, "hnsw_idx", frozenset({*taken, made}))
    assert second != made
    assert len(second.encode()) <= 63


@pytest.mark.parametrize(
    ("expression", "column", "cast"),
    [
        ("(embedding)::halfvec(768)", "embedding", True),
        ("((embedding)::public.halfvec(768))", "embedding", True),
        ('(("a ""b""")::"my schema".halfvec(3))', 'a "b"', True),
        ("public.subvector(embedding, 1, 3)", "embedding", False),
        ("((public.subvector(embedding, 1, 3))::public.halfvec(3))", "embedding", False),
        ("((embedding)::public.bit(3))", "embedding", False),
        ("(other)::halfvec(768)", "embedding", False),
    ],
)
def test_cast_is_told_from_other_expressions(expression: str, column: str, cast: bool) -> None:
    assert is_cast(expression, column) == cast


@pytest.mark.parametrize(
    ("distances", "between", "k", "hits"),
    [
        ([0.1, 0.2, 0.3], {}, 3, 3),
        ([0.1, 0.2, 0.3], {(0, 1): 1, (0, 2): 1}, 3, 3),
        ([0.1, 0.2, 0.3], {(0, 1): 2, (0, 2): 2}, 3, 2),
        ([0.1, 0.2, 0.3], {(0, 0): 3}, 3, 0),
        ([0.1, 0.1, 0.1], {}, 3, 3),
        ([], {}, 3, 0),
        ([0.1], {(1, 0): 9}, 3, 1),
    ],
)
def test_rows_with_fewer_than_k_nearer_are_hits(
    distances: list[float], between: dict[tuple[int, int], int], k: int, hits: int
) -> None:
    assert count_hits(distances, 0, between, k) == hits


@pytest.mark.parametrize(
    ("sample", "rows", "size"),
    [(50, 0, 50), (50, 100_000, 50), (50, 400_000, 25), (50, 1_000_000, 20), (50, 10_000_000, 20), (5, 10_000_000, 5)],
)
def test_recall_is_never_judged_by_a_few_searches(sample: int, rows: int, size: int) -> None:
    params = copy.deepcopy(PARAMS)
    params["recall"]["sample"] = sample
    assert sample_size(read_declaration(params), rows) == size


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (["vec"], None, "vec"),
        (["vec", "vec_next"], None, "vec"),
        (["vec_previous", "vec", "vec_next"], None, "vec"),
        (["vec", "vec_next"], "vec_next", "vec_next"),
        (["what_next"], None, "what_next"),
        (["vec", "vec_previous", "embedding"], None, "embedding"),
        (["a", "b"], None, None),
        (["a", "b"], "c", None),
    ],
)
def test_column_is_the_one_that_serves(names: list[str], wanted: str | None, chosen: str | None) -> None:
    vectors = [Column(number, name, "vector", "public", 3, False, False, False) for number, name in enumerate(names, 1)]
    column = choose_column(vectors, wanted)
    assert (column.name if column else None) == chosen


def test_nodes_of_a_plan() -> None:
    plan = {"Node Type": "Limit", "Plans": [{"Node Type": "Sort", "Plans": [{"Index Name": "i"}]}]}
    assert [node.get("Index Name") for node in nodes(plan)] == [None, None, "i"]


@pytest.mark.parametrize(
    ("rows", "kind", "method", "options", "needed"),
    [
        (100_000, "vector", "hnsw", {"m": 16}, 100_000 * (4 * 768 + 785)),
        (100_000, "halfvec", "hnsw", {"m": 16}, 100_000 * (2 * 768 + 785)),
        (1, "vector", "hnsw", {"m": 32}, 4 * 768 + 785 + 16 * 32),
        (0, "vector", "hnsw", {"m": 16}, 0),
        (100, "vector", "ivfflat", {"lists": 10}, 100 * (3072 + 40) + 20 * 3072 + 400),
    ],
)
def test_memory_of_a_build(rows: int, kind: str, method: str, options: dict[str, int], needed: int) -> None:
    assert build_memory(rows, 768, method, kind, options) == needed


@pytest.mark.parametrize(
    ("look", "rows", "limits", "shm", "memory", "workers"),
    [
        (server(), 100, {}, None, 64, 2),
        (server(), 100_000, {}, None, 405, 2),
        (server(), 10_000_000, {}, None, 2048, 2),
        (server(), 10_000_000, {"build_memory_mb": 8}, None, 64, 2),
        (server(), 10_000_000, {"build_memory_mb": 9000}, None, 9000, 2),
        (server(), 100_000, {}, 64 * MEBIBYTE, 405, 0),
        (server(), 100_000, {}, 469 * MEBIBYTE, 405, 2),
        (server(available="0.8.0"), 100, {}, None, 64, 0),
        (server(effective_cache_size=100 * MEBIBYTE), 100_000, {}, None, 64, 2),
    ],
)
def test_budget_of_a_build(
    look: Look, rows: int, limits: dict[str, int], shm: int | None, memory: int, workers: int
) -> None:
    made = budget(look, TARGET, rows, Thresholds(**{**THRESHOLDS, **limits}), shm)
    assert (mebibytes(made.memory), made.workers) == (memory, workers)


def test_flawed_versions() -> None:
    assert numbers("0.8.0-1.pgdg12") == (0, 8, 0)
    assert numbers("") == ()
    assert len(flaws("0.8.0")) == 2
    assert len(flaws("0.8.2")) == 1
    assert flaws("0.8.3") == flaws("") == []
    assert parallel_build_is_unsafe("0.7.4")
    assert not parallel_build_is_unsafe("0.8.2")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({}, {"index": {"m": 16, "ef_construction": "64"}}, None),
        ({"index": {"m": 8}}, {}, "(m 8 and 16)"),
        ({"index": {"m": 8}}, {"table": "public.langchain_pg_embedding", "column": "embedding"}, "(m 8 and 16)"),
        ({"index": {"m": 8}}, {"distance": "l2"}, None),
        ({"index": {"m": 8}}, {"table": "other"}, None),
        ({"index": {"m": 8}}, {"column": "other"}, None),
        ({"index": {"method": "ivfflat"}}, {}, "(method ivfflat and hnsw)"),
        ({"index": {"method": "ivfflat", "m": 8}}, {"index": {"method": "ivfflat", "lists": 9}}, "(lists 100 and 9)"),
        ({"index": {"method": "none"}}, {}, None),
        ({"index": {"type": "halfvec"}}, {}, None),
        ({"index": {"type": "halfvec"}}, {"index": {"type": "vector"}}, "(type halfvec and vector)"),
    ],
)
def test_two_indexes_for_the_same_vectors_are_refused(
    first: dict[str, Any], second: dict[str, Any], said: str | None
) -> None:
    databases: list[dict[str, Any]] = [
        {"name": "d", "collections": [{"name": "a", **first}, {"name": "b", **second}]},
        {"name": "e"},
    ]
    problems = collection_problems(databases)
    assert len(problems) == (said is not None)
    if said:
        assert said in problems[0]
        assert problems[0].startswith("The collections a and b of the database d ")


def test_roles_have_what_their_collections_need() -> None:
    databases: list[dict[str, Any]] = [
        {"name": "a", "role": "r", "collections": [{"recall": {"ef_search": 80}}, {"recall": {"ef_search": 40}}]},
        {"name": "b", "role": "r", "collections": [{"index": {"method": "ivfflat"}, "recall": {"ef_search": 9}}]},
        {"name": "c", "role": "s", "collections": [{"index": {"method": "none"}}]},
        {"name": "d", "role": "t"},
    ]
    planned = {"plan_cache_mode": "force_custom_plan"}
    roles = collection_settings([{"name": name} for name in "rst"], databases)
    assert roles == [
        {
            "name": "r",
            "database_settings": {
                "a": {"hnsw.iterative_scan": "strict_order", "hnsw.ef_search": "80", **planned},
                "b": {"ivfflat.iterative_scan": "relaxed_order", "ivfflat.probes": "9", **planned},
            },
        },
        {"name": "s"},
        {"name": "t"},
    ]


def test_filters_that_are_tried_are_the_rarest_of_the_sample() -> None:
    rows: list[dict[str, Any]] = [
        {"all": True, "kind": "a", "page": 1, "not a name": "x", "parts": ["a"], "share": 0.5},
        {"all": True, "kind": "a", "page": 2},
        {"all": True, "kind": "b", "page": 2},
        {"all": True, "kind": "b", "page": 2},
        {"all": True, "kind": "b", "page": 2, "1": "x"},
    ]
    assert list(selective(rows)) == [("page", 1), ("kind", "a")]
    assert list(selective([*rows, {}])) == [("page", 1), ("kind", "a"), ("all", True)]
    assert list(selective([{}, {}])) == []
