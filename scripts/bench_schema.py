"""Time postgres_schema against the packages migra and results, and against one task per object.

All compare databases that are equal, in turn on one server. Its own side is the module as Ansible calls it, in one process;
theirs is their comparison without their start. One task per object is community.postgresql.postgresql_query, timed over
some objects and multiplied.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from tests.integration.modules.conftest import Server, running_server  # noqa: E402
from tests.integration.modules.schema_judge import Database  # noqa: E402

IMAGE = "ai-micro-postgres-test:pgvector-15"
PEERS = ROOT / ".cache" / "bench-peers"
PACKAGES = ("migra==3.0.1663481299", "results==2.0.1789346060", "psycopg2-binary==2.9.13", "setuptools==79.0.1")
TABLES = 500
# table, primary key and its index, sequence, unique constraint and its index, check, reference, three indexes, comment
OBJECTS_PER_TABLE = 12
TASKS = 20
ADMINDB_SECONDS = 0.3
TARGETS = {"migra": 5.0, "results": 30.0, "tasks": 20.0}

Timing = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """A schema to compare, and how many objects it has."""

    name: str
    definition: str
    objects: int


def large() -> str:
    """Write a schema of 500 tables and 6,000 objects."""
    return "\n".join(
        f"""CREATE TABLE t{n} (id bigserial PRIMARY KEY, code varchar(40) NOT NULL UNIQUE, name text DEFAULT 'x', size int CHECK (size > 0),
        parent bigint REFERENCES t{max(n - 1, 0)}, state varchar NOT NULL DEFAULT 'new', made timestamptz DEFAULT now());
        CREATE INDEX t{n}_name ON t{n} (lower(name)); CREATE INDEX t{n}_state ON t{n} (state) WHERE state <> 'done';
        CREATE INDEX t{n}_made ON t{n} (made DESC, size); COMMENT ON TABLE t{n} IS 'table {n}';"""
        for n in range(TABLES)
    )


def cases() -> list[Case]:
    """Give the collection's largest database, and one that is larger than most."""
    admindb = (ROOT / "files" / "schema" / "admindb.sql").read_text(encoding="utf-8")
    return [Case("admindb", admindb, 60), Case(f"{TABLES} tables", large(), TABLES * OBJECTS_PER_TABLE)]


def peers() -> Path:
    """Give the interpreter of an environment that holds the packages to compare with."""
    python = PEERS / "bin" / "python"
    mark = PEERS / "packages.json"
    if not mark.exists() or json.loads(mark.read_text(encoding="utf-8")) != list(PACKAGES):
        shutil.rmtree(PEERS, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        mark.write_text(json.dumps(PACKAGES), encoding="utf-8")
    return python


def url(server: Server, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={server.socket}&port={server.port}"


def peer(server: Server, name: str) -> float:
    """Let a package compare the two databases."""
    command = [
        str(peers()),
        str(ROOT / "scripts" / "bench_peer.py"),
        name,
        *(url(server, db) for db in ("one", "other", "empty")),
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def verify(database: Database, definition: str, forget: bool) -> float:
    """Let the module compare, with what it remembers of the definition or without."""
    if forget:
        shutil.rmtree(database.cache, ignore_errors=True)
    begun = time.perf_counter()
    found = database.call(definition, state="verified")
    seconds = time.perf_counter() - begun
    assert found["in_sync"], found
    return seconds


def reread(server: Server, database: Database, definition: str) -> float:
    """Let the module compare after a catalog was written to, so that it has to read the whole live side again."""
    server.sql("UPDATE pg_namespace SET nspname = nspname WHERE nspname = 'public'", db=database.name)
    return verify(database, definition, forget=False)


def load(server: Server, definition: str) -> float:
    """Load a database's schema, as whoever compares two databases has to do first; give the seconds."""
    server.sql("DROP DATABASE IF EXISTS loaded")
    begun = time.perf_counter()
    server.sql("CREATE DATABASE loaded")
    server.sql(definition, db="loaded")
    return time.perf_counter() - begun


def playbook(server: Server, directory: Path, task: str) -> float:
    """Run a playbook of one task against the server, and give its seconds."""
    path = directory / "bench.yml"
    path.write_text(
        "---\n- name: Compare\n  hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n" + task,
        encoding="utf-8",
    )
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(path)]
    variables = {"ansible_python_interpreter": sys.executable, "socket": server.socket, "port": server.port}
    begun = time.perf_counter()
    subprocess.run([*command, "-e", json.dumps(variables)], cwd=ROOT, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun


def task_each(server: Server, directory: Path) -> float:
    """Give the seconds that one task of community.postgresql takes for one object, the playbook's own time taken off."""
    nothing = "    - name: Do nothing\n      ansible.builtin.meta: noop\n"
    looking = (
        "    - name: Look at one object\n      community.postgresql.postgresql_query:\n"
        '        login_unix_socket: "{{ socket }}"\n        login_port: "{{ port }}"\n        login_db: one\n'
        "        query: SELECT relname, relkind, reloptions FROM pg_class ORDER BY oid DESC LIMIT 1\n"
        f'      loop: "{{{{ range({TASKS}) | list }}}}"\n'
    )
    return (playbook(server, directory, looking) - playbook(server, directory, nothing)) / TASKS


@contextlib.contextmanager
def databases(server: Server, case: Case) -> Iterator[Database]:
    """Yield the module on a database that has the schema, with a second one like it and an empty one."""
    for name in ("one", "other", "empty"):
        server.sql(f"CREATE DATABASE {name}")
        if name != "empty":
            server.sql(case.definition, db=name)
    with tempfile.TemporaryDirectory(prefix="amt-cache-") as cache:
        made = Database(server, "one", f"{cache}/kept")
        try:
            yield made
        finally:
            made.connection.close()
            for name in ("one", "other", "empty", "loaded"):
                server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def measure(server: Server, case: Case, runs: int, directory: Path) -> bool:
    """Time all of them in turn, print medians and ratios, and give whether the targets hold."""
    with databases(server, case) as made:
        ways: dict[str, Timing] = {
            "first": lambda: verify(made, case.definition, forget=True),
            "repeated": lambda: verify(made, case.definition, forget=False),
            "reread": lambda: reread(server, made, case.definition),
            "migra": lambda: peer(server, "migra"),
            "results": lambda: peer(server, "results"),
            "load": lambda: load(server, case.definition),
            "tasks": lambda: task_each(server, directory) * case.objects,
        }
        peers()
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(runs):
            for way, timing in ways.items():
                seconds[way].append(timing())
    print(f"schema: {case.name}, about {case.objects} objects, {runs} runs")
    medians = {way: statistics.median(each) for way, each in seconds.items()}
    for way, each in seconds.items():
        print(f"  {way:<10} median {medians[way]:8.3f} s   ({', '.join(f'{one:.3f}' for one in each)})", flush=True)
    held = list(judged(case, medians))
    return all(held)


def judged(case: Case, medians: dict[str, float]) -> Iterator[bool]:
    """Print each target with what was reached."""
    for way, factor in TARGETS.items():
        ratio = medians[way] / medians["repeated"]
        if way == "tasks" or case.name != "admindb":
            yield verdict(
                f"repeated verify is {ratio:.1f} × as fast as {way} (target: {factor:.0f} ×)", ratio >= factor
            )
        else:
            print(f"          repeated verify is {ratio:.1f} × as fast as {way}")
    whole = medians["migra"] + medians["load"]
    yield verdict(
        f"first verify {medians['first']:.2f} s, migra with its second database {whole:.2f} s",
        medians["first"] <= whole,
    )
    if case.name == "admindb":
        reached = medians["repeated"]
        yield verdict(f"repeated verify {reached:.2f} s (target: {ADMINDB_SECONDS} s)", reached <= ADMINDB_SECONDS)


def verdict(text: str, held: bool) -> bool:
    """Print whether a target holds."""
    print(f"  {'holds ' if held else 'MISSED'}  {text}", flush=True)
    return held


def measure_schema(runs: int) -> bool:
    """Measure every case on one server."""
    os.environ.setdefault("AI_MICRO_TEST_IMAGE", IMAGE)
    with running_server() as server, tempfile.TemporaryDirectory(prefix="amh-bench-") as directory:
        held = [measure(server, case, runs, Path(directory)) for case in cases()]
    return all(held)
