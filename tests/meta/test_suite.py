"""The suite: its stages do not get in each other's way, and what failed is named in its last lines, since CI shows no more than those."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.meta.checkout import ROOT

LOG = """\
=================================== FAILURES ===================================
E   AssertionError: FAILED in a text of its own
=========================== short test summary info ============================
FAILED tests/integration/site/test_one.py::test_a[x] - AssertionError: assert 'a' == 'b'
ERROR tests/integration/site/test_one.py::test_b - RuntimeError: no server
========================= 1 failed, 3 passed, 1 error in 4.10s =========================
"""


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the program as a module."""
    specification = importlib.util.spec_from_file_location("suite", ROOT / "scripts/test.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "suite", module)
    specification.loader.exec_module(module)
    return module


def test_stages_that_run_side_by_side_share_no_network(suite: ModuleType) -> None:
    """The one that ended first took it from under the other."""
    networks = [suite.environment(stage)["AI_MICRO_TEST_NETWORK"] for stage in suite.STAGES]
    assert len(set(networks)) == len(suite.STAGES)


def test_what_failed_is_named_right_before_the_sum(
    suite: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    (tmp_path / "losses.log").write_text(LOG)
    (tmp_path / "unit.log").write_text("==== 5 passed in 0.10s ====\n")
    run = suite.Suite(suite.select(["losses", "unit"]))
    run.results = {
        "prepare": suite.Result(passed=1),
        "losses": suite.judge(run.stages[-1], 1, LOG, 4.1),
        "unit": suite.Result(passed=5),
    }
    assert run.report() is False
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "FAILED tests/integration/site/test_one.py::test_a[x] - AssertionError: assert 'a' == 'b'",
        "ERROR tests/integration/site/test_one.py::test_b - RuntimeError: no server",
        "9 passed, 2 failed",
    ]
