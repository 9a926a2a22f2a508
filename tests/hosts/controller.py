"""Controllers with another ansible-core or more packages than .venv: environments of their own, kept in .cache."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import ansible_collections

REPOSITORY = Path(__file__).resolve().parents[2]


def shipped_collections() -> Path:
    """Return the directory of the collections that the package `ansible` brought into this environment."""
    return next(path for path in map(Path, ansible_collections.__path__) if "site-packages" in path.parts)


def make_controller(name: str, packages: Sequence[str], python: str = sys.executable) -> Path:
    """Make an environment of these packages unless it is there, give it the shipped collections, and return its programs' directory."""
    place = REPOSITORY / ".cache" / "controllers" / name
    programs = place / "bin"
    stamp = place / "packages"
    wanted = "\n".join([python, *packages])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return programs
    subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
    install = [str(programs / "pip"), "install", "-qq", "--disable-pip-version-check", "--no-input", *packages]
    subprocess.run(install, check=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "ansible_collections").symlink_to(shipped_collections())
    stamp.write_text(wanted, encoding="utf-8")
    return programs
