# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory's list of databases means."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import (
    access_declaration,
    collections_named,
    connection_files,
    connection_trees,
    login_roles,
)

AUTHDB: dict[str, Any] = {
    "name": "authdb",
    "service": "ai-micro-api-auth",
    "role": "auth_service",
    "extensions": ["uuid-ossp"],
}


def test_access_declaration() -> None:
    apidb = {"name": "apidb", "service": "s", "role": "user_api_service"}
    auth, api, *maintenance = access_declaration([AUTHDB, apidb], "reader", {"authdb": {"users": ["password_hash"]}})
    assert maintenance == [{"name": name, "contents": False} for name in ("postgres", "template1")]
    assert (auth["name"], auth["owner"], api["name"]) == ("authdb", "postgres", "apidb")
    assert auth["grants"] == {
        "auth_service": {
            "database": ["CONNECT"],
            "schemas": {
                "public": {
                    "privileges": ["USAGE"],
                    "tables": ["SELECT", "INSERT", "UPDATE", "DELETE"],
                    "sequences": ["USAGE", "SELECT"],
                }
            },
        },
        "reader": {
            "database": ["CONNECT"],
            "schemas": {
                "public": {
                    "privileges": ["USAGE"],
                    "tables": {"*": ["SELECT"], "users": {"SELECT": {"except": ["password_hash"]}}},
                }
            },
        },
    }
    opened = access_declaration([AUTHDB], "reader", {"authdb": {"users": ["x"], "names": []}})[0]["grants"]["reader"]
    assert opened["schemas"]["public"]["tables"]["names"] == ["SELECT"]
    assert auth["creators"] == ["postgres"]
    assert access_declaration([{**AUTHDB, "owner": "o"}], "reader", {})[0]["creators"] == ["o", "postgres"]
    assert set(api["grants"]) == {"user_api_service", "reader"}
    assert api["grants"]["reader"]["schemas"]["public"]["tables"] == {"*": ["SELECT"]}


def test_login_roles() -> None:
    assert login_roles(["a", "b"], {"a": "x", "b": "y", "c": "z"}) == [
        {"name": "a", "password": "x", "settings": {}},
        {"name": "b", "password": "y", "settings": {}},
    ]
    assert login_roles(["a"], {"a": "x"}, {"work_mem": "4MB"})[0]["settings"] == {"work_mem": "4MB"}


@pytest.mark.parametrize(
    "password",
    ["plain", "p@ss:w/rd?#[]&=%", "with blank and 'quotes\"", "dollar$(id)`x`\\", "Ünïcödé€", "+plus%2B"],
)
def test_connection_files(password: str) -> None:
    database = {**AUTHDB, "role": "auth@service"}
    (file,) = connection_files([database], {"auth@service": password}, {}, "db.example", 15432, "/etc/x")
    assert file["name"] == "ai-micro-api-auth.env"
    key, _, url = file["content"].rstrip("\n").partition("=")
    parts = urlsplit(url)
    assert (key, file["content"].count("\n"), parts.scheme) == ("DATABASE_URL", 1, "postgresql")
    assert (parts.hostname, parts.port, parts.path) == ("db.example", 15432, "/authdb")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("auth@service", password)
    assert parse_qs(parts.query) == {"sslmode": ["verify-full"], "sslrootcert": ["/etc/x/tls/ca.crt"]}
    # What a shell that sources the file would not take literally.
    assert not set(url) & set(" '\"$`\\;()<>|")


def test_connection_trees() -> None:
    """Each service has a directory of its own, which shows its container nobody else's password."""
    api = {**AUTHDB, "service": "api", "name": "apidb", "role": "api", "gid": 1000}
    given: Any = ({"auth_service": "x", "api": "y"}, {}, "h", 5432, "/etc/x")
    root, top, auth, other = connection_trees([AUTHDB, api], *given)
    assert (root, top["path"], top["file_mode"]) == ({"path": "/etc/x"}, "/etc/x/services", "0600")
    assert [file["name"] for file in top["files"]] == ["ai-micro-api-auth.env", "api.env"]
    assert (auth["path"], auth["group"], auth["directory_mode"], auth["file_mode"]) == (
        "/etc/x/services/ai-micro-api-auth",
        "0",
        "0750",
        "0640",
    )
    assert (other["path"], other["group"]) == ("/etc/x/services/api", "1000")
    for tree, file in zip((auth, other), top["files"]):
        assert [f"DATABASE_URL={each['content']}" for each in tree["files"]] == [file["content"]]


def test_libpq_reads_a_connection_file() -> None:
    parse_dsn = pytest.importorskip("psycopg2.extensions").parse_dsn
    password = "p@ss:w/rd?#[]&=% 'ü"
    (file,) = connection_files([AUTHDB], {"auth_service": password}, {}, "host.docker.internal", 5432, "/etc/a b")
    assert parse_dsn(file["content"].partition("=")[2].strip()) == {
        "user": "auth_service",
        "password": password,
        "host": "host.docker.internal",
        "port": "5432",
        "dbname": "authdb",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/a b/tls/ca.crt",
    }


def test_collections_of_a_name_come_with_those_of_the_same_column_and_model() -> None:
    small: dict[str, Any] = {"name": "docs", "model": "a", "dimensions": 4}
    same, table = {**small, "name": "more"}, {**small, "name": "own", "table": "chunks"}
    older = {**small, "name": "older", "model": "b"}
    databases: list[dict[str, Any]] = [
        {"name": "one", "role": "r1", "collections": [small, same, table, older]},
        {"name": "two", "role": "r2", "collections": [small]},
        {"name": "none", "role": "r3"},
    ]
    both = collections_named(databases, "docs")
    assert [(found["database"], found["role"], found["beside"]) for found in both] == [
        ("one", "r1", ["more"]),
        ("two", "r2", []),
    ]
    assert both[0]["collection"] == small
    assert [found["database"] for found in collections_named(databases, "docs", "two")] == ["two"]
    assert collections_named(databases, "") == []
