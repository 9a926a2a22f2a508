# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which LangChain client can work on a table, from its columns alone.

langchain_postgres.PGVector and langchain_community's PGVector have fixed names of tables and columns; PGVectorStore is
told its names (id_column and the like), so any table with such columns serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    LANGCHAIN_COLLECTIONS,
    LANGCHAIN_TABLE,
    LINK,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_look import Column, Index, Look

TEXT = ("varchar", "text", "bpchar")
VECTORS = ("vector", "halfvec")
# What a text column that holds the content is called; any other one may be meant for something else.
CONTENTS = ("document", "content", "page_content", "text", "body", "chunk")
PGVECTOR = "langchain_postgres.PGVector"
STORE = "langchain_postgres.PGVectorStore"
COMMUNITY = "langchain_community.PGVector"


def clients(look: Look) -> dict[str, list[str]]:
    """Why a client does not work, by client; an empty list means that it does."""
    return {PGVECTOR: pgvector(look), STORE: store(look), COMMUNITY: community(look)}


def pgvector(look: Look) -> list[str]:
    """It inserts id, collection_id, embedding, document and cmetadata, and upserts by id."""
    return [
        *fixed_names(look),
        *columns(
            look.columns,
            {"id": TEXT, LINK: ("uuid",), "embedding": VECTORS, "document": TEXT, "cmetadata": ("jsonb",)},
        ),
        *arbiter(look.indexes, "id"),
        *left_out(look.columns, {"id", LINK, "embedding", "document", "cmetadata"}),
    ]


def community(look: Look) -> list[str]:
    """It inserts uuid, collection_id, embedding, document, cmetadata and custom_id, and never upserts."""
    wanted = {
        "uuid": ("uuid",),
        LINK: ("uuid",),
        "embedding": VECTORS,
        "document": TEXT,
        "cmetadata": ("jsonb",),
        "custom_id": TEXT,
    }
    return [*fixed_names(look), *columns(look.columns, wanted), *left_out(look.columns, set(wanted))]


def store(look: Look) -> list[str]:
    """It is given the names of its columns, and upserts by the id that it is given."""
    found = []
    texts = [column for column in look.columns.values() if column.type in TEXT]
    contents = [column for column in texts if column.name in CONTENTS] or texts
    keys = [
        column
        for column in look.columns.values()
        if column.type in (*TEXT, "uuid") and not column.generated and not arbiter(look.indexes, column.name)
    ]
    if look.column is None:
        found.append("there is no one column of type vector")
    if not keys:
        found.append("no column of type text or uuid is unique by itself, so ON CONFLICT has no arbiter")
    pairs = [(key.name, content.name) for key in keys for content in contents if content.name != key.name]
    if keys and not pairs:
        found.append("there is no text column for the content")
    # One JSON column is written beside; the filters of this client are for jsonb.
    json = [column.name for column in look.columns.values() if column.type == "jsonb"][:1]
    if not json:
        found.append("there is no column of type jsonb for the metadata")
    if look.column and pairs:
        missed: list[list[str]] = [left_out(look.columns, {*pair, look.column.name, *json}) for pair in pairs]
        found.extend(sorted(missed, key=len)[0])
    return found


def fixed_names(look: Look) -> list[str]:
    found = []
    if look.table is None or look.table.name != LANGCHAIN_TABLE:
        found.append(f"its table is always {LANGCHAIN_TABLE}")
    if look.collections is None or look.collections.name != LANGCHAIN_COLLECTIONS:
        found.append(f"its collection table is always {LANGCHAIN_COLLECTIONS}")
    else:
        wanted = {"uuid": ("uuid",), "name": TEXT, "cmetadata": ("json", "jsonb")}
        found += [f"{LANGCHAIN_COLLECTIONS}: {problem}" for problem in columns(look.collection_columns, wanted)]
        found += [f"{LANGCHAIN_COLLECTIONS}: {problem}" for problem in left_out(look.collection_columns, set(wanted))]
    return found


def columns(have: Mapping[str, Column], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Columns that are missing, of a type that its parameters are not cast to, or generated."""
    found = []
    for name, types in wanted.items():
        column = have.get(name)
        if column is None:
            found.append(f"column {name} is missing")
        elif column.type not in types:
            found.append(f"column {name} is of type {column.type}, not {types[0]}")
        elif column.generated:
            found.append(f"column {name} is generated, and the client writes it")
    return found


def arbiter(indexes: Iterable[Index], column: str) -> list[str]:
    """ON CONFLICT (column) needs a unique index of exactly this column."""
    if any(index.is_unique and index.keys == (column,) and index.valid and not index.partial for index in indexes):
        return []
    return [f"column {column} has no unique constraint, so ON CONFLICT has no arbiter"]


def left_out(have: Mapping[str, Column], written: set[str]) -> list[str]:
    """Columns that the client does not write and that must be given."""
    return [
        f"column {column.name} is NOT NULL without a default, and the client does not write it"
        for column in have.values()
        if column.required and not column.has_default and not column.generated and column.name not in written
    ]
