"""What the tests about the repository share: its files, and the modules' documentation as Ansible reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.meta.checkout import ROOT, plugins, tool


@pytest.fixture(scope="session")
def documentation() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what ansible-doc shows of each plugin; one that it cannot read is absent."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in sorted({kind for kind, _ in plugins()}):
        names = [f"ai_micro.postgres.{name}" for each, name in plugins() if each == kind]
        # One that cannot be read makes ansible-doc fail for all, so each is asked alone when that happens.
        batches = [names]
        if tool("ansible-doc", "-t", kind, "--json", *names).returncode != 0:
            batches = [[name] for name in names]
        for batch in batches:
            said = tool("ansible-doc", "-t", kind, "--json", *batch)
            if said.returncode == 0:
                shown = json.loads(said.stdout)
                found.update({(kind, name.rpartition(".")[2]): entry for name, entry in shown.items()})
    return found


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Return every file that is in git or would be added to it."""
    said = tool("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    assert said.returncode == 0, said.stderr
    paths = (ROOT / name for name in said.stdout.split("\0") if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]
