# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that embeds the rows: started, watched, ended together with the run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import NEXT, Change, ChangeError

PROGRESS_EVERY = 30
LINES_OF_COMMAND = 3
# Starts the command, and ends it and what it started when the run that holds the other end of its input is gone, however it
# went: a command that filled on alone would be joined by that of the next run.
GUARD = """
import os, signal, subprocess, sys, threading
try:
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
except OSError as error:
    sys.exit(f"{sys.argv[1]} cannot be run ({error.strerror})")
threading.Thread(target=lambda: (os.read(0, 1), os.killpg(0, signal.SIGTERM)), daemon=True).start()
code = command.wait()
os._exit(code if code >= 0 else 128 - code)
"""


class Log(Protocol):
    """The part of AnsibleModule that takes a line for the target's log."""

    def log(self, msg: str) -> None: ...


def fill(module: Log, change: Change, params: Mapping[str, Any], count: Callable[[], None]) -> None:
    """Run the command until each row that was there when it began has a vector; what the service wrote meanwhile may lack
    one, and is filled by the runs that go before the switch."""
    while change.remaining:
        missing, filled = change.remaining, change.filled
        said = once(module, change, params, count)
        if change.filled - filled >= missing:
            return
        if change.remaining >= missing:
            raise ChangeError(
                f"The command that fills {change.beside(NEXT)} ended well, but {change.remaining} of {change.rows} rows have no "
                f"vector of {change.wanted.model} ({said}): it has to fill each row where the column is null."
            )


def once(module: Log, change: Change, params: Mapping[str, Any], count: Callable[[], None]) -> str:
    """Run the command that embeds the rows, say in the target's log how far it is, and return its last words."""
    with tempfile.TemporaryFile("w+") as output, started(params["command"], change, params, output) as process:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PROGRESS_EVERY)
            count()
            module.log(f"{change.table.label}: {change.filled} of {change.rows} rows have {change.wanted.model}")
            if process.returncode is not None:
                break
        output.seek(0)
        said = " / ".join(output.read().strip().splitlines()[-LINES_OF_COMMAND:]) or "no output"
    if process.returncode:
        raise ChangeError(
            f"The command that fills {change.beside(NEXT)} ended with {process.returncode} at {change.filled} of "
            f"{change.rows} rows ({said}): mend it and run again, it goes on from there."
        )
    return said


@contextlib.contextmanager
def started(
    command: Sequence[str], change: Change, params: Mapping[str, Any], output: Any
) -> Iterator[subprocess.Popen[str]]:
    """The command with what it needs to know, ended together with this run."""
    told = {
        "PGHOST": params["login_unix_socket"] or params["login_host"],
        "PGPORT": str(params["login_port"]),
        "PGDATABASE": params["login_db"],
        "PGUSER": params["login_user"],
        **change.quoted,
        "EMBEDDING_COLLECTION": change.wanted.name,
        "EMBEDDING_MODEL": change.wanted.model,
        "EMBEDDING_DIMENSIONS": str(change.wanted.dimensions),
    }
    environment = {**os.environ, **{name: value for name, value in told.items() if value}}
    with subprocess.Popen(
        # Isolated: nothing that lies in the directory of the run, or in its PYTHONPATH, is the guard's.
        [sys.executable, "-I", "-c", GUARD, *command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
