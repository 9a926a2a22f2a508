"""Put pip into an empty environment from Python's own ensurepip, for ansible-test (see sanity.sh)."""

from __future__ import annotations

import subprocess
import sys

if __name__ == "__main__":
    wanted = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
    # In a process of its own: within this one, ensurepip would switch pip's configuration off.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "pip", "install", *wanted], check=True)
