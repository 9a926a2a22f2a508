"""The mutation test: whatever may differ is detected by its name, and made good or refused by its hazard.

The table of kinds and attributes is the module's own registry; a cell without a mutation gives its reason in mutations.sql.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS

from .conftest import Server
from .schema import BASE, Mutation, mutations

TEMPLATE, DATABASE = "amt_schema_base", "amt_schema_mutated"
MUTATIONS, REASONS = mutations()


@pytest.fixture(scope="module")
def base(server: Server) -> Iterator[Server]:
    """Make the database that every mutation starts from, and the roles and the tablespace that it speaks of."""
    space = "/var/lib/postgresql/amt_space"
    for role in ("amt_reader", "amt_owner"):
        server.sql(f"CREATE ROLE {role}")
    server.sql(f"COPY (SELECT 1) TO PROGRAM 'mkdir -p {space}'")
    server.sql(f"CREATE TABLESPACE amt_space LOCATION '{space}'")
    server.sql(f"CREATE DATABASE {TEMPLATE}")
    server.sql(BASE, db=TEMPLATE)
    yield server
    for database in (TEMPLATE, DATABASE):
        server.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    server.sql("DROP TABLESPACE amt_space")
    server.sql("DROP ROLE amt_reader, amt_owner")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache", numbered=True)


def test_the_table_has_no_empty_cell() -> None:
    wanted = {(name, what) for name, kind in KINDS.items() for what in (*kind.attributes, "missing", "extra")}
    tried = {(mutation.kind, mutation.attribute) for mutation in MUTATIONS}
    assert wanted == tried | set(REASONS)
    assert not tried & set(REASONS)
    assert len(MUTATIONS) >= 120


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation(base: Server, cache: Path, mutation: Mutation) -> None:
    base.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    base.sql(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
    base.sql(mutation.sql.replace("{db}", DATABASE), db=DATABASE)

    def call(**arguments: Any) -> dict[str, Any]:
        return base.call("postgres_schema", login_db=DATABASE, definition=BASE, cache_directory=str(cache), **arguments)

    found = call()
    assert found["failed"]
    named = {(entry["kind"], entry["attribute"] or entry["change"]) for entry in found["drift"]}
    assert (mutation.kind, mutation.attribute) in named

    made = call(state="present")
    if made.get("failed"):
        hazards = {entry["hazard"] for entry in found["drift"] if entry["hazard"]}
        assert "needs what is not allowed, so nothing was changed" in made["msg"]
        assert any(hazard in made["msg"] for hazard in hazards)
        assert call()["drift"] == found["drift"], "a refused run has changed something"
        predicted = call(state="present", allow=["all"], check=True)
        made = call(state="present", allow=["all"])
        assert made["queries"] == predicted["queries"]
        assert made["changed"] is predicted["changed"] is True
    assert "msg" not in made, made["msg"]
    assert made["queries"]
    again = call()
    assert "msg" not in again, again["msg"]
    assert again["in_sync"]
    assert os.listdir(cache), "the declared snapshot is kept"
