"""The runner: the same content has one name, and what is unpacked runs without this environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.ai_micro.postgres.plugins.module_utils._runner import collect, digest, unpack, write

COLLECTIONS = ["ai_micro.postgres", "community.docker", "community.postgresql"]


def test_runner_works_outside_of_this_environment(tmp_path: Path) -> None:
    # The interpreter behind .venv, which sees none of its packages.
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    # Nor those of the system.
    python = str(tmp_path / "python")
    Path(python).write_text(f'#!/bin/sh\nexec {base} -S "$@"\n')
    Path(python).chmod(0o755)
    files = collect(COLLECTIONS, python)
    assert digest(files) == digest(collect(COLLECTIONS, python)) != digest(collect([], python))
    paths = {file.path for file in files}
    assert "collections/ansible_collections/ai_micro/postgres/playbooks/backup.yml" in paths
    assert [path for path in paths if path.endswith((".so", ".pyc"))] == []
    assert [path for path in paths if path.startswith("collections/ansible_collections/ai_micro/postgres/tests")] == []
    write(files, str(tmp_path / "runner.tar.gz"))
    unpack(str(tmp_path / "runner.tar.gz"), str(tmp_path / "runner"))
    program = tmp_path / "runner" / "ansible-playbook"
    asked = subprocess.run(
        [str(program), "--syntax-check", "-i", "localhost,", "ai_micro.postgres.backup"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert asked.returncode == 0, asked.stderr
    version = subprocess.run(
        [str(program), "--version"], check=True, capture_output=True, text=True, env={"HOME": str(tmp_path)}
    )
    assert f"ansible python module location = {tmp_path}/runner/lib/ansible" in version.stdout
