"""Backups and restores against `pg_dumpall | gzip` and `gunzip | psql` of the same data, and pgbench with and without archiving."""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "integration" / "site"))

from instance import Instance, PlaybookResult  # noqa: E402

from scripts.bench_pgbench import CLIENTS, IMAGE, MEMORY, SCALE, inside, rate, stock  # noqa: E402

INCREMENTAL_RATIO = 10.0
RESTORE_RATIO = 5.0
ARCHIVING_COST = 0.05
INSTANCE_MEMORY = "2g"
# What the server that psql fills takes over from ours, so that both have the same means.
ALIKE = (
    *("shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size", "wal_buffers", "max_wal_size"),
    *("checkpoint_timeout", "checkpoint_completion_target", "max_parallel_maintenance_workers", "wal_compression"),
)
# Shares of the size, by bytes for each row with its indexes: logs and texts, and vectors of which half is their HNSW index.
LOG_BYTES, DOCUMENT_BYTES, VECTOR_BYTES = 360, 830, 9300
# Texts are made of these many paragraphs of 25 words, more than what gzip looks back over.
PARAGRAPHS = 4000
TEXTS = """
CREATE TEMPORARY TABLE paragraph AS
SELECT n, (SELECT string_agg((ARRAY['the','user','request','failed','token','login','document','page','index','search','timeout','database','cache',
                                    'model','answer','query'])[1 + (random() * 15)::int], ' ') FROM generate_series(1, 25) WHERE n >= 0) AS words
FROM generate_series(0, {paragraphs} - 1) AS n;
ALTER TABLE paragraph ADD PRIMARY KEY (n);
ANALYZE paragraph;
"""
LOG_TEXT = "(SELECT words || ' ' || md5(i::text) FROM paragraph WHERE n = i::bigint * 7919 % {paragraphs})"
DOCUMENT_TEXT = """(SELECT string_agg(words, ' ') || ' ' || md5(i::text) FROM paragraph
                   WHERE n = ANY (ARRAY(SELECT (i::bigint * 7919 + k * 331) % {paragraphs} FROM generate_series(1, 12) AS k)))"""
FILL = {
    "authdb": """
INSERT INTO users (email, password_hash) SELECT 'user' || i || '@example.com', '$2b$12$' || md5(i::text) || md5((-i)::text)
FROM generate_series(1, {users}) AS i
""",
    "apidb": """
INSERT INTO profiles (user_id, name, address) SELECT uuid_generate_v4(), 'User ' || i, md5(i::text) FROM generate_series(1, {users}) AS i
""",
    "admindb": TEXTS
    + """
INSERT INTO system_logs (service_name, level, message, log_metadata)
SELECT 'ai-micro-api-' || (ARRAY['auth','user','admin'])[1 + i % 3], (ARRAY['INFO','WARNING','ERROR'])[1 + i % 3], {log_text},
       json_build_object('request', md5(i::text), 'ms', i % 900) FROM generate_series(1, {logs}) AS i;
INSERT INTO documents (filename, original_filename, file_path, mime_type, file_size, user_id, text_content)
SELECT i || '.pdf', i || '.pdf', '/data/' || i, 'application/pdf', i, uuid_generate_v4(), {document_text} FROM generate_series(1, {documents}) AS i;
INSERT INTO langchain_pg_embedding (collection_id, embedding, document, cmetadata)
SELECT (SELECT uuid FROM langchain_pg_collection LIMIT 1),
       (SELECT array_agg(random() - 0.5)::vector FROM generate_series(1, 768) WHERE i > 0), {log_text}, json_build_object('page', i)::jsonb
FROM generate_series(1, {vectors}) AS i
""",
}
VECTOR_INDEX = """
SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam AND am.amname = 'hnsw'
WHERE i.indrelid = 'langchain_pg_embedding'::regclass
"""
CHANGE = """
INSERT INTO system_logs (service_name, level, message) SELECT 'ai-micro-api-auth', 'INFO', md5(i::text) FROM generate_series(1, {rows}) AS i
"""


class Clock:
    """Seconds of what was done, by its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], object]) -> None:
        """Do something and note how long it took."""
        begun = time.monotonic()
        work()
        self.seconds.setdefault(name, []).append(time.monotonic() - begun)
        print(f"  {name}: {self.seconds[name][-1]:.1f} s", flush=True)

    def median(self, name: str) -> float:
        """Give the median of a name."""
        return statistics.median(self.seconds[name])


def psql(container: str, statement: str, database: str = "postgres") -> str:
    """Ask a server."""
    return inside(container, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement).strip()


def play(instance: Instance, playbook: str, *arguments: str) -> PlaybookResult:
    """Run a playbook, which must succeed."""
    result = instance.play(playbook, *arguments)
    if result.code != 0:
        raise SystemExit(result.output)
    return result


def fill(instance: Instance, size_mb: int) -> int:
    """Fill the databases to about a size, with the index that site.yml builds; give the bytes that they have then."""
    size = size_mb * 1024**2
    counts = {
        "users": max(size // 40000, 100),
        "logs": int(size * 0.45) // LOG_BYTES,
        "documents": int(size * 0.3) // DOCUMENT_BYTES,
        "vectors": int(size * 0.25) // VECTOR_BYTES,
    }
    texts = {
        name: text.format(paragraphs=PARAGRAPHS)
        for name, text in (("log_text", LOG_TEXT), ("document_text", DOCUMENT_TEXT))
    }
    # Built again afterwards, with the memory that it takes.
    psql(instance.name, f"DROP INDEX {psql(instance.name, VECTOR_INDEX, 'admindb')}", "admindb")
    for database, statements in FILL.items():
        psql(instance.name, statements.format(paragraphs=PARAGRAPHS, **counts, **texts), database)
        psql(instance.name, "VACUUM ANALYZE", database)
    instance.site()
    psql(instance.name, "CHECKPOINT")
    return int(psql(instance.name, "SELECT sum(pg_database_size(datname)) FROM pg_database"))


def shell(command: str) -> None:
    """Run a line of the shell as the replaced deployment did."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")


def size_of(directory: Path) -> int:
    """Bytes of the files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@contextmanager
def empty_server(name: str, settings: dict[str, str]) -> Iterator[str]:
    """Run an empty server with the settings of ours."""
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    options = ("--memory", INSTANCE_MEMORY, "--shm-size", "1g")
    with stock(name, options, tuple(words)) as made:
        yield made


def measure_turn(instance: Instance, folder: Path, clock: Clock, settings: dict[str, str], rows: int) -> dict[str, int]:
    """Do each thing once; give the sizes of what was made."""
    name, dump = instance.name, folder / "all.sql.gz"
    pgbackrest = ("pgbackrest", f"--stanza={name}", "--no-expire-auto")
    repository = instance.repository / "pgbackrest" / "backup"
    clock.time("pg_dumpall | gzip", lambda: shell(f"docker exec -u 999 {name} pg_dumpall -U postgres | gzip > {dump}"))
    before = size_of(repository)
    clock.time("full backup", lambda: inside(name, *pgbackrest, "--type=full", "backup"))
    full = size_of(repository) - before
    psql(name, CHANGE.format(rows=rows), "admindb")
    clock.time("incremental backup", lambda: inside(name, *pgbackrest, "--type=incr", "backup"))
    sizes = {"dump": dump.stat().st_size, "full": full, "incremental": size_of(repository) - before - full}
    # What an operator runs: the incremental backup, restored beside, looked at by pg_amcheck and compared with the source.
    clock.time("backup.yml, verified", lambda: play(instance, "backup"))

    confirmed = ("-e", f"confirm_restore={name}")
    clock.time("restore.yml", lambda: play(instance, "restore", *confirmed))
    play(instance, "restore_cleanup", "-e", f"confirm_restore_cleanup={name}")
    clock.time(
        "restore.yml of admindb", lambda: play(instance, "restore", *confirmed, "-e", "restore_database=admindb")
    )
    play(instance, "restore_cleanup", "-e", f"confirm_restore_cleanup={name}")
    with empty_server(f"{name}-psql", settings) as other:
        fed = f"gunzip < {dump} | docker exec -i -u 999 {other} psql -X -q -U postgres -d postgres -o /dev/null"
        clock.time("gunzip | psql", lambda: shell(fed))
        missing = int(psql(name, "SELECT count(*) FROM langchain_pg_embedding", "admindb")) - int(
            psql(other, "SELECT count(*) FROM langchain_pg_embedding", "admindb")
        )
        if missing:
            raise SystemExit(f"psql has restored {missing} vectors too few: the two are not comparable.")
    return sizes


def measure_times(runs: int, size_mb: int, label: str) -> bool:
    """Time backups and restores, ours and theirs, in turn."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="amt-bench-") as directory:
        folder = Path(directory)
        variables = {"postgres_backup_enabled": True, "postgres_common_memory": INSTANCE_MEMORY}
        instance = Instance(f"amt-bench-backup-{label}", 25471, folder, IMAGE, variables)
        instance.remove()
        try:
            instance.site()
            size = fill(instance, size_mb)
            settings = {key: psql(instance.name, f"SHOW {key}") for key in ALIKE}
            for _ in range(runs):
                sizes = measure_turn(instance, folder, clock, settings, max(size_mb * 10, 100))
        finally:
            instance.remove()
    print(f"backup: {size / 1024**3:.2f} GB in three databases, vectors with their HNSW index, medians of {runs} runs")
    for name, seconds in clock.seconds.items():
        print(f"  {name:<24} median {clock.median(name):8.1f} s   ({', '.join(f'{each:.1f}' for each in seconds)})")
    print(f"  sizes: {', '.join(f'{name} {bytes_ / 1024**2:.1f} MB' for name, bytes_ in sizes.items())}")
    faster = clock.median("pg_dumpall | gzip") / clock.median("incremental backup")
    restored = clock.median("gunzip | psql") / clock.median("restore.yml")
    part = clock.median("gunzip | psql") / clock.median("restore.yml of admindb")
    print(f"  the dump / the full backup = {clock.median('pg_dumpall | gzip') / clock.median('full backup'):.1f}")
    print(f"  psql / restore.yml of the largest database = {part:.1f}")
    return all(
        [
            held(f"the dump / the incremental backup = {faster:.1f}", faster >= INCREMENTAL_RATIO, INCREMENTAL_RATIO),
            held(f"psql / restore.yml = {restored:.1f}", restored >= RESTORE_RATIO, RESTORE_RATIO),
        ]
    )


def held(text: str, good: bool, target: float) -> bool:
    """Print whether a target holds."""
    print(f"  {'holds ' if good else 'MISSED'}  {text} (target: at least {target:g})", flush=True)
    return good


def archive(instance: Instance, mode: str) -> None:
    """Restart the server with another archive_mode, and let it read again what pgbench is about to read."""
    psql(instance.name, f"ALTER SYSTEM SET archive_mode = {mode}")
    shell(f"docker restart --time 120 {instance.name}")
    shell(f"timeout 120 sh -c 'until docker exec -u 999 {instance.name} pg_isready -q; do sleep 0.2; done'")
    rate(instance.name, "select-only", 10)


def measure_archiving(runs: int, seconds: int, label: str) -> bool:
    """Transactions with archiving and without it, in turn, on one cluster: two on one disk differ by more than archiving takes."""
    figures: dict[str, list[float]] = {"on": [], "off": []}
    with tempfile.TemporaryDirectory(prefix="amt-bench-") as directory:
        variables = {"postgres_backup_enabled": True, "postgres_common_memory": MEMORY}
        instance = Instance(f"amt-bench-wal-{label}", 25472, Path(directory), IMAGE, variables)
        instance.remove()
        try:
            instance.site()
            inside(instance.name, "createdb", "pgbench")
            inside(instance.name, "pgbench", "-i", "-q", "-s", str(SCALE), "pgbench")
            for turn in range(runs):
                for mode in sorted(figures, reverse=turn % 2 == 1):
                    archive(instance, mode)
                    figures[mode].append(rate(instance.name, "TPC-B-like", seconds))
        finally:
            instance.remove()
    print(f"archiving: pgbench, TPC-B-like, scale {SCALE}, {CLIENTS} clients, {seconds} s, medians of {runs} runs")
    medians = {mode: statistics.median(each) for mode, each in figures.items()}
    for mode, each in figures.items():
        print(f"  archive_mode {mode:<3} {medians[mode]:9.0f} tps   ({', '.join(f'{one:.0f}' for one in each)})")
    kept = medians["on"] / medians["off"]
    return held(f"archiving / not archiving = {kept:.3f}", kept >= 1 - ARCHIVING_COST, 1 - ARCHIVING_COST)


def measure_backup(runs: int, arguments: list[str]) -> bool:
    """Measure both; --size-mb and --seconds are its arguments."""
    parser = argparse.ArgumentParser(prog="bench.py backup")
    parser.add_argument("--size-mb", type=int, default=2300, help="size of the databases (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="seconds of each pgbench run (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    label = f"{secrets.token_hex(2)}{os.environ.get('AI_MICRO_TEST_SUFFIX', '')}"
    times = measure_times(runs, chosen.size_mb, label)
    return measure_archiving(runs, chosen.seconds, label) and times
