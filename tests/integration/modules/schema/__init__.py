"""A schema with one object of every kind, and what may happen to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BASE = (HERE / "base.sql").read_text(encoding="utf-8")
_HEADING = re.compile(r"^---- (?P<kind>[^:]+): (?P<attribute>\w+)(?: \(none: (?P<reason>.*)\))?$", re.MULTILINE)


class Mutation(NamedTuple):
    """What somebody does, and how the drift that it makes is named."""

    kind: str
    attribute: str
    sql: str

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.attribute}: {' '.join(self.sql.split())[:60]}"


def mutations() -> tuple[list[Mutation], dict[tuple[str, str], str]]:
    """Read the table: its mutations, and the reasons of the cells that have none."""
    text = (HERE / "mutations.sql").read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(text))
    found: list[Mutation] = []
    reasons: dict[tuple[str, str], str] = {}
    for place, heading in enumerate(headings):
        end = headings[place + 1].start() if place + 1 < len(headings) else len(text)
        cell = (heading["kind"], heading["attribute"])
        if heading["reason"]:
            reasons[cell] = heading["reason"]
        paragraphs = text[heading.end() : end].strip().split("\n\n")
        found += [Mutation(*cell, paragraph.strip()) for paragraph in paragraphs if paragraph.strip()]
    return found, reasons
