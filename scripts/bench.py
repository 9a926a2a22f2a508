#!/usr/bin/env python3
"""Measure a cold `make site` against a plain script, the unchanged second run against an empty playbook, one run over more hosts, and
the comparison of a database with its definition against other programs, pgbench against stock settings, and backups against dumps.

Each cold run has a fresh bare host of its own; the two kinds alternate, so that what else the machine does meets both.
Exit status 1 says that a target is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.bench_backup import measure_backup  # noqa: E402
from scripts.bench_pgbench import measure_pgbench  # noqa: E402
from scripts.bench_report import show, verdict  # noqa: E402
from scripts.bench_scale import measure_scale  # noqa: E402
from scripts.bench_schema import measure_schema  # noqa: E402
from tests.hosts.host import Host  # noqa: E402

CHECKOUT = "/root/ai_micro.postgres"
COLD_RATIO = 1.25
SECOND_SECONDS = 15.0
SECOND_RATIO = 6.0
EMPTY = """---
- name: Gather facts and do nothing
  hosts: postgres
  become: true
  gather_facts: true
"""
SITE = (".venv/bin/ansible-playbook", "site.yml", "-i", "inventories/local")
NOTHING = (".venv/bin/ansible-playbook", "/root/empty.yml", "-i", "inventories/local")


def bare(kind: str, clone: Path) -> Host:
    """Start a fresh bare host that holds the checkout."""
    host = Host.start(f"amh-bench-{kind}-{os.getpid()}")
    host.copy_in(clone, CHECKOUT)
    return host


def timed(host: Host, *command: str) -> float:
    """Run a command in the checkout on a host, which must succeed, and give its seconds."""
    begun = time.monotonic()
    host.exec(*command, directory=CHECKOUT, timeout=1800)
    return time.monotonic() - begun


def measure_cold(clone: Path, runs: int) -> bool:
    """Time both ways to a server on a bare host, in turn."""
    commands = {"make site": ("make", "site"), "plain script": ("scripts/bench_cold.sh",)}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs):
        order = list(commands) if turn % 2 == 0 else list(reversed(commands))
        for name in order:
            with bare("cold", clone) as host:
                seconds[name].append(timed(host, *commands[name]))
            print(f"  run {turn + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
    print("cold: bare host to serving instance")
    medians = {name: show(name, each) for name, each in seconds.items()}
    ratio = medians["make site"] / medians["plain script"]
    return verdict(f"make site / plain script = {ratio:.2f} (target: at most {COLD_RATIO})", ratio <= COLD_RATIO)


def measure_second(clone: Path, runs: int) -> bool:
    """Time the unchanged second run and an empty playbook on one host, in turn."""
    with bare("second", clone) as host:
        print(f"  make site on the host to measure: {timed(host, 'make', 'site'):.1f} s", flush=True)
        host.exec("tee", "/root/empty.yml", stdin=EMPTY)
        seconds: dict[str, list[float]] = {"second site.yml": [], "empty playbook with facts": []}
        for _ in range(runs):
            seconds["second site.yml"].append(timed(host, *SITE))
            seconds["empty playbook with facts"].append(timed(host, *NOTHING))
    print("second: site.yml where nothing is left to do")
    medians = {name: show(name, each) for name, each in seconds.items()}
    second = medians["second site.yml"]
    ratio = second / medians["empty playbook with facts"]
    return all(
        [
            verdict(f"second run = {second:.1f} s (target: at most {SECOND_SECONDS:.0f} s)", second <= SECOND_SECONDS),
            verdict(
                f"second run / empty playbook = {ratio:.1f} (target: at most {SECOND_RATIO:.0f})", ratio <= SECOND_RATIO
            ),
        ]
    )


def measure_vectors(arguments: list[str]) -> bool:
    """Similarity search, by a script in an environment of its own; --rows and --queries are its arguments."""
    requirements, home = ROOT / "scripts" / "bench_requirements.txt", ROOT / ".cache" / "bench-vectors" / "venv"
    stamp = home / requirements.name
    if not stamp.is_file() or stamp.read_bytes() != requirements.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(home / "bin/pip"), "install", "-q", "-r", str(requirements)], check=True)
        stamp.write_bytes(requirements.read_bytes())
    script = ROOT / "scripts" / "bench_vectors.py"
    return subprocess.run([str(home / "bin/python"), str(script), *arguments], check=False).returncode == 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("all", "cold", "second", "scale", "schema", "pgbench", "backup", "vectors")
    parser.add_argument(
        "what", nargs="?", choices=kinds, default="all", help="default: all, which is every one but backup and vectors"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each kind (default: %(default)s)")
    chosen, rest = parser.parse_known_args()
    if chosen.what == "vectors":
        return 0 if measure_vectors(rest) else 1
    if chosen.what == "scale":
        return 0 if measure_scale(chosen.runs, rest) else 1
    if chosen.what == "backup":
        return 0 if measure_backup(chosen.runs, rest) else 1
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    held = True
    with tempfile.TemporaryDirectory(prefix="amh-bench-") as directory:
        clone = Path(directory) / "ai_micro.postgres"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        if chosen.what in ("all", "second"):
            held &= measure_second(clone, chosen.runs)
        if chosen.what in ("all", "cold"):
            held &= measure_cold(clone, chosen.runs)
    if chosen.what == "all":
        held &= measure_scale(chosen.runs, [])
    if chosen.what in ("all", "schema"):
        held &= measure_schema(chosen.runs)
    if chosen.what in ("all", "pgbench"):
        held &= measure_pgbench(chosen.runs)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
