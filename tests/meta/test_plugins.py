"""Every plugin's documentation can be read, its examples parse, and the action group holds what takes a connection."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.meta.checkout import ROOT, plugins

Documentation = dict[tuple[str, str], dict[str, Any]]
each_plugin = pytest.mark.parametrize(("kind", "name"), plugins(), ids=str)


@each_plugin
def test_documentation_is_complete(documentation: Documentation, kind: str, name: str) -> None:
    assert (kind, name) in documentation, f"ansible-doc -t {kind} ai_micro.postgres.{name} fails"
    shown = documentation[kind, name]
    assert shown["doc"]["short_description"]
    assert shown["doc"].get("version_added"), "version_added is missing"
    assert shown["return"], "RETURN is missing"


@each_plugin
def test_examples_are_tasks(documentation: Documentation, kind: str, name: str) -> None:
    examples = yaml.safe_load(documentation[kind, name]["examples"])
    assert isinstance(examples, list)
    assert all(isinstance(task, dict) for task in examples)
    assert f"ai_micro.postgres.{name}" in documentation[kind, name]["examples"], "the full name is what users copy"


def test_action_group_holds_the_modules_that_connect(documentation: Documentation) -> None:
    connecting = {
        name
        for (kind, name), shown in documentation.items()
        if kind == "module" and "login_host" in shown["doc"].get("options", {})
    }
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert set(runtime["action_groups"]["postgres"]) == connecting
