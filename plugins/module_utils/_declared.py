# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory's list of databases means for the server: objects, roles and privileges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional
from urllib.parse import quote

SUPERUSER = "postgres"
# What initdb makes, and PUBLIC may enter until that is taken away.
MAINTENANCE_DATABASES = ("postgres", "template1")
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
    the columns in ``hidden`` (database, table, columns); a view over such a table, only where it is named there too, with no
    columns. PUBLIC gets nothing; the maintenance databases
    postgres and template1 are closed to all but the superuser.
    """
    declared: list[dict[str, Any]] = []
    for database in databases:
        readable: dict[str, Any] = {"*": ["SELECT"]}
        for table, columns in hidden.get(database["name"], {}).items():
            readable[table] = {"SELECT": {"except": columns}} if columns else ["SELECT"]
        declared.append(
            {
                "name": database["name"],
                "owner": owner_of(database),
                # init.sql, migrations and people at psql create as the superuser, whoever owns it after the next run.
                "creators": list(dict.fromkeys([owner_of(database), SUPERUSER])),
                "grants": {
                    database["role"]: _grant(_SERVICE_TABLES, sequences=["USAGE", "SELECT"]),
                    readonly_role: _grant(readable),
                },
            }
        )
    return [*declared, *({"name": name, "contents": False} for name in MAINTENANCE_DATABASES)]


def _grant(tables: Any, **more: list[str]) -> dict[str, Any]:
    return {"database": ["CONNECT"], "schemas": {"public": {"privileges": ["USAGE"], "tables": tables, **more}}}


def login_roles(
    names: list[str], passwords: dict[str, str], settings: Optional[dict[str, Any]] = None
) -> list[dict[str, Any]]:
    """Return roles of M(ai_micro.postgres.postgres_access) that log in with their password."""
    return [{"name": name, "password": passwords[name], "settings": settings or {}} for name in names]


def collection_settings(roles: list[dict[str, Any]], databases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the roles with what their sessions need to search their database's collections.

    The widest search that a collection declares, scans that go on when a filter takes rows away, and a plan for the
    collection that is searched: drivers prepare what they repeat, and a plan for any collection takes the vector index for a
    small one too, where all of its rows are read sooner and give the exact answer.
    """
    wanted: dict[str, dict[str, dict[str, str]]] = {}
    for database in databases:
        settings = wanted.setdefault(database["role"], {}).setdefault(database["name"], {})
        for collection in database.get("collections") or []:
            method = (collection.get("index") or {}).get("method", "hnsw")
            if method == "none":
                continue
            settings["plan_cache_mode"] = "force_custom_plan"
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
        limit = connection_limit(database)
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


def pool_connections(database: Mapping[str, Any]) -> int:
    """As many connections as the pools of a service's processes may open; none where no pool is declared."""
    pool = database.get("pool") or {}
    return (int(pool.get("size") or 0) + int(pool.get("overflow") or 0)) * int(pool.get("workers") or 1)


def connection_limit(database: Mapping[str, Any]) -> Optional[int]:
    """What the inventory says, or as many as the pools of the service's processes may open; nothing where neither is declared."""
    if database.get("connection_limit") is not None:
        return int(database["connection_limit"])
    return pool_connections(database) if database.get("pool") else None


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


def connection_trees(
    databases: list[dict[str, Any]],
    passwords: Mapping[str, str],
    logins: Mapping[str, str],
    host: str,
    port: int,
    directory: str,
) -> list[dict[str, Any]]:
    """Return the trees of M(ai_micro.postgres.host_tree) with what services connect by, below ``services``.

    A file for ``docker run --env-file``, and for each service a directory with nothing but its own URL: a container that has the
    directory sees the file change, where a single file that is mounted stays what it was.
    """
    files = connection_files(databases, passwords, logins, host, port, directory)
    top = f"{directory}/services"
    trees: list[dict[str, Any]] = [{"path": directory}, {"path": top, "file_mode": "0600", "files": files}]
    for database, file in zip(databases, files):
        trees.append(
            {
                "path": f"{top}/{database['service']}",
                "group": str(database.get("gid") or 0),
                "directory_mode": "0750",
                "file_mode": "0640",
                "files": [{"name": "url", "content": file["content"].partition("=")[2]}],
            }
        )
    return trees
