"""The container is declared once: what docker_container is asked for is what the look at the host is compared with."""

from __future__ import annotations

from typing import Any

import yaml
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._container import COMPARISONS

from tests.meta.checkout import ROOT

ROLE = ROOT / "roles" / "postgres_instance"
# How it is asked, and nothing that a container has.
MANNERS = {"pull", "networks_cli_compatible", "comparisons", "recreate"}
# Left alone where the inventory gives none.
OPTIONAL = {"etc_hosts"}


def load(path: str) -> Any:
    """Read a YAML file of the role."""
    return yaml.safe_load((ROLE / path).read_text(encoding="utf-8"))


def test_every_option_of_the_container_is_declared_and_compared() -> None:
    declared = load("vars/main.yml")["_postgres_instance_declared"]
    assert set(declared) == set(COMPARISONS)
    asked = [
        task["community.docker.docker_container"]
        for task in load("tasks/container.yml")
        if "community.docker.docker_container" in task
    ]
    assert len(asked) == 2
    for options in asked:
        assert set(options) - MANNERS == set(declared)
        assert {name: value for name, value in options.items() if name not in MANNERS} == {
            name: f"{{{{ _postgres_instance_declared.{name}{' or omit' if name in OPTIONAL else ''} }}}}"
            for name in declared
        }
