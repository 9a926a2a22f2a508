"""What must never be in the repository is not there, and its parts agree about versions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.meta.checkout import ROOT, tool

# Words in two halves, so that this file does not hold what it looks for.
INDEX, NODE, DEBIAN = "py" + "pi", "npm" + "js", "debian" + r"\.(org|net)"
PACKAGE_HOSTS = re.compile(
    rf"\b({INDEX}\.org|{'python'}hosted\.org|{NODE}\.(org|com)|"
    rf"(deb|security|snapshot|archive|httpredir|https?|cdn-\w+|ftp(\.\w+)*|\w+\.mirrors?)\.{DEBIAN})\b"
)
SECRETS = re.compile(
    rf"-----BEGIN [A-Z ]*{'PRIVATE'} KEY-----\n[A-Za-z0-9+/=]|\b{'AKIA'}[0-9A-Z]{{16}}\b|\bgh[pous]_[A-Za-z0-9]{{36}}\b|"
    rf"\${'ANSIBLE'}_VAULT;1\.[12];AES256\n[0-9a-f]{{60}}"
)
SECRET_FILES = re.compile(
    r"(^|/)(\.secrets/|vault\.ya?ml$|\.env$|.*\.(key|p12|pfx)$|id_(rsa|ed25519|ecdsa)$|\.vault_pass)"
)


def read(path: Path) -> str:
    """Return a file's text; what is not UTF-8 is kept as marks."""
    return path.read_text(encoding="utf-8", errors="replace")


def galaxy() -> dict[str, object]:
    """Return the collection's metadata."""
    found: dict[str, object] = yaml.safe_load(read(ROOT / "galaxy.yml"))
    return found


@pytest.mark.parametrize("pattern", [PACKAGE_HOSTS, SECRETS], ids=["package hosts", "secrets"])
def test_no_file_holds(files: list[Path], pattern: re.Pattern[str]) -> None:
    found = {str(path.relative_to(ROOT)): match.group() for path in files if (match := pattern.search(read(path)))}
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://pypi" + ".org/simple",
        "http://deb" + ".debian.org/debian",
        "ftp.de" + ".debian.org",
        "registry.npmjs" + ".org",
    ],
)
def test_package_host_would_be_seen(text: str) -> None:
    assert PACKAGE_HOSTS.search(text)


def test_private_key_would_be_seen() -> None:
    assert SECRETS.search(f"key: |\n-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIE")


def test_no_secret_file_is_in_git(files: list[Path]) -> None:
    names = [path.relative_to(ROOT).as_posix() for path in files]
    assert [name for name in names if SECRET_FILES.search(name)] == []


@pytest.mark.parametrize(
    "name", [".venv/x", ".cache/x", "inventories/local/.secrets/x", "inventories/prod/group_vars/postgres/vault.yml"]
)
def test_git_ignores(name: str) -> None:
    assert tool("git", "check-ignore", "-q", "--no-index", name).returncode == 0


def test_scripts_of_single_databases_are_init_sql_in_parts() -> None:
    def statements(path: Path) -> list[str]:
        return [line for line in read(path).splitlines() if line and not line.startswith("--")]

    whole = statements(ROOT / "files" / "init.sql")
    parts = [statements(path) for path in sorted((ROOT / "files").glob("*.sql")) if path.name != "init.sql"]
    assert sorted({line for part in parts for line in part}) == sorted(whole)


def test_sanity_ignores_nothing() -> None:
    ignored = [path for path in (ROOT / "tests" / "sanity").glob("ignore*") if read(path).strip()]
    assert ignored == []


def test_installed_collections_are_in_the_declared_ranges() -> None:
    said = tool("ansible-galaxy", "collection", "list", "--format", "json")
    assert said.returncode == 0, said.stderr
    installed = {name: about["version"] for place in json.loads(said.stdout).values() for name, about in place.items()}
    dependencies = galaxy()["dependencies"]
    assert isinstance(dependencies, dict)
    outside = {
        name: installed.get(name)
        for name, wanted in dependencies.items()
        if installed.get(name, "0") not in SpecifierSet(wanted)
    }
    assert outside == {}


def test_used_collections_are_declared(files: list[Path]) -> None:
    dependencies = galaxy()["dependencies"]
    assert isinstance(dependencies, dict)
    name = re.compile(r"^\s*(?:- )?((?:community|ansible|containers)\.[a-z_]+)\.[a-z_]+:", re.MULTILINE)
    content = [
        path for path in files if path.suffix == ".yml" and path.relative_to(ROOT).parts[0] in ("roles", "playbooks")
    ]
    used = {found for path in content for found in name.findall(read(path))} - {"ansible.builtin"}
    assert used <= set(dependencies)


def test_pinned_ansible_is_one_that_the_collection_supports() -> None:
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", read(ROOT / "requirements.txt"), re.MULTILINE))
    wanted = yaml.safe_load(read(ROOT / "meta" / "runtime.yml"))["requires_ansible"]
    assert pins["ansible-core"] in SpecifierSet(wanted)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned(name: str) -> None:
    lines = [line for line in read(ROOT / name).splitlines() if line and not line.startswith(("#", "-r "))]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_environment_lacks_nothing() -> None:
    said = tool("python", "-m", "pip", "check")
    assert said.returncode == 0, said.stdout


def test_changelog_fragments_are_well_formed() -> None:
    said = tool("antsibull-changelog", "lint")
    assert said.returncode == 0, said.stdout + said.stderr


def test_changelog_holds_every_fragment() -> None:
    changes = yaml.safe_load(read(ROOT / "changelogs" / "changelog.yaml"))
    newest = max(changes["releases"], key=Version)
    assert newest == galaxy()["version"]
    fragments = {path.name for path in (ROOT / "changelogs" / "fragments").glob("*.yml")}
    assert set(changes["releases"][newest]["fragments"]) >= fragments, "run `make changelog`"
