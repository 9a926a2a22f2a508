# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host needs to run playbooks by itself: this controller's ansible-core, the Python packages that it imports, and collections.

All of it is Python that any machine runs: compiled parts of PyYAML and MarkupSafe are optional and left out, and cryptography, which
is compiled, comes from the host's distribution.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import io
import os
import shlex
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# By what they are imported as, the names of their distributions: ansible-core asks for the versions of some.
PACKAGES = {
    "ansible": "ansible-core",
    "jinja2": "Jinja2",
    "markupsafe": "MarkupSafe",
    "packaging": "packaging",
    "yaml": "PyYAML",
}
COMPILED = (".pyc", ".so", ".dylib", ".pyd")
# Of a collection, what a run needs; the rest of a checkout may be large, or secret.
WANTED = ("MANIFEST.json", "files", "galaxy.yml", "meta", "playbooks", "plugins", "roles")
DIGEST = ".digest"
CONFIGURATION = """\
[defaults]
callback_result_format = yaml
interpreter_python = /usr/bin/python3
localhost_warning = False
inventory_unparsed_warning = False
retry_files_enabled = False
nocolor = True

[connection]
pipelining = True
"""
PROGRAM = """\
#!/bin/sh
# ansible-playbook of this runner, which needs nothing of the host but Python.
here=$(dirname "$(readlink -f "$0")")
export PYTHONPATH="$here/lib" ANSIBLE_CONFIG="$here/ansible.cfg" ANSIBLE_COLLECTIONS_PATH="$here/collections" LC_ALL=C.UTF-8
exec {python} -m ansible.cli.playbook "$@"
"""


class File(NamedTuple):
    """A file of the runner: its path in it, its content and whether it is a program."""

    path: str
    content: bytes
    executable: bool


def below(top: str, inside: str) -> Iterator[File]:
    """Read a directory, or one file."""
    if os.path.isfile(top):
        yield one(top, inside)
        return
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            if not name.endswith(COMPILED):
                path = os.path.join(directory, name)
                yield one(path, os.path.join(inside, os.path.relpath(path, top)))


def one(path: str, inside: str) -> File:
    with open(path, "rb") as file:
        return File(inside, file.read(), os.access(path, os.X_OK))


def metadata(distribution: str) -> Iterator[File]:
    """Give what tells a package's version, where the controller has it."""
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    yield File(f"lib/{distribution.replace('-', '_')}-{found.version}.dist-info/METADATA", text.encode(), False)


def collect(collections: Sequence[str], python: str) -> list[File]:
    """Read everything, in an order that is always the same."""
    found = [
        File("ansible.cfg", CONFIGURATION.encode(), False),
        File("ansible-playbook", PROGRAM.format(python=shlex.quote(python)).encode(), True),
    ]
    for package, distribution in PACKAGES.items():
        (top, *_others) = importlib.import_module(package).__path__
        found.extend(below(top, f"lib/{package}"))
        found.extend(metadata(distribution))
    for collection in collections:
        (top, *_others) = importlib.import_module(f"ansible_collections.{collection}").__path__
        for name in WANTED:
            path = os.path.join(top, name)
            if os.path.exists(path):
                found.extend(below(path, f"collections/ansible_collections/{collection.replace('.', '/')}/{name}"))
    return sorted(found)


def digest(files: Sequence[File]) -> str:
    """Name a content."""
    summed = hashlib.sha256()
    for file in files:
        summed.update(f"{file.path}\0{int(file.executable)}\0{len(file.content)}\0".encode())
        summed.update(file.content)
    return summed.hexdigest()


def write(files: Sequence[File], path: str) -> None:
    """Write the files as a compressed archive."""
    with tarfile.open(path, "w:gz", compresslevel=6) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.size = len(file.content)
            entry.mode = 0o755 if file.executable else 0o644
            archive.addfile(entry, io.BytesIO(file.content))


def unpack(path: str, target: str) -> None:
    """Unpack such an archive into a directory that is not there yet."""
    os.makedirs(target, mode=0o755)
    with tarfile.open(path) as archive:
        for entry in archive:
            place = os.path.join(target, entry.name)
            os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
            content = archive.extractfile(entry)
            if content:
                with open(place, "wb") as file:
                    shutil.copyfileobj(content, file)
                os.chmod(place, entry.mode)
