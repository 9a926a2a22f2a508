"""The collection builds, and its artifact holds what users need and nothing that is the checkout's own."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

from tests.meta.checkout import ROOT, tool

NEEDED = {
    "LICENSE",
    "README.md",
    "README.ja.md",
    "CHANGELOG.md",
    "files/init.sql",
    "files/authdb.sql",
    "meta/execution-environment.yml",
    "meta/ee-requirements.txt",
    "meta/ee-bindep.txt",
    "meta/runtime.yml",
    "site.yml",
    "playbooks/site.yml",
}
FOREIGN = re.compile(
    r"^(collections|tests|molecule|scripts|\.[^/]+|Makefile|ansible\.cfg)(/|$)|(^|/)(\.secrets|__pycache__|vault\.yml)(/|$)|\.(pyc|tar\.gz)$"
)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names in a freshly built artifact."""
    place = tmp_path_factory.mktemp("artifact")
    said = tool("ansible-galaxy", "collection", "build", "--output-path", str(place), str(ROOT))
    assert said.returncode == 0, said.stderr
    (built,) = place.glob("ai_micro-postgres-*.tar.gz")
    with tarfile.open(built) as content:
        return set(content.getnames())


def test_artifact_holds_what_users_need(artifact: set[str]) -> None:
    assert sorted(NEEDED - artifact) == []


def test_artifact_holds_every_role_and_plugin(artifact: set[str]) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "plugins").rglob("*.py")}
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "roles").glob("*/tasks/*.yml")}
    assert sorted(wanted - artifact) == []


def test_artifact_holds_nothing_of_the_checkout(artifact: set[str]) -> None:
    assert sorted(name for name in artifact if FOREIGN.search(name)) == []


@pytest.mark.parametrize(
    "name", [".venv/x", "collections/x", "inventories/local/.secrets/ca.key", "inventories/prod/group_vars/a/vault.yml"]
)
def test_what_is_foreign_would_be_seen(name: str) -> None:
    assert FOREIGN.search(name)


def test_no_link_leads_out_of_the_artifact() -> None:
    links = [
        path
        for top in ("roles", "plugins", "files", "playbooks")
        for path in (ROOT / top).rglob("*")
        if path.is_symlink()
    ]
    assert [str(link) for link in links if not Path(link).resolve().is_relative_to(ROOT)] == []
