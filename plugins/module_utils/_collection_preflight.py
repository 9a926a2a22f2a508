# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections of the inventory that cannot both be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    LANGCHAIN_COLUMN,
    LANGCHAIN_TABLE,
    module_options,
)

OPTIONS = {"hnsw": ("m", "ef_construction"), "ivfflat": ("lists",)}


def collection_problems(databases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say which collections share their vectors and ask for different indexes, of which each run would replace the other's."""
    return [
        f"The collections {first['name']} and {second['name']} of the database {database.get('name')} share their vectors and declare "
        f"different indexes for them ({'; '.join(differences(first, second))}), so that each would replace the other's: declare the "
        "same index for both."
        for database in databases
        for first, second in combinations(named(database), 2)
        if vectors_of(first) == vectors_of(second) and list(differences(first, second))
    ]


def named(database: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The collections that can be named in a sentence; the module refuses others."""
    return [each for each in database.get("collections") or [] if isinstance(each, Mapping) and each.get("name")]


def vectors_of(collection: Mapping[str, Any]) -> tuple[str, ...]:
    """What a collection is searched by: other distances have indexes of their own."""
    table = str(collection.get("table") or LANGCHAIN_TABLE)
    return (
        table[len("public.") :] if table.startswith("public.") else table,
        str(collection.get("column") or LANGCHAIN_COLUMN),
        str(collection.get("distance") or module_options()["distance"]["default"]),
    )


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """What two declarations of an index have other than each other. V(none) leaves alone what is there."""
    defaults = {name: about.get("default") for name, about in module_options()["index"]["options"].items()}
    one, other = ({**defaults, **(each.get("index") or {})} for each in (first, second))
    if "none" in (one["method"], other["method"]):
        return
    if one["method"] != other["method"]:
        yield f"method {one['method']} and {other['method']}"
        return
    for name in OPTIONS.get(one["method"], ()):
        if str(one[name]) != str(other[name]):
            yield f"{name} {one[name]} and {other[name]}"
    # Left out, it is the column's, which only the server knows.
    if None not in (one["type"], other["type"]) and one["type"] != other["type"]:
        yield f"type {one['type']} and {other['type']}"
