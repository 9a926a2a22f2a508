# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of PostgreSQL in containers whose output is read, or that are fed: an end that is not a good one is always seen.

A pipe of the shell forgets the failure of its first program; here each end's own words say why it failed.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

from ansible_collections.ai_micro.postgres.plugins.module_utils._cipher import CHUNK
from ansible_collections.ai_micro.postgres.plugins.module_utils._jobs import INSIDE


class StreamError(Exception):
    """A program failed; the text is what it said, in one clause."""


def inside(container: str, *words: str) -> list[str]:
    """Give the words that run a program in a container as the container's own user."""
    return ["docker", "exec", "-i", INSIDE, "--user", "999:999", container, *words]


@contextmanager
def producing(words: Sequence[str]) -> Iterator[IO[bytes]]:
    """Yield what a program writes; with the block its end is waited for."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as program,
    ):
        try:
            yield cast("IO[bytes]", program.stdout)
        except BaseException:
            program.kill()
            raise
        _judge(program, errors)


@contextmanager
def feeding(words: Sequence[str]) -> Iterator[IO[bytes]]:
    """Yield what a program reads; with the block it has read all of it."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as program,
    ):
        sink = cast("IO[bytes]", program.stdin)
        try:
            yield sink
            sink.close()
        except BrokenPipeError:
            # It ended before it had read everything; why is in its own words.
            pass
        except BaseException:
            program.kill()
            raise
        finally:
            # What still waits in the buffer of an end that is gone must not have the last word.
            with suppress(BrokenPipeError):
                sink.close()
        _judge(program, errors)


def pump(producer: Sequence[str], consumer: Sequence[str]) -> None:
    """Feed one program with what another one writes."""
    with feeding(consumer) as sink, producing(producer) as source:
        for chunk in iter(lambda: source.read(CHUNK), b""):
            sink.write(chunk)


def reason(text: str) -> str:
    """Find in a program's complaints the one that counts."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next(
        (line for line in lines if "error:" in line.lower()), lines[-1] if lines else "it ended without a word"
    )
    return first.split("rror: ", 1)[-1].strip().rstrip(".")


def _judge(program: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    if program.wait() != 0:
        errors.seek(0)
        raise StreamError(reason(errors.read().decode(errors="replace")))
