# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of pg_hba.conf: what the inventory declares, the lines it stands for, and what the server has of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import (
    SUPERUSER,
    logins_of,
)

METHODS = ("scram-sha-256", "cert", "reject")
DATABASE_WORDS = ("all", "sameuser", "samerole", "replication")
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


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


def effective_rules(
    databases: Sequence[Mapping[str, Any]],
    readonly_role: str,
    superuser_from_network: bool,
    declared: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """The declared rules, or those that follow from the databases where there are none.

    A service's role stands for both of its logins: whichever has its turn must come in from the same places.
    """
    if not declared:
        return default_rules(databases, readonly_role, superuser_from_network)
    services = {database.get("role") for database in databases} - {None, ""}
    rules = []
    for rule in declared:
        names = _names(rule.get("role"))
        roles = [login for name in names for login in (logins_of(name) if name in services else [name])]
        rules.append({**rule, "role": list(dict.fromkeys(roles))})
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


def file_lines(declared: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return all lines of pg_hba.conf: the socket for the superuser, the declared rules, and nothing else."""
    return [
        "local  all  postgres  peer map=superuser",
        "local  all  all  reject",
        *render(declared),
        "host  all  all  all  reject",
    ]


def asks_for_certificates(declared: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a rule wants a client's certificate, for which the server must know a CA."""
    return any(rule.method == "cert" or "clientcert" in dict(rule.options) for rule in read_rules(declared))


def render(declared: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the declared rules, over TLS only."""
    return [
        "  ".join(
            [
                "hostssl",
                ",".join(name if name in DATABASE_WORDS else _quote(name) for name in rule.databases),
                ",".join(_quote_role(name) for name in rule.roles),
                rule.source if network_of(rule.source) is None else str(network_of(rule.source)),
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


def database_covers(wide: str, narrow: str) -> bool:
    # all does not stand for the word replication.
    return wide == narrow or (wide == "all" and narrow != "replication")


def role_covers(wide: str, narrow: str) -> bool:
    return wide in ("all", narrow) or (wide.startswith("+") and narrow in logins_of(wide[1:]))


def network_of(source: str) -> Optional[Network]:
    try:
        return ipaddress.ip_network(source)
    except ValueError:
        return None


def difference_in_force(declared: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> str:
    """Say where the server's rules (rows of pg_hba_file_rules) first differ from the declared ones; nothing where they do not."""
    everyone = ("all",)
    wanted = [
        Shown("local", everyone, (SUPERUSER,), "", "peer", ("map=superuser",)),
        Shown("local", everyone, everyone, "", "reject", ()),
        *(_as_shown(rule) for rule in read_rules(declared)),
        Shown("host", everyone, everyone, "all", "reject", ()),
    ]
    found = []
    for row in rows:
        if row["error"]:
            return f"line {row['line_number']}: {row['error']}"
        found.append(
            Shown(
                row["type"],
                tuple(row["database"]),
                tuple(row["user_name"]),
                _shown_source(row["address"], row["netmask"]),
                row["auth_method"],
                tuple(sorted(row["options"] or ())),
            )
        )
    for have, want in zip(found, wanted):
        if have != want:
            return f"{have.label()} where {want.label()} is declared"
    return "" if len(found) == len(wanted) else f"{len(found)} rules where {len(wanted)} are declared"


class Shown(NamedTuple):
    """One line as the view pg_hba_file_rules shows it, its address and netmask as one."""

    kind: str
    databases: tuple[str, ...]
    roles: tuple[str, ...]
    source: str
    method: str
    options: tuple[str, ...]

    def label(self) -> str:
        parts = [self.kind, ",".join(self.databases), ",".join(self.roles), self.source, self.method, *self.options]
        return " ".join(part for part in parts if part)


def _as_shown(rule: Rule) -> Shown:
    options = dict(rule.options)
    if rule.method == "cert":
        options["clientcert"] = "verify-full"
    # The view leaves this one out.
    options.pop("clientname", None)
    network = network_of(rule.source)
    source = rule.source if network is None else str(network)
    shown = tuple(sorted(f"{name}={value}" for name, value in options.items()))
    return Shown("hostssl", rule.databases, rule.roles, source, rule.method, shown)


def _shown_source(address: Optional[str], netmask: Optional[str]) -> str:
    if not address or not netmask:
        return address or ""
    length = bin(int(ipaddress.ip_address(netmask))).count("1")
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def first_match(declared: Iterable[Mapping[str, Any]], database: str, role: str) -> Optional[bool]:
    """Whether a client from anywhere may try to log in; None where that depends on where it comes from."""
    for rule in read_rules(declared):
        if any(database_covers(name, database) for name in rule.databases) and any(
            role_covers(name, role) for name in rule.roles
        ):
            return rule.method != "reject" if rule.source == "all" else None
    return False
