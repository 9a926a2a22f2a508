"""Playbooks and inventories can be read, and the words in the documentation lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import docs
from tests.meta.checkout import ROOT, tool

PLAYBOOKS = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]
INVENTORIES = sorted(path for path in (ROOT / "inventories").iterdir() if path.is_dir())
# Those that operators copy and fill in.
EXAMPLES = [path for path in INVENTORIES if (path / "group_vars/postgres/vault.yml.example").is_file()]


def test_every_playbook_passes_the_syntax_check() -> None:
    said = tool("ansible-playbook", "--syntax-check", "-i", "inventories/local", *map(str, PLAYBOOKS))
    assert said.returncode == 0, said.stderr or said.stdout


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_inventory_names_hosts_to_provision(inventory: Path) -> None:
    said = tool("ansible-inventory", "-i", str(inventory), "--graph", "postgres")
    assert said.returncode == 0, said.stderr
    assert "|--" in said.stdout, "the group postgres is empty"


SPECIFIED = [
    {
        "hosts": "postgres",
        "gather_facts": False,
        "tasks": [
            {
                "name": role.parent.parent.name,
                "ansible.builtin.validate_argument_spec": {
                    "argument_spec": "{{ (lookup('file', '"
                    + str(role)
                    + "') | from_yaml).argument_specs.main.options }}"
                },
            }
            for role in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
        ],
    }
]


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_inventory_says_what_the_roles_take(inventory: Path, tmp_path: Path) -> None:
    playbook = tmp_path / "validate.yml"
    playbook.write_text(json.dumps(SPECIFIED), encoding="utf-8")
    # In check mode inventories/local makes no secrets.
    said = tool("ansible-playbook", "--check", "-i", str(inventory), str(playbook))
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("inventory", EXAMPLES, ids=lambda path: path.name)
def test_example_says_of_all_hosts_only_what_is_true_of_each(inventory: Path) -> None:
    shared = (inventory / "group_vars/postgres/main.yml").read_text("utf-8")
    hosts = docs.load(inventory / "hosts.yml")["postgres"]["hosts"]
    names = {name for host, own in hosts.items() for name in (host, own.get("ansible_host", host)) if "." in name}
    assert names
    assert [name for name in names if name in shared] == []


@pytest.mark.parametrize("inventory", EXAMPLES, ids=lambda path: path.name)
def test_example_that_asks_for_a_passphrase_takes_backups(inventory: Path) -> None:
    assert docs.load(inventory / "group_vars/postgres/main.yml")["postgres_backup_enabled"] is True


def test_split_inventory_divides_the_default_databases() -> None:
    split = docs.load(ROOT / "inventories/split/group_vars/postgres/main.yml")["split_databases"]
    assert split == docs.load(ROOT / "roles/postgres_common/defaults/main.yml")["postgres_databases"]


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


def test_japanese_readme_names_what_goes_back() -> None:
    japanese = (ROOT / "README.ja.md").read_text(encoding="utf-8")
    back = {path.name for path in (ROOT / "playbooks").glob("*.yml") if path.stem.endswith("_undo")}
    assert back <= set(re.findall(r"playbooks/([a-z_]+\.yml)", japanese))


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
