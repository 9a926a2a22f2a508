# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of pg_hba.conf: what the inventory declares, what of it can never match, and the lines it stands for.

PostgreSQL takes the first line that fits a connection and looks no further, whatever comes of it. So a rule behind a wider one
is dead, and no server says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import (
    SUPERUSER,
    logins_of,
    owner_of,
)

METHODS = ("scram-sha-256", "cert", "reject")
DATABASE_WORDS = ("all", "sameuser", "samerole", "replication")
SOURCE_WORDS = ("all", "samehost", "samenet")
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class Rule(NamedTuple):
    """One line: who may come from where into what, and how that is proved."""

    databases: tuple[str, ...]
    roles: tuple[str, ...]
    source: str
    method: str
    options: tuple[tuple[str, str], ...]

    def label(self) -> str:
        return f"{', '.join(self.databases)} for {', '.join(self.roles)} from {self.source}"


def default_rules(
    databases: Sequence[Mapping[str, Any]], readonly_role: str, superuser_from_network: bool
) -> list[dict[str, Any]]:
    """Each service's logins and the read-only role on its database, then postgres everywhere if it may."""
    rules: list[dict[str, Any]] = []
    for database in databases:
        if not database.get("name") or not database.get("role"):
            continue
        options = {"clientcert": "verify-full"} if database.get("client_certificate") else {}
        rules.append({"database": [database["name"]], "role": logins_of(database["role"]), "options": options})
        rules.append({"database": [database["name"]], "role": [readonly_role]})
    if superuser_from_network:
        rules.append({"database": ["all"], "role": [SUPERUSER]})
    return rules


def read_rules(declared: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """Fill in what a rule may leave out; a single name may stand where a list does."""
    return [
        Rule(
            _names(rule.get("database")),
            _names(rule.get("role")),
            str(rule.get("source") or "all"),
            str(rule.get("method") or METHODS[0]),
            tuple((str(name), str(value)) for name, value in sorted((rule.get("options") or {}).items())),
        )
        for rule in declared
    ]


def _names(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    return tuple(str(name) for name in given) if isinstance(given, (list, tuple)) else (str(given),)


def render(declared: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines of pg_hba.conf, over TLS only."""
    return [
        "  ".join(
            [
                "hostssl",
                ",".join(name if name in DATABASE_WORDS else _quote(name) for name in rule.databases),
                ",".join(_quote_role(name) for name in rule.roles),
                rule.source if _network(rule.source) is None else str(_network(rule.source)),
                rule.method,
                *(f"{name}={_quote(value)}" for name, value in rule.options),
            ]
        )
        for rule in read_rules(declared)
    ]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quote_role(name: str) -> str:
    # Quoted as a whole, the sign of a group would be part of the name.
    if name == "all":
        return name
    return f"+{_quote(name[1:])}" if name.startswith("+") else _quote(name)


def rule_problems(
    declared: Sequence[Mapping[str, Any]],
    databases: Sequence[Mapping[str, Any]],
    readonly_role: str,
    superuser_from_network: bool,
) -> list[str]:
    """Say which rule is wrong, can never match or lets in whom the inventory keeps out, and which service has none."""
    rules = read_rules(declared)
    problems = [problem for number, rule in enumerate(rules, 1) for problem in _form_problems(number, rule)]
    if problems:
        return problems
    for number, rule in enumerate(rules, 1):
        problems += _meaning_problems(number, rule, databases, superuser_from_network)
        problems += _shadow_problems(number, rules)
    for database in databases:
        # One that lacks its name or role has a sentence of its own.
        known = database.get("name") and database.get("role")
        for role in (*logins_of(database["role"]), readonly_role) if known else ():
            if not _may_enter(rules, database["name"], role):
                problems.append(
                    f"No rule of postgres_instance_hba lets {role} into {database['name']}: add one, or leave the variable empty "
                    "for the rules that follow from postgres_databases."
                )
    return problems


def _form_problems(number: int, rule: Rule) -> list[str]:
    place = f"Rule {number} of postgres_instance_hba"
    problems = []
    for key, names in (("database", rule.databases), ("role", rule.roles)):
        if not names or not all(names):
            problems.append(f"{place} names no {key}: give a name, a list of names, or all.")
        problems += [f"{place} has a line break in a {key}: write one name." for name in names if "\n" in name]
    if rule.method not in METHODS:
        problems.append(f"{place} has the method {rule.method}: use one of {', '.join(METHODS)}.")
    if rule.source not in SOURCE_WORDS and _network(rule.source) is None and not _is_host_name(rule.source):
        problems.append(
            f"{place} has the source {rule.source}: give an address, a network such as 192.0.2.0/24, the name of a host, "
            f"or one of {', '.join(SOURCE_WORDS)}."
        )
    problems += [
        f"{place} has a line break in its option {name}: write it in one line."
        for name, value in rule.options
        if "\n" in name + value
    ]
    return problems


def _meaning_problems(
    number: int, rule: Rule, databases: Sequence[Mapping[str, Any]], superuser_from_network: bool
) -> list[str]:
    if rule.method == "reject":
        return []
    place = f"Rule {number} of postgres_instance_hba ({rule.label()})"
    problems = []
    if not superuser_from_network and any(_role_covers(role, SUPERUSER) for role in rule.roles):
        problems.append(
            f"{place} lets {SUPERUSER} in over the network, which postgres_instance_superuser_from_network forbids: name other roles, "
            "or set that to true."
        )
    home = {login: database.get("name") for database in databases for login in logins_of(database.get("role") or "")}
    declared = set(home.values())
    for role in rule.roles:
        if role in {owner_of(database) for database in databases} - {SUPERUSER}:
            problems.append(
                f"{place} can never match: {role} owns a database and does not log in; take it out of the rule."
            )
        elsewhere = [name for name in rule.databases if name in declared and name != home.get(role, name)]
        problems += [
            f"{place} is of no use: {role} may not enter {name}; take that out of the rule." for name in elsewhere
        ]
    return problems


def _shadow_problems(number: int, rules: Sequence[Rule]) -> list[str]:
    """What of a rule is decided by the rules before it, each pair of database and role by itself."""
    rule, before = rules[number - 1], rules[: number - 1]
    taken: list[tuple[str, str, int]] = []
    pairs = [(database, role) for database in rule.databases for role in rule.roles]
    for database, role in pairs:
        first = _decided_by(database, role, rule.source, before)
        if first is not None:
            taken.append((database, role, first))
    if not taken:
        return []
    place = f"Rule {number} of postgres_instance_hba ({rule.label()})"
    if len(taken) == len(pairs):
        first = taken[0][2]
        return [
            f"{place} can never match, because rule {first + 1} ({rules[first].label()}) comes before it and is as wide or wider: "
            "move it before that rule, or remove it."
        ]
    return [
        f"{place} never decides about {role} in {database}, because rule {first + 1} ({rules[first].label()}) does so before it: "
        "move it before that rule, or take them out of it."
        for database, role, first in taken
    ]


def _decided_by(database: str, role: str, source: str, before: Sequence[Rule]) -> Optional[int]:
    """The rule that leaves nothing of database, role and source to those behind it."""
    networks: list[_Network] = []
    for index, rule in enumerate(before):
        if not any(_database_covers(name, database) for name in rule.databases):
            continue
        if not any(_role_covers(name, role) for name in rule.roles):
            continue
        if _source_covers(rule.source, source):
            return index
        network = _network(rule.source)
        networks += [] if network is None else [network]
        # Several networks may be as wide together as one.
        if _together(networks, source):
            return index
    return None


def _together(networks: Sequence[_Network], source: str) -> bool:
    wide: list[_Network] = []
    for version in (ipaddress.IPv4Network, ipaddress.IPv6Network):
        wide += ipaddress.collapse_addresses([each for each in networks if isinstance(each, version)])  # type: ignore[type-var]
    wanted = _network(source)
    targets = _EVERYWHERE if wanted is None else (wanted,)
    # A name, or a word for the server's own networks, is no set of addresses that is known here.
    if wanted is None and source != "all":
        return all(each in wide for each in _EVERYWHERE)
    return all(any(_contains(each, target) for each in wide) for target in targets)


def _contains(wide: _Network, narrow: _Network) -> bool:
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]


def _database_covers(wide: str, narrow: str) -> bool:
    # all does not stand for the word replication.
    return wide == narrow or (wide == "all" and narrow != "replication")


def _role_covers(wide: str, narrow: str) -> bool:
    return wide in ("all", narrow) or (wide.startswith("+") and narrow in logins_of(wide[1:]))


def _source_covers(wide: str, narrow: str) -> bool:
    if wide in ("all", narrow):
        return True
    outer, inner = _network(wide), _network(narrow)
    if outer is not None and inner is not None:
        return _contains(outer, inner)
    return outer is None and inner is None and wide.startswith(".") and narrow.lower().endswith(wide.lower())


def _may_enter(rules: Sequence[Rule], database: str, role: str) -> bool:
    return any(
        rule.method != "reject"
        and any(_database_covers(name, database) for name in rule.databases)
        and any(_role_covers(name, role) for name in rule.roles)
        for rule in rules
    )


def _network(source: str) -> Optional[_Network]:
    try:
        return ipaddress.ip_network(source)
    except ValueError:
        return None


def _is_host_name(source: str) -> bool:
    parts = source.lstrip(".").split(".")
    plain = all(part and part.replace("-", "").isalnum() and part.isascii() for part in parts)
    return plain and not all(part.isdigit() for part in parts) and "/" not in source


def difference_in_force(declared: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> str:
    """Say where the server's rules (rows of pg_hba_file_rules) first differ from the declared ones; nothing where they do not."""
    wanted = [[list(rule.databases), list(rule.roles), rule.method] for rule in read_rules(declared)]
    found = []
    for row in rows:
        if row["error"]:
            return f"line {row['line_number']}: {row['error']}"
        if row["type"] != "local":
            found.append([row["database"], row["user_name"], row["auth_method"]])
    wanted.append([["all"], ["all"], "reject"])
    for have, want in zip(found, wanted):
        if have != want:
            return f"{have} where {want} is declared"
    return "" if len(found) == len(wanted) else f"{len(found)} rules where {len(wanted)} are declared"


def first_match(declared: Iterable[Mapping[str, Any]], database: str, role: str) -> Optional[bool]:
    """Whether a client from anywhere may try to log in; None where that depends on where it comes from."""
    for rule in read_rules(declared):
        if any(_database_covers(name, database) for name in rule.databases) and any(
            _role_covers(name, role) for name in rule.roles
        ):
            return rule.method != "reject" if rule.source == "all" else None
    return False
