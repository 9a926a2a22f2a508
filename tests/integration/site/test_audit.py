"""What a security audit asks of an instance, item by item: docs/audit.md says how each holds."""

from __future__ import annotations

import json
import os
import re
import ssl
import stat
import time
from pathlib import Path

import pytest
from instance import REPOSITORY, SECRETS, Instance, run

LOGINS = {"postgres", "auth_service", "user_api_service", "admin_api_service", "readonly_user"}
# What initdb and a running server make in a data directory.
CLUSTER = {
    *("PG_VERSION", "base", "global", "pg_commit_ts", "pg_dynshmem", "pg_hba.conf", "pg_ident.conf", "pg_logical"),
    *("pg_multixact", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans"),
    *("pg_tblspc", "pg_twophase", "pg_wal", "pg_xact", "postgresql.auto.conf", "postgresql.conf", "postmaster.opts"),
    "postmaster.pid",
}


def root(instance: Instance) -> Path:
    """Return the root of the container's file system as the host sees it."""
    return Path("/proc") / str(instance.inspect()["State"]["Pid"]) / "root"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(scope="module")
def shown(hardened: Instance) -> dict[str, str]:
    """Return all settings of the running server as SHOW writes them."""
    found = hardened.sql("SELECT json_object_agg(name, current_setting(name)) FROM pg_settings")
    return dict(json.loads(found))


@pytest.mark.parametrize(
    ("chapter", "setting", "value"),
    [
        ("logging", "log_destination", "stderr"),
        # Standard error is Docker's log, which is rotated; a collector would write into the data directory.
        ("logging", "logging_collector", "off"),
        ("logging", "log_file_mode", "0600"),
        ("logging", "log_truncate_on_rotation", "on"),
        ("logging", "log_min_messages", "warning"),
        ("logging", "log_min_error_statement", "error"),
        ("logging", "debug_print_parse", "off"),
        ("logging", "debug_print_rewritten", "off"),
        ("logging", "debug_print_plan", "off"),
        ("logging", "debug_pretty_print", "on"),
        ("logging", "log_connections", "on"),
        ("logging", "log_disconnections", "on"),
        ("logging", "log_error_verbosity", "default"),
        ("logging", "log_hostname", "off"),
        ("logging", "log_line_prefix", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "),
        ("logging", "log_statement", "ddl"),
        ("logging", "log_timezone", "UTC"),
        ("logging", "log_replication_commands", "on"),
        ("logging", "log_parameter_max_length", "0"),
        ("logging", "log_parameter_max_length_on_error", "0"),
        ("logging", "shared_preload_libraries", "pg_stat_statements, pgaudit, auth_delay"),
        ("logging", "pgaudit.log", "ddl, role"),
        ("logging", "pgaudit.log_parameter", "off"),
        ("logging", "pg_stat_statements.track_utility", "off"),
        ("connection", "password_encryption", "scram-sha-256"),
        ("connection", "authentication_timeout", "30s"),
        ("connection", "auth_delay.milliseconds", "200ms"),
        ("connection", "unix_socket_directories", "/var/run/postgresql"),
        ("settings", "fsync", "on"),
        ("settings", "full_page_writes", "on"),
        ("settings", "synchronous_commit", "on"),
        ("settings", "data_checksums", "on"),
        ("settings", "zero_damaged_pages", "off"),
        ("settings", "ignore_checksum_failure", "off"),
        ("settings", "ignore_invalid_pages", "off"),
        ("settings", "ignore_system_indexes", "off"),
        ("settings", "allow_system_table_mods", "off"),
        ("settings", "allow_in_place_tablespaces", "off"),
        ("settings", "debug_assertions", "off"),
        ("settings", "debug_discard_caches", "0"),
        ("settings", "session_preload_libraries", ""),
        ("settings", "local_preload_libraries", ""),
        ("settings", "jit_debugging_support", "off"),
        ("settings", "trace_recovery_messages", "log"),
        ("settings", "row_security", "on"),
        ("settings", "ssl", "on"),
        ("settings", "ssl_min_protocol_version", "TLSv1.2"),
        ("settings", "ssl_prefer_server_ciphers", "on"),
        ("replication", "wal_level", "replica"),
    ],
)
def test_setting(shown: dict[str, str], chapter: str, setting: str, value: str) -> None:
    assert shown[setting] == value, chapter


@pytest.mark.parametrize(
    ("item", "database", "query", "expected"),
    [
        ("version", "postgres", "SELECT current_setting('server_version_num')::int / 10000", "15"),
        ("tablespaces", "postgres", "SELECT count(*) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''", "0"),
        ("extensions", "authdb", "SELECT string_agg(extname, ',' ORDER BY 1) FROM pg_extension", "plpgsql,uuid-ossp"),
        (
            "extensions",
            "admindb",
            "SELECT string_agg(extname, ',' ORDER BY 1) FROM pg_extension",
            "plpgsql,uuid-ossp,vector",
        ),
        ("extensions", "postgres", "SELECT string_agg(extname, ',') FROM pg_extension", "plpgsql"),
        (
            "privileged roles",
            "postgres",
            "SELECT string_agg(rolname, ',') FROM pg_roles"
            " WHERE rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls",
            "postgres",
        ),
        (
            "members of predefined roles",
            "postgres",
            "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname !~ '^pg_'",
            "0",
        ),
        (
            "passwords",
            "postgres",
            r"SELECT count(*) FROM pg_authid WHERE rolcanlogin AND rolpassword !~ '^SCRAM-SHA-256\$4096:'",
            "0",
        ),
        ("pg_hba is valid", "postgres", "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL", "0"),
        (
            "pg_hba methods",
            "postgres",
            "SELECT string_agg(DISTINCT auth_method, ',' ORDER BY auth_method) FROM pg_hba_file_rules",
            "peer,reject,scram-sha-256",
        ),
        (
            "pg_hba without TLS",
            "postgres",
            "SELECT count(*) FROM pg_hba_file_rules WHERE type NOT IN ('local', 'hostssl') AND auth_method <> 'reject'",
            "0",
        ),
        (
            "pg_hba names databases and users",
            "postgres",
            "SELECT count(*) FROM pg_hba_file_rules"
            " WHERE auth_method NOT IN ('reject', 'peer') AND ('all' = ANY (database) OR 'all' = ANY (user_name))",
            "0",
        ),
        (
            "superuser from the network",
            "postgres",
            "SELECT count(*) FROM pg_hba_file_rules WHERE type <> 'local' AND 'postgres' = ANY (user_name)",
            "0",
        ),
        (
            "replication from the network",
            "postgres",
            "SELECT count(*) FROM pg_hba_file_rules WHERE 'replication' = ANY (database)",
            "0",
        ),
        (
            "settings of roles and databases",
            "postgres",
            "SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) AS item"
            " WHERE item ~ '^(session_preload|local_preload|zero_damaged|ignore_|allow_|debug_|fsync|full_page)'",
            "0",
        ),
    ],
)
def test_query(hardened: Instance, item: str, database: str, query: str, expected: str) -> None:
    assert hardened.sql(query, database) == expected, item


@pytest.mark.parametrize("database", ["authdb", "apidb", "admindb", "postgres", "template1"])
def test_nothing_is_open_to_public(hardened: Instance, database: str) -> None:
    # pg_read_file_old is open to PUBLIC in PostgreSQL 15 and refuses whoever is no superuser by itself.
    privileged = (
        "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE p.prosecdef OR (p.proname ~ '^(pg_read_|pg_ls_|pg_stat_file|lo_import|lo_export|dblink)'"
        " AND n.nspname = 'pg_catalog' AND p.proname <> 'pg_read_file_old' AND EXISTS"
        " (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0))"
    )
    assert hardened.sql(privileged, database) == "0"
    creators = (
        "SELECT count(*) FROM pg_namespace, aclexplode(nspacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE'"
    )
    assert hardened.sql(creators, database) == "0"
    connects = (
        "SELECT count(*) FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a"
        " WHERE datname = current_database() AND a.grantee = 0"
    )
    assert hardened.sql(connects, database) == "0"
    tables = (
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) a"
        " WHERE a.grantee = 0 AND nspname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert hardened.sql(tables, database) == "0"


def test_logins_are_the_declared(hardened: Instance) -> None:
    assert set(hardened.sql("SELECT rolname FROM pg_roles WHERE rolcanlogin").split()) == LOGINS


def test_files(hardened: Instance) -> None:
    process = Path("/proc") / str(hardened.inspect()["State"]["Pid"])
    assert re.search(r"^Umask:\s+0077$", (process / "status").read_text(), re.MULTILINE)
    data = root(hardened) / "var/lib/postgresql/data"
    assert (mode(data), data.stat().st_uid) == (0o700, 999)
    assert (data / "PG_VERSION").read_text() == "15\n"
    assert {path.name for path in data.iterdir()} <= CLUSTER
    for path in data.rglob("*"):
        assert not path.is_symlink(), path
        assert mode(path) & 0o077 == 0, path
        assert path.lstat().st_uid == 999, path
    configuration = hardened.directory / "postgresql"
    for path in configuration.iterdir():
        # Root writes them, the server's group reads them, nobody else.
        assert (path.stat().st_uid, path.stat().st_gid, mode(path) & 0o027) == (0, 999, 0), path
    for path in hardened.directory.rglob("*"):
        assert mode(path) & 0o022 == 0, path
        if path.name.endswith(".key") or "services" in [parent.name for parent in path.parents]:
            assert mode(path) & 0o007 == 0, path
    sockets = root(hardened) / "run/postgresql"
    assert mode(sockets) & 0o002 == 0


def test_no_password_lies_about(hardened: Instance) -> None:
    place = root(hardened)
    for name in (".psql_history", ".pgpass", ".pg_service.conf"):
        for home in ("root", "var/lib/postgresql"):
            assert not (place / home / name).exists()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            assert b"PGPASSWORD=" not in environment.read_bytes() or environment.parent.name == str(os.getpid())
        except OSError:
            continue  # it ended, or is another namespace's
    for commands in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = commands.read_text(errors="replace")
        except OSError:
            continue
        assert not any(secret in text for secret in SECRETS.values())
    search = run("grep", "-rIlE", "PGPASSWORD|Canary", str(place / "etc"), check=False)
    assert search.stdout == ""


def test_no_profile_and_no_environment_has_a_password(hardened: Instance) -> None:
    """Of the host's root and everybody there, and of the container."""
    names = (".profile", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".zshrc", ".zshenv", ".zprofile")
    profiles = [Path("/etc") / name for name in ("profile", "environment", "bash.bashrc", "security/pam_env.conf")]
    profiles += Path("/etc").glob("profile.d/*")
    profiles += [Path("/root") / name for name in names]
    profiles += [root(hardened) / home / name for home in ("root", "var/lib/postgresql") for name in names]
    present = [path for path in profiles if path.is_file()]
    assert Path("/etc/profile") in present
    assert [path for path in present if b"PGPASSWORD" in path.read_bytes()] == []
    environment = {line.split("=", 1)[0] for line in hardened.inspect()["Config"]["Env"]}
    assert "PGDATA" in environment
    assert not [name for name in environment if "PASSWORD" in name or name in ("PGPASSFILE", "PGSERVICEFILE")]


def test_packages_are_the_distributions_and_audit_and_backup_are_installed(hardened: Instance) -> None:
    shown = run("docker", "exec", hardened.name, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n").stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.split()[1:] == ["ii"]}
    assert {"postgresql-15", "postgresql-15-pgaudit", "pgbackrest"} <= installed


def apt_sources(folder: Path) -> dict[str, str]:
    """Return what says who signed each of apt's sources below a directory, by the source; nothing where nobody does."""
    found = {}
    for path in (folder / "sources.list", *folder.glob("sources.list.d/*.list")):
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            if line.startswith("deb"):
                signed = re.search(r"\[.*\bsigned-by=([^\s\]]+).*\]", line)
                found[line] = signed.group(1) if signed else ""
    for path in folder.glob("sources.list.d/*.sources"):
        for stanza in re.split(r"\n\s*\n", path.read_text("utf-8")):
            if "URIs:" in stanza:
                signed = re.search(r"(?m)^Signed-By:\s*(\S+)", stanza)
                found[stanza] = signed.group(1) if signed else ""
    return found


def test_packages_come_from_sources_that_are_signed(hardened: Instance) -> None:
    """Each source of the image names a keyring that the image has, and nothing tells apt to take what is not signed."""
    place = root(hardened)
    sources = apt_sources(place / "etc/apt")
    assert sources
    for source, keyring in sources.items():
        assert keyring.startswith("/"), source
        assert (place / keyring.lstrip("/")).stat().st_size > 0, source
    careless = r"trusted[=:] *yes|allow-?(insecure|unauthenticated|downgrade)|--force-yes|--no-?check-gpg|no-gpg-check|--force-bad-verify"
    recipe = str(REPOSITORY / "roles" / "postgres_image")
    search = run("grep", "-rniE", careless, recipe, str(place / "etc/apt"), check=False)
    assert (search.returncode, search.stdout) == (1, "")


def test_container_holds_no_more_than_the_server_needs(hardened: Instance) -> None:
    inspected = hardened.inspect()
    host = inspected["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"] or [], host["Privileged"]) == (["ALL"], [], False)
    assert (host["SecurityOpt"], host["ReadonlyRootfs"]) == (["no-new-privileges"], True)
    assert (host["PidMode"], host["IpcMode"], host["NetworkMode"] != "host") == ("", "private", True)
    assert not any(mount["Source"].endswith("docker.sock") for mount in inspected["Mounts"])
    published = [binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings]
    assert published
    assert not {"", "0.0.0.0", "::"} & set(published)
    log = host["LogConfig"]
    assert (log["Type"], log["Config"]) == ("json-file", {"max-file": "3", "max-size": "10m"})


def test_tls_takes_no_old_protocol_and_no_weak_cipher(hardened: Instance) -> None:
    address = f"127.0.0.1:{hardened.port}"
    command = ("openssl", "s_client", "-starttls", "postgres", "-connect", address)
    certificate = ("-CAfile", str(hardened.directory / "tls/ca.crt"), "-verify_hostname", "localhost")
    good = run(*command, *certificate, "-verify_return_error", input="", check=False)
    assert "Verify return code: 0 (ok)" in good.stdout, good.stdout + good.stderr
    for refused in (("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), ("-tls1_2", "-cipher", "AES128-SHA")):
        done = run(*command, *refused, input="", check=False)
        assert "Cipher is (NONE)" in done.stdout, done.stdout
    pem = run("openssl", "x509", "-noout", "-enddate", "-in", str(hardened.directory / "tls/server.crt")).stdout
    assert ssl.cert_time_to_seconds(pem.strip().split("=")[1]) > time.time()


def test_pgaudit_writes_and_redacts(hardened: Instance) -> None:
    # Each statement by itself: of a string of several the server logs all before the first is run.
    silent = "SET log_statement = none"
    create = "CREATE ROLE audited_role PASSWORD 'Clear-Text-0'"
    psql = ("docker", "exec", hardened.name, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres")
    run(*psql, "-c", silent, "-c", create, "-c", "DROP ROLE audited_role")
    logs = run("docker", "logs", hardened.name)
    text = logs.stdout + logs.stderr
    assert "AUDIT: SESSION" in text
    assert "CREATE ROLE audited_role PASSWORD <REDACTED>" in text
    assert "Clear-Text-0" not in text


def test_log_holds_no_password_and_no_verifier(hardened: Instance) -> None:
    """What provisioning made the server log."""
    logs = run("docker", "logs", hardened.name)
    text = logs.stdout + logs.stderr
    assert not any(secret in text for secret in SECRETS.values())
    assert "SCRAM-SHA-256$" not in text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("logged-key@example.com\tlogged-hash\n" * 2, "duplicate key value violates unique constraint"),
        ("\\N\tlogged-hash\n", 'null value in column "email"'),
        ("logged-row\n", "missing data for column"),
    ],
)
def test_terse_log_holds_nothing_of_a_row_that_failed(hardened: Instance, rows: str, said: str) -> None:
    """As docs/audit.md says of the switch. The rows come beside the statement, as bound values do; the client is told all."""
    terse = ("-e", "PGOPTIONS=-c log_error_verbosity=terse")
    copy = ("docker", "exec", "-i", *terse, hardened.name, "psql", "-X", "-U", "postgres", "-d", "authdb")
    begun = str(time.time())
    failed = run(*copy, "-c", "COPY users (email, password_hash) FROM STDIN", input=rows, check=False)
    assert said in failed.stderr
    assert "logged-" in failed.stderr
    logs = run("docker", "logs", "--since", begun, hardened.name)
    assert said in logs.stdout + logs.stderr
    assert "logged-" not in logs.stdout + logs.stderr
