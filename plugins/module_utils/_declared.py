# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory's list of databases means for the server: objects, roles and privileges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional
from urllib.parse import quote

SUPERUSER = "postgres"
_SERVICE_TABLES = ["SELECT", "INSERT", "UPDATE", "DELETE"]
_SECOND = "_2"


def second_login(role: str) -> str:
    """Name of the login that takes turns with a service's role when its password is rotated."""
    return role + _SECOND


def logins_of(role: str) -> list[str]:
    """Every name that the service of a role may log in by."""
    return [role, second_login(role)]


def certificate_logins(databases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Both logins of each service whose database asks for a client certificate."""
    return [
        login for database in databases if database.get("client_certificate") for login in logins_of(database["role"])
    ]


def owner_of(database: Mapping[str, Any]) -> str:
    """Role that owns a database and all in it."""
    return str(database.get("owner") or SUPERUSER)


def published_addresses(addresses: list[str], gateway: str) -> list[str]:
    """Resolve the word bridge to the address of Docker's default bridge, in order and without repetition."""
    return list(dict.fromkeys(gateway if address == "bridge" else address for address in addresses))


def access_declaration(
    databases: list[dict[str, Any]], readonly_role: str, hidden: dict[str, dict[str, list[str]]]
) -> list[dict[str, Any]]:
    """Return the databases argument of M(ai_micro.postgres.postgres_access).

    Each service role gets its own database and nothing else, the read-only role may select in each but
    the columns in ``hidden`` (database, table, columns). PUBLIC gets nothing; the maintenance database
    postgres is closed to all but the superuser.
    """
    declared: list[dict[str, Any]] = []
    for database in databases:
        readable: dict[str, Any] = {"*": ["SELECT"]}
        for table, columns in hidden.get(database["name"], {}).items():
            readable[table] = {"SELECT": {"except": columns}}
        declared.append(
            {
                "name": database["name"],
                "owner": owner_of(database),
                "grants": {
                    database["role"]: _grant(_SERVICE_TABLES, sequences=["USAGE", "SELECT"]),
                    readonly_role: _grant(readable),
                },
            }
        )
    return [*declared, {"name": "postgres", "contents": False}]


def _grant(tables: Any, **more: list[str]) -> dict[str, Any]:
    return {"database": ["CONNECT"], "schemas": {"public": {"privileges": ["USAGE"], "tables": tables, **more}}}


def login_roles(
    names: list[str], passwords: dict[str, str], settings: Optional[dict[str, Any]] = None
) -> list[dict[str, Any]]:
    """Return roles of M(ai_micro.postgres.postgres_access) that log in with their password."""
    return [{"name": name, "password": passwords[name], "settings": settings or {}} for name in names]


def collection_settings(roles: list[dict[str, Any]], databases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the roles with what their sessions need to search their database's collections.

    The widest search that a collection declares, and scans that go on when a filter takes rows away.
    """
    wanted: dict[str, dict[str, dict[str, str]]] = {}
    for database in databases:
        settings = wanted.setdefault(database["role"], {}).setdefault(database["name"], {})
        for collection in database.get("collections") or []:
            method = (collection.get("index") or {}).get("method", "hnsw")
            if method == "none":
                continue
            settings[f"{method}.iterative_scan"] = "strict_order" if method == "hnsw" else "relaxed_order"
            width = (collection.get("recall") or {}).get("ef_search")
            name = "hnsw.ef_search" if method == "hnsw" else "ivfflat.probes"
            if width is not None:
                settings[name] = str(max(int(width), int(settings.get(name, 0))))
    needed = {role: {name: some for name, some in each.items() if some} for role, each in wanted.items()}
    return [
        {**role, "database_settings": {**role.get("database_settings", {}), **needed[role["name"]]}}
        if needed.get(role["name"])
        else role
        for role in roles
    ]


def service_roles(
    databases: list[dict[str, Any]],
    passwords: Mapping[str, str],
    logins: Mapping[str, str],
    settings: Optional[Mapping[str, Any]] = None,
) -> list[dict[str, Any]]:
    """Return roles of M(ai_micro.postgres.postgres_access) for the services: logins, and owners that do not log in.

    ``logins`` names the login of each role whose password was rotated. Only such a role has its second login, a member of it
    that becomes it where a session begins; the role's settings are repeated there, because those of the role that logs in count.
    """
    roles: list[dict[str, Any]] = []
    for database in databases:
        role, second = database["role"], second_login(database["role"])
        first: dict[str, Any] = {
            "name": role,
            "password": passwords[role],
            "settings": {**(settings or {}), **(database.get("settings") or {})},
        }
        limit = _connection_limit(database)
        if limit is not None:
            first["connection_limit"] = limit
        (first,) = collection_settings([first], [database])
        roles.append(first)
        if role in logins:
            roles.append(
                {**first, "name": second, "settings": {**first["settings"], "role": role}, "member_of": [role]}
            )
        else:
            roles.append({"name": second, "state": "absent"})
    owners = dict.fromkeys(owner_of(database) for database in databases)
    return [*roles, *({"name": owner, "login": False} for owner in owners if owner != SUPERUSER)]


def trial_roles(
    databases: Sequence[Mapping[str, Any]], readonly_role: str, logins: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Every role that logs in, with what it is a member of, without a password: what M(ai_micro.postgres.postgres_access_trial) tries."""
    roles = [database["role"] for database in databases]
    seconds = [{"name": second_login(role), "member_of": [role]} for role in roles if role in logins]
    return [*({"name": role} for role in roles), *seconds, {"name": readonly_role}]


def _connection_limit(database: Mapping[str, Any]) -> Optional[int]:
    """What the inventory says, or as many as the pools of the service's processes may open."""
    if database.get("connection_limit") is not None:
        return int(database["connection_limit"])
    pool = database.get("pool")
    if not pool:
        return None
    return (int(pool["size"]) + int(pool["overflow"])) * int(pool.get("workers") or 1)


def collections_named(databases: list[dict[str, Any]], name: str, database: str = "") -> list[dict[str, Any]]:
    """Return the collections of a name, of one database or of each, with what surrounds them.

    Beside one stand those that declare the same model for the same column, which can only be brought to another together.
    """
    found = []
    for each in databases:
        collections = each.get("collections") or []
        for collection in collections:
            if collection["name"] != name or database not in ("", each["name"]):
                continue
            beside = [
                other["name"]
                for other in collections
                if other is not collection and _of_column(other) == _of_column(collection)
            ]
            found.append({"database": each["name"], "role": each["role"], "collection": collection, "beside": beside})
    return found


def _of_column(collection: dict[str, Any]) -> tuple[Any, ...]:
    table = collection.get("table", "langchain_pg_embedding")
    return (table, *(collection.get(name) for name in ("collection_table", "column", "model", "dimensions")))


def connection_files(
    databases: list[dict[str, Any]],
    passwords: Mapping[str, str],
    logins: Mapping[str, str],
    host: str,
    port: int,
    directory: str,
) -> list[dict[str, str]]:
    """Return name and content of each service's connection file, one DATABASE_URL in it (libpq's URI form)."""
    files = []
    for database in databases:
        login = logins.get(database["role"], database["role"])
        options = f"sslmode=verify-full&sslrootcert={quote(directory, safe='/')}/tls/ca.crt"
        if database.get("client_certificate"):
            place = f"{quote(directory, safe='/')}/clients/{quote(login, safe='')}"
            options += f"&sslcert={place}.crt&sslkey={place}.key"
        account = f"{quote(login, safe='')}:{quote(passwords[database['role']], safe='')}"
        url = f"postgresql://{account}@{host}:{port}/{quote(database['name'], safe='')}?{options}"
        files.append({"name": f"{database['service']}.env", "content": f"DATABASE_URL={url}\n"})
    return files
