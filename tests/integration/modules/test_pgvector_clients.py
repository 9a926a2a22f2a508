"""LangChain's clients on tables of many shapes: what the module says of them is what they really do."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_search import nodes
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.langchain.clients import CLIENTS, try_all

from .collections import DECLARED, DIMENSIONS, Collection, found, make_template
from .conftest import ROOT, Server

SERVICE = "admin_api_service"
PASSWORD = "for-tests-ONLY-3"
COLLECTION = "collection_id uuid REFERENCES langchain_pg_collection (uuid) ON DELETE CASCADE"
VECTOR = f"embedding vector({DIMENSIONS})"
REMAKE = "DROP TABLE langchain_pg_embedding; CREATE TABLE {table} ({columns})"


def remake(*columns: str, table: str = "langchain_pg_embedding") -> str:
    return REMAKE.format(table=table, columns=", ".join(columns))


def alter(change: str) -> str:
    return f"ALTER TABLE langchain_pg_embedding {change}"


# The table of a docker-compose deployment, and what site.yml makes of it.
DEPLOYED = remake(
    "uuid uuid PRIMARY KEY DEFAULT gen_random_uuid()",
    *(COLLECTION, VECTOR, "document text NOT NULL", "cmetadata jsonb DEFAULT '{}'", "custom_id varchar(255)"),
    "document_id uuid REFERENCES documents (id) ON DELETE CASCADE",
)
MIGRATION = (ROOT / "files/migrations/admindb/0001_embedding_superset.sql").read_text(encoding="utf-8")
LINK_INDEX = "CREATE INDEX ON langchain_pg_embedding (collection_id);"

# Shapes of the table; what the clients do on each is asked of them, not written here.
VARIANTS: dict[str, str] = {
    "superset": "",
    "deployed": DEPLOYED,
    "adopted": f"{DEPLOYED}; {LINK_INDEX} {MIGRATION}",
    "made_by_langchain_postgres": remake(
        "id varchar PRIMARY KEY", COLLECTION, VECTOR, "document varchar", "cmetadata jsonb"
    ),
    "made_by_langchain_community": remake(
        *("uuid uuid PRIMARY KEY", COLLECTION, VECTOR, "document varchar", "cmetadata jsonb", "custom_id varchar")
    ),
    "id_too_short": remake("id varchar(20) PRIMARY KEY", COLLECTION, VECTOR, "document varchar", "cmetadata jsonb"),
    "custom_id_too_short": alter("ALTER custom_id TYPE varchar(35)"),
    "id_of_type_uuid": remake(
        *("id uuid PRIMARY KEY DEFAULT gen_random_uuid()", COLLECTION, VECTOR, "document text", "cmetadata jsonb")
    ),
    "id_generated": remake(
        "uuid uuid PRIMARY KEY DEFAULT gen_random_uuid()",
        "id varchar GENERATED ALWAYS AS (uuid::text) STORED UNIQUE",
        *(COLLECTION, VECTOR, "document text", "cmetadata jsonb", "custom_id varchar"),
    ),
    "id_not_unique": alter("DROP CONSTRAINT langchain_pg_embedding_pkey"),
    "cmetadata_json": "DROP INDEX ix_cmetadata_gin;"
    + alter("ALTER cmetadata DROP DEFAULT, ALTER cmetadata TYPE json USING cmetadata::json"),
    "another_required_column": alter("ADD tenant text NOT NULL"),
    "another_required_column_with_default": alter("ADD tenant text NOT NULL DEFAULT 'us'"),
    "without_custom_id": alter("DROP custom_id"),
    "half_precision": "DROP INDEX embedding_hnsw;" + alter(f"ALTER embedding TYPE halfvec({DIMENSIONS})"),
    "another_schema": "CREATE SCHEMA other; ALTER TABLE langchain_pg_embedding SET SCHEMA other; "
    f"ALTER TABLE langchain_pg_collection SET SCHEMA other; GRANT USAGE ON SCHEMA other TO {SERVICE}; "
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA other TO {SERVICE}",
    "column_always_on": alter("ADD always_on boolean NOT NULL"),
    "own_table": remake("key uuid PRIMARY KEY", VECTOR, "body text", "facts jsonb", table="chunks"),
}

TABLES = {"own_table": "chunks", "another_schema": "other.langchain_pg_embedding"}


@pytest.fixture(scope="module")
def tls(server: Server) -> Iterator[None]:
    """A certificate for the server, which it takes without a restart."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for file, content in (
        ("server.crt", certificate.public_bytes(serialization.Encoding.PEM)),
        ("server.key", private),
    ):
        server.sql(
            f"COPY (SELECT %s) TO PROGRAM 'base64 -d > {file} && chmod 600 {file}'", base64.b64encode(content).decode()
        )
    server.sql("ALTER SYSTEM SET ssl = on")
    server.sql("SELECT pg_reload_conf()")
    yield
    server.sql("ALTER SYSTEM RESET ssl")
    server.sql("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def variants(server: Server, tls: None) -> Iterator[dict[str, Collection]]:
    """One database per shape, its rows left out, open to the service's role as the collection's roles leave it."""
    make_template(server, "vector_clients_template")
    # Emptied, not deleted from: rows that no VACUUM has removed still take an index scan's candidates.
    server.sql("TRUNCATE langchain_pg_embedding", db="vector_clients_template")
    server.sql(f"DROP ROLE IF EXISTS {SERVICE}")
    server.sql(f"CREATE ROLE {SERVICE} LOGIN PASSWORD '{PASSWORD}'")
    made = {}
    for name, statements in VARIANTS.items():
        one = made[name] = Collection(server, f"vector_client_{name}")
        one.drop()
        server.sql(f"CREATE DATABASE {one.db} TEMPLATE vector_clients_template")
        if statements:
            one.sql(statements)
        one.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVICE}")
    yield made
    for one in made.values():
        one.drop()
    server.sql("DROP DATABASE vector_clients_template WITH (FORCE)")
    server.sql(f"DROP ROLE {SERVICE}")


def url(one: Collection) -> str:
    return f"postgresql+DRIVER://{SERVICE}:{PASSWORD}@127.0.0.1:{one.server.port}/{one.db}?sslmode=require"


def column(candidates: tuple[str, ...], there: set[str]) -> str:
    return next((name for name in candidates if name in there), candidates[0])


def jobs(name: str, one: Collection) -> list[dict[str, Any]]:
    """Each client, PGVectorStore with every column that could be its id."""
    table = TABLES.get(name, "langchain_pg_embedding")
    there = {
        row[0]
        for row in one.sql("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", table)
    }
    columns = {
        "content_column": column(("document", "body"), there),
        "embedding_column": "embedding",
        "metadata_json_column": column(("cmetadata", "facts"), there),
    }
    schema, _dot, bare = table.rpartition(".")
    if schema:
        columns["schema_name"] = schema
    common = {
        "variant": name,
        "url": url(one),
        "collection": "admin_documents",
        "dimensions": DIMENSIONS,
        "table": bare,
    }
    ids = [key for key in ("id", "uuid", "key") if key in there]
    return [
        {**common, "client": CLIENTS[0]},
        *({**common, "client": CLIENTS[1], "columns": {**columns, "id_column": key}} for key in ids),
        *({**common, "client": CLIENTS[2], "use_jsonb": binary} for binary in (True, False)),
    ]


@pytest.fixture(scope="module")
def tried(variants: dict[str, Collection]) -> dict[tuple[str, str], list[dict[str, str]]]:
    """What came of each client on each shape, by every way that it can be set up."""
    asked = [job for name, one in variants.items() for job in jobs(name, one)]
    results: dict[tuple[str, str], list[dict[str, str]]] = {}
    for job, result in zip(asked, try_all(asked), strict=True):
        results.setdefault((job["variant"], job["client"]), []).append(result)
    return results


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_verdict_is_what_the_client_does(
    variants: dict[str, Collection], tried: dict[tuple[str, str], list[dict[str, str]]], variant: str, client: str
) -> None:
    result = variants[variant].call(table=TABLES.get(variant, "langchain_pg_embedding"))
    said = result["stats"]["clients"][client]
    did = tried[variant, client]
    works = any(not any(result.values()) for result in did)
    assert said["works"] == works, json.dumps([said, did])
    assert bool(said["reasons"]) == (not works)
    warned = any(
        finding["check"] == "client" and finding["message"].startswith(f"{client} ") for finding in result["findings"]
    )
    assert warned == (not works and variant != "own_table")


@pytest.mark.parametrize("variant", ["superset", "adopted"])
def test_superset_serves_all_clients(
    variants: dict[str, Collection], tried: dict[tuple[str, str], list[dict[str, str]]], variant: str
) -> None:
    """The whole life of documents, by every client, on a fresh database and on one that was taken over."""
    life = ["create", "add", "search", "filter", "mmr", "delete", "deleted"]
    for client in CLIENTS:
        worked = [result for result in tried[variant, client] if not any(result.values())]
        assert worked, json.dumps(tried[variant, client])
        wanted = life if client.startswith("langchain_community") else [*life, "upsert", "get by ids"]
        assert set(worked[0]) == set(wanted)
    result = variants[variant].call("present", **DECLARED)
    assert found(result) == {}


@pytest.fixture
def with_metadata(server: Server, variants: dict[str, Collection]) -> Iterator[Collection]:
    """A collection in order, a tenth of whose rows say another word than the others."""
    del variants  # whose role is needed
    one = Collection(server, "vector_client_filtered")
    make_template(server, one.db)
    one.sql(
        "UPDATE langchain_pg_embedding SET cmetadata = jsonb_build_object("
        "'word', CASE WHEN id::int % 10 = 0 THEN 'rare' ELSE 'common' END, 'number', id::int, 'all', true)"
    )
    one.sql("VACUUM ANALYZE langchain_pg_embedding")
    one.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVICE}")
    yield one
    one.drop()


def test_search_that_filters_by_metadata_returns_too_few_rows_until_the_role_is_set(with_metadata: Collection) -> None:
    """What the client that takes the vector index for it gets is what the module says, before and after."""
    asked = [
        {**job, "ask": {"word": "rare"}} for job in jobs("superset", with_metadata) if job.get("use_jsonb") is not False
    ]
    rows = {job["client"]: result["rows"] for job, result in zip(asked, try_all(asked), strict=True) if result}
    assert re.fullmatch(r"\d instead of 10", rows[CLIENTS[0]]), rows
    poor = with_metadata.call()
    assert found(poor) == {"filtered_rows": "warning"}
    (few,) = [finding for finding in poor["findings"] if finding["check"] == "filtered_rows"]
    assert "with a filter on word of cmetadata" in few["message"]
    assert "hnsw.iterative_scan" in few["remedy"]
    assert "rare" not in json.dumps(poor)
    assert with_metadata.call()["findings"] == poor["findings"]
    assert found(with_metadata.call("present", role=SERVICE)) == {}
    assert [result["rows"] for result in try_all(asked)] == ["", "", "", ""]
    # A search that goes on may be bounded too closely.
    for setting, value in (("max_scan_tuples", 1), ("ef_search", 10)):
        with_metadata.sql(f"ALTER ROLE {SERVICE} IN DATABASE {with_metadata.db} SET hnsw.{setting} = {value}")
    bounded = with_metadata.call(role=SERVICE)
    assert found(bounded) == {"filtered_rows": "warning"}
    (few,) = [finding for finding in bounded["findings"] if finding["check"] == "filtered_rows"]
    assert few["remedy"] == "raise hnsw.max_scan_tuples for the service's role"


def searches(log: str) -> list[str]:
    """The searches that a server has logged, with their parameters written out."""
    entries = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d )", log)
    written = []
    for entry, following in zip(entries, [*entries[1:], ""], strict=True):
        asked = re.search(r"LOG:  (?:statement|execute \S+): (?:EXPLAIN .FORMAT JSON. )?(SELECT .*)", entry, re.DOTALL)
        if asked and "<=>" in asked[1]:
            values = dict(re.findall(r"(\$\d+) = ('(?:[^']|'')*'|NULL)", following))
            written.append(re.sub(r"\$\d+", lambda number, values=values: values[number[0]], asked[1]))
    return written


def scanned(one: Collection, searches: Sequence[str]) -> list[tuple[str, str | None]]:
    """How the planner reads the table for each search: the node, and its index."""
    return [
        (node["Node Type"], node.get("Index Name"))
        for search in searches
        for node in nodes(one.sql(f"EXPLAIN (FORMAT JSON) {search}")[0][0][0]["Plan"])
        if node.get("Relation Name") == "langchain_pg_embedding"
    ]


def test_planner_takes_the_clients_searches_as_it_takes_the_modules(with_metadata: Collection) -> None:
    """What the module writes is what clients write: for many rows, with a filter, and for few rows among many."""
    one, server = with_metadata, with_metadata.server
    if not server.container:
        pytest.skip("the log of a given server cannot be read")
    one.sql("INSERT INTO langchain_pg_collection (name) VALUES ('small')")
    one.sql(
        "INSERT INTO langchain_pg_embedding (id, collection_id, embedding) SELECT 'small ' || e.id, c.uuid, e.embedding "
        "FROM langchain_pg_embedding e, langchain_pg_collection c WHERE c.name = 'small' ORDER BY e.id LIMIT 5"
    )
    one.sql("ANALYZE")
    current, store, _by_uuid, community, _json = ({**job, "ask": None} for job in jobs("superset", one))
    small = {"collection": "small"}
    # langchain_community writes filters of another kind, and PGVectorStore knows no collections.
    asked = [
        current,
        store,
        community,
        {**current, "ask": {"word": "rare"}},
        {**current, **small},
        {**community, **small},
    ]
    begun = server.log_end()
    one.sql("SELECT 'now the clients search'")
    try_all(asked)
    one.sql("SELECT 'now the module searches'")
    one.call()
    one.sql("SELECT 'now the module searches'")
    one.call(name="small", model=None, dimensions=None)
    one.sql("SELECT 'now all have searched'")
    log = server.log(begun)
    theirs, ours, ours_small = (searches(part) for part in re.split("'now the .* search(?:es)?'", log)[-3:])
    assert len(theirs) == len(asked), theirs
    (plain,) = {*scanned(one, [search for search in ours if "JOIN" in search and "jsonb_path_match" not in search])}
    (filtered,) = {*scanned(one, [search for search in ours if "jsonb_path_match" in search])}
    (few,) = {*scanned(one, [search for search in ours_small if "JOIN" in search])}
    assert scanned(one, theirs) == [plain, plain, plain, filtered, few, few], theirs
    assert plain == filtered == ("Index Scan", "embedding_hnsw") != few


def test_client_that_cannot_upsert_leaves_what_the_module_finds(variants: dict[str, Collection]) -> None:
    """An id that is added again is there twice, and no document is got by its id."""
    name = "made_by_langchain_community"
    (job,) = [job for job in jobs(name, variants[name]) if job.get("use_jsonb")]
    (result,) = try_all([{**job, "again": True}])
    assert result == {
        "create": "",
        "add": "",
        "add again": "",
        "get by ids": "PGVector does not yet support get_by_ids.",
    }
    twice = variants[name].call()
    assert found(twice)["duplicates"] == "error"
    assert twice["stats"]["duplicates"] == 5
