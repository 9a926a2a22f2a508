"""The container as it runs, the server's settings, and the documented commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from testinfra.host import Host as Target

from tests.hosts.run import Run

if TYPE_CHECKING:
    from .conftest import Server

COMMANDS = (
    "docker exec ai-micro-postgres psql -U postgres -d authdb -c 'SELECT 1'",
    'docker exec ai-micro-postgres psql -U postgres -c "\\l"',
    "docker exec ai-micro-postgres pg_isready -U postgres",
    "docker exec ai-micro-postgres ls -la /var/lib/postgresql/data",
    "docker volume inspect ai-micro-postgres_postgres_data",
    "docker stats --no-stream ai-micro-postgres",
    "docker logs --tail=100 ai-micro-postgres",
)
SETTINGS = {
    "ssl": "on",
    "password_encryption": "scram-sha-256",
    "TimeZone": "UTC",
    "server_encoding": "UTF8",
    "max_connections": "100",
    "log_min_duration_statement": "1s",
    "log_line_prefix": "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
}
DATABASES = {
    "authdb": {"users"},
    "apidb": {"profiles"},
    "admindb": {
        "system_logs",
        "login_logs",
        "system_settings",
        "knowledge_bases",
        "documents",
        "langchain_pg_collection",
        "langchain_pg_embedding",
    },
}
EXTENSIONS = {"authdb": {"uuid-ossp"}, "apidb": {"uuid-ossp"}, "admindb": {"uuid-ossp", "vector"}}


def test_nobody_is_in_the_group_docker(host: Target) -> None:
    """Who is in it is root: neither a member, nor an account that has it as its own group."""
    _name, _password, number, members = host.check_output("getent group docker").strip().split(":")
    assert members == ""
    accounts = host.check_output("getent passwd").splitlines()
    assert [account for account in accounts if account.split(":")[3] == number] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_command_works(host: Target, command: str) -> None:
    """The commands that people know from the old deployment."""
    done = host.run(command)
    assert done.rc == 0, done.stderr


def test_psql_on_the_host_works(host: Target, secrets: dict[str, str]) -> None:
    """The host has a psql that reaches the server by localhost, with TLS."""
    password = shlex.quote(secrets["postgres"])
    command = "psql -h localhost -p 5432 -U postgres -d authdb -At -c 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'"
    assert host.check_output(f"PGPASSWORD={password} {command}").strip() == "t"


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_setting_is_in_force(server: Server, name: str, value: str) -> None:
    """The server is asked, not its configuration file."""
    assert server.sql(f"SELECT current_setting('{name}')") == value.strip()


@pytest.mark.parametrize("database", DATABASES)
def test_database_holds_what_is_declared(server: Server, database: str) -> None:
    """Tables and extensions are there, and the tables belong to the superuser."""
    tables = server.sql("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'", database)
    assert dict(line.split("|") for line in tables.splitlines()) == dict.fromkeys(DATABASES[database], "postgres")
    assert set(server.sql("SELECT extname FROM pg_extension", database).split()) >= EXTENSIONS[database]


def test_vectors_can_be_compared(server: Server) -> None:
    """The extension's library loads and computes."""
    assert server.sql("SELECT '[1,0]'::vector <=> '[0,1]'::vector", "admindb") == "1"


def test_container_has_no_rights(server: Server, host: Target) -> None:
    """Not root, no capability, no way to new ones, and a root file system that cannot be written."""
    inspected = server.inspect()
    limits = inspected["HostConfig"]
    assert inspected["Config"]["User"] == "999:999"
    assert limits["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in " ".join(limits["SecurityOpt"])
    assert limits["ReadonlyRootfs"] is True
    status = str(host.file(f"/proc/{inspected['State']['Pid']}/status").content_string)
    assert re.search(r"^Uid:\s+999\s+999", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert host.run("docker exec -u root ai-micro-postgres touch /usr/local/x").rc != 0


def test_container_is_run_as_promised(server: Server) -> None:
    """Volume, limits, log rotation and patience at a stop."""
    inspected = server.inspect()
    limits = inspected["HostConfig"]
    data = [mount for mount in inspected["Mounts"] if mount["Destination"] == "/var/lib/postgresql/data"]
    assert [mount["Name"] for mount in data] == ["ai-micro-postgres_postgres_data"]
    assert limits["Memory"] == 1 << 30
    assert limits["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert inspected["Config"]["StopTimeout"] >= 120
    assert inspected["State"]["Health"]["Status"] == "healthy"
    assert "ai-micro" in inspected["NetworkSettings"]["Networks"]


def test_no_secret_is_in_reach(host: Target, secrets: dict[str, str]) -> None:
    """Neither Docker's knowledge, nor its logs, nor any process shows a password."""
    # A process that has ended in between is none that shows anything.
    processes = "for pid in /proc/[0-9]*; do tr '\\0' '\\n' <$pid/{}; done 2>/dev/null; true"
    parts = {
        "PGDATA=": host.check_output("docker ps --all --quiet | xargs docker inspect"),
        "database system is ready": host.check_output("docker logs ai-micro-postgres 2>&1"),
        "PG_MAJOR=": host.check_output(processes.format("environ")),
        "config_file=": host.check_output(processes.format("cmdline")),
    }
    assert [mark for mark, text in parts.items() if mark not in text] == [], "not everything was read"
    text = "\n".join(parts.values())
    assert [role for role, secret in secrets.items() if secret in text] == []


def test_another_check_shows_nothing(ansible: Callable[..., Run]) -> None:
    """Check mode with differences agrees that nothing is left to do."""
    run = ansible("ansible-playbook", "playbooks/site.yml", "--check", "--diff")
    assert run.code == 0, run.report()
    assert run.count("changed") == 0, run.report()
