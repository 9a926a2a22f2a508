# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of PostgreSQL as values: what a text means, whether it may be, whether it is in force.

A value is read as the server reads it (parse_int, parse_real, parse_bool and config_enum_lookup_by_name of PostgreSQL's
guc.c), so 1GB, 1024MB and 131072 of 8kB are one value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

# In bytes and in microseconds (memory_unit_conversion_table and time_unit_conversion_table of guc.c).
_MEMORY = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_TIME = {"us": 1, "ms": 1000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNITS = {**_MEMORY, **_TIME}
_NUMBER = re.compile(
    r"\s*([+-]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?))\s*([A-Za-z0-9]*)\s*"
)
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
# What an enumeration takes without naming it in pg_settings.enumvals.
_SYNONYMS = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
_LEVELS = {"debug": "debug2"}
_ENUM_SYNONYMS = {
    "client_min_messages": _LEVELS,
    "log_min_error_statement": _LEVELS,
    "log_min_messages": _LEVELS,
    "wal_compression": dict.fromkeys(("on", "true", "yes", "1"), "pglz"),
    "wal_level": {"archive": "replica", "hot_standby": "replica"},
}

# Lists whose elements are quoted one by one (GUC_LIST_QUOTE), and lists of bare words (GUC_LIST_INPUT).
QUOTED_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
_LISTS = QUOTED_LISTS | {"datestyle", "listen_addresses", "log_destination", "synchronous_standby_names"}
_CASELESS = frozenset({"datestyle", "timezone", "log_timezone", "log_destination", "client_encoding"})
# Values of a session, which say nothing about the server.
_OF_A_SESSION = ("client", "session", "interactive", "database", "user", "database user", "global")

# Shown as the connection's own, which is 0 for all of them over a Unix-domain socket.
_OF_A_TCP_CONNECTION = frozenset(
    {"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"}
)

AUTO_CONF = "postgresql.auto.conf"  # What ALTER SYSTEM writes, read after every other file.

IN_FORCE = "in_force"
NEEDS_RELOAD = "needs_reload"
NEEDS_RESTART = "needs_restart"
UNKNOWN = "unknown"
INVALID = "invalid"
OUT_OF_RANGE = "out_of_range"
READ_ONLY = "read_only"
OVERRIDDEN = "overridden"
REFUSED = (UNKNOWN, INVALID, OUT_OF_RANGE, READ_ONLY)


class BadValue(ValueError):
    """A text that is no value of its setting; the message says what would be one."""


class OutOfRange(BadValue):
    """A value that its setting does not take."""


def as_text(value: Any) -> str:
    """Write a value of YAML as PostgreSQL's configuration would hold it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    return "" if value is None else str(value)


def split_list(text: str) -> list[str]:
    """Split a list setting into its elements, without their quotes."""
    found = re.findall(r'\s*("(?:[^"]|"")*"|[^,"]+)\s*(?:,|$)', text)
    return [each[1:-1].replace('""', '"') if each.startswith('"') else each.strip() for each in found]


def _number(text: str, unit: str, real: bool) -> float:
    match = _NUMBER.fullmatch(text)
    if not match:
        raise BadValue("is not a number" + (f" with a unit such as {unit}" if unit else ""))
    digits, given = match.groups()
    if re.fullmatch(r"[+-]?0[xX].*", digits):
        value = float(int(digits, 16))
    elif not real and re.fullmatch(r"[+-]?0[0-7]+", digits):
        value = float(int(digits, 8))
    else:
        value = float(digits)
    if not given:
        return value
    kind = _MEMORY if unit in _MEMORY else _TIME if unit in _TIME else {}
    if given not in kind or given == "8kB":
        units = ", ".join(name for name in kind if name != "8kB")
        raise BadValue(f"has the unit {given}: " + (f"it takes {units}" if units else "it takes a number without one"))
    return value * _UNITS[given] / _UNITS[unit]


def parse(row: Mapping[str, Any], text: str) -> Any:
    """Return the value that a text means for the setting of a row of pg_settings, comparable with ``==``."""
    name, kind = str(row["name"]).lower(), row["vartype"]
    if kind == "bool":
        word = text.strip().lower()
        meant = {value for key, value in _BOOLEANS.items() if word and key.startswith(word)}
        # A prefix must be unique: "o" could be on and off.
        if len(meant) != 1:
            raise BadValue("is not a boolean: it takes on or off")
        return meant.pop()
    if kind == "enum":
        word = _ENUM_SYNONYMS.get(name, {}).get(text.lower(), text.lower())
        allowed = {str(each).lower(): each for each in row["enumvals"] or ()}
        for each in (word, _SYNONYMS.get(word, word)):
            if each in allowed:
                return allowed[each]
        raise BadValue(f"is none of {', '.join(row['enumvals'] or ())}")
    if kind in ("integer", "real"):
        real = kind == "real"
        value = _number(text, row["unit"] or "", real)
        value = value if real else round(value)
        low, high = float(row["min_val"]), float(row["max_val"])
        if not low <= value <= high:
            unit = f" {row['unit']}" if row["unit"] else ""
            raise OutOfRange(f"is outside {row['min_val']} to {row['max_val']}{unit}")
        return value
    if name in _LISTS:
        elements = split_list(text)
        return [each.lower() for each in elements] if name in _CASELESS else elements
    return text.lower() if name in _CASELESS else text


def same(row: Mapping[str, Any], one: str, other: str) -> bool:
    """Whether two texts mean the same value; what cannot be read is the same as nothing else."""
    try:
        return bool(parse(row, one) == parse(row, other))
    except BadValue:
        return one == other


def in_files(files: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The entries of the configuration files for each setting; the last one counts."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in files:
        if entry["name"]:
            found.setdefault(str(entry["name"]).lower(), []).append(entry)
    return found


def _repair(row: Mapping[str, Any], wanted: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """Whether ALTER SYSTEM must SET or RESET the value so that the files say what is wanted; empty where they do."""
    said = [same(row, wanted, str(entry["setting"])) for entry in entries]
    if said and said[-1]:
        return ""
    by_hand = [str(entry["sourcefile"]).endswith("/" + AUTO_CONF) for entry in entries]
    beneath = [match for match, hand in zip(said, by_hand) if not hand]
    return "RESET" if by_hand and by_hand[-1] and beneath and beneath[-1] else "SET"


def _by_file(row: Mapping[str, Any], entry: Optional[Mapping[str, Any]]) -> bool:
    """Whether this session does not show what others have, so that the files are all there is to see."""
    of_tcp = row["name"] in _OF_A_TCP_CONNECTION and str(row["setting"] or "") == "0" and entry is not None
    return of_tcp or row["source"] in _OF_A_SESSION


def server_value(row: Mapping[str, Any], entry: Optional[Mapping[str, Any]]) -> str:
    """The value that a new session of nobody in particular would start with."""
    if _by_file(row, entry):
        return str(entry["setting"] if entry else row["boot_val"] or "")
    return str(row["setting"] or "")


def _place(entry: Mapping[str, Any]) -> str:
    return f"{entry['sourcefile']} line {entry['sourceline']}"


def _in_force(
    row: Mapping[str, Any], entry: Optional[Mapping[str, Any]], wanted: str, actual: str, loaded: Optional[bool]
) -> bool:
    if row["pending_restart"]:
        return False
    if same(row, wanted, actual):
        return loaded is not False or not _by_file(row, entry)
    if loaded is False or not same(row, wanted, str(entry["setting"] if entry else row["boot_val"])):
        return False
    # "(disabled)" stands for a command that archive_mode keeps from running; -1 for a number chosen at the start.
    if row["context"] == "postmaster" and row["boot_val"] == "-1":
        return loaded is True or same(row, wanted, "-1")
    return actual == "(disabled)"


def judge(
    name: str,
    wanted: str,
    row: Optional[Mapping[str, Any]],
    entries: Sequence[Mapping[str, Any]] = (),
    overrides: Iterable[str] = (),
    loaded: Optional[bool] = None,
) -> dict[str, Any]:
    """Say how one wanted setting stands.

    ``row`` is its row of pg_settings, with the value as SHOW writes it, ``entries`` are
    those of the files in the order of reading, ``overrides`` what sets it for sessions of some database or role,
    ``loaded`` whether the server has read the files since they were written, nothing where that is not known.
    C(repair) of the answer is what ALTER SYSTEM must do, SET, RESET or nothing.
    """
    entry = entries[-1] if entries else None
    answer: dict[str, Any] = {
        "name": name,
        "wanted": wanted,
        "actual": "",
        "status": UNKNOWN,
        "message": f"{name} is no setting of this server: correct its name, or load the library that defines it.",
        "file": _place(entry) if entry else "",
        "overrides": list(overrides),
        "repair": "",
    }
    if row is None:
        # A name with a dot is a setting of a library that this session has not loaded; the files are all there is to see.
        if "." in name and entry and not entry["error"] and entry["setting"] == wanted:
            answer.update(status=IN_FORCE, actual=entry["setting"], message="")
        return answer
    actual = server_value(row, entry)
    answer.update(name=row["name"], actual=actual)
    if row["context"] == "internal" and not same(row, wanted, actual):
        return {
            **answer,
            "status": READ_ONLY,
            "message": f"{name} is {actual} and cannot be set: it was fixed when the cluster or the server was built.",
        }
    try:
        parse(row, wanted)
    except OutOfRange as error:
        return {
            **answer,
            "status": OUT_OF_RANGE,
            "message": f"{name} = {wanted} {error}: give it a value of that range.",
        }
    except BadValue as error:
        return {**answer, "status": INVALID, "message": f"{name} = {wanted} {error}."}
    if _in_force(row, entry, wanted, actual, loaded):
        return {**answer, "status": IN_FORCE, "message": ""}
    if row["source"] == "command line":
        return {
            **answer,
            "status": OVERRIDDEN,
            "message": f"{name} is {actual} by the server's command line, which no file overrides: take it away from there.",
        }
    restart = row["context"] == "postmaster"
    answer["repair"] = _repair(row, wanted, entries)
    how = "a restart" if restart else "a reload"
    if loaded is False and not row["pending_restart"] and same(row, wanted, actual):
        where = f" ({answer['file']})" if entry else ""
        return {
            **answer,
            "status": NEEDS_RELOAD,
            "message": f"{name} is {wanted} by a file{where} that the server has not read since it was written: it takes a reload to come into force.",
        }
    where = f", and {answer['file']} says {entry['setting']}" if entry and answer["repair"] else ""
    return {
        **answer,
        "status": NEEDS_RESTART if restart else NEEDS_RELOAD,
        "message": f"{name} is {actual or 'empty'}, not {wanted}{where}: it takes {how} to come into force.",
    }
