"""Every role tries everything everywhere, over TCP from another container, and gets what is written here by hand and nothing else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from instance import Instance, run
from matrix import INSTALLED, TABLES, deviations, expected, read_table


def test_the_tables_of_the_matrix_are_those_of_the_server(guarded: Instance) -> None:
    """A table that is added later must be written into the matrix."""
    query = (
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        " WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema' ORDER BY 1"
    )
    for database in ("authdb", "apidb", "admindb"):
        written = sorted(table for place, table in read_table(TABLES) if place == database)
        assert guarded.sql(query, database).splitlines() == written
        names = guarded.sql("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1", database)
        assert names.splitlines() == INSTALLED[database]


def test_each_role_may_what_is_written_here(guarded: Instance, tmp_path: Path) -> None:
    """No deviation in any cell, and none that verify.yml sees; the trial leaves nothing behind."""
    wanted = {cell for cell, may in expected().items() if may and cell[0] != "postgres"}
    assert len(expected()) > 250
    assert deviations(guarded, tmp_path / "matrix") == set()
    # What pg_hba.conf keeps closed is closed by privileges too: a declared rule may open all databases.
    entered = guarded.sql(
        "SELECT rolname, datname FROM pg_roles, pg_database WHERE rolcanlogin AND NOT rolsuper AND datallowconn"
        " AND has_database_privilege(rolname, datname, 'CONNECT')"
    )
    allowed = {(role, database) for role, database, mode, key in wanted if mode == "verify-full" and key == "connect"}
    assert {tuple(line.split("|")) for line in entered.splitlines()} == allowed
    rows = guarded.sql("SELECT count(*) FROM users WHERE email LIKE 'matrix%'", "authdb")
    verified = guarded.play("verify", "--tags", "access")
    assert verified.code == 0, verified.output
    assert verified.count("changed") == 0
    assert "was refused" in verified.text
    assert rows == "0"


BY_HAND = [
    ("authdb", "GRANT SELECT (password_hash) ON users TO readonly_user"),
    ("authdb", "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    ("apidb", "REVOKE DELETE ON profiles FROM user_api_service"),
    ("admindb", "GRANT TRUNCATE ON documents TO admin_api_service"),
    ("admindb", "GRANT pg_write_server_files TO user_api_service"),
    ("admindb", "ALTER ROLE auth_service CREATEDB"),
    ("admindb", "ALTER ROLE auth_service SET app.secret = 'Setting-Canary-7'"),
]
# What of it is seen from outside.
SEEN = {
    ("readonly_user", "authdb", "public.users:S"),
    ("readonly_user", "authdb", "n"),
    ("auth_service", "authdb", "n"),
    ("user_api_service", "apidb", "public.profiles:D"),
    ("admin_api_service", "admindb", "public.documents:T"),
    ("user_api_service", "apidb", "f"),
    ("user_api_service", "apidb", "b:pg_write_server_files"),
    ("auth_service", "authdb", "D"),
}
LINES = (
    "authdb: readonly_user may SELECT public.users.password_hash, which is not declared (catalog and statement).",
    "authdb: auth_service may CREATE TABLE in public, which is not declared (catalog and statement).",
    "apidb: user_api_service may not DELETE public.profiles, which is declared: permission denied for table profiles.",
    "admindb: admin_api_service may TRUNCATE public.documents, which is not declared (catalog).",
    "user_api_service may SET ROLE pg_write_server_files, which is not declared (catalog and statement).",
    "user_api_service may COPY TO a file, which is not declared (catalog).",
    "auth_service may CREATE DATABASE, which is not declared (catalog).",
    "apidb: auth_service may CONNECT, which is not declared (catalog).",
)
STRANGERS = (
    "backdoor is a superuser, no declaration names it, and no run takes that away",
    "grafana may log in, no declaration names it, and no run takes that away",
    "leaver has a login that no declaration names; pg_hba.conf keeps it out (postgres_instance_lock_out).",
)


def test_what_was_granted_by_hand_is_seen_and_taken_away(guarded: Instance, tmp_path: Path) -> None:
    """The matrix and verify.yml see each; the latter also what pg_hba.conf hides. The next site.yml undoes them all."""
    for database, statement in BY_HAND:
        guarded.sql(statement, database)
    guarded.sql("GRANT CONNECT ON DATABASE apidb TO auth_service")
    guarded.sql("CREATE ROLE backdoor SUPERUSER LOGIN; CREATE ROLE grafana LOGIN; CREATE ROLE leaver LOGIN")
    found = deviations(guarded, tmp_path / "before")
    assert {(role, database, what) for role, database, _mode, what in found} == SEEN
    known = {"postgres_instance_lock_out": ["leaver", "backdoor"]}
    failed = guarded.play("verify", "--tags", "access", **known)
    assert failed.code != 0
    for line in (*LINES, *STRANGERS):
        assert line in failed.text, failed.output
    assert "auth_service has a value (setting app.secret), which is not declared." in failed.text
    assert "run site.yml --tags access" in failed.text
    mended = guarded.site(**known)
    assert mended.count("changed") > 0
    assert "auth_service has a value (setting app.secret), which is not declared." in mended.text
    assert "Setting-Canary-7" not in failed.output + mended.output
    for line in STRANGERS:
        assert line in mended.text, mended.output
    assert deviations(guarded, tmp_path / "after") == set()
    # Whom nobody declared is not ours to drop.
    guarded.sql("DROP ROLE backdoor; DROP ROLE grafana")
    assert guarded.play("verify", "--tags", "access", **known).code == 0
    guarded.sql("DROP ROLE leaver")


def test_langchain_may_ask_for_its_extension(guarded: Instance) -> None:
    """As the clients do on each start, by the connection file, with its notice and without an error."""
    url = (guarded.directory / "services" / "ai-micro-api-admin.env").read_text("utf-8").split("=", 1)[1].strip()
    assert quote(guarded.password("admin_api_service"), safe="") in url
    certificate = f"{guarded.directory}/tls/ca.crt"
    options = [
        "--rm",
        "--user=0:0",
        "--add-host=host.docker.internal:host-gateway",
        "-v",
        f"{certificate}:{certificate}:ro",
    ]
    command = ["--entrypoint=psql", guarded.image, "-X", "-v", "ON_ERROR_STOP=1", "-c"]
    done = run("docker", "run", *options, *command, "CREATE EXTENSION IF NOT EXISTS vector", url)
    assert 'extension "vector" already exists, skipping' in done.stderr
    create = guarded.sql("SELECT has_database_privilege('admin_api_service', 'admindb', 'CREATE')")
    assert create == "f"
