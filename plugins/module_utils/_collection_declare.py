# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a collection is declared to be: its options read once, and refused where they contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import MAX_DIMENSIONS

LANGCHAIN_TABLE = "langchain_pg_embedding"
LANGCHAIN_COLUMN = "embedding"
LANGCHAIN_COLLECTIONS = "langchain_pg_collection"
# By which LangChain's rows name their collection.
LINK = "collection_id"
METHODS = ("hnsw", "ivfflat", "none")
KINDS = ("vector", "halfvec")

# Smallest and largest value of options, as pgvector has them.
RANGES: Mapping[str, tuple[int, int]] = {
    "index.m": (2, 100),
    "index.ef_construction": (4, 1000),
    "index.lists": (1, 32768),
    "recall.k": (1, 1000),
    "recall.sample": (0, 10000),
    "recall.ef_search": (1, 1000),
    "dimensions": (1, MAX_DIMENSIONS),
}


class DeclarationError(Exception):
    """A declaration that cannot be meant, as one sentence."""


@dataclass(frozen=True)
class Thresholds:
    """How much of what is too much."""

    null_embeddings: int
    zero_norm: int
    wrong_dimensions: int
    orphans: int
    duplicates: int
    stale_fraction: float
    exact_rows: int
    scan_rows: int
    build_memory_mb: Optional[int]
    shm_size_mb: Optional[int]


@dataclass(frozen=True)
class Declaration:
    """One collection as it is meant to be."""

    name: str
    table: str
    # None: LangChain's where the table's rows name a collection; empty: the table is the collection.
    collection_table: Optional[str]
    column: Optional[str]
    model: Optional[str]
    dimensions: Optional[int]
    distance: str
    method: str
    kind: Optional[str]
    options: Mapping[str, int]
    k: int
    sample: int
    minimum: float
    ef_search: Optional[int]
    role: Optional[str]
    thresholds: Thresholds


def read_declaration(params: Mapping[str, Any]) -> Declaration:
    """Module options as a declaration."""
    index, recall = params["index"], params["recall"]
    check_ranges(params)
    if index["method"] == "hnsw" and index["ef_construction"] < 2 * index["m"]:
        raise DeclarationError(
            f"index.ef_construction is {index['ef_construction']} and pgvector wants at least twice index.m "
            f"({index['m']}): raise it to {2 * index['m']}, or lower index.m."
        )
    if not 0 <= recall["minimum"] <= 1:
        raise DeclarationError(f"recall.minimum is {recall['minimum']}: give a share from 0 to 1.")
    names = {"hnsw": ("m", "ef_construction"), "ivfflat": ("lists",), "none": ()}[index["method"]]
    return Declaration(
        name=params["name"],
        table=params["table"],
        collection_table=params["collection_table"],
        column=params["column"],
        model=params["model"],
        dimensions=params["dimensions"],
        distance=params["distance"],
        method=index["method"],
        kind=index["type"],
        options={name: index[name] for name in names},
        k=recall["k"],
        sample=recall["sample"],
        minimum=recall["minimum"],
        ef_search=recall["ef_search"],
        role=params["role"],
        thresholds=Thresholds(**params["thresholds"]),
    )


def check_ranges(params: Mapping[str, Any]) -> None:
    for option, (least, most) in RANGES.items():
        group, _dot, name = option.rpartition(".")
        value = (params[group] if group else params)[name]
        if value is not None and not least <= value <= most:
            raise DeclarationError(f"{option} is {value}: give a number from {least} to {most}.")
    for name in ("name", "table"):
        if not params[name]:
            raise DeclarationError(f"{name} is empty: give the {name} of the collection.")
    for name, value in params["thresholds"].items():
        if value is not None and value < 0:
            raise DeclarationError(f"thresholds.{name} is {value}: give 0 or more.")


def module_options() -> dict[str, Any]:
    """The module's own options, connection left out."""
    return {
        "name": {"type": "str", "required": True},
        "table": {"type": "str", "default": LANGCHAIN_TABLE},
        "collection_table": {"type": "str"},
        "column": {"type": "str"},
        "model": {"type": "str"},
        "dimensions": {"type": "int"},
        "distance": {"type": "str", "choices": ["cosine", "l2", "inner_product"], "default": "cosine"},
        "index": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "method": {"type": "str", "choices": list(METHODS), "default": "hnsw"},
                "m": {"type": "int", "default": 16},
                "ef_construction": {"type": "int", "default": 64},
                "lists": {"type": "int", "default": 100},
                "type": {"type": "str", "choices": list(KINDS)},
            },
        },
        "recall": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "k": {"type": "int", "default": 10},
                "sample": {"type": "int", "default": 50},
                "minimum": {"type": "float", "default": 0.95},
                "ef_search": {"type": "int"},
            },
        },
        "role": {"type": "str"},
        "progress": {"type": "int", "default": 30},
        "state": {"type": "str", "choices": ["verified", "present", "absent"], "default": "verified"},
        "thresholds": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "null_embeddings": {"type": "int", "default": 0},
                "zero_norm": {"type": "int", "default": 0},
                "wrong_dimensions": {"type": "int", "default": 0},
                "orphans": {"type": "int", "default": 0},
                "duplicates": {"type": "int", "default": 0},
                "stale_fraction": {"type": "float", "default": 0.2},
                "exact_rows": {"type": "int", "default": 10000},
                "scan_rows": {"type": "int", "default": 200000},
                "build_memory_mb": {"type": "int"},
                "shm_size_mb": {"type": "int"},
            },
        },
    }
