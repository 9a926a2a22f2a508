"""LangChain's clients on the table of an instance, which holds rows already, as admin_api_service by its own connection file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from instance import Instance

from tests.langchain.clients import CLIENTS, try_all

PGVECTOR, STORE, COMMUNITY = CLIENTS
ROLE = "admin_api_service"
DECLARED, OTHER, PASSING = "admin_documents", "other_documents", "passing_documents"
DIMENSIONS = 768
# Who is to find, upsert and delete rows of which collection that others wrote before: each client has words of its own.
OLD = {
    (PGVECTOR, DECLARED): ("fig", "guava"),
    (PGVECTOR, OTHER): ("honeydew", "jackfruit"),
    (STORE, DECLARED): ("kiwi", "lemon"),
    (COMMUNITY, DECLARED): ("mango",),
    (COMMUNITY, OTHER): ("nectarine",),
}
# And those that nobody is to touch.
STAY = {DECLARED: ("quince", "raspberry"), OTHER: ("strawberry", "tangerine")}
LIFE = ("create", "add", "search", "filter", "mmr", "delete", "deleted")
UPSERTS = ("upsert", "get by ids")
OLD_LIFE = ("find old", "delete old", "old deleted")
OLD_UPSERTS = ("get old by ids", "upsert old", "find upserted")
# The vector of a text is how often each letter is in it, as the clients' embeddings have it too.
INSERT = """
INSERT INTO langchain_pg_collection (name) VALUES ('{other}') ON CONFLICT (name) DO NOTHING;
INSERT INTO langchain_pg_embedding (collection_id, embedding, document, cmetadata, custom_id, uuid{id_column})
SELECT c.uuid,
       (SELECT array_agg(1 + length(o.text) - length(replace(o.text, chr(96 + g), '')) ORDER BY g)
        FROM generate_series(1, {dimensions}) g)::vector,
       o.text, json_build_object('word', o.text), o.custom_id, o.uuid{id}
FROM json_to_recordset('{rows}') o(uuid uuid, collection text, text text, custom_id text)
JOIN langchain_pg_collection c ON c.name = o.collection
"""
KEPT = """
SELECT count(*), md5(string_agg(e::text, '' ORDER BY e.uuid)) FROM langchain_pg_embedding e
WHERE e.document NOT IN ({words})
"""
# All that CREATE makes.
MADE = """
SELECT catalog, oid FROM (
    SELECT 'extension' AS catalog, oid FROM pg_extension UNION ALL SELECT 'function', oid FROM pg_proc
    UNION ALL SELECT 'schema', oid FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT 'relation', oid FROM pg_class WHERE relpersistence <> 't'
) made ORDER BY 1, 2
"""


def old_rows() -> Iterator[dict[str, str | None]]:
    """Rows as a deployment has them: by the one client with a custom_id, by hand without."""
    for (client, collection), words in OLD.items():
        for number, word in enumerate(words):
            custom = None if number and client != COMMUNITY else f"old {word}"
            yield {"uuid": identifier(word), "collection": collection, "text": word, "custom_id": custom}
    for collection, words in STAY.items():
        for word in words:
            yield {"uuid": identifier(word), "collection": collection, "text": word, "custom_id": f"old {word}"}


def identifier(word: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, word))


def insert_old_rows(instance: Instance, deployed: bool) -> None:
    """Write them, into the table as docker-compose deployments have it or as site.yml makes it."""
    statement = INSERT.format(
        other=OTHER,
        dimensions=DIMENSIONS,
        rows=json.dumps(list(old_rows())),
        id_column="" if deployed else ", id",
        id="" if deployed else ", coalesce(o.custom_id, o.uuid::text)",
    )
    instance.sql(statement, "admindb")


def service_url(instance: Instance) -> str:
    """The service's own connection file."""
    file = instance.directory / "services" / "ai-micro-api-admin.env"
    return file.read_text("utf-8").removeprefix("DATABASE_URL=").strip()


def jobs(instance: Instance) -> list[dict[str, Any]]:
    """Each client on each collection, with the rows that it is to find, and on one that is not there yet."""
    url = service_url(instance)
    assert "sslmode=verify-full" in url
    # hostaddr goes where host.docker.internal leads in a container; the name is still verified.
    common = {
        "url": url.replace("postgresql://", "postgresql+DRIVER://", 1) + "&hostaddr=127.0.0.1",
        "dimensions": DIMENSIONS,
        "table": "langchain_pg_embedding",
        "columns": {
            "id_column": "id",
            "content_column": "document",
            "embedding_column": "embedding",
            "metadata_json_column": "cmetadata",
        },
    }
    ids = {row["text"]: row["custom_id"] or row["uuid"] for row in old_rows()}
    with_rows = [
        {**common, "client": client, "collection": name, "old": [{"id": ids[word], "text": word} for word in words]}
        for (client, name), words in OLD.items()
    ]
    made = [{**common, "client": client, "collection": PASSING, "passing": True} for client in (PGVECTOR, COMMUNITY)]
    return [*with_rows, *made]


def wanted(job: dict[str, Any]) -> set[str]:
    """Give the operations that a job has to come through."""
    upserts = job["client"] != COMMUNITY
    names: Sequence[str] = (*LIFE, *(UPSERTS if upserts else ()))
    if "old" in job:
        return {*names, *OLD_LIFE, *(OLD_UPSERTS if upserts else ())}
    return {*names, "delete collection"}


def serves_all(instance: Instance) -> None:
    """See that all clients live with the old rows, that the others' rows are as they were, and that nothing was made."""
    words = ", ".join(f"'{word}'" for some in OLD.values() for word in some)
    kept = KEPT.format(words=words)
    before = instance.sql(kept, "admindb"), instance.sql(MADE, "admindb")
    asked = jobs(instance)
    for job, result in zip(asked, try_all(asked), strict=True):
        said = f"{job['client']} on {job['collection']}: {json.dumps(result)}"
        assert not any(result.values()), said
        assert set(result) == wanted(job), said
    assert (instance.sql(kept, "admindb"), instance.sql(MADE, "admindb")) == before
    assert instance.sql(f"SELECT count(*) FROM langchain_pg_embedding WHERE document IN ({words})", "admindb") == "0"
    may = f"has_database_privilege('{ROLE}', 'admindb', 'CREATE') OR has_schema_privilege('{ROLE}', 'public', 'CREATE')"
    assert instance.sql(f"SELECT {may}", "admindb") == "f"
