#!/usr/bin/env python3
"""Write the variable tables of the roles' READMEs from their argument specs; tests/meta uses the same functions."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- variables -->", "<!-- /variables -->"
_BETWEEN = re.compile(rf"(?<={START}\n).*?(?={END})", re.DOTALL)


def roles() -> list[Path]:
    """Return every role's directory, by name."""
    return sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> Any:
    """Return a YAML file's content; an empty file is an empty mapping."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def options(role: Path) -> dict[str, Any]:
    """Return the options of a role's main entry point."""
    found: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options") or {}
    return found


def variable_table(role: Path) -> str:
    """Return the Markdown table of a role's variables, in the order of its spec."""
    rows = ["| variable | type | default | what it does |", "|---|---|---|---|"]
    rows += [_row(name, spec) for name, spec in options(role).items()]
    return "\n".join(rows)


def _row(name: str, spec: dict[str, Any]) -> str:
    kind = spec.get("type", "str")
    if "elements" in spec:
        kind = f"{kind} of {spec['elements']}"
    default = "—" if spec.get("required") or "default" not in spec else f"`{_compact(spec['default'])}`"
    text = spec.get("description", "")
    text = " ".join(" ".join(text if isinstance(text, list) else [text]).split())
    if choices := spec.get("choices"):
        text += f" One of {', '.join(f'`{_compact(choice)}`' for choice in choices)}."
    return f"| `{name}` | {kind} | {_cell(default)} | {_cell(text)} |"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def shown_table(readme: str) -> str | None:
    """Return the table that a README shows between the marks, or None without them."""
    found = _BETWEEN.search(readme)
    return found.group().strip("\n") if found else None


def main() -> int:
    """Rewrite every table that differs, and say which."""
    faults = 0
    for role in roles():
        readme = role / "README.md"
        if not readme.is_file() or shown_table(readme.read_text(encoding="utf-8")) is None:
            print(
                f"{readme.relative_to(ROOT)}: no table to write, the marks {START} and {END} on lines of their own are missing"
            )
            faults = 1
            continue
        before = readme.read_text(encoding="utf-8")
        after = _BETWEEN.sub(lambda _: variable_table(role) + "\n", before)  # noqa: B023
        if after != before:
            readme.write_text(after, encoding="utf-8")
            print(f"{readme.relative_to(ROOT)}: written")
    return faults


if __name__ == "__main__":
    sys.exit(main())
