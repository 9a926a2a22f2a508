"""The mutation test: whatever may differ is detected by its name, and made good or refused by its hazard.

The table of kinds and attributes is the module's own registry; a cell without a mutation gives its reason in mutations.sql.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.mark import read_mark
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

from .conftest import Server
from .schema import BASE, Mutation, mutations

TEMPLATE, DATABASE = "amt_schema_base", "amt_schema_mutated"
MUTATIONS, REASONS = mutations()
# As many databases are mutated, each in several ways; as many as there are mutations with AI_MICRO_TEST_ALONE.
GROUPS = len(MUTATIONS) if os.environ.get("AI_MICRO_TEST_ALONE") else 36


@pytest.fixture(scope="module")
def base(server: Server) -> Iterator[Server]:
    """Make the database that every mutation starts from, and the roles and the tablespace that it speaks of."""
    space = "/var/lib/postgresql/amt_space"
    for role in ("amt_reader", "amt_owner"):
        server.sql(f"CREATE ROLE {role}")
    server.shell(f"mkdir -p {space}")
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


class Trial:
    """A database that some mutations were done to, and the module called on it."""

    def __init__(self, server: Server, cache: Path) -> None:
        self.server, self.cache = server, cache

    def make(self, chosen: list[Mutation]) -> list[Mutation]:
        """Give those that could be done; one may stand in another's way."""
        self.server.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        self.server.sql(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
        done = []
        for mutation in chosen:
            try:
                self.server.sql(mutation.sql.replace("{db}", DATABASE), db=DATABASE)
            except psycopg2.Error:
                assert len(chosen) > 1, mutation.name
            else:
                done.append(mutation)
        return done

    def call(self, **arguments: Any) -> dict[str, Any]:
        return self.server.call(
            "postgres_schema", login_db=DATABASE, definition=BASE, cache_directory=str(self.cache), **arguments
        )

    def named(self, chosen: list[Mutation]) -> tuple[dict[str, Any], list[Mutation]]:
        """What is found, and the mutations that are named in it."""
        found = self.call()
        assert found["failed"]
        names = {(entry["kind"], entry["attribute"] or entry["change"]) for entry in found["drift"]}
        return found, [mutation for mutation in chosen if (mutation.kind, mutation.attribute) in names]

    def mended(self, found: dict[str, Any]) -> str:
        """Make it good, by permission where a hazard is named; what speaks against it, or nothing."""
        hazards = {entry["hazard"] for entry in found["drift"] if entry["hazard"]}
        allow: list[str] = []
        if hazards:
            refused = self.call(state="present")
            if "needs what is not allowed, so nothing was changed" not in refused.get("msg", ""):
                return str(refused.get("msg", "a hazard was taken without permission"))
            assert any(hazard in refused["msg"] for hazard in hazards)
            allow = ["all"]
        predicted = self.call(state="present", allow=allow, check=True)
        made = self.call(state="present", allow=allow)
        if "msg" in made:
            return str(made["msg"])
        assert made["queries"]
        assert made["queries"] == predicted["queries"]
        assert made["changed"] is predicted["changed"] is True
        again = self.call()
        return "" if again["in_sync"] else str(again["msg"])


@pytest.mark.parametrize("group", range(GROUPS))
def test_mutations(base: Server, cache: Path, group: int) -> None:
    """Several at once; those that hide each other, and groups that cannot be mended as one, are tried one by one."""
    trial = Trial(base, cache)
    chosen = MUTATIONS[group::GROUPS]
    done = trial.make(chosen)
    found, named = trial.named(done)
    alone = [mutation for mutation in chosen if mutation not in named]
    if trial.mended(found):
        alone = chosen
    for mutation in alone:
        trial.make([mutation])
        found, named = trial.named([mutation])
        assert named, f"{mutation.name} is not detected: {found['msg']}"
        assert trial.mended(found) == "", mutation.name


def test_every_mutation_changes_the_mark(base: Server) -> None:
    """While the mark is the same nothing is compared, so nothing that is compared may leave it as it is."""
    Trial(base, Path()).make([])
    with closing(base.connect(DATABASE)) as connection:
        connection.autocommit = True
        session, unseen = Session(connection, DATABASE), []
        for mutation in MUTATIONS:
            before = read_mark(session)
            assert before == read_mark(session)
            session.execute("BEGIN")
            session.execute(mutation.sql.replace("{db}", DATABASE))
            if read_mark(session) == before:
                unseen.append(mutation.name)
            session.execute("ROLLBACK")
        assert unseen == []
