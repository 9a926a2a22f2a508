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
# Characters of the ids that clients make, UUIDs as text. Of the contents, nobody knows the longest.
IDS, ID_LENGTH = ("id", "custom_id"), 36
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
        *other_names(look),
        *unreachable(look),
        *collections(look),
        *columns(
            look.columns,
            {"id": TEXT, LINK: ("uuid",), "embedding": VECTORS, "document": TEXT, "cmetadata": ("jsonb",)},
        ),
        *arbiter(look.indexes, "id"),
        *left_out(look.columns, {"id", LINK, "embedding", "document", "cmetadata"}),
    ]


def community(look: Look) -> list[str]:
    """It inserts uuid, collection_id, embedding, document, cmetadata and custom_id, and never upserts. By use_jsonb it is told
    which type of JSON cmetadata is."""
    wanted = {
        "uuid": ("uuid",),
        LINK: ("uuid",),
        "embedding": VECTORS,
        "document": TEXT,
        "cmetadata": ("jsonb", "json"),
        "custom_id": TEXT,
    }
    return [
        *other_names(look),
        *unreachable(look),
        *collections(look),
        *columns(look.columns, wanted),
        *left_out(look.columns, set(wanted)),
    ]


def store(look: Look) -> list[str]:
    """It is given the names of its columns, and upserts by the id that it is given."""
    found = []
    texts = [column for column in look.columns.values() if column.type in TEXT]
    contents = [column for column in texts if column.name in CONTENTS] or texts
    unique = [
        column
        for column in look.columns.values()
        if column.type in (*TEXT, "uuid") and not column.generated and not arbiter(look.indexes, column.name)
    ]
    keys = [column for column in unique if not too_short(column)]
    if look.column is None:
        found.append("there is no one column of type vector")
    if unique and not keys:
        found.extend(too_short(column) for column in unique)
    elif not keys:
        found.append("no column of type text or uuid is unique by itself, so ON CONFLICT has no arbiter")
    pairs = [(key.name, content.name) for key in keys for content in contents if content.name != key.name]
    if keys and not pairs:
        found.append("there is no text column for the content")
    # One JSON column is written beside; its filters read text from it, which both types give.
    json = [column.name for column in look.columns.values() if column.type in ("jsonb", "json")][:1]
    if not json:
        found.append("there is no column of type jsonb or json for the metadata")
    if look.column and pairs:
        missed: list[list[str]] = [left_out(look.columns, {*pair, look.column.name, *json}) for pair in pairs]
        found.extend(sorted(missed, key=len)[0])
    return found


def meant_for(client: str, look: Look) -> bool:
    """Whether a table is one that a client could be meant to work on: a name of one's own is for clients that are told it."""
    return client == STORE or not other_names(look)


def other_names(look: Look) -> list[str]:
    found = []
    if look.table is None or look.table.name != LANGCHAIN_TABLE:
        found.append(f"its table is always {LANGCHAIN_TABLE}")
    if look.collections is None or look.collections.name != LANGCHAIN_COLLECTIONS:
        found.append(f"its collection table is always {LANGCHAIN_COLLECTIONS}")
    return found


def unreachable(look: Look) -> list[str]:
    """Clients whose names are fixed write them bare, so that the search path says which schema's they mean."""
    return [
        f"{table.label} is not in its search_path ({', '.join(name for name in look.search_path if name)})"
        for table, name in ((look.table, LANGCHAIN_TABLE), (look.collections, LANGCHAIN_COLLECTIONS))
        if table and table.name == name and table.schema not in look.search_path
    ]


def collections(look: Look) -> list[str]:
    """What the collection table lacks."""
    if look.collections is None or look.collections.name != LANGCHAIN_COLLECTIONS:
        return []
    wanted = {"uuid": ("uuid",), "name": TEXT, "cmetadata": ("json", "jsonb")}
    problems = [*columns(look.collection_columns, wanted), *left_out(look.collection_columns, set(wanted))]
    return [f"{LANGCHAIN_COLLECTIONS}: {problem}" for problem in problems]


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
        elif name in IDS and too_short(column):
            found.append(too_short(column))
    return found


def too_short(column: Column) -> str:
    """Why a column does not hold an id, if it does not; the modifier of a length counts four bytes more."""
    length = column.modifier - 4
    if column.type not in TEXT or not 0 < length < ID_LENGTH:
        return ""
    return f"column {column.name} holds {length} characters, and ids have {ID_LENGTH}"


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
