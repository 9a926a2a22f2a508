"""pgvector_collection on tables of every kind: made, verified without a trace, repaired under use, removed by name."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .collections import DIMENSIONS, ROWS, Collection, Failed, copied, found, template_database, vectors
from .conftest import ROOT, Server, docker

TEMPLATE = "vector_template"
KEYS = {"changed", "in_order", "queries", "diff", "findings", "stats"}
STATS = {
    *("rows", "null_embeddings", "zero_norm", "wrong_dimensions", "orphans", "index", "index_valid", "index_size"),
    *("planner_uses_index", "recall_at_k", "rows_returned", "extension_version", "build_memory_needed"),
}
HOSTILE = 'we"ird; DROP TABLE x; --%s {0} Größe.x'


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    with template_database(server, TEMPLATE) as made:
        yield made


@pytest.fixture
def collection(server: Server, template: str) -> Iterator[Collection]:
    with copied(server, template, "vector_collection") as made:
        yield made


def fill(collection: Collection, table: str, kind: str, dimensions: int, rows: int = ROWS) -> None:
    """A table of one's own, with names that a careless statement would break on."""
    collection.server.sql(
        f'CREATE TABLE {table} (id int PRIMARY KEY, "the ve\'c""tor %" {kind}({dimensions}))', db=collection.db
    )
    collection.sql(
        f"INSERT INTO {table.replace('%', '%%')} SELECT n, v::{kind} FROM unnest(%s::text[]) WITH ORDINALITY u(v, n)",
        vectors(rows, dimensions, 2),
    )
    collection.sql(f"ANALYZE {table}")


def writes(collection: Collection) -> list[tuple[Any, ...]]:
    return collection.sql(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_mod_since_analyze, analyze_count, pg_table_size(relid), "
        "pg_indexes_size(relid) FROM pg_stat_user_tables ORDER BY relname"
    )


def dump(collection: Collection) -> str:
    """A hash of what pg_dump writes, less the key that it draws anew each time; nothing of a server that was given by its socket."""
    server = collection.server
    if not server.container:
        return ""
    done = docker("exec", server.container, "pg_dump", "-U", "postgres", "-p", str(server.port), collection.db)
    assert done.returncode == 0, done.stderr
    return hashlib.sha256(re.sub(r"(?m)^\\(un)?restrict .*\n", "", done.stdout).encode()).hexdigest()


def test_as_ansible_calls_it(collection: Collection) -> None:
    """The same keys from every state, in check mode and out of it, by the module's own process."""
    for state in ("verified", "present"):
        for check in (True, False):
            result = collection.server.call(
                "pgvector_collection", check=check, login_db=collection.db, state=state, **collection.declared
            )
            assert set(result) >= KEYS
            assert set(result["stats"]) >= STATS
            assert result["in_order"]
            assert not result["changed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"index": {"m": 16, "ef_construction": 20}}, "raise it to 32"),
        ({"index": {"m": 1}}, "index.m is 1: give a number from 2 to 100"),
        ({"recall": {"minimum": 95}}, "give a share from 0 to 1"),
        ({"recall": {"ef_search": 2000}}, "from 1 to 1000"),
        ({"dimensions": 0}, "dimensions is 0"),
        ({"thresholds": {"orphans": -1}}, "thresholds.orphans is -1"),
        ({"name": ""}, "name is empty"),
    ],
)
def test_contradictions_are_refused(server: Server, arguments: dict[str, Any], said: str) -> None:
    result = server.call("pgvector_collection", **{"name": "x", **arguments})
    assert result["failed"]
    assert said in result["msg"]
    assert "Traceback" not in result["raw"]


def test_missing_database_is_one_sentence(collection: Collection) -> None:
    with pytest.raises(Failed, match="database nowhere does not exist"):
        collection.call(login_db="nowhere")


def test_verification_leaves_no_trace(collection: Collection) -> None:
    collection.sql("UPDATE langchain_pg_embedding SET embedding = NULL WHERE id = '1'")
    collection.sql("DROP INDEX langchain_pg_embedding_collection_id_idx")
    time.sleep(1)  # why: PostgreSQL reports the session's own counters at most once a second
    before, dumped = writes(collection), dump(collection)
    collection.call()
    collection.call("present", check=True)
    collection.call("absent", check=True)
    assert writes(collection) == before
    assert dump(collection) == dumped


def test_sample_is_the_same_each_time(collection: Collection) -> None:
    collection.sql("DROP INDEX embedding_hnsw")
    collection.sql(
        "CREATE INDEX poor ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops) WITH (m=2, ef_construction=4)"
    )
    arguments: dict[str, Any] = {"index": {"m": 2, "ef_construction": 4}, "recall": {"ef_search": 10}}
    first, second = (collection.call(**arguments)["stats"]["recall_at_k"] for _ in range(2))
    assert first == second < 1


def test_recall_is_that_of_exact_answers(collection: Collection) -> None:
    """The figure, computed once more by sorting all rows for each of the vectors."""
    rows = 200
    fill(collection, "few", "vector", 12, rows)
    column = '"the ve\'c""tor %%"'
    collection.sql(
        f"CREATE INDEX ON few USING hnsw ({column} vector_cosine_ops) WITH (m=2, ef_construction=4)".replace("%%", "%")
    )
    said = collection.call(
        name="few",
        table="few",
        model=None,
        dimensions=12,
        index={"m": 2, "ef_construction": 4},
        recall={"ef_search": 10, "sample": rows},
    )
    connection = collection.server.connect(collection.db)
    hits = 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column}::text FROM few".replace("%%", "%"))
        stored = [row[0] for row in cursor.fetchall()]
        answers: list[list[set[int]]] = []
        for plan in (
            "enable_indexscan = off",
            "enable_indexscan = on; SET enable_seqscan = off; SET hnsw.ef_search = 10",
        ):
            cursor.execute(f"SET {plan}")
            answers.append([])
            for vector in stored:
                cursor.execute(f"SELECT id FROM few ORDER BY {column} <=> %s::vector LIMIT 10", (vector,))
                answers[-1].append({row[0] for row in cursor.fetchall()})
    connection.close()
    hits = sum(len(exact & approximate) for exact, approximate in zip(*answers, strict=True))
    assert hits < 10 * rows
    assert said["stats"]["recall_at_k"] == pytest.approx(hits / (10 * rows), abs=0.0001)


def test_rows_that_are_as_near_are_as_good(collection: Collection) -> None:
    """Parallel vectors have the same cosine distance, but for the last digits of single precision."""
    collection.sql(
        """UPDATE langchain_pg_embedding e SET embedding = array_fill(0.001 * n, ARRAY[8])::vector
           FROM (SELECT ctid AS place, row_number() OVER () AS n FROM langchain_pg_embedding) numbered WHERE e.ctid = place"""
    )
    assert collection.call()["stats"]["recall_at_k"] == 1


@pytest.mark.parametrize("distance", ["cosine", "l2", "inner_product"])
@pytest.mark.parametrize("method", ["hnsw", "ivfflat"])
def test_table_of_ones_own(collection: Collection, distance: str, method: str) -> None:
    """Hostile names, no collection table, every distance and method: made, in order, made no second time, removed."""
    table = '"a ""schema"" %s"."' + HOSTILE.replace('"', '""') + '"'
    collection.sql('CREATE SCHEMA "a ""schema"" %s"')
    fill(collection, table, "vector", 12)
    arguments: dict[str, Any] = {
        "name": HOSTILE,
        "table": table,
        "model": None,
        "dimensions": 12,
        "distance": distance,
        "index": {"method": method, "lists": 10},
        # Vectors of all norms are hard to search by inner product.
        "recall": {"ef_search": 10 if method == "ivfflat" else 200},
    }
    predicted = collection.call("present", check=True, **arguments)
    done = collection.call("present", **arguments)
    assert done["queries"] == predicted["queries"] != []
    assert found(done) == {}
    assert done["stats"]["rows"] == ROWS
    assert done["stats"]["recall_at_k"] >= 0.95
    assert not collection.call("present", **arguments)["changed"]
    plain = collection.call(**{**arguments, "table": f'a "schema" %s.{HOSTILE}'})
    assert plain["in_order"]

    removed = collection.call("absent", **arguments)
    assert removed["changed"]
    assert removed["in_order"]
    assert collection.sql(f"SELECT count(*) FROM {table}") == [(ROWS,)]
    assert collection.sql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'a \"schema\" %s'") == [(1,)]
    assert not collection.call("absent", **arguments)["changed"]


@pytest.mark.parametrize(
    ("kind", "held", "dimensions"), [("halfvec", None, 12), ("vector", "halfvec", 12), ("vector", "halfvec", 2048)]
)
def test_half_precision(collection: Collection, kind: str, held: str | None, dimensions: int) -> None:
    """A column of half precision, an index over the cast, and more dimensions than an index of full precision takes."""
    rows = ROWS if dimensions < 100 else 150
    fill(collection, "half", kind, dimensions, rows)
    arguments: dict[str, Any] = {
        "name": "half",
        "table": "half",
        "model": None,
        "dimensions": dimensions,
        "index": {"type": held} if held else {},
    }
    done = collection.call("present", **arguments)
    assert found(done) == ({"index_cast": "info"} if held else {})
    assert done["stats"]["recall_at_k"] >= 0.95
    assert done["stats"]["planner_uses_index"] == (dimensions < 100)
    assert not collection.call("present", **arguments)["changed"]


def test_no_index_is_asked_for(collection: Collection) -> None:
    before = collection.sql("SELECT indexname FROM pg_indexes ORDER BY 1")
    result = collection.call("present", index={"method": "none"})
    assert result["in_order"]
    assert not result["changed"]
    assert result["stats"]["recall_at_k"] is None
    assert collection.sql("SELECT indexname FROM pg_indexes ORDER BY 1") == before


def test_collection_without_rows(collection: Collection) -> None:
    done = collection.call("present", name="empty", role=None)
    assert done["changed"]
    assert found(done) == {}
    assert done["stats"]["rows"] == 0
    (row,) = collection.sql("SELECT cmetadata FROM langchain_pg_collection WHERE name = 'empty'")
    assert row[0] == {"model": "nomic-embed-text", "dimensions": DIMENSIONS, "distance": "cosine"}
    assert not collection.call("present", name="empty")["changed"]


def test_what_cmetadata_says_beyond_the_declaration_stays(collection: Collection) -> None:
    collection.sql(
        "UPDATE langchain_pg_collection SET cmetadata = jsonb_build_object('owner', 'us', 'dimensions', %s::text)",
        DIMENSIONS,
    )
    collection.call("present")
    (row,) = collection.sql("SELECT cmetadata FROM langchain_pg_collection")
    assert row[0] == {"owner": "us", "dimensions": str(DIMENSIONS), "model": "nomic-embed-text", "distance": "cosine"}


def test_searches_have_an_index_while_it_is_replaced(collection: Collection) -> None:
    """Other options: the new index is there before the old one goes, and no row is lost."""
    result = collection.call("present", index={"m": 8})
    created, dropped = (
        next(place for place, query in enumerate(result["queries"]) if word in query)
        for word in ("CREATE INDEX", "DROP INDEX")
    )
    assert created < dropped
    assert all("CONCURRENTLY" in query for query in result["queries"] if "INDEX" in query)
    assert result["in_order"]
    assert collection.sql("SELECT count(*) FROM langchain_pg_embedding") == [(ROWS,)]


def test_absent_removes_one_collection_and_nothing_else(collection: Collection) -> None:
    collection.call("present", name="other")
    collection.sql(
        "UPDATE langchain_pg_embedding SET collection_id = (SELECT uuid FROM langchain_pg_collection WHERE name = 'other') "
        "WHERE id::int > 1500"
    )
    tables = collection.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'i') ORDER BY 1")
    predicted = collection.call("absent", check=True, name="other")
    assert not predicted["in_order"]
    assert collection.sql("SELECT count(*) FROM langchain_pg_embedding") == [(ROWS,)]
    done = collection.call("absent", name="other")
    assert done["queries"] == predicted["queries"]
    assert done["in_order"]
    assert collection.sql("SELECT count(*), count(DISTINCT collection_id) FROM langchain_pg_embedding") == [(1500, 1)]
    assert collection.sql("SELECT name FROM langchain_pg_collection") == [("admin_documents",)]
    assert collection.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'i') ORDER BY 1") == tables
    again = collection.call("absent", name="other")
    assert not again["changed"]
    assert again["in_order"]


@pytest.mark.parametrize("by", ["index", "planner"])
@pytest.mark.parametrize("analysed", [True, False])
def test_big_table_is_sampled(collection: Collection, analysed: bool, by: str) -> None:
    """Above the given size only a share is read, statistics or none; the counts are near the truth."""
    collection.sql(
        "UPDATE langchain_pg_embedding "
        "SET custom_id = id::int / 2, embedding = CASE WHEN id::int % 4 > 0 THEN embedding END"
    )
    collection.sql(
        "SET session_replication_role = replica; "
        "UPDATE langchain_pg_embedding SET document_id = gen_random_uuid() WHERE id::int % 2 = 0"
    )
    collection.sql("VACUUM (FULL, ANALYZE) langchain_pg_embedding")
    if by == "planner":
        collection.sql("DROP INDEX langchain_pg_embedding_custom_id_idx")
    if not analysed:
        collection.sql("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname = 'langchain_pg_embedding'")
    whole = collection.call()["stats"]
    assert whole["scanned_share"] == 1
    assert [whole[name] for name in ("rows", "null_embeddings", "orphans", "duplicates")] == [ROWS, 500, 1000, 999]
    stats = collection.call(thresholds={"scan_rows": ROWS // (2 if analysed else 4)})["stats"]
    assert stats["scanned_share"] < 0.7
    for name in ("rows", "null_embeddings", "orphans", "duplicates"):
        assert stats[name] == pytest.approx(whole[name], rel=0.4), name


def test_materialized_view_is_a_table_too(collection: Collection) -> None:
    collection.sql("CREATE MATERIALIZED VIEW copied AS SELECT id, embedding FROM langchain_pg_embedding")
    arguments: dict[str, Any] = {"name": "copied", "table": "copied", "model": None}
    collection.sql("ANALYZE copied")
    assert found(collection.call("present", **arguments)) == {}
    assert not collection.call("present", **arguments)["changed"]


def test_owner_of_the_tables_may_verify_and_build(collection: Collection) -> None:
    """No superuser: the owner looks, builds the index and renews the statistics."""
    collection.sql("CREATE ROLE vector_owner LOGIN")
    try:
        for table in ("langchain_pg_embedding", "langchain_pg_collection", "documents"):
            collection.sql(f"ALTER TABLE {table} OWNER TO vector_owner")
        collection.sql("GRANT CREATE ON SCHEMA public TO vector_owner")
        result = collection.call(login_user="vector_owner")
        assert found(result) == {}
        assert result["stats"]["recall_at_k"] >= 0.95
        collection.sql("ALTER TABLE langchain_pg_embedding SET (autovacuum_enabled = off)")
        collection.sql(
            "DROP INDEX embedding_hnsw; DELETE FROM pg_statistic WHERE starelid = 'langchain_pg_embedding'::regclass"
        )
        assert found(collection.call(login_user="vector_owner")) == {"index": "error", "statistics": "warning"}
        assert found(collection.call("present", login_user="vector_owner")) == {}
    finally:
        collection.sql("REASSIGN OWNED BY vector_owner TO postgres; DROP OWNED BY vector_owner; DROP ROLE vector_owner")


def test_settings_reach_the_services_sessions(collection: Collection) -> None:
    """What present sets is what a new session of the role has, in this database."""
    collection.sql("CREATE ROLE vector_service LOGIN PASSWORD 'for-tests-ONLY-2'")
    collection.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO vector_service")
    try:
        done = collection.call("present", role="vector_service", recall={"ef_search": 77})
        assert done["changed"]
        session = collection.server.connect(collection.db, "vector_service", "for-tests-ONLY-2")
        with session.cursor() as cursor:
            cursor.execute("SELECT embedding <=> embedding FROM langchain_pg_embedding LIMIT 1")
            for setting, value in (
                ("hnsw.ef_search", "77"),
                ("hnsw.iterative_scan", "strict_order"),
                ("plan_cache_mode", "force_custom_plan"),
            ):
                cursor.execute(f"SHOW {setting}")
                assert cursor.fetchall() == [(value,)]
        session.close()
        assert not collection.call("present", role="vector_service", recall={"ef_search": 77})["changed"]
    finally:
        collection.sql("DROP OWNED BY vector_service; DROP ROLE vector_service")


def test_examples_of_the_documentation_run(collection: Collection) -> None:
    text = Path(ROOT / "plugins/modules/pgvector_collection.py").read_text(encoding="utf-8")
    tasks = yaml.safe_load(text.split('EXAMPLES = r"""')[1].split('"""')[0])
    collection.sql("CREATE SCHEMA catalog; CREATE TABLE catalog.products (id int, embedding vector(3072))")
    for task in tasks:
        arguments = dict(task["ai_micro.postgres.pgvector_collection"])
        for name in ("login_unix_socket", "role"):
            arguments.pop(name, None)
        arguments.update(login_db=collection.db)
        if arguments["name"] == "admin_documents":
            arguments["dimensions"] = DIMENSIONS
        assert collection.server.call("pgvector_collection", **arguments)["in_order"]


def test_without_a_server_it_says_so(collection: Collection) -> None:
    with pytest.raises(Failed, match="no server listens there"):
        collection.call(login_port=1)
