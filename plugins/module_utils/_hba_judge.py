# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of declared rules for pg_hba.conf is wrong, can never match, or lets in whom the inventory keeps out.

PostgreSQL takes the first line that fits a connection and looks no further, whatever comes of it. So a rule behind a wider one
is dead, and no server says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import (
    MAINTENANCE_DATABASES,
    SUPERUSER,
    logins_of,
    owner_of,
    second_login,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import (
    DATABASE_WORDS,
    METHODS,
    Network,
    Rule,
    database_covers,
    network_of,
    read_rules,
    role_covers,
)

# Options by name, with the values that they may have (none named: any text).
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "clientcert": ("verify-ca", "verify-full"),
    "clientname": ("CN", "DN"),
    "map": (),
}
SOURCE_WORDS = ("all", "samehost", "samenet")
_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def rule_problems(
    declared: Sequence[Mapping[str, Any]],
    databases: Sequence[Mapping[str, Any]],
    readonly_role: str,
    superuser_from_network: bool,
    others: Optional[Sequence[str]] = None,
) -> list[str]:
    """Say which rule is wrong, can never match or lets in whom the inventory keeps out, and which service has none.

    Where C(others) is given, it names the roles that may stand in a rule beside those that are declared, and any other is refused.
    """
    rules = read_rules(declared)
    problems = [problem for number, rule in enumerate(rules, 1) for problem in _form_problems(number, rule)]
    if problems:
        return problems
    for number, rule in enumerate(rules, 1):
        problems += _meaning_problems(number, rule, databases, superuser_from_network)
        problems += _shadow_problems(number, rules)
        if others is not None:
            problems += _name_problems(number, rule, databases, {readonly_role, SUPERUSER, *others})
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
    if rule.source not in SOURCE_WORDS and network_of(rule.source) is None and not _is_host_name(rule.source):
        problems.append(
            f"{place} has the source {rule.source}: give an address, a network such as 192.0.2.0/24, the name of a host, "
            f"or one of {', '.join(SOURCE_WORDS)}."
        )
    for name, value in rule.options:
        problems += _option_problems(place, rule, name, value)
    return problems


def _option_problems(place: str, rule: Rule, name: str, value: str) -> list[str]:
    if name not in OPTIONS:
        return [f"{place} has the option {name}: use {', '.join(OPTIONS)}, or leave it out."]
    if "\n" in value:
        return [f"{place} has a line break in its option {name}: write it in one line."]
    if OPTIONS[name] and value not in OPTIONS[name]:
        return [f"{place} has {name}={value}: use {' or '.join(OPTIONS[name])}."]
    if name == "map" and rule.method != "cert":
        return [f"{place} has a map, which the method {rule.method} does not read: leave it out."]
    if name == "clientcert" and rule.method == "cert" and value != "verify-full":
        return [f"{place} has clientcert={value} with the method cert, which is always verify-full: leave it out."]
    return []


def _meaning_problems(
    number: int, rule: Rule, databases: Sequence[Mapping[str, Any]], superuser_from_network: bool
) -> list[str]:
    if rule.method == "reject":
        return []
    place = f"Rule {number} of postgres_instance_hba ({rule.label()})"
    problems = []
    if not superuser_from_network and any(role_covers(role, SUPERUSER) for role in rule.roles):
        problems.append(
            f"{place} lets {SUPERUSER} in over the network, which postgres_instance_superuser_from_network forbids: name other roles, "
            "or set that to true."
        )
    seconds = {second_login(database["role"]): database["role"] for database in databases if database.get("role")}
    problems += [
        f"{place} names {role} without {seconds[role]}, who takes turns with it: name {seconds[role]}, which stands for both."
        for role in rule.roles
        if role in seconds and not any(role_covers(name, seconds[role]) for name in rule.roles)
    ]
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


def _name_problems(number: int, rule: Rule, databases: Sequence[Mapping[str, Any]], others: set[str]) -> list[str]:
    """What no declaration knows: a rule for it is dead, and a rejection keeps nobody out."""
    place = f"Rule {number} of postgres_instance_hba ({rule.label()})"
    names = {str(database.get("name")) for database in databases}
    roles = {login for database in databases for login in logins_of(database.get("role") or "")} | others
    # Who owns a database has a sentence of its own.
    roles |= {owner_of(database) for database in databases}
    return [
        *(
            f"{place} names the database {name}, which postgres_databases does not: correct the name or take it out of the rule."
            for name in rule.databases
            if name not in names and name not in (*DATABASE_WORDS, *MAINTENANCE_DATABASES)
        ),
        *(
            f"{place} names the role {role}, which the inventory does not declare: correct the name or take it out of the rule."
            for role in rule.roles
            if role != "all" and role.lstrip("+") not in roles and not role.startswith("+pg_")
        ),
    ]


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
    if role.startswith("+"):
        # A group of which each login is decided is decided.
        members = [_decided_by(database, login, source, before) for login in logins_of(role[1:])]
        whole = None if None in members else max(index for index in members if index is not None)
        if whole is not None:
            return whole
    networks: list[Network] = []
    for index, rule in enumerate(before):
        if not any(database_covers(name, database) for name in rule.databases):
            continue
        if not any(role_covers(name, role) for name in rule.roles):
            continue
        if _source_covers(rule.source, source):
            return index
        network = network_of(rule.source)
        networks += [] if network is None else [network]
        # Several networks may be as wide together as one.
        if _together(networks, source):
            return index
    return None


def _together(networks: Sequence[Network], source: str) -> bool:
    wide: list[Network] = []
    for version in (ipaddress.IPv4Network, ipaddress.IPv6Network):
        wide += ipaddress.collapse_addresses([each for each in networks if isinstance(each, version)])  # type: ignore[type-var]
    wanted = network_of(source)
    targets = _EVERYWHERE if wanted is None else (wanted,)
    # A name, or a word for the server's own networks, is no set of addresses that is known here.
    if wanted is None and source != "all":
        return all(each in wide for each in _EVERYWHERE)
    return all(any(_contains(each, target) for each in wide) for target in targets)


def _contains(wide: Network, narrow: Network) -> bool:
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]


def _source_covers(wide: str, narrow: str) -> bool:
    if wide in ("all", narrow) or (wide, narrow) == ("samenet", "samehost"):
        return True
    outer, inner = network_of(wide), network_of(narrow)
    if outer is not None and inner is not None:
        return _contains(outer, inner)
    return outer is None and inner is None and wide.startswith(".") and narrow.lower().endswith(wide.lower())


def _may_enter(rules: Sequence[Rule], database: str, role: str) -> bool:
    return any(
        rule.method != "reject"
        and any(database_covers(name, database) for name in rule.databases)
        and any(role_covers(name, role) for name in rule.roles)
        for rule in rules
    )


def _is_host_name(source: str) -> bool:
    parts = source.lstrip(".").split(".")
    plain = all(part and part.replace("-", "").isalnum() and part.isascii() for part in parts)
    return plain and not all(part.isdigit() for part in parts) and "/" not in source
