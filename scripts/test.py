#!/usr/bin/env python3
"""Run the whole suite in three lanes side by side, or the stages named on the command line with what they need.

Each stage writes .cache/test-logs/<stage>.log. The last line of the output is the sum: `N passed, M failed`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "test-logs"
BIN = ROOT / ".venv" / "bin"
IMAGE = "ai-micro-postgres-test:pgvector-15"
HEARTBEAT = 50
TAIL = 150
PYTEST = ("python", "-m", "pytest", "--color=no", "--durations=20", "--durations-min=10")
APART = ("tests/integration/modules", "tests/integration/image")
ADOPTION = ("tests/integration/site/test_adoption.py",)
BACKUP = tuple(
    f"tests/integration/site/test_{name}.py"
    for name in (
        "backup",
        "backup_parts",
        "backup_offsite",
        "schedule",
    )
)
LOSSES = tuple(f"tests/integration/site/test_backup_{name}.py" for name in ("clone", "load"))
REFUSALS = ("tests/integration/site/test_backup_refusals.py",)


@dataclass(frozen=True)
class Stage:
    """One command of the suite; `needs` names stages that must have passed before, `on_demand` says that only its name runs it."""

    name: str
    lane: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    minutes: int = 15
    on_demand: bool = False

    @property
    def is_pytest(self) -> bool:
        """Whether the log holds tests to count."""
        return self.command[: len(PYTEST)] == PYTEST


# A lane runs its stages in this order. What needs a processor for long is in A, what waits for Docker is in B and C, so that
# three lanes keep two processors busy.
STAGES = (
    Stage("lint", "A", ("scripts/lint.sh",)),
    Stage("unit", "A", (*PYTEST, "tests/unit")),
    Stage("meta", "A", (*PYTEST, "tests/meta")),
    Stage("sanity", "A", ("scripts/sanity.sh",), minutes=20),
    Stage("galaxy", "A", ("scripts/galaxy.sh",)),
    Stage("oldest", "A", ("python", "scripts/versions.py", "2.17"), needs=("prepare",)),
    Stage("modules", "A", (*PYTEST, *APART), needs=("prepare",), minutes=60),
    Stage("fresh", "A", (*PYTEST, "tests/fresh"), needs=("prepare",), minutes=40),
    Stage("adoption", "A", (*PYTEST, *ADOPTION), needs=("prepare",), minutes=40),
    Stage("refusals", "A", (*PYTEST, *REFUSALS), needs=("prepare",), minutes=40),
    Stage("prepare", "B", ("ansible-playbook", "-i", "localhost,", "tests/prepare.yml"), minutes=20),
    Stage(
        "integration",
        "B",
        (
            *PYTEST,
            "tests/integration",
            *(f"--ignore={path}" for path in (*APART, *ADOPTION, *BACKUP, *LOSSES, *REFUSALS)),
        ),
        needs=("prepare",),
        minutes=80,
    ),
    Stage("losses", "B", (*PYTEST, *LOSSES), needs=("prepare",), minutes=40),
    Stage("backup", "C", (*PYTEST, *BACKUP), needs=("prepare",), minutes=90),
    Stage("molecule", "C", ("molecule", "test"), needs=("prepare",), minutes=40),
    # Too long for every time: several hosts, other releases, other versions.
    Stage("versions", "A", ("python", "scripts/versions.py"), needs=("prepare",), minutes=60, on_demand=True),
    # Without the tarball: whether Debian 13's mmdebstrap makes the same image is a part of the question.
    Stage(
        "debian13",
        "B",
        ("env", "AI_MICRO_TEST_IMAGE_TAR=", "molecule", "test", "-s", "debian13"),
        minutes=60,
        on_demand=True,
    ),
    Stage("multi", "B", (*PYTEST, "tests/multi"), needs=("prepare",), minutes=90, on_demand=True),
)


@dataclass
class Result:
    """How a stage ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    note: str = ""

    @property
    def green(self) -> bool:
        """Whether nothing failed."""
        return self.failed == 0


def count(log: str) -> dict[str, int]:
    """Give pytest's own sum, from the last line that looks like one: `1 failed, 3 passed, 1 skipped in 2.1s`."""
    lines = [line for line in log.splitlines() if re.search(r"\d+ \w+.* in [\d.]+s", line)]
    return {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", lines[-1])} if lines else {}


def judge(stage: Stage, status: int, log: str, seconds: float) -> Result:
    """Turn exit status and log into numbers; a command that is no pytest counts as one test."""
    if not stage.is_pytest:
        return Result(int(status == 0), int(status != 0), seconds=seconds, note="" if status == 0 else f"exit {status}")
    sums = count(log)
    failed = sums.get("failed", 0) + sums.get("error", 0) + sums.get("errors", 0)
    note = ""
    if status != 0 and failed == 0:
        failed, note = 1, f"pytest ended with exit {status} without a failed test"
    return Result(sums.get("passed", 0), failed, sums.get("skipped", 0), seconds, note)


def environment() -> dict[str, str]:
    """Give the environment of every stage: the tools of .venv first, UTF-8, no colour, the image under test."""
    given = dict(os.environ)
    given["PATH"] = f"{BIN}{os.pathsep}{given.get('PATH', os.defpath)}"
    given.setdefault("LC_ALL", "C.UTF-8")
    given.update(
        NO_COLOR="1",
        ANSIBLE_NOCOLOR="1",
        PY_COLORS="0",
        PYTHONUNBUFFERED="1",
        AI_MICRO_TEST_IMAGE=IMAGE,
        AI_MICRO_TEST_IMAGE_TAR=str(ROOT / ".cache" / "image.tar"),
    )
    return given


@dataclass
class Suite:
    """The lanes, what they have running and what they found."""

    stages: Sequence[Stage]
    results: dict[str, Result] = field(default_factory=dict)
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    begun: float = field(default_factory=time.monotonic)
    stopped: str = ""

    def say(self, text: str) -> None:
        """Print a line with the minutes since the start."""
        passed = int(time.monotonic() - self.begun)
        with self.changed:
            print(f"[{passed // 60:02d}:{passed % 60:02d}] {text}", flush=True)

    def lane(self, name: str) -> None:
        """Run one lane's stages, each once what it needs has ended."""
        for stage in (stage for stage in self.stages if stage.lane == name):
            with self.changed:
                while not self.stopped and any(need not in self.results for need in stage.needs):
                    self.changed.wait()
                red = [need for need in stage.needs if need in self.results and not self.results[need].green]
            if self.stopped or red:
                reason = f"not run: {self.stopped or f'{red[0]} failed'}"
                self.finish(stage, Result(failed=1, note=reason), reason)
            else:
                self.run(stage)

    def run(self, stage: Stage) -> None:
        """Run a stage's command in a process group of its own, its output going to its log."""
        path = LOGS / f"{stage.name}.log"
        begun = time.monotonic()
        with path.open("wb") as log:
            log.write(f"$ {' '.join(stage.command)}\n".encode())
            log.flush()
            with self.changed:
                if self.stopped:
                    self.finish(stage, Result(failed=1, note=f"not run: {self.stopped}"), f"not run: {self.stopped}")
                    return
                child = subprocess.Popen(
                    stage.command,
                    cwd=ROOT,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self.running[stage.name] = (child, begun)
            self.say(f"{stage.name}: begins ({path.relative_to(ROOT)})")
            note = ""
            try:
                status = child.wait(timeout=stage.minutes * 60)
            except subprocess.TimeoutExpired:
                note = f"ended after its limit of {stage.minutes} minutes"
                status = end([child])
        result = judge(stage, status, path.read_text(encoding="utf-8", errors="replace"), time.monotonic() - begun)
        if self.stopped or note:
            result.failed, result.note = max(result.failed, 1), note or self.stopped
        self.finish(stage, result, "")

    def finish(self, stage: Stage, result: Result, reason: str) -> None:
        """Note a stage's result, say it, and show the log's end when it is red."""
        with self.changed:
            self.running.pop(stage.name, None)
            self.results[stage.name] = result
            if reason:
                self.say(f"{stage.name}: {reason}")
            else:
                verdict = "passed" if result.green else "FAILED"
                note = f", {result.note}" if result.note else ""
                self.say(
                    f"{stage.name}: {verdict} in {result.seconds:.0f} s "
                    f"({result.passed} passed, {result.failed} failed, {result.skipped} skipped{note})"
                )
                if not result.green and not self.stopped:
                    self.show(stage)
            self.changed.notify_all()

    def show(self, stage: Stage) -> None:
        """Print the last lines of a stage's log."""
        path = LOGS / f"{stage.name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        print(f"---- the end of {path.relative_to(ROOT)}", *lines, f"---- {stage.name}", sep="\n", flush=True)

    def beat(self) -> None:
        """Say what runs, so that nobody takes a long stage for a hung one."""
        with self.changed:
            now = time.monotonic()
            names = ", ".join(f"{name} since {now - begun:.0f} s" for name, (_, begun) in self.running.items())
        if names:
            self.say(f"… running: {names}")

    def stop(self, number: int, _frame: FrameType | None = None) -> None:
        """Note a signal; the main thread ends the children that were started."""
        self.stopped = self.stopped or f"stopped by {signal.Signals(number).name}"

    def execute(self) -> None:
        """Run the lanes to their end."""
        lanes = [
            threading.Thread(target=self.lane, args=(name,), name=f"lane {name}", daemon=True)
            for name in sorted({stage.lane for stage in self.stages})
        ]
        for lane in lanes:
            lane.start()
        beaten = time.monotonic()
        while any(lane.is_alive() for lane in lanes):
            for lane in lanes:
                lane.join(timeout=0.2)
            if time.monotonic() - beaten > HEARTBEAT:
                beaten = time.monotonic()
                self.beat()
            if self.stopped:
                with self.changed:
                    children = [child for child, _ in self.running.values()]
                    self.changed.notify_all()
                end(children)

    def report(self) -> bool:
        """Print the table and, last and alone, the sum; give whether all is green."""
        print(f"\n{'stage':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}  note")
        for stage in self.stages:
            result = self.results[stage.name]
            row = f"{stage.name:<12} {result.passed:>7} {result.failed:>7} {result.skipped:>8} {result.seconds:>8.0f}"
            print(f"{row}  {result.note}".rstrip())
        passed = sum(result.passed for result in self.results.values())
        failed = sum(result.failed for result in self.results.values())
        print(f"{'all':<12} {passed:>7} {failed:>7} {'':>8} {time.monotonic() - self.begun:>8.0f}\n")
        print(f"{passed} passed, {failed} failed", flush=True)
        return failed == 0


def end(children: Sequence[subprocess.Popen[bytes]]) -> int:
    """End children with all they started: as Ctrl-C does, so that tests clean up, then with less patience."""
    for number, patience in ((signal.SIGINT, 60), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        alive = [child for child in children if child.poll() is None]
        for child in alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
        deadline = time.monotonic() + patience
        while any(child.poll() is None for child in alive) and time.monotonic() < deadline:
            time.sleep(0.1)
    return 1


def select(names: Sequence[str]) -> list[Stage]:
    """Give the stages of these names with what they need; without names all that are not on demand."""
    table = {stage.name: stage for stage in STAGES}
    unknown = [name for name in names if name not in table]
    if unknown:
        raise SystemExit(f"no stage is named {', '.join(unknown)}: there are {', '.join(table)}")
    wanted = set(names or (stage.name for stage in STAGES if not stage.on_demand))
    wanted |= {need for name in wanted for need in table[name].needs}
    return [stage for stage in STAGES if stage.name in wanted]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="stage", help=", ".join(stage.name for stage in STAGES))
    LOGS.mkdir(parents=True, exist_ok=True)
    suite = Suite(select(parser.parse_args().stages))
    signal.signal(signal.SIGINT, suite.stop)
    signal.signal(signal.SIGTERM, suite.stop)
    suite.execute()
    return 0 if suite.report() else 1


if __name__ == "__main__":
    sys.exit(main())
