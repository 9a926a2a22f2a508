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


def operations(store: Any, ids: list[str], upserts: bool) -> Iterator[Operation]:
    """The life of a few documents in one store."""
    # What a client that failed before has left is not this one's.
    where = ids[0]
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
    yield "deleted", lambda: expect(search(filter={"where": where}), [])


def added_again(store: Any, ids: list[str]) -> Iterator[Operation]:
    """The same ids once more, and what is found by them."""
    documents = [Document(page_content=word, metadata={}) for word in WORDS]
    yield "add", lambda: store.add_documents(documents, ids=ids)
    yield "add again", lambda: store.add_documents(documents, ids=ids)
    yield "get by ids", lambda: store.get_by_ids(ids)


def rows_of_before(store: Any, rows: list[dict[str, str]], upserts: bool) -> Iterator[Operation]:
    """What the client does with rows that another one wrote, long ago: the job names their ids and texts."""
    ids, texts = [row["id"] for row in rows], [row["text"] for row in rows]
    again = [f"{text} again" for text in texts]

    def nearest(wanted: list[str]) -> list[str]:
        return [store.similarity_search(text, k=1)[0].page_content for text in wanted]

    def fetched() -> list[str]:
        return sorted(document.page_content for document in store.get_by_ids(ids))

    yield "find old", lambda: expect(nearest(texts), texts)
    if upserts:
        yield "get old by ids", lambda: expect(fetched(), sorted(texts))
        yield "upsert old", lambda: store.add_documents([Document(page_content=text) for text in again], ids=ids)
        yield "find upserted", lambda: expect((fetched(), nearest(again)), (sorted(again), again))
    yield "delete old", lambda: store.delete(ids)
    yield "old deleted", lambda: expect({*nearest(texts), *nearest(again)} & {*texts, *again}, set())


def life(store: Any, job: dict[str, Any], upserts: bool) -> Iterator[Operation]:
    """All that is done in one store, or one search that the job asks for; a collection that the client has made for it goes again."""
    if "ask" in job:
        yield "rows", lambda: expect(len(store.similarity_search("banana", k=10, filter=job["ask"])), 10)
        return
    if "again" in job:
        yield from added_again(store, job["ids"])
        return
    yield from operations(store, job["ids"], upserts)
    if job.get("old"):
        yield from rows_of_before(store, job["old"], upserts)
    if job.get("passing"):
        yield "delete collection", store.delete_collection


def current(job: dict[str, Any], embeddings: Counting) -> Any:
    return Current(
        embeddings=embeddings,
        collection_name=job["collection"],
        connection=job["url"].replace("DRIVER", "psycopg"),
    )


def community(job: dict[str, Any], embeddings: Counting) -> Any:
    return Community(
        connection_string=job["url"].replace("DRIVER", "psycopg2"),
        embedding_function=embeddings,
        collection_name=job["collection"],
        use_jsonb=job.get("use_jsonb", True),
    )


def store(job: dict[str, Any], embeddings: Counting) -> Any:
    return PGVectorStore.create_sync(
        engine=PGEngine.from_connection_string(job["url"].replace("DRIVER", "psycopg")),
        embedding_service=embeddings,
        table_name=job["table"],
        **job["columns"],
    )


# How each is made, and whether it can upsert.
CLIENTS: dict[str, tuple[Callable[[dict[str, Any], Counting], Any], bool]] = {
    "langchain_postgres.PGVector": (current, True),
    "langchain_postgres.PGVectorStore": (store, True),
    "langchain_community.PGVector": (community, False),
}


def steps(job: dict[str, Any]) -> Iterator[Operation]:
    """Make the client, and then all that is done with it."""
    make, upserts = CLIENTS[job["client"]]
    made: list[Any] = []
    yield "create", lambda: made.append(make(job, Counting(job["dimensions"])))
    yield from life(made[0], job, upserts)


def attempt(job: dict[str, Any]) -> dict[str, str]:
    """Each operation with an empty string, or with the first line of its error, after which no other is tried."""
    done: dict[str, str] = {}
    job["ids"] = [str(uuid.uuid4()) for _ in WORDS]
    for name, operation in steps(job):
        try:
            operation()
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its verdict
            done[name] = (str(error).splitlines() or [repr(error)])[0]
            break
        done[name] = ""
    return done


print(json.dumps([attempt(job) for job in json.load(sys.stdin)]))
