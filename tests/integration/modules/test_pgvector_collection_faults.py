"""Each thing that pgvector_collection establishes, provoked on a real server; a database without it has no finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import PARALLEL_FLAW, flawed

from .collections import DIMENSIONS, MEMBER, ROWS, Collection, found, make_template
from .conftest import Server, docker

TEMPLATE = "vector_faults_template"
TABLE = "langchain_pg_embedding"
NEW = "'[" + ",".join(["1"] * DIMENSIONS) + "]'"
ZERO = "'[" + ",".join(["0"] * DIMENSIONS) + "]'"


@dataclass(frozen=True)
class Fault:
    """A defect, what is said of it, and what is left to say after state=present."""

    name: str
    checks: dict[str, str]
    sql: tuple[str, ...] = ()
    left: dict[str, str] | None = None  # None: present cannot mend it
    arguments: dict[str, Any] = field(default_factory=dict)


def insert(columns: str, values: str) -> str:
    return f"INSERT INTO {TABLE} (collection_id, embedding{columns}) VALUES ({values})"


FAULTS = (
    Fault(
        "extension of an older version",
        {"extension_version": "error"},
        (
            *(
                f"ALTER EXTENSION vector DROP CAST ({kind}[] AS sparsevec); "
                f"ALTER EXTENSION vector DROP FUNCTION array_to_sparsevec({kind}[], integer, boolean); "
                f"DROP FUNCTION array_to_sparsevec({kind}[], integer, boolean) CASCADE"
                for kind in ("integer", "real", "double precision", "numeric")
            ),
            "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'",
        ),
        left={},
    ),
    Fault(
        "extension newer than the server's",
        {"extension_version": "error"},
        ("UPDATE pg_extension SET extversion = '99.0.0' WHERE extname = 'vector'",),
    ),
    Fault(
        "no extension",
        {"extension": "error", "column": "error"},
        ("DROP EXTENSION vector CASCADE",),
        left={"column": "error"},
    ),
    Fault("no table", {"table": "error"}, (f"DROP TABLE {TABLE}",)),
    Fault("a view", {"table": "error"}, ("CREATE VIEW v AS TABLE langchain_pg_embedding",), arguments={"table": "v"}),
    Fault(
        "a partitioned table",
        {"table": "error"},
        (f"CREATE TABLE parted (n int, embedding vector({DIMENSIONS})) PARTITION BY RANGE (n)",),
        arguments={"table": "parted"},
    ),
    Fault(
        "a foreign table",
        {"table": "error"},
        (
            "CREATE FOREIGN DATA WRAPPER nobody; CREATE SERVER nowhere FOREIGN DATA WRAPPER nobody; "
            f"CREATE FOREIGN TABLE remote (embedding vector({DIMENSIONS})) SERVER nowhere",
        ),
        arguments={"table": "remote"},
    ),
    Fault("a column of another name", {"column": "error"}, arguments={"column": "vector"}),
    Fault(
        "two vector columns",
        {"column": "error"},
        (f"ALTER TABLE {TABLE} RENAME embedding TO a", f"ALTER TABLE {TABLE} ADD b vector(3)"),
    ),
    Fault("no collection table", {"collection_table": "error"}, ("DROP TABLE langchain_pg_collection CASCADE",)),
    Fault(
        "a collection table that lacks a column",
        {"collection_table": "error"},
        ("ALTER TABLE langchain_pg_collection DROP cmetadata",),
    ),
    Fault(
        "no column that names the collection",
        {"collection_table": "error"},
        (f"ALTER TABLE {TABLE} DROP collection_id",),
        arguments={"collection_table": "langchain_pg_collection"},
    ),
    Fault(
        "no collection of the name",
        {"collection": "error"},
        left={},
        arguments={"name": 'new "one"; DROP TABLE x; --%s {}'},
    ),
    Fault(
        "two collections of the name",
        {"collection": "error"},
        (
            "ALTER TABLE langchain_pg_collection DROP CONSTRAINT langchain_pg_collection_name_key",
            "INSERT INTO langchain_pg_collection (name) VALUES ('admin_documents')",
        ),
    ),
    Fault(
        "cmetadata is NULL", {"cmetadata": "error"}, ("UPDATE langchain_pg_collection SET cmetadata = NULL",), left={}
    ),
    Fault(
        "cmetadata is null", {"cmetadata": "error"}, ("UPDATE langchain_pg_collection SET cmetadata = 'null'",), left={}
    ),
    Fault(
        "cmetadata is empty", {"cmetadata": "error"}, ("UPDATE langchain_pg_collection SET cmetadata = '{}'",), left={}
    ),
    Fault(
        "cmetadata is json",
        {"cmetadata": "error"},
        ("ALTER TABLE langchain_pg_collection ALTER cmetadata DROP DEFAULT, ALTER cmetadata TYPE json USING 'null'",),
        left={},
    ),
    Fault(
        "cmetadata is of a type that has to be quoted",
        {"cmetadata": "error", "client": "warning"},
        (
            'CREATE SCHEMA "a b"',
            'CREATE DOMAIN "a b"."j; DROP TABLE x" AS jsonb',
            "ALTER TABLE langchain_pg_collection ALTER cmetadata DROP DEFAULT, "
            'ALTER cmetadata TYPE "a b"."j; DROP TABLE x" USING NULL',
        ),
        left={"client": "warning"},
    ),
    Fault("cmetadata is a list", {"cmetadata": "error"}, ("UPDATE langchain_pg_collection SET cmetadata = '[1]'",)),
    Fault("another model", {"model": "error"}, arguments={"model": "bge-m3"}),
    Fault(
        "other dimensions in cmetadata",
        {"cmetadata_dimensions": "error"},
        ("UPDATE langchain_pg_collection SET cmetadata = cmetadata || '{\"dimensions\": 9}'",),
    ),
    Fault(
        "other dimensions in cmetadata than the column's, of which nothing is declared",
        {"cmetadata_dimensions": "error"},
        ("UPDATE langchain_pg_collection SET cmetadata = cmetadata || '{\"dimensions\": 9}'",),
        arguments={"dimensions": None},
    ),
    Fault(
        "no dimensions in cmetadata, and none declared",
        {"cmetadata": "error"},
        ("UPDATE langchain_pg_collection SET cmetadata = cmetadata - 'dimensions'",),
        left={},
        arguments={"dimensions": None},
    ),
    Fault(
        "another distance in cmetadata",
        {"distance": "error"},
        ('UPDATE langchain_pg_collection SET cmetadata = cmetadata || \'{"distance": "l2"}\'',),
    ),
    Fault(
        "another model of a collection without rows",
        {"model": "error"},
        (f"DELETE FROM {TABLE}", f"ANALYZE {TABLE}"),
        left={},
        arguments={"model": "bge-m3"},
    ),
    Fault(
        "a column of other dimensions",
        {"dimensions": "error", "cmetadata_dimensions": "error"},
        arguments={"dimensions": 1024},
    ),
    Fault(
        "a column without dimensions",
        {"dimensions": "error"},
        ("DROP INDEX embedding_hnsw", f"ALTER TABLE {TABLE} ALTER embedding TYPE vector"),
    ),
    Fault(
        "rows of other dimensions",
        {"dimensions": "error", "wrong_dimensions": "error"},
        (
            "DROP INDEX embedding_hnsw",
            f"ALTER TABLE {TABLE} ALTER embedding TYPE vector",
            insert("", f"{MEMBER}, '[1,2,3]'"),
        ),
    ),
    Fault(
        "more dimensions than an index takes",
        {"dimension_limit": "error"},
        ("CREATE TABLE wide (embedding vector(2100))",),
        arguments={"table": "wide", "dimensions": 2100},
    ),
    Fault(
        "more dimensions than any index takes",
        {"dimension_limit": "error"},
        ("CREATE TABLE wide (embedding halfvec(4100))",),
        arguments={"table": "wide", "dimensions": 4100},
    ),
    Fault(
        "an index of type vector over halfvec",
        {"index_type": "error"},
        ("CREATE TABLE half (embedding halfvec(8))",),
        arguments={"table": "half", "dimensions": 8, "index": {"type": "vector"}},
    ),
    Fault(
        "an index over a cast that LangChain's clients do not write",
        {"index_type": "error"},
        arguments={"index": {"type": "halfvec"}},
    ),
    Fault("a row without embedding", {"null_embeddings": "error"}, (insert("", f"{MEMBER}, NULL"),)),
    Fault(
        "no row with a vector to search with",
        {"recall": "warning"},
        (f"UPDATE {TABLE} SET embedding = NULL", f"VACUUM ANALYZE {TABLE}"),
        arguments={"thresholds": {"null_embeddings": ROWS}},
    ),
    Fault("a zero vector", {"zero_norm": "error"}, (insert("", f"{MEMBER}, {ZERO}"),)),
    Fault("a row of no collection", {"orphans": "error"}, (insert("", f"NULL, {NEW}"),)),
    Fault(
        "a row of a collection that is gone",
        {"orphans": "error"},
        ("SET session_replication_role = replica; " + insert("", f"gen_random_uuid(), {NEW}"),),
    ),
    Fault(
        "a row of a document that is gone",
        {"orphans": "error"},
        (
            f"ALTER TABLE {TABLE} DROP CONSTRAINT langchain_pg_embedding_document_id_fkey",
            insert(", document_id", f"{MEMBER}, {NEW}, gen_random_uuid()"),
        ),
    ),
    Fault("a custom_id twice", {"duplicates": "error"}, (insert(", custom_id", f"{MEMBER}, {NEW}, '7'"),)),
    Fault("no index", {"index": "error"}, ("DROP INDEX embedding_hnsw",), left={}),
    Fault(
        "an invalid index",
        {"index_valid": "error"},
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'embedding_hnsw'::regclass",),
        left={},
    ),
    Fault(
        "an index that takes no new rows",
        {"index_valid": "error"},
        ("UPDATE pg_index SET indisready = false WHERE indexrelid = 'embedding_hnsw'::regclass",),
        left={},
    ),
    Fault(
        "an index of another operator class",
        {"index_definition": "error"},
        ("DROP INDEX embedding_hnsw", f"CREATE INDEX other ON {TABLE} USING hnsw (embedding vector_l2_ops)"),
        left={},
    ),
    Fault(
        "an index with other options",
        {"index_definition": "error"},
        (
            "DROP INDEX embedding_hnsw",
            f"CREATE INDEX other ON {TABLE} USING hnsw (embedding vector_cosine_ops) WITH (m = 8)",
        ),
        left={},
    ),
    Fault(
        "an index of another method",
        {"index_definition": "error", "recall": "error", "rows_returned": "error"},
        (
            "DROP INDEX embedding_hnsw",
            f"CREATE INDEX other ON {TABLE} USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200)",
        ),
        left={},
    ),
    Fault(
        "an index over a cast that clients do not write",
        {"index_definition": "error"},
        (
            "DROP INDEX embedding_hnsw",
            f"CREATE INDEX other ON {TABLE} USING hnsw ((embedding::halfvec({DIMENSIONS})) halfvec_cosine_ops)",
        ),
        left={},
    ),
    Fault(
        "an index twice",
        {"index_duplicate": "warning"},
        (f"CREATE INDEX again ON {TABLE} USING hnsw (embedding vector_cosine_ops) WITH (m = 16)",),
        left={},
    ),
    Fault(
        "collection_id without index",
        {"collection_id_index": "error"},
        ("DROP INDEX langchain_pg_embedding_collection_id_idx",),
        left={},
    ),
    Fault(
        "collection_id with an invalid index",
        {"collection_id_index": "error"},
        (
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'langchain_pg_embedding_collection_id_idx'::regclass",
        ),
        left={},
    ),
    Fault(
        "stale statistics",
        {"statistics": "warning"},
        (f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)", f"UPDATE {TABLE} SET chunk_index = 1"),
        left={},
    ),
    Fault(
        "no statistics",
        {"statistics": "warning"},
        (
            f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)",
            "DELETE FROM pg_statistic WHERE starelid = '" + TABLE + "'::regclass",
        ),
        left={},
    ),
    Fault(
        "a planner without index scans",
        {"planner": "error"},
        ("ALTER DATABASE {db} SET enable_indexscan = off",),
    ),
    Fault(
        "a planner that holds random reads for dear",
        {"planner": "error"},
        ("ALTER DATABASE {db} SET random_page_cost = 5000",),
    ),
    Fault(
        "a role without index scans",
        {"planner": "error", "role_settings": "error"},
        ("ALTER ROLE vector_role SET enable_indexscan = off",),
        left={"planner": "error"},
        arguments={"role": "vector_role"},
    ),
    Fault(
        "a planner that reads all of many rows",
        {"planner": "error"},
        (
            "ALTER DATABASE {db} SET cpu_operator_cost = 0.0025",
            f"DELETE FROM {TABLE} WHERE id::int > 60",
            f"VACUUM ANALYZE {TABLE}",
        ),
        arguments={"thresholds": {"exact_rows": 10}},
    ),
    Fault(
        "an index that finds too little",
        {"recall": "error"},
        (
            "DROP INDEX embedding_hnsw",
            f"CREATE INDEX poor ON {TABLE} USING hnsw (embedding vector_cosine_ops) WITH (m = 2, ef_construction = 4)",
        ),
        arguments={"index": {"m": 2, "ef_construction": 4}, "recall": {"ef_search": 12, "k": 5}},
    ),
    Fault(
        "a search that is narrower than k",
        {"rows_returned": "error", "recall": "error"},
        arguments={"recall": {"ef_search": 5}},
    ),
    Fault(
        "more memory than a build may take",
        {"index": "error", "build_memory": "warning"},
        ("DROP INDEX embedding_hnsw", "ALTER DATABASE {db} SET maintenance_work_mem = '1MB'"),
        left={"build_memory": "info"},
        arguments={"thresholds": {"build_memory_mb": 1}},
    ),
    Fault(
        "less shared memory than a parallel build takes",
        {"index": "error", "shm_size": "warning"},
        ("DROP INDEX embedding_hnsw",),
        left={},
        arguments={"thresholds": {"shm_size_mb": 64}},
    ),
    Fault("no role", {"role": "error"}, arguments={"role": "nobody_of_this_name"}),
    Fault("a role without iterative scans", {"role_settings": "error"}, left={}, arguments={"role": "vector_role"}),
    Fault(
        "a role with a narrower search",
        {"role_settings": "error"},
        ("ALTER ROLE vector_role IN DATABASE {db} SET hnsw.ef_search = 20",),
        left={},
        arguments={"role": "vector_role", "recall": {"ef_search": 80}},
    ),
    Fault(
        "a table that the new client cannot use",
        {"client": "warning"},
        (f"ALTER TABLE {TABLE} DROP id, ADD PRIMARY KEY (uuid)",),
    ),
)


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    make_template(server, TEMPLATE)
    server.sql("CREATE ROLE vector_role LOGIN")
    server.sql("CREATE ROLE vector_login LOGIN SUPERUSER")
    yield TEMPLATE
    server.sql(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")
    server.sql("DROP ROLE vector_role, vector_login")


@pytest.fixture
def collection(server: Server, template: str) -> Iterator[Collection]:
    made = Collection(server, "vector_fault")
    made.drop()
    server.sql(f"CREATE DATABASE vector_fault TEMPLATE {template}")
    yield made
    made.drop()
    server.sql("ALTER ROLE vector_role RESET ALL; ALTER ROLE vector_login RESET ALL")


def test_clean_database_gives_no_finding(collection: Collection) -> None:
    result = collection.call()
    assert result["in_order"]
    assert found(result) == {}
    assert not result["changed"]
    stats = result["stats"]
    assert stats["planner_uses_index"] is True
    assert stats["recall_at_k"] >= 0.95
    assert stats["rows_returned"] == 10
    assert stats["index"] == "embedding_hnsw"
    assert all(client["works"] for client in stats["clients"].values())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        # As the role sets it for SSDs, and as it helps.
        ({"enable_indexscan": "off", "random_page_cost": "1.1"}, ["enable_indexscan = off"]),
        ({"random_page_cost": "5000", "seq_page_cost": "1.1"}, ["random_page_cost = 5000"]),
        (
            {"enable_indexscan": "off", "random_page_cost": "5000", "cpu_tuple_cost": "0.011"},
            ["enable_indexscan = off", "random_page_cost = 5000"],
        ),
    ],
)
def test_only_the_settings_that_bar_the_index_are_named(
    collection: Collection, settings: dict[str, str], named: list[str]
) -> None:
    for name, value in settings.items():
        collection.sql(f"ALTER DATABASE {collection.db} SET {name} = {value}")
    (finding,) = [finding for finding in collection.call()["findings"] if finding["check"] == "planner"]
    assert finding["message"] == f"The planner does not use index embedding_hnsw, because of {', '.join(named)}."


def test_settings_of_the_login_are_nobody_elses(collection: Collection) -> None:
    """Neither what is set for the role that looks makes good what the service's lacks, nor does it bar the service."""
    asked: dict[str, Any] = {"login_user": "vector_login", "role": "vector_role", "recall": {"ef_search": 80}}

    def missing() -> set[str]:
        result = collection.call(**asked)
        assert set(found(result)) <= {"role_settings"}
        assert result["stats"]["planner_uses_index"] is True
        assert all(client["works"] for client in result["stats"]["clients"].values())
        return {finding["message"].split()[5] for finding in result["findings"] if finding["check"] == "role_settings"}

    for name, value in (
        ("hnsw.iterative_scan", "strict_order"),
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_indexscan", "off"),
        ("search_path", "nowhere"),
    ):
        collection.sql(f"ALTER ROLE vector_login SET {name} = {value}")
    collection.sql(f"ALTER ROLE vector_login IN DATABASE {collection.db} SET hnsw.ef_search = 200")
    assert missing() == {"hnsw.iterative_scan", "plan_cache_mode", "hnsw.ef_search"}
    # What lies beneath is the database's, or the server's.
    collection.sql(f"ALTER DATABASE {collection.db} SET hnsw.ef_search = 90")
    collection.sql("ALTER SYSTEM SET plan_cache_mode = force_custom_plan")
    try:
        assert missing() == {"hnsw.iterative_scan"}
    finally:
        collection.sql("ALTER SYSTEM RESET plan_cache_mode")
    assert missing() == {"hnsw.iterative_scan", "plan_cache_mode"}
    collection.call("present", **asked)
    assert missing() == set()


def test_server_without_the_extension_says_so(collection: Collection) -> None:
    container = collection.server.container
    if not container:
        pytest.skip("the files of a given server are not touched")
    control = collection.sql("SELECT setting || '/extension/vector.control' FROM pg_config WHERE name = 'SHAREDIR'")[0][
        0
    ]
    collection.sql("DROP EXTENSION vector CASCADE")
    assert docker("exec", "-u", "root", container, "mv", control, f"{control}.away").returncode == 0
    try:
        for state in ("verified", "present"):
            result = collection.call(state)
            assert found(result) == {"extension": "error", "column": "error"}
            assert result["findings"][0]["message"] == "The server has no extension vector to install."
            assert result["queries"] == []
    finally:
        docker("exec", "-u", "root", container, "mv", f"{control}.away", control)


def test_index_that_the_planner_may_not_use_yet(collection: Collection) -> None:
    """Built while rows were there twice (HOT), it is not for snapshots of before: while one is held, no session uses it."""
    holder = collection.server.connect(collection.db)
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    collection.sql("UPDATE pg_index SET indcheckxmin = true WHERE indexrelid = 'embedding_hnsw'::regclass")
    result = collection.call()
    assert found(result) == {"planner": "error"}
    (finding,) = [finding for finding in result["findings"] if finding["check"] == "planner"]
    assert finding["message"] == "The planner cannot use index embedding_hnsw for the client's query."
    holder.rollback()
    holder.close()
    assert found(collection.call()) == {}


def test_row_that_names_nothing_that_is_there_is_one_row(collection: Collection) -> None:
    collection.sql(f"ALTER TABLE {TABLE} DROP CONSTRAINT langchain_pg_embedding_document_id_fkey")
    collection.sql(insert(", document_id", f"NULL, {NEW}, gen_random_uuid()"))
    assert collection.call()["stats"]["orphans"] == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_flaw_of_the_servers_version_is_said_with_its_consequence(collection: Collection, workers: int) -> None:
    """All that a clean database has to say; without parallel builds, the flaw in them is no danger."""
    collection.sql(f"ALTER DATABASE {collection.db} SET max_parallel_maintenance_workers = {workers}")
    result = collection.call()
    expected = flawed(result["stats"]["extension_version"])
    assert [finding["check"] for finding in result["findings"]] == ["extension_flaw"] * len(expected)
    for finding, flaw in zip(result["findings"], expected, strict=True):
        harmless = flaw is PARALLEL_FLAW and not workers
        assert finding["level"] == ("info" if harmless else "warning")
        assert flaw.consequence in finding["message"]
        assert ("no parallel build is allowed here" in finding["message"]) == harmless
        assert ("max_parallel_maintenance_workers" in finding["remedy"]) == (flaw is PARALLEL_FLAW and not harmless)
    assert result["in_order"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found_and_mended_where_it_can_be(collection: Collection, fault: Fault) -> None:
    """Found, predicted, mended as predicted; and a second run has nothing to do."""
    for statement in fault.sql:
        collection.sql(statement.replace("{db}", collection.db))
    result = collection.call(**fault.arguments)
    assert found(result) == fault.checks
    assert result["in_order"] == ("error" not in fault.checks.values())
    assert all(finding["message"].endswith(".") and finding["remedy"] for finding in result["findings"])

    predicted = collection.call("present", check=True, **fault.arguments)
    done = collection.call("present", **fault.arguments)
    assert done["queries"] == predicted["queries"]
    assert done["diff"] == predicted["diff"]
    assert done["changed"] == predicted["changed"] == bool(done["queries"])
    assert found(done) == (fault.checks if fault.left is None else fault.left)
    if fault.left is None:
        assert not done["changed"]
    again = collection.call("present", **fault.arguments)
    assert again["queries"] == []
    assert not again["changed"]
    assert found(again) == found(done)
