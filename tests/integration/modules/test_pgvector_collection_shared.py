"""Several collections in one table: a small one among large ones, and indexes that belong to others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .collections import DIMENSIONS, MEMBER, ROWS, Collection, copied, found, template_database
from .conftest import Server

TEMPLATE = "vector_shared_template"


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    with template_database(server, TEMPLATE) as made:
        yield made


@pytest.fixture
def collection(server: Server, template: str) -> Iterator[Collection]:
    with copied(server, template, "vector_shared") as made:
        yield made


def small_collection(collection: Collection, rows: int, cmetadata: str = "{}") -> None:
    """A second collection in the table, whose few rows lie together."""
    collection.sql("INSERT INTO langchain_pg_collection (name, cmetadata) VALUES ('small', %s)", cmetadata)
    collection.sql(
        "INSERT INTO langchain_pg_embedding (id, collection_id, embedding, custom_id) "
        "SELECT 'small ' || e.id, c.uuid, e.embedding, 'small ' || e.id "
        "FROM langchain_pg_embedding e, langchain_pg_collection c WHERE c.name = 'small' ORDER BY e.id LIMIT %s",
        rows,
    )
    collection.sql("VACUUM ANALYZE langchain_pg_embedding")


def test_collection_that_the_sample_misses_is_not_empty(collection: Collection) -> None:
    """Not one of its rows is among those that are counted: what its row says of them is no less true."""
    small_collection(collection, 20, '{"model": "old", "dimensions": 8, "distance": "l2"}')
    indexes = collection.sql("SELECT indexname FROM pg_indexes ORDER BY 1")
    arguments: dict[str, Any] = {"name": "small", "model": "new", "thresholds": {"scan_rows": 1}}
    result = collection.call("present", **arguments)
    assert result["stats"]["scanned_share"] < 1
    assert result["stats"]["rows"] == 0
    assert {"model", "distance"} <= set(found(result))
    assert result["stats"]["planner_uses_index"] is False
    assert result["stats"]["recall_at_k"] >= 0.95
    assert result["queries"] == []
    assert collection.sql("SELECT cmetadata->>'model' FROM langchain_pg_collection WHERE name = 'small'") == [("old",)]
    assert collection.sql("SELECT indexname FROM pg_indexes ORDER BY 1") == indexes


def test_rows_of_a_small_collection_are_all_looked_at(collection: Collection) -> None:
    """Of the table a share is read, in which none of them need be; they are found by their index."""
    small_collection(collection, 20)
    for number, change in enumerate(
        ("embedding = NULL", "embedding = embedding - embedding", "custom_id = 'same'", "custom_id = 'same'")
    ):
        collection.sql(
            f"UPDATE langchain_pg_embedding SET {change} WHERE id = (SELECT id FROM langchain_pg_embedding WHERE id LIKE 'small %%' "
            f"ORDER BY id OFFSET {number} LIMIT 1)"
        )
    collection.sql("VACUUM ANALYZE langchain_pg_embedding")
    arguments: dict[str, Any] = {"name": "small", "model": None, "thresholds": {"scan_rows": 100}}
    result = collection.call(**arguments)
    counts = {name: result["stats"][name] for name in ("rows", "null_embeddings", "zero_norm", "duplicates")}
    assert counts == {"rows": 20, "null_embeddings": 1, "zero_norm": 1, "duplicates": 1}
    assert result["stats"]["scanned_share"] < 1
    assert not any("estimated" in finding["message"] for finding in result["findings"])


def test_small_collection_among_large_ones(collection: Collection) -> None:
    """Few rows are rightly read exactly; where the planner is made to take the index, a filter leaves too few."""
    collection.sql("INSERT INTO langchain_pg_collection (name) VALUES ('small')")
    collection.sql(
        "UPDATE langchain_pg_embedding SET collection_id = (SELECT uuid FROM langchain_pg_collection WHERE name = 'small') "
        "WHERE id::int % 50 = 0"
    )
    collection.sql("VACUUM ANALYZE langchain_pg_embedding")
    small: dict[str, Any] = {"name": "small", "model": None, "dimensions": None}
    done = collection.call("present", **small)
    assert found(done) == {}
    assert done["stats"]["planner_uses_index"] is False
    assert done["stats"]["rows"] == ROWS // 50
    for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        collection.sql(f"ALTER DATABASE {collection.db} SET {setting} = off")
    collection.sql("DROP INDEX langchain_pg_embedding_collection_id_idx")
    poor = collection.call(**small)
    assert found(poor) == {"collection_id_index": "error", "rows_returned": "error", "recall": "error"}
    (few,) = [finding for finding in poor["findings"] if finding["check"] == "rows_returned"]
    assert "hnsw.iterative_scan" in few["remedy"]
    collection.sql(f"ALTER DATABASE {collection.db} SET hnsw.iterative_scan = strict_order")
    assert found(collection.call(**small)) == {"collection_id_index": "error"}


def test_few_rows_are_no_excuse_for_an_index_that_finds_little(collection: Collection) -> None:
    """The index is asked over the whole table, so that is what it has to find k rows of."""
    small_collection(collection, 2)
    arguments: dict[str, Any] = {"name": "small", "model": None, "dimensions": None}
    result = collection.call("present", **arguments)
    assert found(result) == {}
    assert result["stats"]["planner_uses_index"] is False
    assert result["stats"]["rows_returned"] == 10
    narrow = collection.call(**arguments, recall={"ef_search": 5})
    assert found(narrow) == {"rows_returned": "error", "recall": "error"}
    # Half of what is asked for, and the copies of a row that was found.
    assert narrow["stats"]["recall_at_k"] < 0.7


def test_index_of_another_collections_distance_stays(collection: Collection) -> None:
    """Two collections in one table, one searched by another distance: neither run takes the other's index away."""
    other: dict[str, Any] = {"name": "by l2", "distance": "l2"}
    collection.call("present", **other)
    assert not collection.call("present")["changed"]
    assert not collection.call("present", **other)["changed"]
    methods = collection.sql("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%%USING hnsw%%'")
    assert methods == [(2,)]


@pytest.mark.parametrize(
    ("definition", "others"),
    [
        # A collection that a client made names no distance, so any may be searched by.
        ("embedding vector_l2_ops", "'{}'"),
        ("embedding vector_l2_ops", "NULL"),
        ("embedding vector_l2_ops", '\'{"distance": "their own"}\''),
        ("embedding vector_l2_ops", '\'{"distance": "EUCLIDEAN"}\''),
        ("embedding vector_l1_ops", None),
        (f"(binary_quantize(embedding)::bit({DIMENSIONS})) bit_hamming_ops", None),
        ("(subvector(embedding, 1, 4)::vector(4)) vector_cosine_ops", None),
    ],
)
def test_index_that_others_may_need_stays(collection: Collection, definition: str, others: str | None) -> None:
    if others:
        collection.sql(f"INSERT INTO langchain_pg_collection (name, cmetadata) VALUES ('theirs', {others})")
    collection.sql(f"CREATE INDEX theirs ON langchain_pg_embedding USING hnsw ({definition})")
    result = collection.call("present")
    assert result["queries"] == []
    assert found(result) == {}
    assert collection.sql("SELECT 1 FROM pg_indexes WHERE indexname = 'theirs'")


def test_prepared_search_of_a_small_collection_reads_all_of_its_rows(collection: Collection) -> None:
    """What a driver prepares while it searches a large collection must not bring the vector index upon a small one."""
    collection.sql("CREATE ROLE vector_service LOGIN PASSWORD 'for-tests-ONLY-2'")
    collection.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO vector_service")
    collection.sql("INSERT INTO langchain_pg_collection (name) VALUES ('small')")
    collection.sql(
        "INSERT INTO langchain_pg_embedding (id, collection_id, embedding) SELECT 'small ' || e.id, c.uuid, e.embedding "
        "FROM langchain_pg_embedding e, langchain_pg_collection c WHERE c.name = 'small' ORDER BY e.id LIMIT 5"
    )
    # As many as it takes for the index to be the better way through the large one.
    collection.sql(
        "INSERT INTO langchain_pg_embedding (id, collection_id, embedding) SELECT n || ' ' || id, collection_id, embedding "
        f"FROM langchain_pg_embedding, generate_series(1, 5) n WHERE collection_id = {MEMBER}"
    )
    collection.sql("ANALYZE")
    large, small = (
        collection.sql(f"SELECT uuid FROM langchain_pg_collection WHERE name {sign} 'small'")[0][0]
        for sign in ("<>", "=")
    )
    vector = collection.sql("SELECT embedding::text FROM langchain_pg_embedding LIMIT 1")[0][0]

    def plan(cursor: Any) -> str:
        for _time in range(6):
            cursor.execute(f"EXECUTE search('{large}', '{vector}')")
        cursor.execute(f"EXPLAIN EXECUTE search('{small}', '{vector}')")
        return "\n".join(row[0] for row in cursor.fetchall())

    try:
        collection.call("present", role="vector_service")
        session = collection.server.connect(collection.db, "vector_service", "for-tests-ONLY-2")
        with session.cursor() as cursor:
            cursor.execute(
                "PREPARE search(uuid, vector) AS SELECT id FROM langchain_pg_embedding WHERE collection_id = $1 "
                "ORDER BY embedding <=> $2 LIMIT 5"
            )
            assert "embedding_hnsw" not in plan(cursor)
            # PostgreSQL's own way, to see that it is the role's setting that keeps the index away.
            cursor.execute("SET plan_cache_mode = auto")
            assert "embedding_hnsw" in plan(cursor)
        session.close()
    finally:
        collection.sql("DROP OWNED BY vector_service; DROP ROLE vector_service")
