# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Storage parameters in their normal form: a default is the same, spelled out or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

_DEFAULTS: dict[str, dict[str, str]] = {
    "btree": {"fillfactor": "90", "deduplicate_items": "true"},
    "hash": {"fillfactor": "75"},
    "gist": {"fillfactor": "90", "buffering": "auto"},
    "spgist": {"fillfactor": "80"},
    "gin": {"fastupdate": "true"},
    "brin": {"pages_per_range": "128", "autosummarize": "false"},
    "hnsw": {"m": "16", "ef_construction": "64"},
    "ivfflat": {"lists": "100"},
    "bloom": {"length": "80", **{f"col{number}": "2" for number in range(1, 33)}},
    "table": {
        "fillfactor": "100",
        "autovacuum_enabled": "true",
        "toast.autovacuum_enabled": "true",
        "user_catalog_table": "false",
        "vacuum_truncate": "true",
        "toast.vacuum_truncate": "true",
        "vacuum_index_cleanup": "auto",
        "toast.vacuum_index_cleanup": "auto",
    },
    "view": {"security_barrier": "false", "security_invoker": "false"},
}
_TRUE, _FALSE = {"on", "true", "yes", "1"}, {"off", "false", "no", "0"}
# Every prefix of true and false is one to PostgreSQL; these options are switches, whatever the spelling.
_SWITCHES = {
    "deduplicate_items",
    "fastupdate",
    "autosummarize",
    "autovacuum_enabled",
    "user_catalog_table",
    "vacuum_truncate",
    "security_barrier",
    "security_invoker",
}


def normal_options(options: Optional[Iterable[str]], method: str) -> list[str]:
    """Sort C(name=value) entries, bring switches to true and false, and leave defaults out."""
    defaults = _DEFAULTS.get(method, {})
    found = []
    for option in options or ():
        name, _equals, value = option.partition("=")
        plain = value.lower()
        if name.rpartition(".")[2] in _SWITCHES:
            plain = "true" if plain in _TRUE or "true".startswith(plain) else plain
            plain = "false" if plain in _FALSE or "false".startswith(plain) else plain
            value = plain
        elif name.rpartition(".")[2] == "vacuum_index_cleanup":
            value = "true" if plain in _TRUE else "false" if plain in _FALSE else plain
        if defaults.get(name) != value and not (name.rpartition(".")[2].startswith("autovacuum") and _unset(value)):
            found.append(f"{name}={value}")
    return sorted(found)


def _unset(value: str) -> bool:
    return value in ("-1", "-1.0")
