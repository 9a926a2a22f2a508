# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""To find one filter, Ansible loads each file of plugins/filter, in each task anew: there is one, and it loads nothing by itself."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from ansible_collections.ai_micro.postgres.plugins.filter.postgres import FUNCTIONS, FilterModule

ROOT = Path(__file__).parents[4]
COLLECTION = "ansible_collections.ai_micro.postgres.plugins."
DIRECTORY = ROOT / "plugins" / "filter"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_filter_is_there_and_documented_under_its_name(name: str) -> None:
    module, function = FUNCTIONS[name]
    assert callable(getattr(import_module(COLLECTION + module), function))
    assert callable(FilterModule().filters()[name])
    documented = yaml.safe_load((DIRECTORY / f"{name}.yml").read_text())
    assert documented["DOCUMENTATION"]["name"] == name
    assert f"ai_micro.postgres.{name}" in documented["EXAMPLES"]


def test_nothing_else_is_documented_or_loaded_as_a_filter() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.yml")} == set(FUNCTIONS)
    assert [path.name for path in DIRECTORY.glob("*.py")] == ["postgres.py"]


def test_a_call_hands_over_all_arguments() -> None:
    problems = FilterModule().filters()["secret_problems"]
    by_place, by_name = problems({}, ["a"], prefix="of."), problems({}, required=["a"], prefix="of.")
    assert by_place == by_name
    assert "of.a" in by_place[0]


def test_the_table_imports_none_of_its_functions() -> None:
    load = f"import sys, {COLLECTION}filter.postgres; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", load],
        env={"PYTHONPATH": str(ROOT / "collections"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not [
        name
        for name in done.stdout.split()
        if name.startswith((COLLECTION + "module_utils", COLLECTION + "plugin_utils"))
    ]
