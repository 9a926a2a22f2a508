# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why an image was not built, in one sentence."""

from __future__ import annotations

import ast
import contextlib
import re
from typing import Any

REGISTRY_SIGNS = (
    "pull access denied",
    "manifest unknown",
    "dial tcp",
    "no such host",
    "i/o timeout",
    "tls handshake",
    "toomanyrequests",
    "unauthorized",
    "client.timeout",
    "failed to resolve",
)


def _output_of(message: str) -> tuple[str, list[str]]:
    """The message and the builder's last lines, which the module appends as a Python list."""
    head, found, logs = message.partition(", logs: ")
    if not found:
        return message, []
    with contextlib.suppress(SyntaxError, ValueError):
        logs = "\n".join(str(line) for line in ast.literal_eval(logs))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", logs)
    # The Engine streams apt's "E: " in three pieces.
    lines = re.sub(r"\n+([EW])\n+:\s*", r"\n\1: ", plain).splitlines()
    return head, [line.rstrip() for line in lines if line.strip()]


def image_build_failure(result: dict[str, Any], image: str, source: str, lines: int = 15) -> str:
    """One sentence about a failed task of a build, and the last lines that the builder wrote."""
    message, output = _output_of(str(result.get("msg") or ""))
    for stream in ("stdout", "stderr"):
        output += [line for line in str(result.get(stream) or "").splitlines() if line.strip()]
    head = message.splitlines()[0] if message else "the command failed"
    registry = source == "registry" and any(sign in message.lower() for sign in REGISTRY_SIGNS)
    # A step that failed had its base already, so the registry was reached.
    if registry and "returned a non-zero code" not in message:
        return (
            f"Image {image} was not built because its base could not be pulled ({head}): let the host reach the registry "
            "(postgres_image_proxy, postgres_image_registry_base), or set postgres_image_source: packages, "
            "which builds without a registry."
        )
    sentence = (
        f"Image {image} was not built, and what had that name before still has it ({head}): "
        "mend what the last lines below name and run again."
    )
    return "\n".join([sentence, *output[-lines:]])
