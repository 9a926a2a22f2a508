# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""To find one filter, Ansible loads all of a collection's, in each task anew: none may load what takes its time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
HEAVY = ("cryptography", "psycopg2", "requests", "yaml")
LOAD = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module("ansible_collections.ai_micro.postgres.plugins.filter." + name)
print(*sys.modules, sep="\\n")
"""


def test_no_filter_loads_a_heavy_package() -> None:
    names = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
    # ansible.errors, which filters need, loads PyYAML itself.
    command = [sys.executable, "-c", LOAD]
    environment = {"PYTHONPATH": str(ROOT / "collections"), "PATH": "/usr/bin:/bin"}

    def loaded(*filters: str) -> set[str]:
        done = subprocess.run([*command, *filters], env=environment, capture_output=True, text=True, check=True)
        return {module.partition(".")[0] for module in done.stdout.split()}

    bare = subprocess.run(
        [sys.executable, "-c", "import ansible.errors, sys; print(*sys.modules, sep='\\n')"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    before = {module.partition(".")[0] for module in bare.stdout.split()}
    assert len(names) > 20
    assert (loaded(*names) - before) & set(HEAVY) == set()
