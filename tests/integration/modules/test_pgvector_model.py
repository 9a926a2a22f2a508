"""A collection comes to another embedding model while it is searched: each step, each refusal, each interruption."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ai_micro.postgres.plugins.module_utils import _model_change_command, _model_change_run
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import ChangeError
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change_run import model_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, argument_spec

from .collections import DIMENSIONS, MEMBER, ROWS, Collection, Failed, Module, found, make_template, vectors
from .conftest import ROOT, Server

TEMPLATE = "model_template"
WIDER = 12
MODEL = {"name": "admin_documents", "model": "mxbai-embed-large", "dimensions": WIDER}
SEARCH = (
    f"SELECT id FROM langchain_pg_embedding WHERE collection_id = {MEMBER} "
    f"ORDER BY embedding <=> array_fill(0.5, ARRAY[{DIMENSIONS}])::vector LIMIT 10"
)
NAME = "langchain_pg_embedding_embedding"
# Embeds by the library that the module runs with: so many rows of each call as the last argument says.
COMMAND = """
import os, sys
import psycopg2
made = psycopg2.connect("")
made.autocommit = True
column, size = os.environ["EMBEDDING_COLUMN"], int(os.environ["EMBEDDING_DIMENSIONS"])
told = os.environ["EMBEDDING_TEXT_COLUMN"]
table, cursor = os.environ["EMBEDDING_TABLE"], made.cursor()
while cursor.rowcount:
    cursor.execute(
        f"UPDATE {table} SET {column} = (SELECT array_agg((embedding::real[])[g %% 8 + 1] + 0.1 * sin(id::int * g)) "
        f"FROM generate_series(1, %s) g)::vector, {told} = concat(document) WHERE {column} IS NULL AND id IN "
        f"(SELECT id FROM {table} WHERE {column} IS NULL AND embedding IS NOT NULL AND id::int <= %s LIMIT 500)",
        (size, int(sys.argv[1])),
    )
print("embedded with", os.environ["EMBEDDING_MODEL"])
sys.exit(int(sys.argv[2]))
"""


@dataclass
class Change(Collection):
    """The collection, and the module that changes its model."""

    def to(self, state: str = "verified", check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {
            "login_unix_socket": self.server.socket,
            "login_port": self.server.port,
            "login_db": self.db,
            "state": state,
            **MODEL,
            **arguments,
        }
        checked = ArgumentSpecValidator({**argument_spec(login_db=True), **model_options()}).validate(given)
        assert not checked.error_messages, checked.error_messages
        params = checked.validated_parameters
        return _model_change_run.run(Module(params), state, writing=state != "verified" and not check)

    def command(self, rows: int = ROWS, code: int = 0) -> list[str]:
        return [sys.executable, "-c", COMMAND, str(rows), str(code)]

    def index(self) -> dict[str, Any]:
        """What the playbook does between filling and switching."""
        return self.call("present", column="embedding_next", model=None, dimensions=None)

    def all_the_way(self) -> None:
        self.to("prepared")
        self.to("filled", command=self.command())
        self.index()
        self.to("switched")

    def model(self) -> tuple[Any, ...]:
        (row,) = self.sql(
            "SELECT cmetadata->>'model', cmetadata->>'dimensions' FROM langchain_pg_collection WHERE name = 'admin_documents'"
        )
        return row

    def columns(self) -> dict[str, str]:
        return dict(
            self.sql(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = 'langchain_pg_embedding'::regclass AND attname ~ '^embedding' AND NOT attisdropped AND atttypid <> 'text'::regtype"
            )
        )


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    make_template(server, TEMPLATE)
    # As pgvector_collection names it: the name follows the column.
    server.sql(f"ALTER INDEX embedding_hnsw RENAME TO {NAME}_cosine_hnsw_idx", db=TEMPLATE)
    yield TEMPLATE
    server.sql(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")


@pytest.fixture
def change(server: Server, template: str) -> Iterator[Change]:
    made = Change(server, "model_change")
    made.drop()
    server.sql(f"CREATE DATABASE model_change TEMPLATE {template}")
    yield made
    made.drop()


@pytest.mark.parametrize("of", ["other dimensions", "the same dimensions"])
def test_whole_change(change: Change, of: str) -> None:
    """Each step as it was predicted, none done twice, and the same rows under the same ids at its end."""
    size = WIDER if of == "other dimensions" else DIMENSIONS
    wanted: dict[str, Any] = {"dimensions": size}
    ids = change.sql("SELECT id, document FROM langchain_pg_embedding ORDER BY id")
    seen = change.to(**wanted)
    assert (seen["stage"], seen["refuses_old"]) == ("unchanged", size != DIMENSIONS)
    predicted = change.to("prepared", check=True, **wanted)
    done = change.to("prepared", **wanted)
    assert predicted["queries"] == done["queries"] != []
    assert done["stage"] == "filling"
    assert (done["rows"], done["filled"], done["remaining"]) == (ROWS, 0, ROWS)
    assert not change.to("prepared", **wanted)["changed"]

    filled = change.to("filled", command=change.command(), **wanted)
    assert filled["changed"]
    assert (filled["stage"], filled["share"]) == ("filled", 1.0)
    assert not change.to("filled", command=["false"], **wanted)["changed"]
    assert change.model() == ("nomic-embed-text", str(DIMENSIONS))

    indexed = change.index()
    assert found(indexed) == {}
    assert indexed["stats"]["recall_at_k"] >= 0.95
    predicted = change.to("switched", check=True, **wanted)
    done = change.to("switched", **wanted)
    assert predicted["queries"] == done["queries"] != []
    assert (done["stage"], done["previous_column"]) == ("switched", "embedding_previous")
    assert done["refuses_old"] == (size != DIMENSIONS)
    for state in ("prepared", "filled", "switched"):
        assert not change.to(state, command=["false"], **wanted)["changed"]

    assert change.columns() == {"embedding": f"vector({size})", "embedding_previous": f"vector({DIMENSIONS})"}
    assert change.model() == (MODEL["model"], str(size))
    assert change.sql("SELECT id, document FROM langchain_pg_embedding ORDER BY id") == ids
    names = change.sql("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%%USING hnsw%%' ORDER BY 1")
    assert names == [(f"{NAME}_cosine_hnsw_idx",), (f"{NAME}_previous_cosine_hnsw_idx",)]
    assert found(change.call(model=MODEL["model"], dimensions=size)) == {}
    assert not change.call("present", model=MODEL["model"], dimensions=size)["changed"]

    dropped = change.to("dropped", drop="embedding_previous", **wanted)
    assert (dropped["stage"], dropped["refuses_old"]) == ("done", None)
    assert change.columns() == {"embedding": f"vector({size})"}
    assert not change.to("dropped", drop="embedding_previous", **wanted)["changed"]
    assert change.sql("SELECT count(*) FROM pg_proc WHERE pronamespace = 'ai_micro'::regnamespace") == [(0,)]
    assert change.sql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]
    refused = contextlib.nullcontext() if size == DIMENSIONS else pytest.raises(psycopg2.errors.DataException)
    with refused:
        change.sql(
            f"INSERT INTO langchain_pg_embedding (embedding) VALUES (array_fill(1, ARRAY[{DIMENSIONS}])::vector)"
        )


@pytest.mark.parametrize("size", [WIDER, DIMENSIONS])
def test_collection_is_in_order_while_its_model_changes(change: Change, size: int) -> None:
    """As declared it is only after the switch; until then the old column serves, and only what harms its searches is a fault."""
    coming: dict[str, Any] = {"model": MODEL["model"], "dimensions": size}
    assert found(change.call(**coming))["model"] == "error"
    change.to("prepared", **coming)
    with pytest.raises(Failed, match="have no vector"):
        change.to("filled", command=change.command(300), **coming)
    amid = change.call("present", **coming)
    assert (found(amid), amid["queries"]) == ({"model_change": "info"}, [])
    (told,) = [finding["message"] for finding in amid["findings"] if finding["check"] == "model_change"]
    assert told == (
        f"The collection is on its way to the model {MODEL['model']}: 300 of {ROWS} rows have a vector of it in embedding_next, "
        "and searches use embedding until the switch."
    )
    assert amid["stats"]["planner_uses_index"]
    assert amid["stats"]["recall_at_k"] >= 0.95
    # Another model than the one that is on its way, and no index for the searches of this moment.
    assert found(change.call(**{**coming, "model": "bge-m3"}))["model"] == "error"
    change.sql(f"DROP INDEX {NAME}_cosine_hnsw_idx")
    assert found(change.call(**coming)) == {"model_change": "info", "index": "error"}
    assert found(change.call("present", **coming)) == {"model_change": "info"}
    assert change.model() == ("nomic-embed-text", str(DIMENSIONS))


def test_searches_and_writes_go_on_throughout(change: Change) -> None:
    """Clients that search their collection and write without pause, while a long transaction is in the way of the switch: each
    search gives its ten rows, and nothing waits for longer than one try for the lock."""
    change.sql(f"DROP INDEX {NAME}_cosine_hnsw_idx")
    change.sql(
        "INSERT INTO langchain_pg_embedding (id, collection_id, embedding, document) "
        f"SELECT (id::int + {ROWS} * g)::text, collection_id, embedding, document FROM langchain_pg_embedding, generate_series(1, 2) g"
    )
    change.sql(
        f"CREATE INDEX {NAME}_cosine_hnsw_idx ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)"
    )
    problems: list[str] = []
    waits: list[float] = []
    update = "UPDATE langchain_pg_embedding SET chunk_index = chunk_index + 1 WHERE id = '5'"
    insert = (
        "INSERT INTO langchain_pg_embedding (id, collection_id, document, embedding) SELECT 100000 + count(*), "
        f"{MEMBER}, 'new', array_fill(1, ARRAY[{DIMENSIONS}])::vector FROM langchain_pg_embedding"
    )

    def client(statements: tuple[str, ...], pause: float) -> None:
        connection = change.server.connect(change.db)
        try:
            with connection.cursor() as cursor:
                while True:
                    for statement in statements:
                        begun = time.monotonic()
                        cursor.execute(statement)
                        waits.append(time.monotonic() - begun)
                        if statement == SEARCH and cursor.rowcount != 10:
                            problems.append(f"{cursor.rowcount} rows")
                    time.sleep(pause)
        except psycopg2.errors.DataException as error:
            # After the switch, a service that asks or writes with the old model is told so.
            if "dimensions" not in str(error) or change.model()[0] != MODEL["model"]:
                problems.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=each) for each in (((SEARCH, update), 0), ((insert,), 0.3))]
    for thread in threads:
        thread.start()
    command = change.command(10**6)
    change.to("prepared")
    change.to("filled", command=command)
    change.index()
    blocker = change.server.connect(change.db)
    blocker.autocommit = False
    with blocker.cursor() as cursor:
        cursor.execute("SELECT id FROM langchain_pg_embedding LIMIT 1")
    threading.Timer(2, blocker.close).start()
    change.to("switched", command=command)
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads), "nobody told a client that its model is the old one"
    assert problems == []
    assert len(waits) > 100
    assert max(waits) < 1.5
    assert change.sql("SELECT count(*) - count(embedding), count(*) > %s FROM langchain_pg_embedding", 3 * ROWS) == [
        (0, True)
    ]


def test_vectors_of_the_other_model_are_refused_loudly(change: Change) -> None:
    def insert(column: str, size: int) -> None:
        change.sql(f"INSERT INTO langchain_pg_embedding ({column}) VALUES (array_fill(1, ARRAY[{size}])::vector)")

    change.to("prepared")
    for column, wrong in (("embedding", WIDER), ("embedding_next", DIMENSIONS)):
        with pytest.raises(psycopg2.errors.DataException, match=r"expected (8|12) dimensions, not (8|12)"):
            insert(column, wrong)
    change.to("filled", command=change.command())
    change.index()
    change.to("switched")
    with pytest.raises(psycopg2.errors.DataException, match="expected 12 dimensions, not 8"):
        insert("embedding", DIMENSIONS)
    insert("embedding", WIDER)


def test_row_that_changes_meanwhile_is_filled_again(change: Change) -> None:
    """Another text or another old vector empties the new one; anything else, and the new vector itself, does not."""
    change.to("prepared")
    change.to("filled", command=change.command())
    fresh = f"array_fill(2, ARRAY[{DIMENSIONS}])::vector"
    for row, (assignment, left) in enumerate(
        (
            ("document = 'another text'", 1),
            (f"embedding = {fresh}", 1),
            ("embedding = NULL", 0),
            ("chunk_index = 3", 0),
            ("document = document, embedding = embedding", 0),
            (f"document = 'x', embedding_next = array_fill(3, ARRAY[{WIDER}])::vector, embedding_next_of = 'x'", 0),
        ),
        start=1,
    ):
        change.sql(f"UPDATE langchain_pg_embedding SET {assignment} WHERE id = '{row}'")
        seen = change.to()
        assert seen["remaining"] == left, assignment
        change.to("filled", command=change.command())
    assert change.sql("SELECT document FROM langchain_pg_embedding WHERE id = '1'") == [("another text",)]
    assert change.sql(f"SELECT embedding = {fresh} FROM langchain_pg_embedding WHERE id = '2'") == [(True,)]


def test_vector_of_a_text_that_changed_before_it_was_written_is_not_taken(change: Change) -> None:
    """Who fills says which text it embedded; who does not is told so, and no vector of an old text is ever counted."""

    def write(told: str) -> None:
        change.sql(
            f"UPDATE langchain_pg_embedding SET embedding_next = array_fill(2, ARRAY[{WIDER}])::vector{told} WHERE id = '1'"
        )

    change.to("prepared")
    ((read,),) = change.sql("SELECT document FROM langchain_pg_embedding WHERE id = '1'")
    change.sql("UPDATE langchain_pg_embedding SET document = 'corrected' WHERE id = '1'")
    for text in (read, ""):
        write(f", embedding_next_of = '{text}'")
        assert change.to()["filled"] == 0
    with pytest.raises(psycopg2.errors.CheckViolation, match=r"embedding_next of .* is set without embedding_next_of"):
        write("")
    write(", embedding_next_of = 'corrected'")
    assert change.to()["filled"] == 1
    change.sql("UPDATE langchain_pg_embedding SET document = NULL WHERE id = '1'")
    assert change.to()["filled"] == 0
    write(", embedding_next_of = ''")
    assert change.to()["filled"] == 1
    assert change.sql("SELECT count(embedding_next_of) FROM langchain_pg_embedding") == [(0,)]


def test_service_that_writes_both_vectors_may_insert_and_upsert_them(change: Change) -> None:
    """A new row comes with its text, so nothing is compared; what is there under its id is, and keeps no text twice."""
    change.to("prepared")
    upsert = (
        "INSERT INTO langchain_pg_embedding (id, collection_id, document, embedding, embedding_next, embedding_next_of) "
        f"VALUES (%s, {MEMBER}, %s, array_fill(1, ARRAY[{DIMENSIONS}])::vector, array_fill(1, ARRAY[{WIDER}])::vector, %s) "
        "ON CONFLICT (id) DO UPDATE SET document = EXCLUDED.document, embedding = EXCLUDED.embedding, "
        "embedding_next = EXCLUDED.embedding_next, embedding_next_of = EXCLUDED.embedding_next_of"
    )
    kept = "SELECT count(embedding_next), count(embedding_next_of) FROM langchain_pg_embedding"
    for row, text, told, left in (
        ("new", "a text", "a text", (1, 1)),
        ("new", "another", "another", (1, 0)),
        ("1", "a text", "a text", (2, 0)),
        ("1", "another", "a text", (1, 0)),
    ):
        change.sql(upsert, row, text, told)
        assert change.sql(kept) == [left], (row, text, told)
    assert (
        "compared where a row is updated"
        in change.sql(
            "SELECT col_description('langchain_pg_embedding'::regclass, attnum) FROM pg_attribute "
            "WHERE attrelid = 'langchain_pg_embedding'::regclass AND attname = 'embedding_next_of'"
        )[0][0]
    )


def test_switch_refuses_what_would_harm_searches(change: Change) -> None:
    with pytest.raises(Failed, match="no column embedding_next to switch to: prepare it first"):
        change.to("switched")
    with pytest.raises(Failed, match="no column for mxbai-embed-large to fill: prepare it first"):
        change.to("filled", command=change.command())
    change.to("prepared")
    with pytest.raises(Failed, match=f"{ROWS} of {ROWS} rows of .* have no vector of mxbai-embed-large yet"):
        change.to("switched")
    change.to("filled", command=change.command())
    with pytest.raises(Failed, match="no valid index for cosine, as embedding has"):
        change.to("switched")
    change.index()
    change.sql("ALTER TABLE langchain_pg_embedding DISABLE TRIGGER embedding_change")
    with pytest.raises(Failed, match=r"triggers embedding_change.* are missing or disabled"):
        change.to("switched")
    change.sql("ALTER TABLE langchain_pg_embedding ENABLE TRIGGER embedding_change")
    # The service goes on writing with the old model.
    change.sql(
        f"INSERT INTO langchain_pg_embedding (id, embedding) VALUES ('9999', array_fill(1, ARRAY[{DIMENSIONS}])::vector)"
    )
    with pytest.raises(Failed, match=f"1 of {ROWS + 1} rows"):
        change.to("switched")
    assert change.columns() == {"embedding": f"vector({DIMENSIONS})", "embedding_next": f"vector({WIDER})"}


def test_rows_that_come_before_the_switch_are_filled_by_the_command(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that writes on and on with the old model, as it does while the index is built, does not put the switch off."""
    change.to("prepared")
    change.to("filled", command=change.command())
    change.index()
    execute, numbers = _model_change_run.execute, iter(range(ROWS + 1, ROWS + 4))

    def insert() -> None:
        change.sql(
            f"INSERT INTO langchain_pg_embedding (id, embedding) VALUES ('{next(numbers)}', array_fill(1, ARRAY[{DIMENSIONS}])::vector)"
        )

    def late(*arguments: Any, **named: Any) -> None:
        with contextlib.suppress(StopIteration):
            insert()
        execute(*arguments, **named)

    insert()
    monkeypatch.setattr(_model_change_run, "execute", late)
    assert change.to("switched", command=change.command(2 * ROWS))["stage"] == "switched"
    assert change.sql("SELECT count(*), count(embedding) FROM langchain_pg_embedding") == [(ROWS + 3, ROWS + 3)]


def test_command_that_cannot_keep_up_ends_the_filling_all_the_same(change: Change) -> None:
    """What it was started for is done; what came meanwhile is for the runs before the switch."""
    change.to("prepared")
    late = f"INSERT INTO langchain_pg_embedding (id, embedding) VALUES ('9999', array_fill(1, ARRAY[{DIMENSIONS}])::vector)"
    run = f"import psycopg2; made = psycopg2.connect(''); made.cursor().execute({late!r}); made.commit()"
    filled = change.to(
        "filled", command=["sh", "-c", '"$@" && "$1" -c "$0"', run, sys.executable, *change.command()[1:]]
    )
    assert (filled["stage"], filled["remaining"]) == ("filling", 1)


def test_row_that_comes_between_count_and_lock_stops_the_switch(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted is counted again under the lock; nothing of the switch is left."""
    change.to("prepared")
    change.to("filled", command=change.command())
    change.index()
    execute = _model_change_run.execute

    def late(*arguments: Any, **named: Any) -> None:
        change.sql(
            f"INSERT INTO langchain_pg_embedding (embedding) VALUES (array_fill(1, ARRAY[{DIMENSIONS}])::vector)"
        )
        execute(*arguments, **named)

    monkeypatch.setattr(_model_change_run, "execute", late)
    with pytest.raises(Failed, match=f"1 of {ROWS} rows"):
        change.to("switched")
    assert change.columns() == {"embedding": f"vector({DIMENSIONS})", "embedding_next": f"vector({WIDER})"}
    assert change.model() == ("nomic-embed-text", str(DIMENSIONS))


@pytest.mark.parametrize(
    ("when", "statements", "said"),
    [
        (
            "before it looks",
            ("CREATE VIEW reader AS SELECT embedding FROM langchain_pg_embedding",),
            "public.reader reads column embedding",
        ),
        (
            "before it locks",
            (
                "INSERT INTO langchain_pg_collection (name, cmetadata) VALUES ('theirs', '{\"dimensions\": 8}')",
                "UPDATE langchain_pg_embedding SET collection_id = (SELECT uuid FROM langchain_pg_collection "
                "WHERE name = 'theirs') WHERE id = '1'",
            ),
            "holds rows of theirs in the same column",
        ),
    ],
    ids=["view", "collection"],
)
def test_who_else_came_to_use_the_column_stops_the_switch(
    change: Change, monkeypatch: pytest.MonkeyPatch, when: str, statements: tuple[str, ...], said: str
) -> None:
    """A view, or the first row of another collection, that was not there when the change began."""
    change.to("prepared")
    change.to("filled", command=change.command())
    change.index()
    execute = _model_change_run.execute

    def late(*arguments: Any, **named: Any) -> None:
        come()
        execute(*arguments, **named)

    def come() -> None:
        for statement in statements:
            change.sql(statement)

    if when == "before it locks":
        monkeypatch.setattr(_model_change_run, "execute", late)
    else:
        come()
    with pytest.raises(Failed, match=said):
        change.to("switched")
    assert change.model() == ("nomic-embed-text", str(DIMENSIONS))
    assert change.columns() == {"embedding": f"vector({DIMENSIONS})", "embedding_next": f"vector({WIDER})"}


def test_no_row_is_read_while_searches_wait(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to count what is not filled, nor for the column that must not be null; a run cut off in between goes on."""
    change.sql("ALTER TABLE langchain_pg_embedding ALTER embedding SET NOT NULL")
    change.to("prepared")
    change.to("filled", command=change.command())
    change.index()
    execute = Session.execute
    read: list[int] = []
    held: list[int] = []

    def watched(self: Session, statement: Any, params: Any = None) -> int:
        text = self.render(statement) if not isinstance(statement, str) else statement
        if text == "COMMIT":
            read.append(tuples(self))
            held.extend(
                row["n"]
                for row in self.query(
                    "SELECT count(*) AS n FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' "
                    "AND relation = 'public.langchain_pg_embedding'::regclass"
                )
            )
        if "VALIDATE" in text and cut:
            raise ChangeError(cut.pop())
        done = execute(self, statement, params)
        if text.startswith("LOCK TABLE"):
            read.append(tuples(self))
        return done

    def tuples(session: Session) -> int:
        (row,) = session.query(
            "SELECT coalesce(sum(seq_tup_read), 0)::int AS n FROM pg_stat_xact_user_tables "
            "WHERE relid = 'public.langchain_pg_embedding'::regclass"
        )
        return int(row["n"])

    cut = ["the controller went away"]
    monkeypatch.setattr(Session, "execute", watched)
    with pytest.raises(Failed, match="went away"):
        change.to("switched")
    assert change.to()["stage"] == "switched"
    with pytest.raises(psycopg2.errors.CheckViolation):
        change.sql("UPDATE langchain_pg_embedding SET embedding = NULL WHERE id = '1'")
    assert change.to("switched")["changed"]
    assert not change.to("switched")["changed"]
    assert held == [1, 1]
    assert read[::2] == read[1::2]
    left = change.sql(
        "SELECT attnotnull, (SELECT count(*) FROM pg_constraint WHERE conrelid = attrelid AND contype = 'c'), "
        "(SELECT count(*) FROM pg_indexes WHERE indexname ~ 'gaps') FROM pg_attribute "
        "WHERE attrelid = 'langchain_pg_embedding'::regclass AND attname = 'embedding'"
    )
    assert left == [(True, 0, 0)]


@pytest.mark.parametrize(
    ("statements", "arguments", "said"),
    [
        ((), {"name": "nobody"}, "There are 0 collections named nobody"),
        ((), {"table": "nothing"}, "There is no table nothing"),
        (("CREATE TABLE plain (id int)",), {"table": "plain"}, "no one column of type vector"),
        ((), {"column": "nothing"}, "no column nothing of type vector"),
        ((), {"table": "seen"}, "is no plain table"),
        ((), {"dimensions": 3000}, "takes up to 2000 dimensions, and .* has 3000: set type to halfvec"),
        ((), {"dimensions": 5000, "type": "halfvec"}, r"takes up to 4000 dimensions, and .* has 5000\."),
        (
            (
                "INSERT INTO langchain_pg_collection (name) VALUES ('theirs')",
                "UPDATE langchain_pg_embedding SET collection_id = (SELECT uuid FROM langchain_pg_collection "
                "WHERE name = 'theirs') WHERE id = '1'",
            ),
            {},
            "holds rows of theirs in the same column: declare the new model for them too",
        ),
        (
            ("ALTER TABLE langchain_pg_embedding ADD embedding_previous vector(3)",),
            {},
            "still holds embedding_previous",
        ),
        (("CREATE VIEW reader AS SELECT embedding FROM langchain_pg_embedding",), {}, "public.reader reads column"),
    ],
)
def test_start_is_refused_in_one_sentence(
    change: Change, statements: tuple[str, ...], arguments: dict[str, Any], said: str
) -> None:
    change.sql("CREATE VIEW seen AS SELECT id FROM langchain_pg_embedding")
    for statement in statements:
        change.sql(statement)
    with pytest.raises(Failed, match=said):
        change.to("prepared", **arguments)
    assert "embedding_next" not in change.columns()


def test_collections_of_one_table_come_together(change: Change) -> None:
    change.sql("INSERT INTO langchain_pg_collection (name, cmetadata) VALUES ('second', 'null')")
    change.sql(
        "UPDATE langchain_pg_embedding SET collection_id = (SELECT uuid FROM langchain_pg_collection WHERE name = 'second') "
        "WHERE id::int % 2 = 0"
    )
    both: dict[str, Any] = {"beside": ["second"]}
    change.to("prepared", **both)
    change.to("filled", command=change.command(), **both)
    change.index()
    change.to("switched", **both)
    said = change.sql("SELECT cmetadata->>'model', cmetadata->>'dimensions' FROM langchain_pg_collection")
    assert said == [(MODEL["model"], str(WIDER))] * 2


def test_metadata_of_a_type_of_ones_own(change: Change) -> None:
    """A domain in another schema, whose name says more than a name should."""
    domain = 'own."json; DROP TABLE langchain_pg_embedding --"'
    change.sql(f"CREATE SCHEMA own; CREATE DOMAIN {domain} AS jsonb")
    change.sql(f"ALTER TABLE langchain_pg_collection ALTER cmetadata TYPE {domain}")
    change.all_the_way()
    assert change.model() == (MODEL["model"], str(WIDER))


@pytest.fixture
def roles(change: Change) -> Iterator[None]:
    """Two roles, gone afterwards: they belong to the whole server."""
    change.sql("CREATE ROLE column_reader; CREATE ROLE column_late")
    yield
    change.sql("DROP OWNED BY column_reader, column_late; DROP ROLE column_reader, column_late")


@pytest.mark.usefixtures("roles")
def test_grants_and_storage_of_the_column_go_with_it(change: Change) -> None:
    """A service that may use the column alone fills the new one, and searches it after the switch; one that came late too."""
    change.sql("ALTER TABLE langchain_pg_embedding ALTER embedding SET STORAGE PLAIN")
    change.sql(
        "GRANT SELECT (id, document), SELECT (embedding), UPDATE (embedding) ON langchain_pg_embedding TO column_reader"
    )
    change.sql("GRANT SELECT (embedding) ON langchain_pg_embedding TO PUBLIC")
    change.to("prepared")
    change.server.sql(
        f"UPDATE langchain_pg_embedding SET embedding_next = array_fill(2, ARRAY[{WIDER}])::vector, embedding_next_of = document "
        "WHERE id = '1'",
        db=change.db,
        role="column_reader",
    )
    change.sql("GRANT SELECT (embedding) ON langchain_pg_embedding TO column_late WITH GRANT OPTION")
    about = "SELECT attstorage, attacl::text FROM pg_attribute WHERE attrelid = 'langchain_pg_embedding'::regclass AND attname = '{}'"
    before = change.sql(about.format("embedding"))
    change.to("filled", command=change.command())
    change.index()
    change.to("switched")
    ((storage, grants),) = change.sql(about.format("embedding"))
    assert storage == "p"
    assert sorted(grants.strip("{}").split(",")) == sorted(before[0][1].strip("{}").split(","))


def test_another_model_in_between_is_refused_until_the_first_is_given_up(change: Change) -> None:
    change.to("prepared")
    change.to("filled", command=change.command())
    for other in ({"model": "bge-m3"}, {"dimensions": WIDER + 1}):
        for state in ("prepared", "filled", "switched"):
            with pytest.raises(Failed, match=r"embedding_next .* is for the model mxbai-embed-large of 12 dimensions"):
                change.to(state, **other)
    with pytest.raises(Failed, match=r"only embedding_previous, .* or embedding_next, .* can be dropped"):
        change.to("dropped", drop="embedding")
    given_up = change.to("dropped", drop="embedding_next", model="bge-m3")
    assert given_up["stage"] == "unchanged"
    assert change.columns() == {"embedding": f"vector({DIMENSIONS})"}
    assert change.sql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]
    assert found(change.call("present")) == {}


def test_command_that_fails_or_stops_short_is_gone_on_with(change: Change) -> None:
    change.to("prepared")
    with pytest.raises(Failed, match=f"ended with 3 at 500 of {ROWS} rows .embedded with mxbai-embed-large.: mend it"):
        change.to("filled", command=change.command(500, 3))
    with pytest.raises(Failed, match=f"ended well, but {ROWS - 900} of {ROWS} rows have no vector"):
        change.to("filled", command=change.command(900))
    with pytest.raises(Failed, match="/nowhere/embed cannot be run"):
        change.to("filled", command=["/nowhere/embed"])
    half = change.to("filled")
    assert (half["stage"], half["filled"], half["changed"]) == ("filling", 900, False)
    assert change.to("filled", command=change.command())["stage"] == "filled"


def test_progress_is_logged_while_the_command_runs(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_model_change_command, "PROGRESS_EVERY", 0.1)
    lines: list[str] = []
    monkeypatch.setattr(Module, "log", lambda _self, line: lines.append(line))
    change.to("prepared")
    change.to("filled", command=["sh", "-c", 'sleep 1; exec "$@"', "sh", *change.command()])
    assert f"public.langchain_pg_embedding: 0 of {ROWS} rows have mxbai-embed-large" in lines
    assert lines[-1] == f"public.langchain_pg_embedding: {ROWS} of {ROWS} rows have mxbai-embed-large"


def test_second_run_does_not_join_the_first(change: Change) -> None:
    change.to("prepared")
    thread = threading.Thread(
        target=lambda: change.to("filled", command=["sh", "-c", 'sleep 2; exec "$@"', "sh", *change.command()])
    )
    thread.start()
    deadline = time.monotonic() + 10
    while not change.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(Failed, match="Another run changes the model"):
        change.to("filled", command=change.command())
    assert change.to()["stage"] == "filling"
    thread.join()
    assert change.to()["stage"] == "filled"


def test_command_ends_with_a_killed_run(change: Change, tmp_path: Path) -> None:
    """A run that gets no chance to clean up, as by kill -9, leaves nothing behind that the next run's command would meet."""
    change.to("prepared")
    script, arguments = ROOT / "plugins/modules/pgvector_model.py", tmp_path / "arguments.json"
    given = {
        "login_unix_socket": change.server.socket,
        "login_port": change.server.port,
        "login_db": change.db,
        "state": "filled",
        "command": ["sh", "-c", f"sleep 60 & echo $$ $! > {tmp_path}/made; mv {tmp_path}/made {tmp_path}/pids; wait"],
        **MODEL,
    }
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), str(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        stdout=subprocess.DEVNULL,
    ) as run:
        deadline = time.monotonic() + 20
        while not (tmp_path / "pids").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.kill()
    pids = [int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()]
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "the command goes on"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie that nobody has waited for."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("state", ["prepared", "filled", "switched"])
def test_killed_step_is_followed_by_another(change: Change, state: str) -> None:
    """The server ends the session in the middle of each step; the next run comes to the same end."""
    steps = ["prepared", "filled", "index", "switched"]
    for step in steps[: steps.index(state)]:
        change.index() if step == "index" else change.to(step, command=change.command())
    blocker = None
    if state != "filled":
        blocker = change.server.connect(change.db)
        blocker.autocommit = False
        with blocker.cursor() as cursor:
            cursor.execute("SELECT id FROM langchain_pg_embedding LIMIT 1")

    def kill() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.3)
            if change.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ai_micro.postgres' "
                "AND datname = current_database()"
            ):
                return

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises((Failed, ChangeError, psycopg2.Error)):
        change.to(state, command=["sleep", "3"])
    thread.join()
    if blocker:
        blocker.close()
    change.all_the_way()
    assert change.to()["stage"] == "switched"
    assert found(change.call(model=MODEL["model"], dimensions=WIDER)) == {}


def test_table_of_ones_own(change: Change) -> None:
    """No collection table, hostile names, a column that must not be null, an index whose name is too long to keep."""
    table, column = 'own."a % ""b"""', "the ve'c\"tor %"
    quoted = '"' + column.replace('"', '""') + '"'
    change.server.sql(
        f"CREATE SCHEMA own; CREATE TABLE {table} (id int, {quoted} vector({DIMENSIONS}) NOT NULL)", db=change.db
    )
    change.server.sql(
        f"INSERT INTO {table} SELECT n, v::vector FROM unnest(ARRAY{vectors(200, DIMENSIONS, 4)}) WITH ORDINALITY u(v, n)",
        db=change.db,
    )
    arguments: dict[str, Any] = {"name": "own", "table": table}
    change.call("present", model=None, **arguments)
    change.to("prepared", type="halfvec", **arguments)
    following, told = quoted[:-1] + '_next"', quoted[:-1] + '_next_of"'
    fill = f"UPDATE {table} SET {following} = (SELECT array_agg(sin(id * g)) FROM generate_series(1, {WIDER}) g)::vector::halfvec"
    # Without a column of texts, the old vector says which row was embedded.
    change.server.sql(f"{fill}, {told} = '[1,2,3]'", db=change.db)
    assert change.to(type="halfvec", **arguments)["filled"] == 0
    # A command writes the names as it is given them.
    fill = f"{fill}, {told} = {quoted}::text".replace(table, "$EMBEDDING_TABLE").replace(following, "$EMBEDDING_COLUMN")
    run = "import os, psycopg2, sys; made = psycopg2.connect(''); made.cursor().execute(os.path.expandvars(sys.argv[1])); made.commit()"
    command = [sys.executable, "-c", run, fill.replace(told, "$EMBEDDING_TEXT_COLUMN")]
    assert change.to("filled", command=command, type="halfvec", **arguments)["stage"] == "filled"
    change.call("present", **{**arguments, "model": None, "dimensions": None, "column": f"{column}_next"})
    done = change.to("switched", type="halfvec", **arguments)
    assert done["stage"] == "switched"
    kinds = change.server.sql(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
        "WHERE relnamespace = 'own'::regnamespace AND relkind = 'r' AND attname ~ '^the' ORDER BY 1",
        db=change.db,
    )
    assert kinds == [
        (column, f"halfvec({WIDER})", True),
        (f"{column}_previous", f"vector({DIMENSIONS})", False),
    ]
    assert found(change.call("verified", **{**arguments, "model": None, "dimensions": WIDER, "column": column})) == {}
    assert change.to("dropped", drop=f"{column}_previous", column=column, **arguments)["stage"] == "done"


def test_as_ansible_calls_it(change: Change) -> None:
    """The same keys from every state, by the module's own process, and its sentences without a traceback."""
    keys: set[str] = set()
    for state in ("verified", "prepared", "filled", "dropped"):
        for check in (True, False):
            arguments: dict[str, Any] = {"login_db": change.db, "state": state, "drop": "embedding_next", **MODEL}
            result = change.server.call("pgvector_model", check=check, **arguments)
            if check and state == "filled":
                continue
            assert not result.get("failed"), result
            keys = keys or set(result)
            assert set(result) == keys
    for name, value, said in (("dimensions", 0, "dimensions is 0: give a number"), ("model", "", "model is empty")):
        arguments = {"login_db": change.db, **MODEL, name: value}
        result = change.server.call("pgvector_model", **arguments)
        assert said in result["msg"]
        assert "Traceback" not in result["raw"]


def test_examples_of_the_documentation_run(change: Change) -> None:
    text = Path(ROOT / "plugins/modules/pgvector_model.py").read_text(encoding="utf-8")
    for task in yaml.safe_load(text.split('EXAMPLES = r"""')[1].split('"""')[0]):
        arguments = dict(task["ai_micro.postgres.pgvector_model"])
        arguments.pop("login_unix_socket")
        arguments["login_db"] = change.db
        assert "stage" in change.server.call("pgvector_model", **arguments)
