# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking over what a docker-compose deployment left on a host: what is replaced, what forbids it, what it means.

Pure functions over what ai_micro.postgres.postgres_host_info and ai_micro.postgres.postgres_adoption saw.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import published_addresses, second_login
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_objects import INSTANCE_LABEL

COMPOSE_LABELS = ("com.docker.compose.project", "com.docker.compose.service")
SERVER_UID = 999
# What initdb takes from the locale that it is run in, and a cluster keeps.
LOCALE_SETTINGS = ("datestyle", "default_text_search_config", "lc_messages", "lc_monetary", "lc_numeric", "lc_time")
# What the container's mounts, ports and health check rely on: ALTER SYSTEM comes before the configuration file.
CONTRACT_SETTINGS = (
    "hba_file",
    "ident_file",
    "listen_addresses",
    "port",
    "ssl",
    "ssl_cert_file",
    "ssl_key_file",
    "unix_socket_directories",
)
# What postgresql.conf holds as the official image's entrypoint leaves it.
_AS_INITIALISED = {
    "dynamic_shared_memory_type": "posix",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
    "shared_buffers": "128MB",
}
_TIME_ZONES = ("log_timezone", "timezone")


def is_deployment(container: dict[str, Any], volume: str) -> bool:
    """Say whether a container is docker-compose's and has the volume where PostgreSQL keeps its data."""
    return container["data_volume"] == volume and all(container["labels"].get(label) for label in COMPOSE_LABELS)


def deployments(look: dict[str, Any], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers that this instance's is to replace, those that run first.

    None where the instance has its own; the one that it replaced earlier, stopped under its other name, is
    not found again.
    """
    own, identity = look["container"], look["identity"]
    if own and own["labels"].get(INSTANCE_LABEL) == wanted["name"]:
        return []
    kept = look["adoption"].get("id") if identity.get("initialised") else None
    found = [
        container
        for container in (look["volume"] or {}).get("containers", [])
        if is_deployment(container, wanted["volume"])
        and not (container["id"] == kept and container["name"] != wanted["name"] and not container["running"])
    ]
    return sorted(found, key=lambda container: not container["running"])


def replaced_container(look: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Describe the container to replace as it was before anything was done to it; empty where there is none.

    ``name``, ``running`` and ``restart_policy`` are what a run that was cut short has noted, ``now`` is what
    the container is called and ``serving`` whether it runs at present. One that ends again and again counts as stopped.
    """
    found = deployments(look, wanted)
    if not found:
        return {}
    container, record = found[0], look["adoption"]
    before = record if record.get("id") == container["id"] else container
    return {
        "id": container["id"],
        "image": container["image"],
        "image_id": container["image_id"],
        "kept_as": wanted["kept_as"],
        "name": before["name"],
        "networks": container["networks"],
        "ports": container["ports"],
        "project": container["labels"][COMPOSE_LABELS[0]],
        "restart_policy": before["restart_policy"],
        "running": before["running"] and not before.get("restarting"),
        "now": container["name"],
        "pid": container["pid"],
        "serving": container["running"] and not container["restarting"],
    }


def replacement_problems(look: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say what forbids to take over the cluster in the volume, as far as files and containers tell."""
    found, replaced = deployments(look, wanted), replaced_container(look, wanted)
    cluster = look["volume"]["cluster"]
    problems = []
    if len(found) > 1:
        names = " and ".join(container["name"] for container in found)
        problems.append(
            f"The containers {names} of docker-compose deployments mount the volume {wanted['volume']}: remove those that are not in use, "
            "one at most can be replaced."
        )
    if replaced and replaced["now"] != wanted["kept_as"] and wanted["kept_as"] in look["docker"]["containers"]:
        problems.append(
            f"The container {replaced['now']} would be kept as {wanted['kept_as']}, and there is a container of that name already: "
            "rename or remove it."
        )
    if cluster["owner"] != SERVER_UID:
        problems.append(
            f"The cluster in the volume {wanted['volume']} belongs to user {cluster['owner']} and not to {SERVER_UID}, as where an Alpine image "
            "made it, which sorts text in another way too: bring its data over by pg_dumpall."
        )
    if cluster["outside"]:
        problems.append(
            f"The cluster in the volume {wanted['volume']} has parts outside of it ({', '.join(cluster['outside'])}), which the new container "
            "does not see: move them into the data directory first."
        )
    forbidden = [name for name in CONTRACT_SETTINGS if name in cluster["system_settings"]]
    if forbidden:
        resets = " ".join(f"-c 'ALTER SYSTEM RESET {name}'" for name in forbidden)
        server = replaced["now"] if replaced else "CONTAINER"
        problems.append(
            f"postgresql.auto.conf in the volume {wanted['volume']} sets {', '.join(forbidden)}, which would come before the instance's own "
            f"values and make it unreachable: remove that first (docker exec {server} psql -U postgres {resets})."
        )
    return problems


def locale_settings(cluster: dict[str, Any]) -> dict[str, str]:
    """Return the settings that a cluster has from the locale that it was initialised in."""
    return {name: cluster["settings"][name] for name in LOCALE_SETTINGS if name in cluster["settings"]}


def judge_adoption(facts: dict[str, Any], look: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Decide what a cluster on first contact is, by what its server told (ai_micro.postgres.postgres_adoption).

    ``adopt`` says whether it is another deployment's (and not this instance's own, whose memory was lost),
    ``complete`` whether the first start's scripts are to add what is missing; ``problems`` forbid to go on,
    ``notes`` are worth knowing, and ``adopted`` is what the host remembers of it.
    """
    volume, cluster = wanted["volume"], look["volume"]["cluster"]
    identifier = cluster["system_identifier"]
    adopt = facts["recorded"] or not facts["marked"]
    missing = [database["name"] for database in wanted["databases"] if database["name"] not in facts["databases"]]
    accepted = wanted["choice"].get("identifier") == identifier
    replaced = replaced_container(look, wanted)
    problems = []
    if missing and not accepted:
        problems.append(
            f"The volume {volume} holds a cluster (system identifier {identifier}) that this host does not know and that lacks the databases "
            f"{', '.join(missing)}, so it is unfinished or somebody else's: set postgres_instance_accept_system_identifier to {identifier} to "
            "have them added, or set postgres_common_name to another name."
        )
    problems += _extension_problems(facts, wanted["pgvector_version"])
    if facts["prepared_transactions"]:
        problems.append(
            f"The cluster in the volume {volume} has {facts['prepared_transactions']} prepared transactions, which the instance's "
            "max_prepared_transactions of 0 does not hold: end them by COMMIT PREPARED or ROLLBACK PREPARED."
        )
    if adopt:
        problems += _role_problems(facts, wanted, replaced.get("now", wanted["name"]), look.get("logins") or {})
    return {
        "adopt": adopt,
        "complete": bool(missing) and accepted,
        "problems": problems,
        "notes": _notes(facts, replaced, look, wanted) if adopt else [],
        "adopted": {
            "keeps_superuser_password": wanted["superuser_from_network"],
            "locale_settings": locale_settings(cluster),
            "system_settings": cluster["system_settings"],
        }
        if adopt
        else {},
    }


def _extension_problems(facts: dict[str, Any], pgvector: str) -> list[str]:
    # The old server has all its extensions, so of the image only pgvector's version is known while that one serves.
    problems = []
    for name, database in facts["databases"].items():
        lacking = dict(database["unavailable"])
        installed = database["extensions"].get("vector", "")
        if installed and pgvector and _version(installed) > _version(pgvector):
            lacking["vector"] = installed
        problems += [
            f"The database {name} has the extension {extension} {version}, which the image does not have: set postgres_image_source to one that "
            "has it, or drop the extension."
            for extension, version in lacking.items()
        ]
    return problems


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _role_problems(facts: dict[str, Any], wanted: dict[str, Any], server: str, logins: dict[str, str]) -> list[str]:
    problems = []
    declared = {"postgres", wanted["readonly_role"], *wanted["lock_out"]}
    declared.update(database["role"] for database in wanted["databases"])
    # A second login is ours only where a rotation made it: another deployment's role of that name would be dropped.
    declared.update(second_login(role) for role in logins)
    others = [role for role in facts["login_roles"] if role not in declared]
    if others:
        problems.append(
            f"The roles {', '.join(others)} may log in to the cluster and are not declared, so pg_hba.conf would lock them out and their "
            "privileges be revoked: move their clients to a role of postgres_databases, and name those that may lose their access in "
            "postgres_instance_lock_out."
        )
    verifier = facts["superuser_verifier"]
    if wanted["superuser_from_network"] and verifier != "scram-sha-256":
        found = "is stored as MD5" if verifier == "md5" else "is not set"
        problems.append(
            f"The password of postgres {found}, and services that connect as postgres need one that is stored as SCRAM-SHA-256: set it (docker exec "
            f"-it {server} psql -U postgres -c \"SET password_encryption = 'scram-sha-256'\" -c '\\password'), or set "
            "postgres_instance_superuser_from_network to false."
        )
    return problems


def _notes(facts: dict[str, Any], replaced: dict[str, Any], look: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    cluster = look["volume"]["cluster"]
    locales = sorted({f"{found['collate']} ({found['encoding']})" for found in facts["databases"].values()})
    notes = [f"The cluster keeps its locale: {', '.join(locales)}."]
    if not facts["data_checksums"]:
        notes.append(
            "It has no data checksums, which a new cluster has: pg_checksums --enable adds them while the server is stopped."
        )
    zone = cluster["settings"].get("timezone", "UTC")
    if zone.split("/")[-1] not in ("UTC", "UCT", "GMT", "Zulu"):
        notes.append(
            f"Its time zone was {zone} and is UTC now: what now() wrote to a timestamp column before is {zone}'s time."
        )
    dropped = {
        name: value
        for name, value in cluster["settings"].items()
        if name not in (*LOCALE_SETTINGS, *CONTRACT_SETTINGS, *_TIME_ZONES) and _AS_INITIALISED.get(name) != value
    }
    if dropped:
        listed = ", ".join(f"{name} = {value}" for name, value in sorted(dropped.items()))
        notes.append(
            f"postgresql.conf in the volume is not read any more; it held {listed}: what is still wanted belongs into postgres_instance_settings."
        )
    lost, after = _addresses(replaced, look, wanted)
    if lost:
        notes.append(
            f"It was published on {', '.join(lost)} and is on {', '.join(after) or 'nothing'} now: for clients elsewhere set "
            "postgres_common_addresses and postgres_common_port."
        )
    return notes


def _addresses(replaced: dict[str, Any], look: dict[str, Any], wanted: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return where the replaced container was published and the instance is not, and where the instance is."""
    addresses = published_addresses(wanted["addresses"], look["docker"]["bridge_gateway"])
    after = [f"{address}:{wanted['port']}" for address in addresses]
    return [port for port in replaced.get("ports", []) if port not in after], after


def overridden_settings(wanted: dict[str, Any], system_settings: dict[str, str]) -> list[str]:
    """Say which values of ALTER SYSTEM come before those of the configuration, or beside them."""
    sentences = []
    for name, value in sorted(system_settings.items()):
        if name not in wanted:
            what = f"which the configuration does not: it stays in force until ALTER SYSTEM RESET {name}"
        else:
            ours = str(wanted[name]).lower() if isinstance(wanted[name], bool) else str(wanted[name])
            if ours == value:
                continue
            what = f"which overrides {ours} of the configuration: it is reset"
        sentences.append(
            f"postgresql.auto.conf sets {name} = {value}, {what}; its place is postgres_instance_settings."
        )
    return sentences
