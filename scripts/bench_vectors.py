#!/usr/bin/env python3
"""Measure similarity search on real text: an exact scan, an HNSW index as it is commonly written, and the collection's.

The text is documentation from Debian packages, cut into chunks; a chunk's vector is its TF-IDF reduced to 768 dimensions.
Run by `make bench ARGS=vectors`, in an environment of its own. Exit status 1 says that a target is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import html
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.ai_micro.postgres.plugins.module_utils._budget import memory_budget  # noqa: E402

CACHE = ROOT / ".cache" / "bench-vectors"
PACKAGES = ("postgresql-doc-15", "python3.11-doc", "git-doc", "linux-doc-6.1", "debian-handbook", "debian-reference-en")
DIMENSIONS = 768
WORDS = 60
LEARNT = 20000  # chunks that the reduction is learnt from
K = 10
RECALL = 0.95
TARGETED = 100000
EXTRAPOLATED = 1000000
WIDTHS = (*range(40, 100, 5), 100, 120, 160, 240, 320, 480, 640)
SHARES = (("large", 0.9), ("middle", 0.09), ("small", 0.01))
INSERT = "COPY langchain_pg_embedding (id, collection_id, embedding, document) FROM STDIN"
# What langchain-postgres asks for: the whole row, and its distance to order by.
SEARCH = (
    "SELECT e.id, e.collection_id, e.embedding, e.document, e.cmetadata, e.embedding <=> %s::vector AS distance "
    "FROM langchain_pg_embedding e JOIN langchain_pg_collection c ON e.collection_id = c.uuid "
    "WHERE e.collection_id = %s ORDER BY distance LIMIT 10"
)
ANYWHERE = (
    "SELECT e.id, e.collection_id, e.embedding, e.document, e.cmetadata, e.embedding <=> %s::vector AS distance "
    "FROM langchain_pg_embedding e ORDER BY distance LIMIT 10"
)
# A row as near as the last of the exact answer is right too, as ann-benchmarks counts: some texts are the same but for their stop words.
NEARLY = 1e-6


def texts() -> Iterator[str]:
    """Chunks of the packages' documentation."""
    home = CACHE / "packages"
    home.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not (home / package).is_dir():
            with tempfile.TemporaryDirectory() as directory:
                subprocess.run(["apt-get", "download", "-q", package], cwd=directory, check=True, capture_output=True)
                (archive,) = Path(directory).glob("*.deb")
                subprocess.run(["dpkg-deb", "-x", str(archive), str(home / package)], check=True)
    for file in sorted(home.rglob("*")):
        name = file.name.removesuffix(".gz")
        if file.is_file() and not file.is_symlink() and name.endswith((".html", ".txt", ".rst", ".md")):
            raw = file.read_bytes()
            text = (gzip.decompress(raw) if file.name.endswith(".gz") else raw).decode(errors="replace")
            if name.endswith(".html"):
                text = html.unescape(re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", text))
            words = text.split()
            for place in range(0, len(words) - WORDS + 1, WORDS):
                yield " ".join(words[place : place + WORDS])


def embeddings(count: int) -> Any:
    """The vectors of `count` different chunks in a random order that is always the same, kept for the next time."""
    kept = CACHE / f"vectors-{count}.npy"
    if not kept.is_file():
        chunks = sorted(set(texts()))
        order = np.random.default_rng(1).permutation(len(chunks))
        # Some come to nothing but words that are left out.
        taken = count + count // 100
        if len(chunks) < taken:
            raise SystemExit(f"The packages hold {len(chunks)} chunks: ask for fewer rows, or add packages.")
        chosen = [chunks[place] for place in order[:taken]]
        words = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=50000, stop_words="english")
        terms = words.fit_transform(chosen)
        reduction = TruncatedSVD(DIMENSIONS, random_state=1, n_iter=3).fit(terms[:LEARNT])
        made = normalize(reduction.transform(terms)).astype("float32")
        np.save(kept, made[np.linalg.norm(made, axis=1) > 0][:count])
    return np.load(kept)


def literal(vector: Any) -> str:
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"


@dataclass(frozen=True)
class Figures:
    """One way to search, measured."""

    name: str
    recall: float
    fewest: int
    per_second: float
    median: float
    late: float  # the 95th percentile

    def show(self) -> None:
        print(
            f"  {self.name:<44} recall {self.recall:.3f}  rows {self.fewest:>2}  {self.per_second:8.1f}/s  "
            f"p50 {self.median:7.2f} ms  p95 {self.late:7.2f} ms",
            flush=True,
        )


def timed(
    connection: Any, name: str, asked: Sequence[tuple[Any, ...]], exact: Sequence[set[str]], statement: str
) -> Figures:
    """Search for each, and compare with the exact answers; once before, so that every way finds the same in memory."""
    for parameters in asked:
        connection.execute(statement, parameters)
    seconds, shares, fewest = [], [], K
    for parameters, right in zip(asked, exact, strict=True):
        begun = time.perf_counter()
        rows = connection.execute(statement, parameters).fetchall()
        seconds.append(time.perf_counter() - begun)
        found = {row[0] for row in rows}
        shares.append(len(found & right) / K)
        fewest = min(fewest, len(found))
    times = sorted(1000 * each for each in seconds)
    return Figures(
        name,
        statistics.fmean(shares),
        fewest,
        len(times) / sum(seconds),
        statistics.median(times),
        times[int(0.95 * len(times))],
    )


def answers(stored: Any, queries: Any, names: Sequence[str]) -> list[set[str]]:
    """The exact answers, computed outside the server: whatever is as near as the last of the nearest."""
    near = queries @ stored.T
    least = np.partition(near, -K, axis=1)[:, -K] - NEARLY
    return [{names[place] for place in np.flatnonzero(row >= limit)} for row, limit in zip(near, least, strict=True)]


def wait(container: str) -> None:
    """Wait until the server answers over TCP, which the entrypoint's own one does not."""
    ready = ["docker", "exec", container, "pg_isready", "-q", "-h", "127.0.0.1"]
    deadline = time.monotonic() + 120
    while subprocess.run(ready, check=False).returncode:
        if time.monotonic() > deadline:
            raise SystemExit("The server does not answer.")
        time.sleep(0.5)


def configure(home: str, port: int, container: str, settings: dict[str, Any]) -> None:
    """Restart the server with these settings and otherwise PostgreSQL's own."""
    with psycopg.connect(host=home, port=port, user="postgres", autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    subprocess.run(["docker", "restart", container], check=True, capture_output=True)
    wait(container)


def tuned() -> dict[str, Any]:
    """What the role sets on a host like this one, but for parallel builds, which this pgvector has none of."""
    host = {
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "cpus": len(os.sched_getaffinity(0)),
    }
    settings: dict[str, Any] = memory_budget(host, "", [])["settings"]
    return {name: value for name, value in settings.items() if name != "max_parallel_maintenance_workers"}


@contextlib.contextmanager
def huge_pages() -> Iterator[None]:
    """Let the kernel give as many huge pages as the role would, and no longer than needed."""
    limit = Path("/proc/sys/vm/nr_overcommit_hugepages")
    size = next(
        int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "Hugepagesize" in line
    )
    before = limit.read_text()
    limit.write_text(str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 10 // (size * 1024)))
    try:
        yield
    finally:
        limit.write_text(before)


@contextlib.contextmanager
def server() -> Iterator[tuple[str, int, str]]:
    """A container of the image under test, its settings PostgreSQL's own until they are configured."""
    image = os.environ.get("AI_MICRO_TEST_IMAGE", "ai-micro-postgres-test:pgvector-15")
    name, port = f"amh-bench-vectors-{secrets.token_hex(3)}", 20000 + secrets.randbelow(10000)
    with tempfile.TemporaryDirectory(prefix="amt-pg-", ignore_cleanup_errors=True) as home:
        started = subprocess.run(
            [
                *("docker", "run", "--rm", "--detach", "--name", name, "--shm-size", "2g"),
                *(
                    "--volume",
                    f"{home}:/var/run/postgresql",
                    "--env",
                    f"PGPORT={port}",
                    "--env",
                    "POSTGRES_PASSWORD=for-bench-ONLY-1",
                ),
                *(
                    "--env",
                    "POSTGRES_INITDB_ARGS=--no-sync --locale=C.UTF-8",
                    image,
                    "-c",
                    "max_parallel_maintenance_workers=0",
                ),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            if started.returncode:
                raise SystemExit(started.stderr)
            wait(name)
            yield home, port, name
        finally:
            subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)


def module(home: str, port: int, **arguments: Any) -> dict[str, Any]:
    """Call pgvector_collection as Ansible does."""
    given = {"login_unix_socket": home, "login_port": port, "name": "large", "dimensions": DIMENSIONS, **arguments}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"ANSIBLE_MODULE_ARGS": given}, file)
        file.flush()
        done = subprocess.run(
            [str(ROOT / ".venv/bin/python"), str(ROOT / "plugins/modules/pgvector_collection.py"), file.name],
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
            capture_output=True,
            text=True,
            check=False,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    if result.get("failed"):
        raise SystemExit(result["msg"])
    return result


def load(connection: Any, stored: Any) -> tuple[list[str], dict[str, Any], list[str]]:
    """Fill the table, each row in one of three collections; give ids, collections, and each row's collection."""
    schema = (ROOT / "files/schema/admindb.sql").read_text(encoding="utf-8")
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connection.execute(schema.encode())
    connection.execute("DELETE FROM langchain_pg_collection")
    collections = {
        name: connection.execute(
            "INSERT INTO langchain_pg_collection (name) VALUES (%s) RETURNING uuid", (name,)
        ).fetchone()[0]
        for name, _share in SHARES
    }
    chance = np.random.default_rng(2).choice(len(SHARES), size=len(stored), p=[share for _name, share in SHARES])
    names = [f"chunk {place}" for place in range(len(stored))]
    owners = [SHARES[place][0] for place in chance]
    with connection.cursor().copy(INSERT) as copy:
        for name, owner, vector in zip(names, owners, stored, strict=True):
            copy.write_row((name, collections[owner], literal(vector), name))
    connection.execute("VACUUM ANALYZE langchain_pg_embedding")
    return names, collections, owners


def build(connection: Any, statement: str) -> float:
    begun = time.perf_counter()
    connection.execute(statement)
    return time.perf_counter() - begun


def size_of(connection: Any, index: str) -> float:
    return float(connection.execute("SELECT pg_relation_size(%s::regclass) / 1048576.0", (index,)).fetchone()[0])


def widened(
    connection: Any, name: str, asked: Sequence[tuple[Any, ...]], exact: Sequence[set[str]], statement: str
) -> Figures:
    """The narrowest search that finds enough."""
    for width in WIDTHS:
        connection.execute(f"SET hnsw.ef_search = {width}")
        figures = timed(connection, f"{name}, ef_search {width}", asked, exact, statement)
        if figures.recall >= RECALL and figures.fewest == K:
            break
    return figures


@dataclass(frozen=True)
class Growth:
    """What one number of rows came to, to see how it grows."""

    rows: int
    figures: dict[str, float]
    held: bool


def traces(connection: Any, container: str) -> tuple[Any, ...]:
    """What a verification must leave as it is: the counters of writes, and all that pg_dump writes."""
    time.sleep(1.5)  # why: PostgreSQL reports a session's own counters at most once a second
    counters = connection.execute(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_mod_since_analyze, analyze_count, pg_total_relation_size(relid) "
        "FROM pg_stat_user_tables ORDER BY relname"
    ).fetchall()
    dump = "pg_dump -U postgres postgres | sed -E '/^\\\\(un)?restrict /d' | md5sum"
    summed = subprocess.run(["docker", "exec", container, "sh", "-c", dump], check=True, capture_output=True)
    return counters, summed.stdout


def extrapolate(grown: Sequence[Growth], rows: int) -> None:
    """Say what more rows would come to, if each figure went on growing as it did."""
    print(f"{rows} rows, EXTRAPOLATED by a power of the rows that was fitted to the above, not measured")
    for name in grown[0].figures:
        points = [(each.rows, each.figures[name]) for each in grown]
        slope, start = np.polyfit(*np.log(np.array(points)).T, 1)
        print(f"  {name:<34} {np.exp(start + slope * np.log(rows)):10.1f}   (rows to the power of {slope:.2f})")


def measure(home: str, port: int, container: str, stored: Any, queries: Any) -> Growth:
    """Every way side by side over one number of rows."""
    print(f"{len(stored)} rows of {DIMENSIONS} dimensions, {len(queries)} queries", flush=True)
    # The kernel gives no huge pages until it is told to, which belongs to ours.
    configure(home, port, container, {"huge_pages": "off"})
    with psycopg.connect(host=home, port=port, user="postgres", autocommit=True) as connection:
        names, collections, owners = load(connection, stored)
        asked = [(literal(query),) for query in queries]
        exact = answers(stored, queries, names)
        by_collection = {
            owner: answers(
                stored[rows := [i for i, each in enumerate(owners) if each == owner]], queries, [names[i] for i in rows]
            )
            for owner in collections
        }
        few = max(3, min(len(queries), 20))
        scan = timed(connection, "exact scan", asked[:few], exact[:few], ANYWHERE)
        scan.show()
        for owner, member in collections.items():
            filtered = [(vector, member) for (vector,) in asked[:few]]
            timed(connection, f"exact scan, collection {owner}", filtered, by_collection[owner][:few], SEARCH).show()
        # One process builds it: in the 64 MB of shared memory that Docker gives, PostgreSQL's own two cannot (and this pgvector's must not).
        stock = build(
            connection, "CREATE INDEX stock ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)"
        )
        timed(connection, "commonly written index, ef_search 40", asked, exact, ANYWHERE).show()
        for owner, member in collections.items():
            filtered = [(vector, member) for (vector,) in asked]
            timed(connection, f"the same, collection {owner}", filtered, by_collection[owner], SEARCH).show()
        widened(connection, "commonly written index, widened", asked, exact, ANYWHERE).show()
        print(f"  its build took {stock:.1f} s; it has {size_of(connection, 'stock'):.0f} MB", flush=True)
        connection.execute("DROP INDEX stock")
    configure(home, port, container, tuned())
    with psycopg.connect(host=home, port=port, user="postgres", autocommit=True) as connection:
        begun = time.perf_counter()
        made = module(home, port, state="present", recall={"sample": 0})
        ours = time.perf_counter() - begun
        # As postgres_databases declares them for the service's role.
        connection.execute("SET hnsw.iterative_scan = strict_order; SET plan_cache_mode = force_custom_plan")
        best = widened(connection, "the collection's index", asked, exact, ANYWHERE)
        best.show()
        results = [best]
        for owner, member in collections.items():
            filtered = [(vector, member) for (vector,) in asked]
            # Each has a width of its own, as each collection may declare its recall.ef_search.
            results.append(widened(connection, f"the same, collection {owner}", filtered, by_collection[owner], SEARCH))
            results[-1].show()
        print(
            f"  the run that built it took {ours:.1f} s; it has {made['stats']['index_size'] / 1048576:.0f} MB",
            flush=True,
        )
        before = traces(connection, container)
        begun = time.perf_counter()
        seen = module(home, port, recall={"ef_search": int(best.name.rsplit(" ", 1)[1])})
        verified = time.perf_counter() - begun
        print(f"  verification: {verified:.1f} s, recall {seen['stats']['recall_at_k']}", flush=True)
        untouched = traces(connection, container) == before
        connection.execute(f"DROP INDEX {seen['stats']['index']}")
        half = build(
            connection,
            f"SET maintenance_work_mem = '4GB'; CREATE INDEX half ON langchain_pg_embedding "
            f"USING hnsw ((embedding::halfvec({DIMENSIONS})) halfvec_cosine_ops)",
        )
        cast = ANYWHERE.replace(
            "e.embedding <=> %s::vector", f"e.embedding::halfvec({DIMENSIONS}) <=> %s::halfvec({DIMENSIONS})"
        )
        widened(connection, "halfvec over the cast", asked, exact, cast).show()
        print(f"  its build took {half:.1f} s; it has {size_of(connection, 'half'):.0f} MB", flush=True)
    checks = [
        (
            f"throughput / exact scan = {best.per_second / scan.per_second:.0f} (target: at least 100)",
            best.per_second >= 100 * scan.per_second,
        ),
        (f"build / stock settings = {ours / stock:.2f} (target: at most 0.25)", ours <= stock / 4),
        (
            f"p95 = {max(each.late for each in results):.1f} ms, of whichever collection (target: below 10)",
            all(each.late < 10 for each in results),
        ),
        (
            f"fewest rows = {min(each.fewest for each in results)} (target: {K})",
            all(each.fewest == K for each in results),
        ),
        (
            f"lowest recall = {min(each.recall for each in results):.3f} (target: {RECALL})",
            all(each.recall >= RECALL for each in results),
        ),
        (f"verification = {verified:.1f} s (target: at most 3)", verified <= 3),
        ("verification leaves write counters, sizes and pg_dump as they were", untouched),
    ]
    print(f"  the targets, which are meant for {TARGETED} rows:")
    for text, held in checks:
        print(f"  {'holds ' if held else 'MISSED'}  {text}", flush=True)
    figures = {
        "exact scan, p50 ms": scan.median,
        "ours, p50 ms": best.median,
        "ours, p95 ms": best.late,
        "build with stock settings, s": stock,
        "our build, s": ours,
        "index, MB": made["stats"]["index_size"] / 1048576,
        "verification, s": verified,
    }
    return Growth(len(stored), figures, all(held for _text, held in checks))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", default="10000,30000,100000", help="numbers of rows, by commas (default: %(default)s)"
    )
    parser.add_argument("--queries", type=int, default=200, help="queries of each kind (default: %(default)s)")
    chosen = parser.parse_args()
    sizes = [int(size) for size in chosen.rows.split(",")]
    vectors = embeddings(max(sizes) + chosen.queries)
    queries, stored = vectors[: chosen.queries], vectors[chosen.queries :]
    with huge_pages(), server() as (home, port, container):
        grown = [measure(home, port, container, stored[:size], queries) for size in sizes]
    if len(grown) > 1:
        extrapolate(grown, EXTRAPOLATED)
    return 0 if grown[-1].held else 1


if __name__ == "__main__":
    sys.exit(main())
