"""The pgvector collections of a provisioned instance: whom they serve, and what verify.yml says where one is out of order."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from instance import REPOSITORY, Instance
from vector_clients import OTHER, insert_old_rows, serves_all

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
