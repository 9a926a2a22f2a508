"""What a run of ansible-playbook did, read from the output of its JSON callback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What makes ansible-playbook and ansible write that output.
JSON_OUTPUT = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"}
TAIL = 60


@dataclass
class Run:
    """A run that has ended."""

    code: int
    output: str = field(repr=False)
    errors: str = field(repr=False)
    data: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the JSON output; a run that ends before its first play has none."""
        start = self.output.find("{")
        self.data = json.loads(self.output[start:]) if start >= 0 else {}

    def results(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each task's name and result, the items of a loop one by one."""
        for play in self.data.get("plays", []):
            for task in play["tasks"]:
                for result in task["hosts"].values():
                    for item in result.get("results") or [result]:
                        yield task["task"]["name"], item

    def changed(self) -> list[str]:
        """Describe what was changed, or would be."""
        return [f"{name}: {result.get('msg', '')}" for name, result in self.results() if result.get("changed")]

    def count(self, what: str) -> int:
        """Give a number of the recap, -1 where there is none."""
        hosts = self.data.get("stats", {}).values()
        return sum(int(host.get(what, 0)) for host in hosts) if hosts else -1

    def report(self) -> str:
        """Say what failed or was not reached, what changed and what was printed to the standard error."""
        failed = [
            f"{name}: {result.get('msg', result)}"
            for name, result in self.results()
            if result.get("failed") or result.get("unreachable")
        ]
        parts = [f"exit code {self.code}", "failed:", *failed, "changed:", *self.changed(), "stderr:"]
        return "\n".join([*parts, *self.errors.splitlines()[-TAIL:]])
