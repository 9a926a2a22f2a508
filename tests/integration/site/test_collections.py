"""The pgvector collections of a provisioned instance: whom they serve, and what verify.yml says where one is out of order."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import yaml
from instance import REPOSITORY, Instance
from vector_clients import OTHER, insert_old_rows, serves_all, service_url

INDEX = "langchain_pg_embedding_embedding_cosine_hnsw_idx"


@pytest.fixture(scope="module")
def filled(guarded: Instance) -> Iterator[Instance]:
    """Give the shared instance with rows of two collections, which go again."""
    insert_old_rows(guarded, deployed=False)
    yield guarded
    guarded.sql(
        f"TRUNCATE langchain_pg_embedding; DELETE FROM langchain_pg_collection WHERE name = '{OTHER}'", "admindb"
    )


def test_langchain_clients_are_served_beside_rows_that_were_there(filled: Instance) -> None:
    serves_all(filled)


def test_service_has_the_settings_of_its_searches(filled: Instance) -> None:
    with psycopg2.connect(f"{service_url(filled)}&hostaddr=127.0.0.1") as session, session.cursor() as cursor:
        for setting, value in (("hnsw.iterative_scan", "strict_order"), ("plan_cache_mode", "force_custom_plan")):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchall() == [(value,)]
    session.close()


def test_only_the_collection_that_is_out_of_order_is_named(filled: Instance) -> None:
    """Two are declared for one table; what the second says of its model is not what the inventory says."""
    defaults = yaml.safe_load((REPOSITORY / "roles/postgres_common/defaults/main.yml").read_text("utf-8"))
    databases = defaults["postgres_databases"]
    (admin,) = [database for database in databases if database["name"] == "admindb"]
    (first,) = admin["collections"]
    admin["collections"].append({**first, "name": OTHER})
    says = {key: first[key] for key in ("model", "dimensions")} | {"distance": "cosine"}
    filled.sql(
        f"UPDATE langchain_pg_collection SET cmetadata = '{json.dumps({**says, 'model': 'bge-m3'})}' WHERE name = '{OTHER}'",
        "admindb",
    )
    result = filled.play("verify", "--tags", "databases", postgres_databases=databases)
    assert result.code != 0, result.output
    assert (
        f"{OTHER}: admindb, {OTHER} in langchain_pg_embedding: The collection's model is bge-m3, declared is {first['model']}. The remedies"
        in result.text
    ), result.output


@pytest.mark.parametrize(
    ("playbook", "fault", "said"),
    [
        (
            "verify",
            f"DROP INDEX {INDEX}",
            "langchain_pg_embedding has no hnsw index with operator class vector_cosine_ops",
        ),
        (
            "site",
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{INDEX}'::regclass",
            f"Index {INDEX} is not valid: its build was interrupted, and no query uses it.",
        ),
    ],
    ids=["dropped", "invalid"],
)
def test_collection_out_of_order_is_named_until_a_run_mends_it(
    filled: Instance, playbook: str, fault: str, said: str
) -> None:
    """Database, collection and table are named by verify.yml and by site.yml --tags verify, which mends nothing."""
    filled.sql(fault, "admindb")
    result = filled.play(playbook, "--tags", "verify")
    assert result.code != 0, result.output
    assert f"admin_documents: admindb, admin_documents in langchain_pg_embedding: {said}" in result.text, result.output
    assert result.count("changed") == 0
    assert filled.site("--tags", "databases").count("changed") == 1
    assert filled.sql(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass", "admindb") == "t"


@contextmanager
def writer(instance: Instance) -> Iterator[None]:
    """A transaction for whose end builds have to wait."""
    held = "BEGIN; LOCK TABLE langchain_pg_embedding IN ROW EXCLUSIVE MODE; SELECT pg_sleep(300)"
    command = [
        "docker",
        "exec",
        "-e",
        "PGAPPNAME=writer",
        instance.name,
        "psql",
        "-XqU",
        "postgres",
        "admindb",
        "-c",
        held,
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        try:
            yield
        finally:
            instance.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'writer'")


def test_build_that_takes_long_says_in_the_runs_output_how_far_it_is(filled: Instance, tmp_path: Path) -> None:
    filled.sql(f"DROP INDEX {INDEX}", "admindb")
    said = tmp_path / "output"
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [
        program,
        "site.yml",
        "-i",
        str(filled.inventory()),
        "--tags=databases",
        "-e",
        "_postgres_databases_progress=1",
    ]
    with writer(filled), said.open("w") as file:
        run = subprocess.Popen(command, cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT)
        give_up = time.monotonic() + 120
        while "is being built: waiting for writers before build. Under way for" not in said.read_text():
            assert run.poll() is None, said.read_text()
            assert time.monotonic() < give_up, said.read_text()
            time.sleep(0.2)
    assert run.wait(timeout=120) == 0, said.read_text()
    assert f"admindb, admin_documents: Index {INDEX} is being built" in said.read_text()
    assert filled.sql(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass", "admindb") == "t"
