"""A provisioned instance: what it promises, and what happens to drift between two runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy
import yaml
from instance import NETWORK, PORT_OFFSET, REPOSITORY, SECRETS, SUFFIX, Instance, PlaybookResult, run

# What the kernel says of a connection is in seconds, and the last in milliseconds.
SESSION = {
    "statement_timeout": "5min",
    "idle_in_transaction_session_timeout": "5min",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    "tcp_user_timeout": "120000",
}
SUPERUSER_LINE = (
    "postgres may connect over the network with its password, as postgres_instance_superuser_from_network is true"
)


def client(
    instance: Instance, conninfo: str, sql: str = "SELECT current_user", *options: str
) -> subprocess.CompletedProcess[str]:
    """Connect from another container, which has the CA's certificate and nothing else of the host."""
    ca = f"{instance.directory}/tls/ca.crt"
    return run(
        "docker",
        "run",
        "--rm",
        "--user=999:999",
        "--add-host=host.docker.internal:host-gateway",
        *options,
        "-v",
        f"{ca}:{ca}:ro",
        "--entrypoint=psql",
        instance.image,
        "-X",
        "-At",
        conninfo,
        "-c",
        sql,
        check=False,
    )


def url(instance: Instance, service: str) -> str:
    """Return the URL in a service's connection file."""
    text = (instance.directory / "services" / f"{service}.env").read_text()
    assert text.startswith("DATABASE_URL=")
    return text.removeprefix("DATABASE_URL=").strip()


def test_second_run_changes_nothing_and_check_shows_nothing(provisioned: Instance) -> None:
    again = provisioned.site()
    assert again.count("changed") == 0
    assert again.text.count(SUPERUSER_LINE) == 1
    check = provisioned.site("--check", "--diff")
    assert check.count("changed") == 0
    assert "+++ after" not in check.output


@pytest.mark.parametrize("tag", ["docker", "image", "tls", "instance", "databases", "access", "verify"])
def test_each_tag_runs_alone(provisioned: Instance, tag: str) -> None:
    result = provisioned.site("--tags", tag)
    assert result.count("changed") == 0
    assert result.count("ok") > 3


def test_check_of_a_new_instance_reports_what_would_be_made(provisioned: Instance, tmp_path: Path) -> None:
    fresh = Instance(f"amt-fresh{SUFFIX}", 25435, tmp_path, f"amt-fresh{SUFFIX}:pgvector-15")
    result = fresh.site("--check", postgres_common_network=fresh.name)
    for sentence in (
        f"{fresh.image} would be built from packages",
        f"Would create the volume {fresh.volume}",
        f"Would create the network {fresh.name}",
        f"Would create the container {fresh.name}",
        "Would create the database authdb",
        "Would create the database apidb",
        "Would create the database admindb",
    ):
        assert sentence in result.text, result.output
    assert result.count("changed") >= 6
    assert not fresh.directory.exists()
    assert run("docker", "volume", "inspect", fresh.volume, check=False).returncode != 0
    assert run("docker", "network", "inspect", fresh.name, check=False).returncode != 0


@pytest.mark.parametrize(
    "command",
    [
        "docker exec {name} psql -U postgres -d authdb -c 'SELECT 1'",
        "docker exec -u root {name} psql -U postgres -d authdb -c 'SELECT 1'",
        'docker exec {name} psql -U postgres -c "\\l"',
        "docker exec {name} pg_isready -U postgres",
        "docker exec {name} ls -la /var/lib/postgresql/data",
        "docker volume inspect {name}_postgres_data",
        "docker stats --no-stream {name}",
        "docker logs --tail=100 {name}",
        "psql -h localhost -p {port} -U postgres -d authdb -c 'SELECT 1'",
    ],
)
def test_documented_command_works(provisioned: Instance, command: str) -> None:
    words = shlex.split(command.format(name=provisioned.name, port=provisioned.port))
    run(*words, env={**os.environ, "PGPASSWORD": SECRETS["postgres"]})


def test_container_is_what_the_design_says(provisioned: Instance) -> None:
    inspected = provisioned.inspect()
    host, config = inspected["HostConfig"], inspected["Config"]
    assert config["User"] == "999:999"
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] is True
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["Memory"] == 1 << 30
    assert host["ShmSize"] >= (64 + 64) << 20
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    assert config["StopTimeout"] >= 120
    assert inspected["State"]["Health"]["Status"] == "healthy"
    mounts = {mount["Destination"]: (mount["Type"], mount["RW"]) for mount in inspected["Mounts"]}
    assert mounts["/var/lib/postgresql/data"] == ("volume", True)
    assert {mount for mount in mounts.values() if mount[0] == "bind"} == {("bind", False)}
    status = Path(f"/proc/{inspected['State']['Pid']}/status").read_text()
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def test_no_secret_is_in_the_container_or_any_environment(provisioned: Instance) -> None:
    text = json.dumps(provisioned.inspect()) + run("docker", "logs", provisioned.name).stdout
    own = {"/proc/self/environ", f"/proc/{os.getpid()}/environ"}
    for environ in Path("/proc").glob("[0-9]*/environ"):
        if str(environ) not in own:
            try:
                text += environ.read_text(errors="replace")
            except OSError:
                continue
    for secret in SECRETS.values():
        assert secret not in text
    assert (
        run("docker", "exec", provisioned.name, "sh", "-c", "grep -r Canary /etc /run /tmp", check=False).stdout == ""
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ssl", "on"),
        ("ssl_min_protocol_version", "TLSv1.2"),
        ("password_encryption", "scram-sha-256"),
        ("TimeZone", "UTC"),
        ("log_timezone", "UTC"),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("max_connections", "100"),
        ("shared_buffers", "256MB"),
        ("max_parallel_maintenance_workers", "0"),
        ("log_min_duration_statement", "1s"),
        ("log_line_prefix", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "),
    ],
)
def test_setting_is_in_force(provisioned: Instance, setting: str, value: str) -> None:
    assert provisioned.sql(f"SHOW {setting}") == value


def test_only_tls_with_scram_is_taken(provisioned: Instance) -> None:
    rules = provisioned.sql("SELECT type, auth_method FROM pg_hba_file_rules").splitlines()
    assert set(rules) == {"local|peer", "local|reject", "hostssl|scram-sha-256", "host|reject"}
    assert provisioned.sql("SELECT count(*) FROM pg_authid WHERE rolpassword !~ '^SCRAM-SHA-256'") == "0"


@pytest.mark.parametrize(
    ("service", "role"),
    [
        ("ai-micro-api-auth", "auth_service"),
        ("ai-micro-api-user", "user_api_service"),
        ("ai-micro-api-admin", "admin_api_service"),
    ],
)
def test_connection_file_serves_from_a_sibling_container(provisioned: Instance, service: str, role: str) -> None:
    path = provisioned.directory / "services" / f"{service}.env"
    assert path.stat().st_mode & 0o777 == 0o600
    conninfo = url(provisioned, service)
    own = provisioned.directory / "services" / service
    assert own.joinpath("url").read_text("utf-8") == conninfo + "\n"
    assert [(each.stat().st_mode & 0o777, each.stat().st_gid) for each in (own, own / "url")] == [
        (0o750, 0),
        (0o640, 0),
    ]
    assert "@host.docker.internal:" in conninfo
    assert "sslmode=verify-full" in conninfo
    assert client(provisioned, conninfo).stdout.strip() == role
    # As this session has them: a role's settings, and what the kernel says of the connection.
    shown = ", ".join(f"current_setting('{name}')" for name in SESSION)
    assert client(provisioned, conninfo, f"SELECT {shown}").stdout.strip() == "|".join(SESSION.values())
    refused = client(provisioned, conninfo.replace("verify-full", "disable"))
    assert refused.returncode != 0
    assert "no encryption" in refused.stderr


def test_shared_network_reaches_the_instance_by_its_name(provisioned: Instance) -> None:
    conninfo = url(provisioned, "ai-micro-api-auth").replace(
        f"host.docker.internal:{provisioned.port}", f"{provisioned.name}:5432"
    )
    assert client(provisioned, conninfo, "SELECT current_user", f"--network={NETWORK}").stdout.strip() == "auth_service"


def test_service_role_has_its_own_database_and_nothing_else(provisioned: Instance) -> None:
    own = url(provisioned, "ai-micro-api-auth")
    assert client(provisioned, own, "SELECT count(*) FROM users").stdout.strip() == "0"
    for statement in ("CREATE TABLE t ()", "ALTER TABLE users ADD x int", "TRUNCATE users", "SET ROLE postgres"):
        assert "permission denied" in client(provisioned, own, statement).stderr or statement.startswith("ALTER")
    assert client(provisioned, own, "ALTER TABLE users ADD x int").returncode != 0
    for other in ("apidb", "admindb", "postgres"):
        assert client(provisioned, own.replace("/authdb?", f"/{other}?")).returncode != 0
    reader = own.replace("auth_service", "readonly_user", 1).replace("Auth-Canary-2%40%2F%3A", SECRETS["readonly_user"])
    assert client(provisioned, reader, "SELECT count(email) FROM users").stdout.strip() == "0"
    assert "permission denied" in client(provisioned, reader, "SELECT password_hash FROM users").stderr


def test_sqlalchemy_pools_run_on_the_connection_files(provisioned: Instance) -> None:
    """The three services' pools as the specification gives them, all connections open at once."""
    pools = {"ai-micro-api-auth": (20, 10), "ai-micro-api-user": (15, 5), "ai-micro-api-admin": (25, 15)}
    engines, connections = [], []
    try:
        for service, (size, overflow) in pools.items():
            # hostaddr goes where host.docker.internal leads in a container; the name is still verified.
            arguments = {"hostaddr": "127.0.0.1"}
            engine = sqlalchemy.create_engine(
                url(provisioned, service), pool_size=size, max_overflow=overflow, connect_args=arguments
            )
            engines.append(engine)
            connections += [engine.connect() for _ in range(size + overflow)]
        assert len(connections) == 90
        for connection in connections:
            assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    finally:
        for connection in connections:
            connection.close()
        for engine in engines:
            engine.dispose()


def write_row(instance: Instance) -> str:
    """Insert a row and return what identifies it."""
    return instance.sql(
        "INSERT INTO users (email, password_hash) VALUES (gen_random_uuid() || '@x', 'h') RETURNING email", "authdb"
    ).splitlines()[0]


def wait_healthy(instance: Instance) -> None:
    """Wait for the container's own health, by start.yml, which does just that."""
    result = instance.play("start")
    assert result.code == 0, result.output


def test_restart_kill_and_removal_lose_nothing(provisioned: Instance) -> None:
    email = write_row(provisioned)
    rows = f"SELECT count(*) FROM users WHERE email = '{email}'"
    run("docker", "restart", provisioned.name)
    wait_healthy(provisioned)
    assert provisioned.sql(rows, "authdb") == "1"
    run("docker", "kill", provisioned.name)
    wait_healthy(provisioned)
    assert provisioned.sql(rows, "authdb") == "1"
    run("docker", "rm", "-f", provisioned.name)
    assert provisioned.site().count("changed") == 1
    assert provisioned.sql(rows, "authdb") == "1"
    assert provisioned.site().count("changed") == 0


def test_stopped_container_is_started(provisioned: Instance) -> None:
    run("docker", "stop", provisioned.name)
    assert provisioned.site().count("changed") == 1
    assert provisioned.sql("SELECT 1") == "1"


def test_drift_is_shown_by_verify_and_made_good_by_site(provisioned: Instance, tmp_path: Path) -> None:
    provisioned.sql("DROP TABLE login_logs; ALTER TABLE documents DROP category", "admindb")
    dump = provisioned.dump("admindb")
    listed = tmp_path / "drift.json"
    verify = provisioned.play("verify", postgres_databases_drift_file=str(listed))
    assert verify.code != 0
    assert verify.count("changed") == 0
    row = r"admindb +table +login_logs +- +present +missing"
    assert re.search(row, verify.text), verify.output
    assert "admindb: 3 differences from what is declared" in verify.text
    found = {(each["database"], each["kind"], each["object"]) for each in json.loads(listed.read_text())}
    assert {("admindb", "table", "login_logs"), ("admindb", "column", "documents.category")} <= found
    only_looks = provisioned.play("site", "--tags", "verify")
    assert only_looks.code != 0
    assert "admindb: 3 differences" in only_looks.text
    check = provisioned.site("--check")
    assert re.search(row, check.text)
    assert check.count("changed") == 1
    assert provisioned.dump("admindb") == dump
    # Default privileges give the service its rights on the new table at once.
    assert provisioned.site().count("changed") == 1
    assert (
        client(provisioned, url(provisioned, "ai-micro-api-admin"), "SELECT count(*) FROM login_logs").stdout == "0\n"
    )
    assert provisioned.site().count("changed") == 0
    assert provisioned.play("verify").code == 0


def test_what_would_lose_data_is_refused_until_it_is_permitted_by_name(provisioned: Instance) -> None:
    provisioned.sql("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)", "apidb")
    refused = provisioned.refused()
    assert "drop_table (notes)" in refused.text
    assert provisioned.sql("SELECT id FROM notes", "apidb") == "1"
    assert provisioned.site(postgres_databases_ignore=["public.notes"]).count("changed") == 0
    assert provisioned.refused(postgres_databases_repair=False).count("changed") == 0
    assert provisioned.site(postgres_databases_allow=["drop_table"]).count("changed") == 1
    assert provisioned.site().count("changed") == 0


def test_missing_database_is_created_with_its_migrations_as_baseline(provisioned: Instance) -> None:
    history = "SELECT name, baseline FROM ai_micro.schema_migration"
    first = "0001_embedding_superset.sql|t"
    assert provisioned.sql(history, "admindb") == first
    provisioned.sql("DROP DATABASE admindb WITH (FORCE)")
    assert "Would create the database admindb" in provisioned.site("--check").text
    verify = provisioned.play("verify")
    assert verify.code != 0
    assert re.search("admindb +database +admindb +- +present +missing", verify.text)
    provisioned.site()
    assert provisioned.sql(history, "admindb") == first
    assert provisioned.site().count("changed") == 0


def test_deployed_embeddings_are_migrated(provisioned: Instance) -> None:
    """The deployed table's shape, from the database's own point of view: what the superset has more is not there."""
    provisioned.sql(
        """DROP SCHEMA ai_micro CASCADE; DROP INDEX ix_cmetadata_gin;
        ALTER TABLE langchain_pg_embedding DROP id, DROP CONSTRAINT langchain_pg_embedding_uuid_key, ADD PRIMARY KEY (uuid);
        INSERT INTO langchain_pg_embedding (document, custom_id) VALUES ('text', 'mine'), ('more', NULL);
        ALTER TABLE langchain_pg_embedding ALTER document SET NOT NULL""",
        "admindb",
    )
    verify = provisioned.play("verify")
    assert verify.code != 0
    assert re.search("admindb +migration +0001_embedding_superset.sql +- +present +missing", verify.text)
    check = provisioned.site("--check")
    assert check.count("changed") == 1
    assert "admindb is compared with its definition once its migrations have been applied." in check.text
    assert provisioned.site().count("changed") >= 1
    ids = provisioned.sql("SELECT id = coalesce(custom_id, uuid::text) FROM langchain_pg_embedding", "admindb")
    assert ids == "t\nt"
    assert provisioned.site().count("changed") == 0
    # Rows without collection and embedding are what verify.yml rightly complains of.
    named = provisioned.play("verify")
    assert named.code != 0
    assert "rows have no embedding" not in named.text
    assert "2 rows of the table name a collection or a document that is not there, or no collection" in named.text
    provisioned.sql("DELETE FROM langchain_pg_embedding", "admindb")
    assert provisioned.play("verify").code == 0


def test_collection_comes_to_another_model_in_peace_with_site(provisioned: Instance) -> None:
    """From 768 to 1024 dimensions: before, amid and after it site.yml changes nothing, and searches go on."""
    databases = yaml.safe_load((REPOSITORY / "roles/postgres_common/defaults/main.yml").read_text())[
        "postgres_databases"
    ]
    (collection,) = next(database for database in databases if database["name"] == "admindb")["collections"]
    collection.update(model="mxbai-embed-large", dimensions=1024)
    changes = {"postgres_databases": databases}
    chosen = ("-e", "change_collection=admin_documents")
    search = (
        "SELECT count(*) FROM (SELECT id FROM langchain_pg_embedding ORDER BY embedding <=> "
        "(SELECT embedding FROM langchain_pg_embedding WHERE id = '7') LIMIT 10) found"
    )

    def change(*arguments: str) -> PlaybookResult:
        result = provisioned.play("change_embedding_model", *chosen, *arguments, **changes)
        assert result.code == 0, result.output
        assert provisioned.sql(search, "admindb") == "10"
        return result

    def site_changes_nothing() -> None:
        again = provisioned.site(**changes)
        assert again.count("changed") == 0, again.output

    provisioned.sql(
        """INSERT INTO langchain_pg_embedding (id, collection_id, document, embedding)
           SELECT n, (SELECT uuid FROM langchain_pg_collection WHERE name = 'admin_documents'), 'text ' || n,
                  (SELECT array_agg(sin(n * g * g)) FROM generate_series(1, 768) g)::vector FROM generate_series(1, 300) n;
           ANALYZE langchain_pg_embedding""",
        "admindb",
    )
    provisioned.site()
    site_changes_nothing()
    verified = provisioned.play("verify", **changes)
    assert verified.code != 0
    assert (
        "error: admindb, admin_documents in langchain_pg_embedding: Column embedding is vector(768), declared are 1024 dimensions."
        in verified.text
    )
    assert "bring the collection to the declared model by" in verified.text

    assert change("--check").count("changed") == 1
    assert (
        "0 of 300 rows of public.langchain_pg_embedding have a vector of mxbai-embed-large; run this again"
        in change().text
    )
    fill = (
        f'docker exec {provisioned.name} psql -X -q -U postgres -d "$PGDATABASE" -c '
        '"UPDATE $EMBEDDING_TABLE SET $EMBEDDING_COLUMN = (SELECT array_agg(cos(id::int * g * g)) '
        "FROM generate_series(1, $EMBEDDING_DIMENSIONS) g)::vector, $EMBEDDING_TEXT_COLUMN = document "
        'WHERE $EMBEDDING_COLUMN IS NULL AND id::int <= LIMIT"'
    )

    # The service writes a row with the old model while the others are filled.
    late = (
        f"; docker exec {provisioned.name} psql -X -q -U postgres admindb -c "
        '"INSERT INTO langchain_pg_embedding (id, collection_id, document, embedding) SELECT 301, collection_id, document, embedding '
        "FROM langchain_pg_embedding WHERE id = '7' ON CONFLICT DO NOTHING\""
    )

    def command(limit: int, also: str = "") -> tuple[str, str]:
        return "-e", json.dumps({"change_command": fill.replace("LIMIT", str(limit)) + also})

    stopped = provisioned.play("change_embedding_model", *chosen, *command(200), **changes)
    assert stopped.code != 0
    assert "ended well, but 100 of 300 rows have no vector of mxbai-embed-large" in stopped.text
    assert "200 of 300 rows" in change("--check").text
    # As autovacuum does within its minute: of rows that a service changes, site.yml would do it.
    provisioned.sql("ANALYZE langchain_pg_embedding", "admindb")
    site_changes_nothing()
    # Searches are as good as they were, so it is no fault for as long as it takes.
    amid = provisioned.play("verify", **changes)
    assert amid.code == 0, amid.output
    assert (
        "info: admindb, admin_documents in langchain_pg_embedding: The collection is on its way to the model mxbai-embed-large: 200 of 300 rows"
        in amid.text
    )
    done = change(*command(301, late))
    assert provisioned.sql("SELECT count(*), count(embedding) FROM langchain_pg_embedding", "admindb") == "301|301"
    assert "the old ones are kept in embedding_previous until you give -e change_drop=embedding_previous" in done.text
    assert provisioned.play("verify", **changes).code == 0
    # With the table written out, it is the same collection.
    collection["table"] = "langchain_pg_embedding"
    site_changes_nothing()
    said = provisioned.sql(
        "SELECT concat(cmetadata->>'model', cmetadata->>'dimensions') FROM langchain_pg_collection", "admindb"
    )
    assert said == "mxbai-embed-large1024"
    service = psycopg2.connect(url(provisioned, "ai-micro-api-admin").replace("host.docker.internal", "localhost"))
    with (
        service.cursor() as cursor,
        pytest.raises(psycopg2.errors.DataException, match="expected 1024 dimensions, not 768"),
    ):
        cursor.execute("INSERT INTO langchain_pg_embedding (embedding) VALUES (array_fill(1, ARRAY[768])::vector)")
    service.close()
    assert change().count("changed") == 0
    assert change("-e", "change_drop=embedding_previous").count("changed") == 1
    assert change("-e", "change_drop=embedding_previous").count("changed") == 0
    wrong = provisioned.play("change_embedding_model", "-e", "change_collection=other", **changes)
    assert "give one of admin_documents" in wrong.text

    provisioned.sql(
        """TRUNCATE langchain_pg_embedding; DROP INDEX langchain_pg_embedding_embedding_cosine_hnsw_idx;
           ALTER TABLE langchain_pg_embedding ALTER embedding TYPE vector(768);
           UPDATE langchain_pg_collection SET cmetadata = cmetadata || '{"model": "nomic-embed-text", "dimensions": 768}'""",
        "admindb",
    )
    provisioned.site()


def test_edited_pg_hba_is_put_right_and_reloaded(provisioned: Instance) -> None:
    hba = provisioned.directory / "postgresql" / "pg_hba.conf"
    started = provisioned.inspect()["State"]["StartedAt"]
    hba.write_text("host all all all trust\n" + hba.read_text())
    provisioned.sql("SELECT pg_reload_conf()")
    assert "+++ after" in provisioned.site("--check", "--diff").output
    assert provisioned.site().count("changed") == 1
    assert "trust" not in provisioned.sql("SELECT auth_method FROM pg_hba_file_rules")
    unencrypted = url(provisioned, "ai-micro-api-auth").replace("verify-full", "disable")
    assert client(provisioned, unencrypted).returncode != 0
    assert provisioned.inspect()["State"]["StartedAt"] == started


def test_changed_port_moves_the_instance(provisioned: Instance) -> None:
    moved: dict[str, Any] = {"postgres_common_port": 25436 + PORT_OFFSET}
    provisioned.site(**moved)
    assert f":{moved['postgres_common_port']}/" in url(provisioned, "ai-micro-api-auth")
    assert client(provisioned, url(provisioned, "ai-micro-api-auth")).stdout.strip() == "auth_service"
    assert provisioned.site(**moved).count("changed") == 0
    provisioned.site()
    assert client(provisioned, url(provisioned, "ai-micro-api-auth")).stdout.strip() == "auth_service"


def test_grant_by_hand_is_taken_away(provisioned: Instance) -> None:
    provisioned.sql("GRANT TRUNCATE ON users TO auth_service; GRANT SELECT ON users TO PUBLIC", "authdb")
    assert provisioned.site().count("changed") == 1
    assert provisioned.sql("SELECT has_table_privilege('auth_service', 'users', 'TRUNCATE')", "authdb") == "f"


def test_setting_that_needs_a_restart_is_in_force_after_the_run(provisioned: Instance) -> None:
    waiting = provisioned.site(
        postgres_instance_settings={"max_connections": 120},
        postgres_instance_audit=["ddl"],
        postgres_instance_restart_permitted=False,
    )
    said = "max_connections, shared_preload_libraries: changed, and in force only after a restart"
    assert waiting.text.count(said) == 1, waiting.output
    assert provisioned.sql("SHOW max_connections") == "100"
    assert provisioned.play("restart").code == 0
    assert provisioned.sql("SHOW max_connections") == "120"
    provisioned.site()
    assert provisioned.sql("SHOW max_connections") == "100"


def test_setting_changed_by_hand_is_seen_and_put_right(provisioned: Instance) -> None:
    """A declared one, PostgreSQL's own safeguards, and one that nobody declared."""
    provisioned.sql("ALTER SYSTEM SET work_mem = '64MB'")
    for setting in ("fsync = off", "full_page_writes = off", "session_preload_libraries = auto_explain", "jit = off"):
        provisioned.sql(f"ALTER SYSTEM SET {setting}")
    provisioned.sql("ALTER DATABASE authdb SET synchronous_commit = off")
    provisioned.sql("SELECT pg_reload_conf()")
    assert provisioned.site("--check", "--diff").count("changed") == 1
    named = provisioned.play("verify")
    assert named.code != 0
    assert "work_mem is 64MB, not 4MB, and" in named.text
    assert "fsync is off, not on, and" in named.text
    assert "postgresql.auto.conf" in named.text
    undeclared = f"postgresql.auto.conf in the volume {provisioned.volume} sets jit = off, which nobody declared"
    assert undeclared in named.text
    assert "ALTER DATABASE authdb SET synchronous_commit=off: takes a safeguard" in named.text
    assert provisioned.sql("SHOW work_mem") == "64MB"
    mended = provisioned.site()
    assert mended.count("changed") == 1
    assert "postgresql.auto.conf sets jit = off" in mended.text
    assert provisioned.sql("SHOW work_mem") == "4MB"
    safe = [provisioned.sql(f"SHOW {name}") for name in ("fsync", "full_page_writes", "session_preload_libraries")]
    assert safe == ["on", "on", ""]
    # What nobody declared is nobody's to put right: it is named until it is declared or taken away.
    provisioned.sql("ALTER DATABASE authdb RESET synchronous_commit")
    named = provisioned.play("verify", "--tags", "instance")
    assert named.code != 0
    assert undeclared in named.text
    provisioned.sql("ALTER SYSTEM RESET jit")
    provisioned.sql("SELECT pg_reload_conf()")
    verified = provisioned.play("verify")
    assert verified.code == 0, verified.output
    assert verified.text.count(SUPERUSER_LINE) == 1
    assert provisioned.site().count("changed") == 0


def served_certificate(instance: Instance) -> str:
    """Return the fingerprint of the certificate that the server shows."""
    shown = run(
        "openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{instance.port}", check=False, input=""
    ).stdout
    return run("openssl", "x509", "-noout", "-fingerprint", "-sha256", input=shown).stdout


def test_renewal_reloads_and_never_restarts(provisioned: Instance) -> None:
    before = served_certificate(provisioned)
    started = provisioned.inspect()["State"]["StartedAt"]
    renewed = provisioned.site("--tags", "tls", postgres_tls_renew_days=900)
    assert renewed.count("changed") == 1
    assert served_certificate(provisioned) != before
    assert provisioned.inspect()["State"]["StartedAt"] == started
    assert client(provisioned, url(provisioned, "ai-micro-api-auth")).stdout.strip() == "auth_service"
    assert provisioned.site().count("changed") == 0


def test_given_certificate_is_checked_and_served(provisioned: Instance, tmp_path: Path) -> None:
    names = "subjectAltName=DNS:host.docker.internal,DNS:localhost"
    key, crt = tmp_path / "k.pem", tmp_path / "c.pem"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=given", "-days", "90"]
    run(*new, "-keyout", str(key), "-out", str(crt), "-addext", names)
    other = tmp_path / "other.pem"
    run(*new, "-keyout", str(other), "-out", str(tmp_path / "unnamed.pem"), "-addext", "subjectAltName=DNS:elsewhere")
    given = {
        "postgres_tls_source": "given",
        "postgres_tls_certificate": str(crt),
        "postgres_tls_private_key": str(key),
        "postgres_tls_ca": str(crt),
    }
    wrong = provisioned.refused(**{**given, "postgres_tls_private_key": str(other)})
    assert "The private key does not belong to the certificate." in wrong.text
    unnamed = {
        **given,
        "postgres_tls_certificate": str(tmp_path / "unnamed.pem"),
        "postgres_tls_private_key": str(other),
    }
    assert "lacks the names host.docker.internal" in provisioned.refused(**unnamed).text
    provisioned.site(**given)
    fingerprint = run("openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(crt)).stdout
    assert served_certificate(provisioned) == fingerprint
    assert provisioned.site(**given).count("changed") == 0
    provisioned.site()
    assert served_certificate(provisioned) != fingerprint
    assert client(provisioned, url(provisioned, "ai-micro-api-auth")).stdout.strip() == "auth_service"


def test_playbooks_of_the_whole_life(provisioned: Instance) -> None:
    email = write_row(provisioned)
    status = provisioned.play("status")
    assert status.code == 0, status.output
    assert "is healthy and accepts connections on" in status.text
    assert "authdb: " in status.text
    assert provisioned.play("stop").count("changed") == 1
    assert provisioned.play("stop").count("changed") == 0
    assert "does not run" in provisioned.play("status").text
    refused_without_a_last_backup(provisioned)
    assert provisioned.play("start").count("changed") == 1
    assert provisioned.play("restart").count("changed") == 1
    assert provisioned.play("down").count("changed") == 1
    assert provisioned.play("down").count("changed") == 0
    assert f"There is no container {provisioned.name}" in provisioned.play("start").text
    refused_without_a_last_backup(provisioned)
    provisioned.site()
    assert provisioned.sql(f"SELECT count(*) FROM users WHERE email = '{email}'", "authdb") == "1"


def refused_without_a_last_backup(instance: Instance) -> None:
    """A server that does not run is not deleted without the last backup that it cannot give."""
    destroy = ("destroy", "-e", f"confirm_destroy={instance.name}")
    refused = instance.play(*destroy, postgres_backup_enabled=True)
    assert refused.code != 0
    assert f"Nothing was deleted, since the last backup failed: {instance.name} does not run" in refused.text
    assert run("docker", "volume", "inspect", instance.volume, check=False).returncode == 0


def test_destroy_needs_the_name_and_says_what_goes(provisioned: Instance) -> None:
    for arguments in ((), ("-e", "confirm_destroy=yes"), ("-e", "confirm_destroy=ai-micro-postgres")):
        refused = provisioned.play("destroy", *arguments)
        assert refused.code != 0
        assert f"The volume {provisioned.volume} with every database in it: authdb, apidb, admindb" in refused.text
        assert "Nothing was deleted" in refused.text
        assert "WARNING" not in refused.output
    assert provisioned.sql("SELECT 1") == "1"
    assert provisioned.play("destroy", "-e", f"confirm_destroy={provisioned.name}").code == 0
    assert run("docker", "volume", "inspect", provisioned.volume, check=False).returncode != 0
    assert not provisioned.directory.exists()
    provisioned.site()
    assert provisioned.sql("SELECT count(*) FROM users", "authdb") == "0"
