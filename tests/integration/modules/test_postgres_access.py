"""postgres_access on a real server: what it says, checked with the server's own answers and with real logins."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.errors
import pytest
import yaml
from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import access_declaration
from psycopg2 import sql

from .conftest import ROOT, Server, running_server

KEYS = {"changed", "in_sync", "missing", "excess", "queries", "diff", "undeclared_logins", "undeclared_superusers"}
# Names that a careless statement would break on; 63 bytes is all that PostgreSQL keeps.
HOSTILE = ['ro"le; DROP TABLE users; --', "user", "Größe 'x' %s {0}", "ü" * 31 + "x"]
SERVICES = {"authdb": "auth_service", "apidb": "user_api_service", "admindb": "admin_api_service"}
TABLES = {"authdb": "users", "apidb": "profiles", "admindb": "documents"}


@pytest.fixture
def databases(server: Server) -> Iterator[Server]:
    """The three databases as a careless deployment leaves them, removed with all roles afterwards."""
    for database, table in TABLES.items():
        server.sql(f"CREATE DATABASE {database}")
        server.sql('CREATE EXTENSION "uuid-ossp"', db=database)
        server.sql(
            f"CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), email text, password_hash text);"
            f"INSERT INTO {table} (email) VALUES ('a@b.c'); CREATE SEQUENCE counter",
            db=database,
        )
    yield server
    for (name,) in server.sql("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"):
        server.sql(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    server.sql("GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC; GRANT CONNECT ON DATABASE template1 TO PUBLIC")
    server.sql("ALTER ROLE postgres PASSWORD NULL")
    roles = server.sql("SELECT rolname FROM pg_roles WHERE oid >= 16384")
    for (name,) in roles:
        server.sql(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))


@pytest.fixture
def example() -> dict[str, Any]:
    """The arguments of the documentation's first example, which is what the role declares."""
    text = (ROOT / "plugins/modules/postgres_access.py").read_text(encoding="utf-8")
    task = yaml.safe_load(text.split('EXAMPLES = r"""')[1].split('"""')[0])[0]["ai_micro.postgres.postgres_access"]
    del task["login_unix_socket"]
    for role in task["roles"]:
        role["password"] = f"Gehe1m-{role['name']}"
    return dict(task)


def place(entries: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(entry["name"], entry["role"], item) for entry in entries for item in entry["privileges"]}


def allowed(server: Server, role: str, db: str, statement: str) -> bool:
    """Whether a statement goes through for a role that logs in with its password; nothing of it stays."""
    connection = server.connect(db, role, f"Gehe1m-{role}")
    connection.autocommit = False
    refused = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except psycopg2.errors.InsufficientPrivilege:
        refused = True
    finally:
        connection.close()
    return not refused


def may_connect(server: Server, role: str, db: str) -> bool:
    try:
        server.connect(db, role, f"Gehe1m-{role}").close()
    except psycopg2.OperationalError as error:
        if "permission denied for database" not in str(error):
            raise
        return False
    return True


def test_default_declaration(databases: Server, example: dict[str, Any]) -> None:
    """Check, converge, converge again, verify; then what each role can really do."""
    predicted = databases.call("postgres_access", check=True, **example)
    assert predicted["changed"]
    assert predicted.keys() >= KEYS
    assert not databases.sql("SELECT 1 FROM pg_roles WHERE rolname = 'auth_service'")

    done = databases.call("postgres_access", **example)
    assert {key: done[key] for key in KEYS} == {key: predicted[key] for key in KEYS}

    started = time.monotonic()
    again = databases.call("postgres_access", **example)
    assert time.monotonic() - started < 2
    assert not again["changed"]
    assert again["in_sync"]
    assert again["queries"] == again["missing"] == again["excess"] == []
    assert not databases.call("postgres_access", state="verified", **example).get("failed")

    for database, service in SERVICES.items():
        table = TABLES[database]
        for role in [*SERVICES.values(), "readonly_user"]:
            assert may_connect(databases, role, database) == (role in (service, "readonly_user"))
            assert not may_connect(databases, role, "postgres")
            assert not may_connect(databases, role, "template1")
        for statement, expected in {
            f"SELECT * FROM {table}": True,
            f"INSERT INTO {table} (email) VALUES ('new')": True,
            f"UPDATE {table} SET email = ''": True,
            f"DELETE FROM {table}": True,
            "SELECT nextval('counter')": True,
            'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"': True,
            "SELECT setval('counter', 7)": False,
            f"TRUNCATE {table}": False,
            "CREATE TABLE mine (id int)": False,
            "CREATE TEMP TABLE mine (id int)": False,
            "CREATE SCHEMA mine": False,
            f"ALTER TABLE {table} ADD COLUMN x int": False,
            "CREATE EXTENSION pg_trgm": False,
            "COPY (SELECT 1) TO '/tmp/x'": False,
            "SELECT pg_read_file('PG_VERSION')": False,
            "SET ROLE postgres": False,
        }.items():
            assert allowed(databases, service, database, statement) == expected, (service, statement)
        for column in ("id", "email", "password_hash"):
            hidden = (database, column) == ("authdb", "password_hash")
            assert allowed(databases, "readonly_user", database, f"SELECT {column} FROM {table}") != hidden
        writes = f"SET TRANSACTION READ WRITE; INSERT INTO {table} (email) VALUES ('x')"
        assert not allowed(databases, "readonly_user", database, writes)


def test_objects_made_later_are_covered(databases: Server, example: dict[str, Any]) -> None:
    databases.call("postgres_access", **example)
    databases.sql(
        "CREATE TABLE later (id serial PRIMARY KEY);"
        "CREATE FUNCTION later_f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        db="admindb",
    )
    assert allowed(databases, "admin_api_service", "admindb", "INSERT INTO later DEFAULT VALUES")
    assert allowed(databases, "readonly_user", "admindb", "SELECT * FROM later")
    assert not allowed(databases, "admin_api_service", "admindb", "SELECT later_f()")
    assert not databases.call("postgres_access", **example)["changed"]


def test_what_would_show_a_hidden_column_is_closed(databases: Server, example: dict[str, Any]) -> None:
    """Views over the table, a partition, the table made again: the reader gets none of it, and the service all."""
    databases.call("postgres_access", **example)
    databases.sql(
        "CREATE VIEW narrow AS SELECT email FROM users; CREATE VIEW whole AS SELECT u, u.email FROM users u;"
        "CREATE MATERIALIZED VIEW far AS SELECT * FROM whole; CREATE TABLE part () INHERITS (users);"
        "CREATE VIEW other AS SELECT 1 AS one",
        db="authdb",
    )
    made = ("narrow", "whole", "far", "part", "other")
    for name in made:
        # Nothing is open from the first moment on: what a view reads is known to the next run only.
        assert not allowed(databases, "readonly_user", "authdb", f"SELECT * FROM {name}"), name
        assert allowed(databases, "auth_service", "authdb", f"SELECT * FROM {name}"), name
    opened = databases.call("postgres_access", **example)
    assert place(opened["missing"]) == {("public.other", "readonly_user", "SELECT")}
    databases.sql("GRANT SELECT ON whole, far, part TO readonly_user", db="authdb")
    taken = databases.call("postgres_access", **example)
    assert place(taken["excess"]) == {
        (f"public.{name}", "readonly_user", "SELECT") for name in ("whole", "far", "part")
    }
    example["databases"][0]["grants"]["readonly_user"]["schemas"]["public"]["tables"]["narrow"] = ["SELECT"]
    databases.call("postgres_access", **example)
    readable = {name for name in made if allowed(databases, "readonly_user", "authdb", f"SELECT * FROM {name}")}
    assert readable == {"narrow", "other"}
    databases.sql("DROP TABLE users CASCADE; CREATE TABLE users (id int, email text, password_hash text)", db="authdb")
    assert not allowed(databases, "readonly_user", "authdb", "SELECT password_hash FROM users")
    assert allowed(databases, "auth_service", "authdb", "SELECT password_hash FROM users")


def test_an_extension_made_later_gets_its_functions_back(databases: Server, example: dict[str, Any]) -> None:
    """Default privileges close its functions to PUBLIC, and open its views to services: both are put right."""
    databases.call("postgres_access", **example)
    databases.sql("CREATE EXTENSION pg_trgm; CREATE EXTENSION pg_stat_statements", db="apidb")
    assert not allowed(databases, "user_api_service", "apidb", "SELECT similarity('a', 'b')")
    assert databases.call("postgres_access", **example)["changed"]
    assert allowed(databases, "user_api_service", "apidb", "SELECT similarity('a', 'b')")
    # What the extension's own script takes away stays away.
    reset = "SELECT has_function_privilege('readonly_user', oid, 'EXECUTE') FROM pg_proc WHERE proname = %s"
    assert databases.sql(reset, "pg_stat_statements_reset", db="apidb") == [(False,)]
    view = "SELECT has_table_privilege('user_api_service', 'pg_stat_statements', %s)"
    assert databases.sql(view, "DELETE", db="apidb") == [(False,)]
    assert databases.sql(view, "SELECT", db="apidb") == [(True,)]
    assert not databases.call("postgres_access", **example)["changed"]


DRIFT = {
    "privilege": ("GRANT TRUNCATE ON users TO auth_service", ("public.users", "auth_service", "TRUNCATE")),
    "column": (
        "GRANT SELECT (password_hash) ON users TO readonly_user",
        ("public.users.password_hash", "readonly_user", "SELECT"),
    ),
    "whole table": ("GRANT SELECT ON users TO readonly_user", ("public.users", "readonly_user", "SELECT")),
    "grant option": (
        "GRANT SELECT ON users TO auth_service WITH GRANT OPTION",
        ("public.users", "auth_service", "SELECT WITH GRANT OPTION"),
    ),
    "PUBLIC in a schema": ("GRANT CREATE ON SCHEMA public TO PUBLIC", ("public", "public", "CREATE")),
    "PUBLIC in a database": ("GRANT TEMPORARY ON DATABASE authdb TO PUBLIC", ("authdb", "public", "TEMPORARY")),
    "system function": (
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO auth_service",
        ("pg_catalog.pg_read_file(text)", "auth_service", "EXECUTE"),
    ),
    "system table": ("GRANT SELECT ON pg_authid TO PUBLIC", ("pg_catalog.pg_authid", "public", "SELECT")),
    "extension's function": (
        "GRANT EXECUTE ON FUNCTION uuid_nil() TO auth_service",
        ("public.uuid_nil()", "auth_service", "EXECUTE"),
    ),
    "stranger": (
        "GRANT SELECT ON users TO stranger",
        ("public.users", "stranger", "SELECT"),
    ),
    "stranger as a member": ("GRANT auth_service TO stranger", ("auth_service", "stranger", "MEMBER")),
    "predefined role": (
        "GRANT pg_read_server_files TO auth_service",
        ("pg_read_server_files", "auth_service", "MEMBER"),
    ),
    "default privilege": (
        "ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO PUBLIC",
        ("postgres", "public", "TRUNCATE"),
    ),
    "owner": (
        "CREATE TABLE other (id serial); ALTER TABLE other OWNER TO auth_service",
        ("public.other", "auth_service", "OWNER"),
    ),
    "database's owner": ("ALTER DATABASE authdb OWNER TO auth_service", ("authdb", "auth_service", "OWNER")),
    "extension": (
        "GRANT CREATE ON DATABASE authdb TO auth_service; SET SESSION AUTHORIZATION auth_service;"
        "CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore; RESET SESSION AUTHORIZATION;"
        "REVOKE CREATE ON DATABASE authdb FROM auth_service",
        ("pg_trgm", "auth_service", "OWNER"),
    ),
    "superuser": ("ALTER ROLE auth_service SUPERUSER", ("auth_service", "auth_service", "SUPERUSER")),
    "setting": ("ALTER ROLE auth_service SET work_mem = '1GB'", ("work_mem", "auth_service", "work_mem=1GB")),
    "parameter": (
        "GRANT SET ON PARAMETER log_statement TO auth_service",
        ("log_statement", "auth_service", "SET"),
    ),
    "language": ("GRANT USAGE ON LANGUAGE plpgsql TO auth_service", ("plpgsql", "auth_service", "USAGE")),
    "large object": (
        "SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO auth_service",
        ("4711", "auth_service", "SELECT"),
    ),
    "procedure": (
        "CREATE PROCEDURE p(OUT x int, y varchar[]) LANGUAGE sql AS 'SELECT 1';"
        "GRANT EXECUTE ON PROCEDURE p TO auth_service",
        ("public.p(_varchar)", "auth_service", "EXECUTE"),
    ),
    "aggregate": (
        "CREATE AGGREGATE a(*) (sfunc = int8inc, stype = int8, initcond = '0');"
        "GRANT EXECUTE ON ROUTINE a() TO auth_service",
        ("public.a()", "auth_service", "EXECUTE"),
    ),
    "domain": (
        "CREATE DOMAIN dom AS int; GRANT USAGE ON DOMAIN dom TO auth_service",
        ("public.dom", "auth_service", "USAGE"),
    ),
    "by a stranger": (
        "GRANT USAGE ON SCHEMA public TO stranger;"
        "GRANT INSERT ON users TO stranger WITH GRANT OPTION; SET ROLE stranger;"
        "GRANT INSERT ON users TO readonly_user; RESET ROLE",
        ("public.users", "readonly_user", "INSERT NOT GRANTED BY THE OWNER"),
    ),
}


def test_each_drift_is_seen_and_mended(databases: Server, example: dict[str, Any]) -> None:
    """All at once; each is named, one run takes them all away, and the table is as it was."""
    databases.call("postgres_access", **example)
    acl = "SELECT unnest(relacl)::text FROM pg_class WHERE relname = 'users' ORDER BY 1"
    before = databases.sql(acl, db="authdb")
    databases.sql("CREATE ROLE stranger LOGIN")
    for statement, _excess in DRIFT.values():
        databases.sql(statement, db="authdb")
    seen = databases.call("postgres_access", state="verified", **example)
    assert seen["failed"]
    assert not seen["changed"]
    found = place(seen["excess"])
    assert [name for name, (_statement, excess) in DRIFT.items() if excess not in found] == []
    mended = databases.call("postgres_access", **example)
    assert mended["changed"], mended["msg"]
    assert mended["queries"] == seen["queries"]
    assert databases.call("postgres_access", state="verified", **example)["in_sync"]
    assert databases.sql(acl, db="authdb") == before
    databases.sql("DROP ROLE stranger")


def test_an_extension_goes_alone(databases: Server, example: dict[str, Any]) -> None:
    """Only REASSIGN takes it away, and that would take what was not declared along: refused, and nothing is changed."""
    databases.call("postgres_access", **example)
    for statement in ("CREATE DATABASE other", "ALTER DATABASE other OWNER TO auth_service"):
        databases.sql(statement)
    databases.sql("GRANT CREATE ON DATABASE authdb TO auth_service")
    databases.sql("CREATE EXTENSION hstore", db="authdb", role="auth_service")
    refused = databases.call("postgres_access", **example)
    assert refused["msg"].startswith(
        "auth_service owns an extension, which only REASSIGN OWNED takes away, and the database other"
    )
    assert databases.sql("SELECT has_database_privilege('auth_service', 'authdb', 'CREATE')") == [(True,)]
    databases.sql("ALTER DATABASE other OWNER TO postgres")
    assert 'REASSIGN OWNED BY "auth_service" TO "postgres"' in databases.call("postgres_access", **example)["queries"]
    owners = "SELECT DISTINCT pg_get_userbyid(extowner) FROM pg_extension"
    assert databases.sql(owners, db="authdb") == [("postgres",)]
    assert not databases.call("postgres_access", **example)["changed"]


def test_missing_grant_is_given_back(databases: Server, example: dict[str, Any]) -> None:
    databases.call("postgres_access", **example)
    databases.sql(
        "REVOKE DELETE ON users FROM auth_service; REVOKE ALL ON FUNCTION uuid_nil() FROM PUBLIC", db="authdb"
    )
    done = databases.call("postgres_access", **example)
    assert place(done["missing"]) == {
        ("public.users", "auth_service", "DELETE"),
        ("public.uuid_nil()", "public", "EXECUTE"),
    }
    assert done["excess"] == []


def test_hostile_names(databases: Server) -> None:
    """Every name at every place: role, database, schema, table, column, function."""
    for name in HOSTILE:
        databases.sql(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        databases.sql(
            sql.SQL(
                "CREATE SCHEMA {0}; CREATE TABLE {0}.{0} ({0} int, b int); CREATE TYPE {0}.type AS ENUM ();"
                "CREATE FUNCTION {0}.{0}({0}.type) RETURNS int LANGUAGE sql AS 'SELECT 1'"
            ).format(sql.Identifier(name)),
            db=name,
        )
    arguments: dict[str, Any] = {
        "roles": [{"name": name, "password": name, "settings": {"application_name": name}} for name in HOSTILE],
        "databases": [
            {
                "name": name,
                "grants": {
                    name: {
                        "database": ["CONNECT"],
                        "schemas": {
                            name: {
                                "privileges": ["USAGE"],
                                "tables": {"*": ["SELECT"], name: {"SELECT": {"except": ["b"]}, "UPDATE": [name]}},
                                "functions": {name: ["EXECUTE"]},
                                "types": ["USAGE"],
                            }
                        },
                    }
                },
            }
            for name in HOSTILE
        ],
    }
    predicted = databases.call("postgres_access", check=True, **arguments)
    done = databases.call("postgres_access", **arguments)
    assert done["changed"], done
    assert done["queries"] == predicted["queries"]
    assert not databases.call("postgres_access", **arguments)["changed"]
    for name in HOSTILE:
        with databases.connect(name, name, name) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT {0} FROM {0}.{0}").format(sql.Identifier(name)))
            cursor.execute("SHOW application_name")
        connection.close()


def test_passwords(databases: Server, example: dict[str, Any]) -> None:
    """A wrong one is converged, the superuser's too; the right one is left alone; none is seen anywhere."""
    databases.call("postgres_access", **example)
    stored = databases.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1")
    assert len(stored) == 5
    databases.call("postgres_access", **example)
    assert (
        databases.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1") == stored
    )
    databases.sql("ALTER ROLE postgres PASSWORD 'wrong'; ALTER ROLE auth_service PASSWORD 'wrong'")
    done = databases.call("postgres_access", **example)
    assert place(done["missing"]) == {
        ("postgres", "postgres", "PASSWORD"),
        ("auth_service", "auth_service", "PASSWORD"),
    }
    assert all(query.endswith("PASSWORD '********'") for query in done["queries"])
    databases.connect(user="postgres", password="Gehe1m-postgres").close()
    assert allowed(databases, "auth_service", "authdb", "SELECT 1")
    assert "Gehe1m" not in done["raw"]
    assert "SCRAM-SHA-256$" not in done["raw"]
    log = databases.log()
    assert not databases.container or "ALTER ROLE auth_service PASSWORD 'wrong'" in log  # every statement is logged
    assert "Gehe1m" not in log
    assert "SCRAM-SHA-256$" not in log


def test_no_view_gets_a_password(example: dict[str, Any]) -> None:
    """pg_stat_activity is looked at all the while, pg_stat_statements afterwards, both keeping utility statements in full."""
    example["databases"] = []
    settings = ("shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track_utility=on")
    with running_server(*settings, "track_activity_query_size=16kB") as watched:
        watched.sql("CREATE EXTENSION pg_stat_statements")
        watched.sql("ALTER ROLE postgres PASSWORD 'by hand'")
        seen: set[str] = set()
        begun, over = threading.Event(), threading.Event()

        def look() -> None:
            connection = watched.connect()
            with connection.cursor() as cursor:
                while not over.is_set():
                    cursor.execute("SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                    seen.update(query for (query,) in cursor.fetchall() if query)
                    begun.set()
            connection.close()

        looker = threading.Thread(target=look)
        looker.start()
        try:
            assert begun.wait(30)
            done = watched.call("postgres_access", **example)
        finally:
            over.set()
            looker.join()
        assert done["changed"], done["msg"]
        kept = {query for (query,) in watched.sql("SELECT query FROM pg_stat_statements")}
    assert [query for query in seen if "pg_catalog" in query]
    assert [query for query in kept if 'CREATE ROLE "auth_service"' in query]
    assert [query for query in kept if "by hand" in query]
    assert [query for query in seen | kept if "Gehe1m" in query or "SCRAM-SHA-256$" in query] == []


PASSWORDS = ["simple", "pa'ss\\w%ord\"", "Ⅸ\u00a0soft\u00adhyphen", "日本語", "x" * 200, "\u0627\u0031"]


def test_verifiers_open_a_real_login(databases: Server) -> None:
    roles = [{"name": f"user {number}", "password": password} for number, password in enumerate(PASSWORDS)]
    databases.call("postgres_access", roles=roles)
    for role in roles:
        databases.connect(user=role["name"], password=role["password"]).close()
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            databases.connect(user=role["name"], password=role["password"] + "x")
    assert not databases.call("postgres_access", roles=roles)["changed"]


def test_what_does_not_exist_yet(databases: Server, example: dict[str, Any]) -> None:
    """Check mode predicts; a real run refuses before the first write, in one sentence."""
    example["databases"].append({"name": "laterdb", "owner": "postgres", "grants": {"auth_service": {}}})
    example["databases"][0]["grants"]["readonly_user"]["schemas"]["public"]["tables"]["nosuch"] = ["SELECT"]
    predicted = databases.call("postgres_access", check=True, **example)
    assert ("laterdb", "postgres", "DATABASE") in place(predicted["missing"])
    assert ("public.nosuch", "readonly_user", "SELECT") in place(predicted["missing"])
    refused = databases.call("postgres_access", **example)
    assert refused["msg"] == "Database laterdb does not exist: create it first, or correct its name."
    databases.sql("CREATE DATABASE laterdb")
    refused = databases.call("postgres_access", **example)
    assert "table public.nosuch in database authdb, which does not exist" in refused["msg"]
    assert not databases.sql("SELECT 1 FROM pg_roles WHERE rolname = 'auth_service'")


def test_owner_of_its_own(databases: Server) -> None:
    """A NOLOGIN owner: everything changes hands, and so do later objects of its making."""
    arguments: dict[str, Any] = {
        "roles": [{"name": "authdb_owner", "login": False}, {"name": "auth_service"}],
        "databases": [
            {
                "name": "authdb",
                "owner": "authdb_owner",
                "grants": {"auth_service": {"database": ["CONNECT"], "schemas": {"public": {"tables": ["SELECT"]}}}},
            }
        ],
    }
    databases.sql(
        "CREATE TABLE t (id serial, e text); CREATE VIEW v AS SELECT 1; CREATE TYPE e AS ENUM ('a');"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA s;"
        "CREATE TYPE r AS RANGE (subtype = int)",
        db="authdb",
    )
    predicted = databases.call("postgres_access", check=True, **arguments)
    done = databases.call("postgres_access", **arguments)
    assert done.get("queries") == predicted["queries"], done
    assert not databases.call("postgres_access", **arguments)["changed"]
    owners = databases.sql(
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE oid >= 16384 AND relkind <> 't'", db="authdb"
    )
    assert owners == [("authdb_owner",)]
    databases.sql("CREATE TABLE later (id int)", db="authdb", role="authdb_owner")
    assert databases.sql("SELECT has_table_privilege('auth_service', 'later', 'SELECT')", db="authdb") == [(True,)]


def test_what_the_superuser_makes_in_an_owners_database(databases: Server) -> None:
    """As the role declares it: init.sql, migrations and psql create as postgres, and it is covered from the first moment."""
    service = {"name": "authdb", "service": "s", "role": "auth_service", "owner": "authdb_owner"}
    arguments: dict[str, Any] = {
        "roles": [{"name": "authdb_owner", "login": False}, {"name": "auth_service"}, {"name": "readonly_user"}],
        "databases": access_declaration([service], "readonly_user", {}),
    }
    databases.call("postgres_access", **arguments)
    databases.sql(
        "CREATE TABLE later (id int);CREATE FUNCTION later_f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        db="authdb",
    )
    rights = (
        "SELECT has_table_privilege('auth_service', 'later', 'SELECT, INSERT'),"
        " has_function_privilege('auth_service', 'later_f()', 'EXECUTE')"
    )
    assert databases.sql(rights, db="authdb") == [(True, False)]
    assert databases.call("postgres_access", **arguments)["changed"]
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'later'"
    assert databases.sql(owner, db="authdb") == [("authdb_owner",)]
    assert databases.sql(rights, db="authdb") == [(True, False)]
    assert not databases.call("postgres_access", **arguments)["changed"]


def test_role_that_goes(databases: Server) -> None:
    databases.sql("CREATE ROLE leaver LOGIN; GRANT ALL ON DATABASE authdb TO leaver")
    databases.sql("GRANT ALL ON users TO leaver; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO leaver", db="authdb")
    arguments: dict[str, Any] = {"roles": [{"name": "leaver", "state": "absent"}], "databases": [{"name": "authdb"}]}
    databases.sql("GRANT SELECT ON profiles TO leaver", db="apidb")
    refused = databases.call("postgres_access", **arguments)
    assert "in database apidb, so it cannot be dropped" in refused["msg"]
    assert databases.sql("SELECT has_database_privilege('leaver', 'authdb', 'CREATE')") == [(True,)]
    arguments["databases"].append({"name": "apidb"})
    assert databases.call("postgres_access", **arguments)["queries"][-1] == 'DROP ROLE "leaver"'
    assert not databases.call("postgres_access", **arguments)["changed"]


def test_an_owner_that_goes(databases: Server) -> None:
    """What it gave to nobody by default is given back first: its entry alone keeps it from being dropped."""
    grants = {"auth_service": {"database": ["CONNECT"], "schemas": {"public": {"tables": ["SELECT"]}}}}
    before: dict[str, Any] = {
        "roles": [{"name": "old_owner", "login": False}, {"name": "auth_service"}],
        "databases": [
            {"name": "authdb", "owner": "old_owner", "creators": ["old_owner", "postgres"], "grants": grants}
        ],
    }
    databases.call("postgres_access", **before)
    databases.sql("ALTER DEFAULT PRIVILEGES FOR ROLE old_owner REVOKE USAGE ON TYPES FROM PUBLIC", db="authdb")
    after: dict[str, Any] = {
        "roles": [{"name": "old_owner", "state": "absent"}, {"name": "auth_service"}],
        "databases": [{"name": "authdb", "grants": grants}],
    }
    refused = databases.call("postgres_access", **after)
    assert "old_owner owns the database authdb, so it cannot be dropped; declare another owner" in refused["msg"]
    after["databases"][0]["owner"] = "postgres"
    predicted = databases.call("postgres_access", check=True, **after)
    done = databases.call("postgres_access", **after)
    assert done.get("queries") == predicted["queries"], done
    assert done["queries"][-1] == 'DROP ROLE "old_owner"'
    assert not databases.sql("SELECT 1 FROM pg_roles WHERE rolname = 'old_owner'")
    assert not databases.call("postgres_access", **after)["changed"]


def test_ignored_and_undeclared_roles(databases: Server, example: dict[str, Any]) -> None:
    databases.call("postgres_access", **example)
    databases.sql("CREATE ROLE rotate_b LOGIN IN ROLE auth_service; GRANT CONNECT ON DATABASE authdb TO rotate_b")
    result = databases.call("postgres_access", check=True, ignore_roles=["rotate_*"], **example)
    assert result["in_sync"]
    assert result["undeclared_logins"] == []
    result = databases.call("postgres_access", check=True, **example)
    assert place(result["excess"]) == {("auth_service", "rotate_b", "MEMBER"), ("authdb", "rotate_b", "CONNECT")}
    assert result["undeclared_logins"] == ["rotate_b"]
    databases.sql("CREATE ROLE backdoor SUPERUSER NOLOGIN; CREATE ROLE plain NOLOGIN")
    result = databases.call("postgres_access", check=True, **example)
    assert result["undeclared_logins"] == ["backdoor", "rotate_b"]
    assert result["undeclared_superusers"] == ["backdoor"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"login_unix_socket": "/nowhere"}, "no server listens there"),
        ({"login_user": "nobody_here"}, "user nobody_here does not exist"),
        ({"login_db": "nodb"}, "database nodb does not exist"),
        ({"databases": [{"name": "postgres", "grants": {"x": {"tabels": []}}}]}, "unknown key tabels"),
        ({"databases": [{"name": "postgres", "grants": {"nobody_here": {}}}]}, "add it to roles"),
        ({"roles": [{"name": "x", "member_of": ["nobody_here"]}]}, "names role nobody_here"),
        ({"roles": [{"name": "postgres", "superuser": False}]}, "cannot lose SUPERUSER"),
        ({"roles": [{"name": "x", "settings": {"no_such_setting": 1}}]}, "no_such_setting"),
    ],
)
def test_mistakes_are_one_sentence(server: Server, arguments: dict[str, Any], sentence: str) -> None:
    result = server.call("postgres_access", **arguments)
    assert result["failed"]
    assert sentence in result["msg"]
    assert "Traceback" not in result["raw"]
    assert "\n" not in result["msg"]
