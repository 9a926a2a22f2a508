"""What LangChain's clients really do on a table: run by the Python of an environment that holds them.

Reads a list of jobs from standard input and writes one list of operations per job, each with what came of it.
"""

from __future__ import annotations

import json
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

warnings.filterwarnings("ignore")

from langchain_community.vectorstores.pgvector import PGVector as Community  # noqa: E402
from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_postgres import PGEngine, PGVectorStore  # noqa: E402
from langchain_postgres import PGVector as Current  # noqa: E402

WORDS = ("apple", "banana", "cherry", "dragonfruit", "elderberry")


class Counting(Embeddings):
    """Texts as vectors: how often each of the alphabet's first letters is in them."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def embed_query(self, text: str) -> list[float]:
        return [1.0 + text.count(chr(ord("a") + place)) for place in range(self.dimensions)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


Operation = tuple[str, Callable[[], Any]]


def expect(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise ValueError(f"{found} instead of {wanted}")


def operations(store: Any, ids: list[str], upserts: bool, where: str) -> Iterator[Operation]:
    """The life of a few documents in one store."""
    documents = [
        Document(page_content=word, metadata={"word": word, "where": where}) for place, word in enumerate(WORDS)
    ]

    def search(**options: Any) -> list[str]:
        return [document.page_content for document in store.similarity_search("banana", k=1, **options)]

    yield "add", lambda: store.add_documents(documents, ids=ids)
    if upserts:
        yield (
            "upsert",
            lambda: store.add_documents([Document(page_content="avocado", metadata={"word": "avocado"})], ids=ids[:1]),
        )
    yield "search", lambda: expect(search(), ["banana"])
    yield "filter", lambda: expect(search(filter={"word": "cherry"}), ["cherry"])
    yield "mmr", lambda: expect(len(store.max_marginal_relevance_search("banana", k=3)), 3)
    if upserts:
        yield "get by ids", lambda: expect([found.page_content for found in store.get_by_ids(ids[:1])], ["avocado"])
    yield "delete", lambda: store.delete(ids)
    yield "deleted", lambda: expect(search(filter={"word": "cherry"}), [])


def current(job: dict[str, Any], embeddings: Counting) -> Iterator[Operation]:
    holder: list[Any] = []
    yield (
        "create",
        lambda: holder.append(
            Current(
                embeddings=embeddings,
                collection_name=job["collection"],
                connection=job["url"].replace("DRIVER", "psycopg"),
            )
        ),
    )
    yield from operations(holder[0], job["ids"], True, "current")


def community(job: dict[str, Any], embeddings: Counting) -> Iterator[Operation]:
    holder: list[Any] = []
    yield (
        "create",
        lambda: holder.append(
            Community(
                connection_string=job["url"].replace("DRIVER", "psycopg2"),
                embedding_function=embeddings,
                collection_name=job["collection"],
                use_jsonb=True,
            )
        ),
    )
    yield from operations(holder[0], job["ids"], False, "community")


def store(job: dict[str, Any], embeddings: Counting) -> Iterator[Operation]:
    holder: list[Any] = []
    yield (
        "create",
        lambda: holder.append(
            PGVectorStore.create_sync(
                engine=PGEngine.from_connection_string(job["url"].replace("DRIVER", "psycopg")),
                embedding_service=embeddings,
                table_name=job["table"],
                **job["columns"],
            )
        ),
    )
    yield from operations(holder[0], job["ids"], True, "store")


CLIENTS = {
    "langchain_postgres.PGVector": current,
    "langchain_postgres.PGVectorStore": store,
    "langchain_community.PGVector": community,
}


def attempt(job: dict[str, Any]) -> dict[str, str]:
    """Each operation with an empty string, or with the first line of its error, after which no other is tried."""
    done: dict[str, str] = {}
    job["ids"] = [str(uuid.uuid4()) for _ in WORDS]
    steps = CLIENTS[job["client"]](job, Counting(job["dimensions"]))
    for name, operation in steps:
        try:
            operation()
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its verdict
            done[name] = (str(error).splitlines() or [repr(error)])[0]
            break
        done[name] = ""
    return done


print(json.dumps([attempt(job) for job in json.load(sys.stdin)]))
