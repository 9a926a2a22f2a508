#!/usr/bin/env python3
"""Run the suite's core part (playbooks' syntax, unit tests, site.yml twice) on each supported ansible-core.

2.17, 2.18 and 2.19 run here, on the Python of .venv; debian13 runs the newest ansible-core that installs on Debian 13's Python, on a
bare Debian 13 host that is controller and target at once. The collections are those of the package `ansible` in .venv.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.hosts.controller import make_controller, shipped_collections  # noqa: E402
from tests.hosts.host import Host  # noqa: E402

CORES = ("2.17", "2.18", "2.19")
DEBIAN13 = "debian13"
IMAGE = "ai-micro-postgres-test:pgvector-15"
TOOLS = ("cryptography", "packaging", "psycopg2-binary", "pytest", "PyYAML")
TESTS = ("tests/unit", "tests/versions")
CHECKOUT = "/root/ai_micro.postgres"
COLLECTIONS = "/mnt/ansible_collections"
TARBALL = "/mnt/image.tar"
SUFFIX = os.environ.get("AI_MICRO_TEST_SUFFIX", "")

# What a bare host needs to be a controller: the venv as an operator makes it, and the collections beside ansible-core.
PREPARE = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends python3-venv
python3 -m venv /root/venv
/root/venv/bin/pip install -qq --disable-pip-version-check ansible-core {{tools}}
cd /root/venv/lib/python3.*/site-packages
ln -s {COLLECTIONS} ansible_collections
/root/venv/bin/ansible --version
"""


def pinned() -> list[str]:
    """Return the test tools with the versions of .venv."""
    files = (ROOT / name for name in ("requirements.txt", "requirements-dev.txt"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.split("==")[0] in TOOLS]


def here(core: str) -> int:
    """Run the core part on this machine, on the newest patch release of an ansible-core."""
    programs = make_controller(f"core-{core}", (f"ansible-core=={core}.*", *pinned()))
    subprocess.run([programs / "ansible", "--version"], check=True)
    environment = {**os.environ, "AI_MICRO_TEST_IMAGE": os.environ.get("AI_MICRO_TEST_IMAGE", IMAGE)}
    return subprocess.run(
        [programs / "python", "-m", "pytest", "--color=no", *TESTS], cwd=ROOT, env=environment, check=False
    ).returncode


def debian13() -> int:
    """Run it on a Debian 13 host, whose Engine is installed by the collection and gets the image as a tarball."""
    with tempfile.TemporaryDirectory(prefix="amh-versions-") as directory:
        clone = Path(directory) / "ai_micro.postgres"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        mounts = {shipped_collections(): Path(COLLECTIONS)}
        tarball = Path(os.environ.get("AI_MICRO_TEST_IMAGE_TAR") or ROOT / ".cache" / "image.tar")
        if tarball.is_file():
            mounts[tarball] = Path(TARBALL)
        with Host.start(f"amh-versions{SUFFIX}", "trixie", mounts) as host:
            host.copy_in(clone, CHECKOUT)
            print(host.shell(PREPARE.format(tools=" ".join(pinned()))), flush=True)
            command = ["/root/venv/bin/python", "-m", "pytest", "--color=no", *TESTS]
            done = host.exec(
                *command, check=False, directory=CHECKOUT, environment={"AI_MICRO_TEST_IMAGE": IMAGE}, timeout=1800
            )
            print(done.stdout, done.stderr, flush=True)
            return done.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = (*CORES, DEBIAN13)
    parser.add_argument("versions", nargs="*", metavar="version", help=f"of {', '.join(every)} (default: all)")
    chosen = parser.parse_args(arguments).versions or every
    if unknown := set(chosen) - set(every):
        parser.error(f"there is no {', '.join(sorted(unknown))}: there are {', '.join(every)}")
    red = [name for name in chosen if (debian13() if name == DEBIAN13 else here(name)) != 0]
    print(f"versions: red: {', '.join(red)}" if red else f"versions: {', '.join(chosen)} green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
