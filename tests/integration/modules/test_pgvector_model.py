"""A collection comes to another embedding model while it is searched: each step, each refusal, each interruption."""

from __future__ import annotations

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
from ansible_collections.ai_micro.postgres.plugins.module_utils import _model_change_run
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import ChangeError
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change_run import model_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec

from .collections import DIMENSIONS, ROWS, Collection, Failed, Module, found, make_template, vectors
from .conftest import ROOT, Server

TEMPLATE = "model_template"
WIDER = 12
MODEL = {"name": "admin_documents", "model": "mxbai-embed-large", "dimensions": WIDER}
SEARCH = f"SELECT id FROM langchain_pg_embedding ORDER BY embedding <=> array_fill(0.5, ARRAY[{DIMENSIONS}])::vector LIMIT 10"
NAME = "langchain_pg_embedding_embedding"
# Embeds by the library that the module runs with: so many rows of each call as the last argument says.
COMMAND = """
import os, sys
import psycopg2
made = psycopg2.connect("")
made.autocommit = True
column, size = os.environ["EMBEDDING_COLUMN"], int(os.environ["EMBEDDING_DIMENSIONS"])
made.cursor().execute(
    f"UPDATE {os.environ['EMBEDDING_TABLE']} SET {column} = (SELECT array_agg((embedding::real[])[g %% 8 + 1] "
    f"+ 0.1 * sin(id::int * g)) FROM generate_series(1, %s) g)::vector WHERE {column} IS NULL AND id::int <= %s",
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
        (row,) = self.sql("SELECT cmetadata->>'model', cmetadata->>'dimensions' FROM langchain_pg_collection")
        return row

    def columns(self) -> dict[str, str]:
        return dict(
            self.sql(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = 'langchain_pg_embedding'::regclass AND attname ~ '^embedding' AND NOT attisdropped"
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
    assert change.to(**wanted)["stage"] == "unchanged"
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
    assert dropped["stage"] == "done"
    assert change.columns() == {"embedding": f"vector({size})"}
    assert not change.to("dropped", drop="embedding_previous", **wanted)["changed"]
    assert change.sql("SELECT count(*) FROM pg_proc WHERE pronamespace = 'ai_micro'::regnamespace") == [(0,)]
    assert change.sql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]


def test_searches_and_writes_go_on_throughout(change: Change) -> None:
    """A client that searches and writes without pause gets its ten rows each time, and waits for no step long."""
    stop = threading.Event()
    problems: list[str] = []
    waits: list[float] = []

    def client() -> None:
        connection = change.server.connect(change.db)
        with connection.cursor() as cursor:
            while not stop.is_set():
                begun = time.monotonic()
                try:
                    cursor.execute(SEARCH)
                    rows = len(cursor.fetchall())
                    cursor.execute("UPDATE langchain_pg_embedding SET chunk_index = chunk_index + 1 WHERE id = '5'")
                except psycopg2.errors.DataException as error:
                    # After the switch, a service that asks with the old model is told so.
                    if "different vector dimensions" not in str(error) or change.model()[0] != MODEL["model"]:
                        problems.append(str(error))
                    return
                waits.append(time.monotonic() - begun)
                if rows != 10:
                    problems.append(f"{rows} rows")
        connection.close()

    thread = threading.Thread(target=client)
    thread.start()
    change.all_the_way()
    thread.join(timeout=30)
    stop.set()
    assert not thread.is_alive(), "nobody told the client that its model is the old one"
    assert problems == []
    assert len(waits) > 20
    assert max(waits) < 3


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
            (f"document = 'x', embedding_next = array_fill(3, ARRAY[{WIDER}])::vector", 0),
        ),
        start=1,
    ):
        change.sql(f"UPDATE langchain_pg_embedding SET {assignment} WHERE id = '{row}'")
        seen = change.to()
        assert seen["remaining"] == left, assignment
        change.to("filled", command=change.command())
    assert change.sql("SELECT document FROM langchain_pg_embedding WHERE id = '1'") == [("another text",)]
    assert change.sql(f"SELECT embedding = {fresh} FROM langchain_pg_embedding WHERE id = '2'") == [(True,)]


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
    # The service goes on writing with the old model.
    change.sql(
        f"INSERT INTO langchain_pg_embedding (id, embedding) VALUES ('9999', array_fill(1, ARRAY[{DIMENSIONS}])::vector)"
    )
    with pytest.raises(Failed, match=f"1 of {ROWS + 1} rows"):
        change.to("switched")
    assert change.columns() == {"embedding": f"vector({DIMENSIONS})", "embedding_next": f"vector({WIDER})"}


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
    with pytest.raises(Failed, match=f"1 of {ROWS + 1} rows"):
        change.to("switched")
    assert change.columns() == {"embedding": f"vector({DIMENSIONS})", "embedding_next": f"vector({WIDER})"}
    assert change.model() == ("nomic-embed-text", str(DIMENSIONS))


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
    monkeypatch.setattr(_model_change_run, "PROGRESS_EVERY", 0.1)
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
    following = quoted[:-1] + '_next"'
    change.server.sql(
        f"UPDATE {table} SET {following} = (SELECT array_agg(sin(id * g)) FROM generate_series(1, {WIDER}) g)::vector::halfvec",
        db=change.db,
    )
    assert change.to("filled", type="halfvec", **arguments)["stage"] == "filled"
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
