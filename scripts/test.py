#!/usr/bin/env python3
"""Run the whole suite, three stages side by side, or the stages named on the command line with what they need.

Each stage writes .cache/test-logs/<stage>.log. The last lines of the output name the failed tests, and the very
last is the sum: `N passed, M failed`.
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
LIFE = ("tests/integration/site/test_life.py",)
ADOPTION = ("tests/integration/site/test_adoption.py",)
BACKUP = tuple(f"tests/integration/site/test_{name}.py" for name in ("backup", "backup_parts"))
SCHEDULE = ("tests/integration/site/test_schedule.py",)
OFFSITE = ("tests/integration/site/test_backup_offsite.py",)
# These share one instance that has a backup.
LOSSES = tuple(f"tests/integration/site/test_backup_{name}.py" for name in ("killed", "clone", "load"))
REFUSALS = ("tests/integration/site/test_backup_refusals.py",)


@dataclass(frozen=True)
class Stage:
    """One command of the suite; `needs` names stages that must have passed before, `on_demand` says that only its name runs it."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    minutes: int = 15
    on_demand: bool = False

    @property
    def is_pytest(self) -> bool:
        """Whether the log holds tests to count."""
        return self.command[: len(PYTEST)] == PYTEST


# Two processors are kept busy by three stages at a time, each of which waits for Docker now and then.
WORKERS = 3
# Whoever is free begins the first of these that can begin: what says soon that something is wrong, then the longest first, so that all three end
# at about the same time.
STAGES = (
    Stage("prepare", ("ansible-playbook", "-i", "localhost,", "tests/prepare.yml"), minutes=20),
    Stage("lint", ("scripts/lint.sh",)),
    Stage("unit", (*PYTEST, "tests/unit")),
    Stage("meta", (*PYTEST, "tests/meta")),
    Stage(
        "integration",
        (
            *PYTEST,
            "tests/integration",
            *(
                f"--ignore={path}"
                for path in (*APART, *LIFE, *ADOPTION, *BACKUP, *SCHEDULE, *OFFSITE, *LOSSES, *REFUSALS)
            ),
        ),
        needs=("prepare",),
        minutes=85,
    ),
    Stage("modules", (*PYTEST, *APART), needs=("prepare",), minutes=85),
    Stage("backup", (*PYTEST, *BACKUP), needs=("prepare",), minutes=85),
    Stage("life", (*PYTEST, *LIFE), needs=("prepare",), minutes=85),
    Stage("refusals", (*PYTEST, *REFUSALS), needs=("prepare",), minutes=40),
    Stage("adoption", (*PYTEST, *ADOPTION), needs=("prepare",), minutes=40),
    Stage("losses", (*PYTEST, *LOSSES), needs=("prepare",), minutes=40),
    Stage("molecule", ("molecule", "test"), needs=("prepare",), minutes=40),
    Stage("fresh", (*PYTEST, "tests/fresh"), needs=("prepare",), minutes=40),
    Stage("oldest", ("python", "scripts/versions.py", "2.17"), needs=("prepare",)),
    Stage("sanity", ("scripts/sanity.sh",), minutes=20),
    Stage("galaxy", ("scripts/galaxy.sh",)),
    # Too long for every time: backups in depth, a second repository, several hosts, other releases, other versions.
    Stage(
        "backups",
        (*PYTEST, "-m", "not chaos", BACKUP[-1], *SCHEDULE),
        needs=("prepare",),
        minutes=90,
        on_demand=True,
    ),
    Stage("offsite", (*PYTEST, *OFFSITE), needs=("prepare",), minutes=60, on_demand=True),
    Stage("versions", ("python", "scripts/versions.py"), needs=("prepare",), minutes=60, on_demand=True),
    # Without the tarball: whether Debian 13's mmdebstrap makes the same image is a part of the question.
    Stage(
        "debian13",
        ("env", "AI_MICRO_TEST_IMAGE_TAR=", "molecule", "test", "-s", "debian13"),
        minutes=85,
        on_demand=True,
    ),
    Stage("chaos", (*PYTEST, "-m", "chaos", "tests/integration"), needs=("prepare",), minutes=60, on_demand=True),
    Stage("multi", (*PYTEST, "tests/multi"), needs=("prepare",), minutes=90, on_demand=True),
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


def failures(log: str) -> list[str]:
    """Give the lines of pytest's summary that name a failed test, each cut to what fits a line of CI's report."""
    return [line[:200] for line in log.splitlines() if re.match(r"(FAILED|ERROR) \S+::", line)]


def environment(stage: Stage) -> dict[str, str]:
    """Give the environment of a stage: the tools of .venv first, UTF-8, no colour, the image under test, a network of its own."""
    given = dict(os.environ)
    given["PATH"] = f"{BIN}{os.pathsep}{given.get('PATH', os.defpath)}"
    given.setdefault("LC_ALL", "C.UTF-8")
    given.update(
        NO_COLOR="1",
        ANSIBLE_NOCOLOR="1",
        PY_COLORS="0",
        PYTHONUNBUFFERED="1",
        AI_MICRO_TEST_IMAGE=IMAGE,
        # Whoever ends first removes it: Docker keeps a network for running containers, not for one that is about to be made.
        AI_MICRO_TEST_NETWORK=f"amt-{stage.name}{given.get('AI_MICRO_TEST_SUFFIX', '')}",
        AI_MICRO_TEST_IMAGE_TAR=str(ROOT / ".cache" / "image.tar"),
    )
    return given


@dataclass
class Suite:
    """The stages: those that wait, those that run, and what the others found."""

    stages: Sequence[Stage]
    results: dict[str, Result] = field(default_factory=dict)
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    begun: float = field(default_factory=time.monotonic)
    stopped: str = ""
    waiting: list[Stage] = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = list(self.stages)

    def say(self, text: str) -> None:
        """Print a line with the minutes since the start."""
        passed = int(time.monotonic() - self.begun)
        with self.changed:
            print(f"[{passed // 60:02d}:{passed % 60:02d}] {text}", flush=True)

    def work(self) -> None:
        """Run one stage after the other until none is left."""
        while stage := self.take():
            red = [need for need in stage.needs if not self.results[need].green]
            if self.stopped or red:
                reason = f"not run: {self.stopped or f'{red[0]} failed'}"
                self.finish(stage, Result(failed=1, note=reason), reason)
            else:
                self.run(stage)

    def take(self) -> Stage | None:
        """Wait for a stage that can begin and take it from the list; None where all have begun."""
        with self.changed:
            while self.waiting:
                ready = [each for each in self.waiting if all(need in self.results for need in each.needs)]
                if ready:
                    self.waiting.remove(ready[0])
                    return ready[0]
                self.changed.wait()
        return None

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
                    env=environment(stage),
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
        """Run all stages to their end."""
        workers = [threading.Thread(target=self.work, daemon=True) for _number in range(WORKERS)]
        for worker in workers:
            worker.start()
        beaten = time.monotonic()
        while any(worker.is_alive() for worker in workers):
            for worker in workers:
                worker.join(timeout=0.2)
            if time.monotonic() - beaten > HEARTBEAT:
                beaten = time.monotonic()
                self.beat()
            if self.stopped:
                with self.changed:
                    children = [child for child, _ in self.running.values()]
                    self.changed.notify_all()
                end(children)

    def failed(self) -> list[str]:
        """Give the failed tests of all red stages that are pytest's."""
        red = [stage for stage in self.stages if stage.is_pytest and not self.results[stage.name].green]
        paths = [LOGS / f"{stage.name}.log" for stage in red]
        return [line for path in paths if path.exists() for line in failures(path.read_text(errors="replace"))]

    def report(self) -> bool:
        """Print the table, the failed tests by name and, last and alone, the sum; give whether all is green."""
        print(f"\n{'stage':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}  note")
        for stage in self.stages:
            result = self.results[stage.name]
            row = f"{stage.name:<12} {result.passed:>7} {result.failed:>7} {result.skipped:>8} {result.seconds:>8.0f}"
            print(f"{row}  {result.note}".rstrip())
        passed = sum(result.passed for result in self.results.values())
        failed = sum(result.failed for result in self.results.values())
        print(f"{'all':<12} {passed:>7} {failed:>7} {'':>8} {time.monotonic() - self.begun:>8.0f}\n")
        for line in self.failed():
            print(line)
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
