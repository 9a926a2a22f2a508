"""What the tests about the repository look at: the checkout, its plugins and its tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLUGIN_KINDS = {"modules": "module", "filter": "filter", "lookup": "lookup", "test": "test"}


def tool(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the environment's tools in the checkout and return what it said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )


def plugins() -> list[tuple[str, str]]:
    """Return kind and name of every plugin that has a documentation: filters share one file of code and have one each for it."""
    return [
        (kind, path.stem)
        for directory, kind in PLUGIN_KINDS.items()
        for path in sorted((ROOT / "plugins" / directory).glob("*.yml" if kind == "filter" else "[!_]*.py"))
    ]
