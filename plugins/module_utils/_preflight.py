# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What speaks against a run on a host, each as one sentence that names the object and the remedy.

Pure functions over what ai_micro.postgres.postgres_host_info saw and what the inventory wants.
"""

from __future__ import annotations

import ipaddress
import string
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._adoption import (
    deployments,
    replaced_container,
    replacement_problems,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_preflight import collection_problems
from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import (
    SUPERUSER,
    logins_of,
    owner_of,
    pool_connections,
    published_addresses,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_objects import INSTANCE_LABEL
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba_judge import rule_problems
from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE

POSTGRES_MAJOR = "15"
MINIMUM_PASSWORD_LENGTH = 12
MAXIMUM_NAME_BYTES = 63
SUPPORTED_SYSTEMS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104


def password_weakness(password: Any) -> str:
    """Say what a password lacks, or nothing where it is strong (12 characters, four classes)."""
    if not isinstance(password, str) or not password:
        return "is not set"
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        return f"has fewer than {MINIMUM_PASSWORD_LENGTH} characters"
    classes = (
        ("an upper case letter", string.ascii_uppercase),
        ("a lower case letter", string.ascii_lowercase),
        ("a digit", string.digits),
    )
    lacking = [name for name, members in classes if not set(password) & set(members)]
    if all(character.isalnum() for character in password):
        lacking.append("a symbol")
    return "lacks " + " and ".join(lacking) if lacking else ""


def secret_problems(secrets: dict[str, Any], required: Optional[list[str]] = None, prefix: str = "") -> list[str]:
    """Name each variable whose secret is missing or weak; the secrets themselves never appear.

    ``required`` are the keys that must be there (all that are, by default); ``prefix`` goes before a
    key to make it the name of a variable.
    """
    return [
        f"{prefix}{name} {weakness}: give it a secret of {MINIMUM_PASSWORD_LENGTH} or more characters with upper and lower case,"
        " digit and symbol, from Ansible Vault or a secrets manager."
        for name, weakness in ((name, password_weakness(secrets.get(name))) for name in required or secrets)
        if weakness
    ]


def host_problems(look: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say what of the host itself cannot carry an instance."""
    host, docker = look["host"], look["docker"]
    problems = []
    if host["euid"] != 0:
        problems.append("The host is managed as an ordinary user: connect as root or set ansible_become to true.")
    if host["version"] not in SUPPORTED_SYSTEMS.get(host["id"], ()):
        problems.append(
            f"{host['name'] or 'This operating system'} is not supported: use a host with Debian 12 or 13, or Ubuntu 22.04 or 24.04."
        )
    memory = host["memory_bytes"] // MEBIBYTE
    if memory < wanted["min_memory_mb"]:
        problems.append(
            f"The host has {memory} MB of memory, postgres_common_min_memory_mb asks for {wanted['min_memory_mb']}: "
            "use a larger host or lower that variable."
        )
    free = docker["free_bytes"] // MEBIBYTE
    if free < wanted["min_free_mb"]:
        problems.append(
            f"{docker['root_dir']} has {free} MB free, postgres_common_min_free_mb asks for {wanted['min_free_mb']}: "
            "free some space there or lower that variable."
        )
    if docker["daemon_config_error"]:
        problems.append(f"{docker['daemon_config_error']}: correct that file, it is not overwritten.")
    return problems


def port_problems(look: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say who else holds the port that the instance shall be published on."""
    addresses = published_addresses(wanted["addresses"], look["docker"]["bridge_gateway"])
    everywhere = any(address in _EVERY_ADDRESS for address in addresses)
    for row in look["listeners"]:
        if everywhere or row["address"] in _EVERY_ADDRESS or row["address"] in addresses:
            return [
                f"Port {wanted['port']} on {row['address']} is held by {row['owner']}: "
                "set postgres_common_port to a free one (for example 15432), or stop what holds it."
            ]
    return []


def container_problems(look: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Refuse a container of the instance's name that neither this collection nor the replaced deployment made."""
    container = look["container"]
    if not container or container["labels"].get(INSTANCE_LABEL) == wanted["name"]:
        return []
    if container["id"] in [found["id"] for found in deployments(look, wanted)]:
        return []
    return [
        f"The container {wanted['name']} (image {container['image']}) was not made by this collection, nor by docker-compose on the volume "
        f"{wanted['volume']}: rename or remove it, or set postgres_common_name to another name."
    ]


def judge_cluster(
    volume_name: str,
    volume: Optional[dict[str, Any]],
    identity: dict[str, Any],
    own_container: str,
    choice: dict[str, str],
    replaced: str = "",
) -> tuple[str, str]:
    """Decide what a data volume needs, as (action, problem).

    Actions: ``initialise`` (nothing there yet), ``discard`` (an interrupted initdb that the inventory
    named), ``complete`` (our own unfinished initialisation), ``serve`` (the cluster known to this
    host), ``adopt`` (a cluster on first contact, accepted only if it holds the declared databases, or one that
    a docker-compose deployment serves), ``refuse`` (with the problem in one sentence). ``replaced`` is the name
    of that deployment's container.
    """
    cluster: dict[str, Any] = volume["cluster"] if volume else {"empty": True}
    known = identity.get("system_identifier", "")
    if replaced and (cluster["empty"] or not cluster["system_identifier"]):
        return "refuse", (
            f"The container {replaced} of a docker-compose deployment mounts the volume {volume_name}, which holds no initialised cluster: "
            "remove that container first."
        )
    if cluster["empty"]:
        if known and choice.get("empty") != volume_name:
            return "refuse", (
                f"The volume {volume_name} is empty or gone, but held the cluster {known} when it was served last: bring it back, "
                f"or set postgres_instance_accept_empty_volume to {volume_name} to start with empty databases."
            )
        return "initialise", ""
    ours = {own_container, replaced}
    if replaced or not identity.get("initialised"):
        # What a run that was cut short has left: the actions that follow stop it before they start a server.
        ours.add(f"{own_container}-init")
    others = [name for name in (volume or {}).get("holders", []) if name not in ours]
    if others:
        return "refuse", (
            f"The volume {volume_name} is in use by the container {others[0]}: stop it first, two servers on one volume destroy it."
        )
    if not cluster["pg_version"]:
        return "refuse", (
            f"The volume {volume_name} holds files ({', '.join(cluster['entries'][:3])}) but no PostgreSQL cluster: move them out of "
            f"{(volume or {}).get('mountpoint')}, or set postgres_common_name to another name."
        )
    if cluster["pg_version"] != POSTGRES_MAJOR:
        return "refuse", (
            f"The volume {volume_name} was initialised by PostgreSQL {cluster['pg_version']} and this instance runs {POSTGRES_MAJOR}: "
            "bring its data over by a dump or pg_upgrade, or set postgres_common_name to another name."
        )
    found = cluster["system_identifier"]
    if not found:
        if choice.get("discard") == volume_name:
            return "discard", ""
        return "refuse", (
            f"The volume {volume_name} holds the remains of an interrupted initdb (PG_VERSION but no global/pg_control, so no data): "
            f"set postgres_instance_discard_failed_init to {volume_name} to remove it and initialise again."
        )
    if known and known != found:
        if choice.get("identifier") != found:
            return "refuse", (
                f"The volume {volume_name} holds the cluster {found}, this host served {known}: mount the right volume, or set "
                f"postgres_instance_accept_system_identifier to {found} to serve this one."
            )
        return "adopt", ""
    if replaced or not identity:
        return "adopt", ""
    return ("serve" if identity.get("initialised") else "complete"), ""


def judge_look(look: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, str]:
    """Judge the data volume of a whole look at the host."""
    return judge_cluster(
        wanted["volume"],
        look["volume"],
        look["identity"],
        wanted["name"],
        wanted.get("choice", {}),
        replaced_container(look, wanted).get("now", ""),
    )


def database_problems(databases: list[dict[str, Any]]) -> list[str]:
    """Say what a declared database lacks, or which name stands twice."""
    problems = []
    for index, database in enumerate(databases):
        label = database.get("name") or f"number {index + 1}"
        problems += [
            f"The database {label} in postgres_databases has no {key}: add it."
            for key in ("name", "service", "role")
            if not database.get(key)
        ]
    for key in ("name", "service", "role"):
        values = [database.get(key) for database in databases]
        problems += [
            f"The {key} {value} stands more than once in postgres_databases: give each database its own."
            for value in dict.fromkeys(values)
            if value and values.count(value) > 1
        ]
    return problems


def limit_problems(databases: list[dict[str, Any]]) -> list[str]:
    """Say which role may open fewer connections than the pools of its own service do."""
    problems = []
    for database in databases:
        limit, pooled = database.get("connection_limit"), pool_connections(database)
        # -1 is PostgreSQL's word for no limit.
        if limit is not None and 0 <= int(limit) < pooled:
            problems.append(
                f"The connection_limit {limit} of the role {database.get('role')} is {pooled - int(limit)} less than the {pooled} connections that the "
                f"pools of {database.get('service')} open (size + overflow, times workers): raise it, leave it out, or make the pools smaller."
            )
    return problems


def role_problems(databases: list[dict[str, Any]], readonly_role: str, tls_source: str) -> list[str]:
    """Say which names of roles are in each other's way, or ask for what the certificates do not give."""
    problems = []
    logins = [(login, database) for database in databases for login in logins_of(database.get("role") or "")]
    taken = {login for login, _database in logins} | {readonly_role}
    for login, database in logins:
        if len(login.encode()) > MAXIMUM_NAME_BYTES:
            problems.append(
                f"The role of the database {database.get('name')} is too long: with the second login's _2 it has more than "
                f"{MAXIMUM_NAME_BYTES} bytes; shorten it."
            )
        if login != database.get("role") and login in {each.get("role") for each in databases} | {readonly_role}:
            problems.append(f"{login} is the second login of {database.get('role')}: give the other role another name.")
    for database in databases:
        owner = owner_of(database)
        if owner != SUPERUSER and owner in taken:
            problems.append(
                f"The owner {owner} of the database {database.get('name')} logs in: name a role that is there for owning only."
            )
        if database.get("client_certificate") and tls_source != "managed":
            problems.append(
                f"The database {database.get('name')} asks for a client_certificate, which the instance's own CA issues: "
                "set postgres_tls_source to managed, or leave it out."
            )
    return problems


def source_problems(sources: list[str]) -> list[str]:
    """Say which source is no address or network, which the rules would be refused for halfway."""
    problems = []
    for source in sources:
        try:
            ipaddress.ip_network(source)
        except ValueError as error:
            problems.append(
                f"{source} in postgres_instance_allowed_sources is no address or network ({error}): "
                "write it as 192.0.2.7 or 192.0.2.0/24."
            )
    return problems


def preflight_problems(look: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Collect everything that speaks against a run, before anything is touched."""
    action, problem = judge_look(look, wanted)
    return [
        *database_problems(wanted["databases"]),
        *limit_problems(wanted["databases"]),
        *role_problems(wanted["databases"], wanted["readonly_role"], wanted["tls_source"]),
        *rule_problems(
            wanted["hba"],
            wanted["databases"],
            wanted["readonly_role"],
            wanted["superuser_from_network"],
            wanted.get("lock_out", []),
        ),
        *collection_problems(wanted["databases"]),
        *source_problems(wanted.get("sources", [])),
        *host_problems(look, wanted),
        *port_problems(look, wanted),
        *container_problems(look, wanted),
        *([problem] if action == "refuse" else []),
        *(replacement_problems(look, wanted) if action == "adopt" else []),
    ]
