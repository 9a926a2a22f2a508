"""Time one run of site.yml over 1, 2 and 4 hosts, each reached over SSH and holding the Engine and the image.

Hosts that are processes of one machine take its cores from each other and from their controller, as hosts of their own do not. So each
gets a fixed share of a core, for its containers too, whatever the others do; --cpus 0 lets them compete.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from scripts.bench_report import show, verdict
from tests.hosts.fleet import Fleet

COUNTS = (1, 2, 4)
RATIO = 1.6
UNCHANGED_SECONDS = 30.0
CPUS = 0.25


def measure_scale(runs: int, arguments: list[str]) -> bool:
    """Time the runs over all counts in turn, and the unchanged run over the most hosts."""
    parser = argparse.ArgumentParser(prog="bench.py scale", description=__doc__)
    parser.add_argument(
        "--cpus", type=float, default=CPUS, help="cores of each host, 0: no limit (default: %(default)s)"
    )
    cpus = parser.parse_args(arguments).cpus
    names = [f"h{number + 1}" for number in range(COUNTS[-1])]
    with tempfile.TemporaryDirectory(prefix="amh-bench-") as directory:
        fleet = Fleet.start(Path(directory), dict.fromkeys(names, "bookworm"))
        with fleet:
            hosts = {name: fleet.connection(name) | _within(fleet.hosts[name].name) for name in names}
            inventory = fleet.inventory("prod", hosts)
            _play(fleet, inventory, "tests/hosts/hand_over.yml", len(names))
            # Where there is no tarball, or an old one, the image is built here and not while the clock runs.
            _play(fleet, inventory, "site.yml", len(names), "--tags", "image")
            for host in fleet.hosts.values():
                subprocess.run(["docker", "update", f"--cpus={cpus}", host.name], check=True, stdout=subprocess.DEVNULL)
            seconds: dict[int, list[float]] = {count: [] for count in COUNTS}
            unchanged: list[float] = []
            for _ in range(runs):
                for count in COUNTS:
                    seconds[count].append(_play(fleet, inventory, "site.yml", count))
                    if count == COUNTS[-1]:
                        unchanged.append(_play(fleet, inventory, "site.yml", count))
                    destroy = ("-e", "confirm_destroy=ai-micro-postgres")
                    _play(fleet, inventory, "playbooks/destroy.yml", count, *destroy)
    share = f"with {cpus} of a core each" if cpus else "that compete for this machine's cores"
    print(f"scale: site.yml over more hosts, from Engine and image to a serving instance; hosts {share}")
    medians = {count: show(f"{count} hosts", each) for count, each in seconds.items()}
    again = show(f"{COUNTS[-1]} hosts, unchanged", unchanged)
    ratio = medians[COUNTS[-1]] / medians[COUNTS[0]]
    text = f"{COUNTS[-1]} hosts, unchanged = {again:.1f} s (target: at most {UNCHANGED_SECONDS:.0f} s)"
    return all(
        [
            verdict(f"{COUNTS[-1]} hosts / {COUNTS[0]} host = {ratio:.2f} (target: below {RATIO})", ratio < RATIO),
            verdict(text, again <= UNCHANGED_SECONDS),
        ]
    )


def _within(container: str) -> dict[str, Any]:
    """Return the variables by which a host's containers lie in its own control group: with cgroup v1 they would lie beside it."""
    found = subprocess.run(
        ["docker", "inspect", "--format", "{{.Id}}", container], check=True, capture_output=True, text=True
    )
    return {"docker_engine_daemon_config": {"cgroup-parent": f"/docker/{found.stdout.strip()}"}}


def _play(fleet: Fleet, inventory: Path, playbook: str, count: int, *arguments: str) -> float:
    """Run a playbook on the first hosts of a fleet, which must succeed, and give its seconds."""
    limit = ("--limit", ",".join(list(fleet.hosts)[:count]))
    begun = time.monotonic()
    run = fleet.play(playbook, inventory, *limit, *arguments)
    if run.code != 0:
        raise SystemExit(run.report())
    return time.monotonic() - begun
