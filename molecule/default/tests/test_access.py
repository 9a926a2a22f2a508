"""Clients in other containers: what they may, how they get in, and that nothing gets in without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from testinfra.host import Host as Target

if TYPE_CHECKING:
    from .conftest import Server

SERVICES = {
    "ai-micro-api-auth": ("auth_service", "authdb"),
    "ai-micro-api-user": ("user_api_service", "apidb"),
    "ai-micro-api-admin": ("admin_api_service", "admindb"),
}
ON_NETWORK = "--network=ai-micro"


@pytest.mark.parametrize("service", SERVICES)
def test_connection_file_works_as_it_is(server: Server, host: Target, service: str) -> None:
    """A service reaches its database by host.docker.internal, and the file is for root's eyes only."""
    assert host.file(f"/etc/ai-micro-postgres/services/{service}.env").mode == 0o600
    url = server.url(service)
    assert "sslmode=verify-full" in url
    assert "@host.docker.internal:5432/" in url
    answer = server.client(url, "SELECT current_user, current_database()")
    assert answer.output == "|".join(SERVICES[service]), answer.errors


def test_container_name_works_on_the_network(server: Server) -> None:
    """On the Docker network the server is verified under the container's name."""
    url = server.url("ai-micro-api-auth").replace("host.docker.internal", "ai-micro-postgres")
    answer = server.client(url, "SELECT current_user", ON_NETWORK)
    assert answer.output == "auth_service", answer.errors


@pytest.mark.parametrize("option", ["--add-host=host.docker.internal:host-gateway", ON_NETWORK])
def test_no_way_in_without_tls(server: Server, option: str) -> None:
    """The right password does not help without encryption, on either way."""
    url = server.url("ai-micro-api-auth").replace("sslmode=verify-full", "sslmode=disable")
    if option == ON_NETWORK:
        url = url.replace("host.docker.internal", "ai-micro-postgres")
    answer = server.client(url, "SELECT 1", option)
    assert answer.code != 0
    assert "pg_hba.conf" in answer.errors


def test_wrong_password_is_refused(server: Server) -> None:
    """TLS alone is not enough."""
    url = server.url("ai-micro-api-auth").replace("auth_service:", "auth_service:x")
    answer = server.client(url)
    assert answer.code != 0
    assert "password authentication failed" in answer.errors


@pytest.mark.parametrize("database", ["apidb", "admindb", "postgres"])
def test_service_has_no_other_database(server: Server, database: str) -> None:
    """A service role may enter its own database only."""
    answer = server.client(server.url("ai-micro-api-auth").replace("/authdb?", f"/{database}?"))
    assert answer.code != 0
    assert "permission denied for database" in answer.errors or "pg_hba.conf" in answer.errors


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("SELECT count(*) FROM users", True),
        ("DELETE FROM users WHERE false", True),
        ("TRUNCATE users", False),
        ("ALTER TABLE users ADD COLUMN x int", False),
        ("CREATE TABLE x (y int)", False),
    ],
)
def test_service_may_use_but_not_alter(server: Server, statement: str, *, allowed: bool) -> None:
    """Rows are the service's business, tables are not."""
    answer = server.client(server.url("ai-micro-api-auth"), statement)
    assert (answer.code == 0) is allowed, answer.errors


@pytest.mark.parametrize(("columns", "allowed"), [("id, email", True), ("password_hash", False), ("*", False)])
def test_report_role_reads_but_sees_no_hash(
    server: Server, secrets: dict[str, str], columns: str, *, allowed: bool
) -> None:
    """readonly_user may read the accounts without what protects them."""
    address = server.url("ai-micro-api-auth").split("@")[-1]
    url = f"postgresql://readonly_user:{quote(secrets['readonly_user'], safe='')}@{address}"
    answer = server.client(url, f"SELECT {columns} FROM users")
    assert (answer.code == 0) is allowed, answer.errors
    assert allowed or "permission denied for table users" in answer.errors
