"""Databases with a collection in order, one defect at a time, and the module called without a process of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    module_options,
    read_declaration,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_run import run
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec
from psycopg2 import sql

from .conftest import ROOT, Server

DIMENSIONS = 8
ROWS = 2000
MEMBER = "(SELECT uuid FROM langchain_pg_collection WHERE name = 'admin_documents')"
DECLARED: dict[str, Any] = {
    "name": "admin_documents",
    "model": "nomic-embed-text",
    "dimensions": DIMENSIONS,
    "recall": {"sample": 20},
}
# The version that Debian packages is flawed, whatever the database holds.
FLAWED = "extension_flaw"


class Failed(Exception):
    """The module ended with fail_json."""


class Module:
    """What Ansible gives to a module's code: validated parameters, an end, a log."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.lines: list[str] = []

    def fail_json(self, msg: str, **_kwargs: Any) -> Any:
        raise Failed(msg)

    def log(self, msg: str) -> None:
        self.lines.append(msg)


@dataclass
class Collection:
    """A database with one collection, and the module on it."""

    server: Server
    db: str
    declared: dict[str, Any] = field(default_factory=lambda: dict(DECLARED))
    lines: list[str] = field(default_factory=list)  # that the last call wrote to the target's log

    def sql(self, statement: Any, *params: Any) -> list[tuple[Any, ...]]:
        return self.server.sql(statement, *params, db=self.db)

    def call(self, state: str = "verified", check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run the module's code in this process, with its own validation of options."""
        given = {
            "login_unix_socket": self.server.socket,
            "login_port": self.server.port,
            "login_db": self.db,
            "state": state,
            **self.declared,
            **arguments,
        }
        checked = ArgumentSpecValidator({**argument_spec(login_db=True), **module_options()}).validate(given)
        assert not checked.error_messages, checked.error_messages
        params = checked.validated_parameters
        module = Module(params)
        self.lines = module.lines
        return run(module, read_declaration(params), state, writing=state != "verified" and not check)

    def drop(self) -> None:
        self.server.sql(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.db)))


def found(result: dict[str, Any]) -> dict[str, str]:
    """Checks with their levels, the flaw of the image's pgvector left out."""
    return {finding["check"]: finding["level"] for finding in result["findings"] if finding["check"] != FLAWED}


def vectors(count: int, dimensions: int, seed: int) -> list[str]:
    """Vectors in clusters, as text has them, as PostgreSQL reads them."""
    chance = random.Random(seed)  # noqa: S311
    centres = [[chance.gauss(0, 1) for _ in range(dimensions)] for _ in range(20)]
    return [
        "[" + ",".join(f"{value + chance.gauss(0, 0.4):.5f}" for value in chance.choice(centres)) + "]"
        for _ in range(count)
    ]


def make_template(server: Server, name: str) -> None:
    """A database at the collection's schema with a collection in order, to be copied."""
    schema = (ROOT / "files/schema/admindb.sql").read_text(encoding="utf-8")
    server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    server.sql(f"CREATE DATABASE {name}")
    server.sql(schema.replace("vector(768)", f"vector({DIMENSIONS})").replace(": 768", f": {DIMENSIONS}"), db=name)
    server.sql(
        "INSERT INTO langchain_pg_embedding (id, collection_id, embedding, document, custom_id) "
        f"SELECT n::text, {MEMBER}, v::vector, 'text ' || n, n::text FROM unnest(%s::text[]) WITH ORDINALITY u(v, n)",
        vectors(ROWS, DIMENSIONS, 1),
        db=name,
    )
    server.sql(
        "CREATE INDEX embedding_hnsw ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)", db=name
    )
    server.sql("VACUUM ANALYZE langchain_pg_embedding", db=name)
    server.sql("VACUUM ANALYZE langchain_pg_collection", db=name)


@contextmanager
def template_database(server: Server, name: str, *statements: str) -> Iterator[str]:
    """The database of make_template for the tests of a module, changed by statements."""
    make_template(server, name)
    for statement in statements:
        server.sql(statement, db=name)
    yield name
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def copied(server: Server, template: str, name: str) -> Iterator[Collection]:
    """A copy of the template for one test."""
    made = Collection(server, name)
    made.drop()
    server.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield made
    made.drop()
