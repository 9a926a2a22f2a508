"""Build the test host's image, once: `python3 -m tests.hosts.build --release bookworm`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hosts.host_image import REGISTRY_BASE_VARIABLE, BuildError, build


def main() -> int:
    """Build, and say what happened and how long it took."""
    parser = argparse.ArgumentParser(
        description="Build the image of a bare Debian host with systemd.",
        epilog=f"{REGISTRY_BASE_VARIABLE} names a base image where a registry is reachable; mmdebstrap makes it elsewhere.",
    )
    parser.add_argument("--release", default="bookworm", help="Debian release (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        image, built = build(arguments.release, force=arguments.force)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed with exit code {error.returncode}: see its message above.", file=sys.stderr)
        return 1
    print(f"{image} {f'built in {time.monotonic() - started:.1f} s' if built else 'is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
