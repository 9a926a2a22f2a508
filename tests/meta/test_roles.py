"""A role's argument spec, its defaults and its README say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import docs
from tests.meta.checkout import ROOT, tool

# The one shared variable that carries no role's name, by contract.
UNPREFIXED = {"postgres_databases"}

each_role = pytest.mark.parametrize("role", docs.roles(), ids=lambda role: role.name)


def exact(value: Any) -> str:
    """Return a value so that 1, true and "1" differ, and the order of keys does not matter."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


@each_role
def test_defaults_are_those_of_the_spec(role: Path) -> None:
    declared = docs.load(role / "defaults" / "main.yml")
    specified = {name: spec["default"] for name, spec in docs.options(role).items() if "default" in spec}
    assert sorted(declared) == sorted(specified)
    assert {k: exact(v) for k, v in declared.items()} == {k: exact(v) for k, v in specified.items()}


@each_role
def test_option_is_typed_and_described(role: Path) -> None:
    for name, spec in docs.options(role).items():
        assert "type" in spec, f"{name} has no type"
        assert spec.get("description"), f"{name} has no description"
        assert not (spec.get("required") and "default" in spec), f"{name} is required and has a default"
        assert (spec["type"] == "list") == ("elements" in spec), f"{name}: elements go with lists, and only with them"


@each_role
def test_variable_carries_the_name_of_its_role(role: Path) -> None:
    names = set(docs.options(role)) | set(docs.load(role / "defaults" / "main.yml"))
    strangers = {name for name in names if not name.startswith(f"{role.name}_")}
    assert strangers <= (UNPREFIXED if role.name == "postgres_common" else set())


@each_role
def test_readme_shows_the_table_of_the_spec(role: Path) -> None:
    shown = docs.shown_table((role / "README.md").read_text(encoding="utf-8"))
    assert shown == docs.variable_table(role), "run `make docs`"


@each_role
def test_readme_says_what_a_second_run_does(role: Path) -> None:
    assert "\n## Idempotence\n" in (role / "README.md").read_text(encoding="utf-8")


@each_role
def test_role_has_one_shape(role: Path) -> None:
    for name in ("defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml", "README.md"):
        assert (role / name).is_file(), f"{name} is missing"


LOAD = """
import sys
from ansible.parsing.dataloader import DataLoader
loader = DataLoader()
for path in sys.argv[1:]:
    loader.load_from_file(path)
"""


def test_connection_files_are_written_as_soon_as_passwords_are_set() -> None:
    """Whatever takes its time or fails after a change of passwords must not leave services with the old ones."""
    tasks = docs.load(ROOT / "roles" / "postgres_databases" / "tasks" / "main.yml")
    files = [task.get("ansible.builtin.import_tasks", "") for task in tasks]
    assert files[files.index("access.yml") + 1] == "connections.yml"


def test_no_mapping_says_a_key_twice() -> None:
    """Merged mappings count: Ansible warns of a key that comes over an anchor's and is said again, in each run."""
    files = [str(path) for top in ("roles", "playbooks") for path in sorted((ROOT / top).rglob("*.yml"))]
    assert len(files) > 100
    said = tool("env", "ANSIBLE_DUPLICATE_YAML_DICT_KEY=error", "python", "-c", LOAD, *files)
    assert said.returncode == 0, said.stderr
