"""Playbooks and inventories can be read, and the words in the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.meta.checkout import ROOT, tool

PLAYBOOKS = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]
INVENTORIES = sorted(path for path in (ROOT / "inventories").iterdir() if path.is_dir())


def test_every_playbook_passes_the_syntax_check() -> None:
    said = tool("ansible-playbook", "--syntax-check", "-i", "inventories/local", *map(str, PLAYBOOKS))
    assert said.returncode == 0, said.stderr or said.stdout


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_inventory_names_hosts_to_provision(inventory: Path) -> None:
    said = tool("ansible-inventory", "-i", str(inventory), "--graph", "postgres")
    assert said.returncode == 0, said.stderr
    assert "|--" in said.stdout, "the group postgres is empty"


def test_errors_are_never_ignored(files: list[Path]) -> None:
    ignored = re.compile(r"^\s*(- )?ignore_errors\s*:", re.MULTILINE)
    found = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix == ".yml" and ignored.search(path.read_text("utf-8"))
    ]
    assert found == []


def test_readme_names_every_playbook_and_none_that_is_missing() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"playbooks/([a-z_]+\.yml)", readme))
    assert named | {"site.yml"} == {path.name for path in (ROOT / "playbooks").glob("*.yml")}


@pytest.mark.parametrize("document", ["README.md", "README.ja.md", "CONTRIBUTING.md"])
def test_documented_make_target_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z0-9-]+)(?=[\s`])", code(ROOT / document)))
    assert named, "no command is shown"
    assert named <= targets


def test_japanese_readme_shows_only_what_the_english_one_shows() -> None:
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    japanese = (ROOT / "README.ja.md").read_text(encoding="utf-8")
    commands = [line.strip() for line in japanese.splitlines() if line.startswith("    ")]
    assert len(commands) > 3
    assert [command for command in commands if command not in english] == []
    spans = set(re.findall(r"`([^`\n]+)`", japanese))
    assert sorted(span for span in spans if span not in english) == []


def test_makefile_calls_only_what_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = set(re.findall(r"\b((?:scripts|tests|playbooks)/[\w./-]+)", makefile))
    missing = sorted(path for path in called if not (ROOT / path).exists())
    assert missing == []


def code(document: Path) -> str:
    """Return a document's code: its blocks and spans."""
    text = document.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
