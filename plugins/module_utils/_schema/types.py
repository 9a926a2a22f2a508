# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changing a column's type does to its rows."""

from __future__ import annotations

import re
from typing import Optional

_TYPE = re.compile(r"^(?P<base>[^(\[]*)(?:\((?P<modifiers>[^)]*)\))?(?P<rest>[^\[(]*)(?P<array>(?:\[\])*)$")
# From, to: every value fits, yet each row is written anew.
_WIDER = {
    "smallint": {"integer", "bigint", "numeric", "real", "double precision"},
    "integer": {"bigint", "numeric", "double precision"},
    "bigint": {"numeric"},
    "real": {"double precision"},
    "date": {"timestamp without time zone", "timestamp with time zone"},
    "timestamp without time zone": {"timestamp with time zone"},
    "timestamp with time zone": {"timestamp without time zone"},
    "character": {"text", "character varying"},
    "json": {"jsonb"},
    "uuid": {"text", "character varying"},
}
# From, to: the same bytes.
_SAME = {("character varying", "text"), ("text", "character varying"), ("cidr", "inet")}


def _split(name: str) -> tuple[str, Optional[list[int]]]:
    match = _TYPE.match(name)
    if not match:
        return name, None
    base = (match["base"] + match["rest"] + match["array"]).strip()
    modifiers = match["modifiers"]
    numbers = re.findall(r"-?\d+", modifiers) if modifiers else []
    return base, [int(number) for number in numbers] if numbers else None


def type_hazard(old: str, new: str) -> str:
    """Name the hazard of changing a column from one type to another; empty where no row is touched."""
    old_base, old_size = _split(old)
    new_base, new_size = _split(new)
    if old_base == new_base:
        return _size_hazard(old_base.rstrip("[]"), old_size, new_size)
    plain_old, plain_new = old_base.rstrip("[]"), new_base.rstrip("[]")
    if old_base.count("[]") != new_base.count("[]"):
        return "change_type"
    if (plain_old, plain_new) in _SAME:
        return "narrow_type" if new_size else ""
    if plain_new in _WIDER.get(plain_old, ()):
        return "narrow_type" if new_size else "rewrite_table"
    return "change_type"


def _size_hazard(base: str, old: Optional[list[int]], new: Optional[list[int]]) -> str:
    if base == "numeric":
        return _numeric_hazard(old, new)
    if new is None:
        return "" if base != "character" else "narrow_type"
    if old is None or len(old) != len(new) or any(after < before for before, after in zip(old, new)):
        return "narrow_type"
    if base in ("character", "bit"):
        return "rewrite_table"
    # A vector has exactly as many dimensions as its type says.
    known = ("character varying", "bit varying", "interval")
    return "" if base in known or base.startswith(("time", "timestamp")) else "narrow_type"


def _numeric_hazard(old: Optional[list[int]], new: Optional[list[int]]) -> str:
    if new is None:
        return ""
    if old is None:
        return "narrow_type"
    (old_precision, old_scale), (new_precision, new_scale) = ([*size, 0][:2] for size in (old, new))
    if new_scale < old_scale or new_precision - new_scale < old_precision - old_scale:
        return "narrow_type"
    return "" if new_scale == old_scale else "rewrite_table"
