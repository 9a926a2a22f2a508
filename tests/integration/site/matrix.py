"""Who may what, written by hand, and one container that tries it all over TCP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from instance import Instance, run

ROLES = ("auth_service", "user_api_service", "admin_api_service", "readonly_user", "postgres")
# S select, s select all columns but password_hash, I insert, U update, D delete, T truncate, A alter, F refer to it (REFERENCES), G a trigger;
# - nothing.
TABLES = """
                                        auth  user  admin read  super
authdb   public.users                   SIUD  -     -     s     SIUDTAFG
apidb    public.profiles                -     SIUD  -     S     SIUDTAFG
admindb  public.system_logs             -     -     SIUD  S     SIUDTAFG
admindb  public.login_logs              -     -     SIUD  S     SIUDTAFG
admindb  public.system_settings         -     -     SIUD  S     SIUDTAFG
admindb  public.knowledge_bases         -     -     SIUD  S     SIUDTAFG
admindb  public.documents               -     -     SIUD  S     SIUDTAFG
admindb  public.langchain_pg_collection -     -     SIUD  S     SIUDTAFG
admindb  public.langchain_pg_embedding  -     -     SIUD  S     SIUDTAFG
admindb  ai_micro.schema_migration      -     -     -     -     SIUDTAFG
"""
# C connect with TLS, c without TLS, x CREATE EXTENSION IF NOT EXISTS of what is installed, e another extension, n a table in public,
# s a schema, t a temporary table, f COPY to a file, p COPY to a program, P COPY from a program, r pg_read_file, l pg_ls_dir, i lo_import,
# o a large object (which everybody may make; the next run takes it from its owner), a pg_authid, g a setting of superusers, R a role, D a database,
# b become another role; of objects that the superuser has just made: q the next value of a sequence, v set it, m call a function.
DATABASES = """
            auth  user  admin read  super
authdb      Cxoq  -     -     Cxo   CxenstfpPrlioagqvmRDb
apidb       -     Cxoq  -     Cxo   CxenstfpPrlioagqvmRDb
admindb     -     -     Cxoq  Cxo   CxenstfpPrlioagqvmRDb
postgres    -     -     -     -     CxenstfpPrlioagqvmRDb
template1   -     -     -     -     CxenstfpPrlioagqvmRDb
"""
INSTALLED = {
    "authdb": ["uuid-ossp"],
    "apidb": ["uuid-ossp"],
    "admindb": ["uuid-ossp", "vector"],
    "postgres": ["plpgsql"],
    "template1": ["plpgsql"],
}
GROUPS = (
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program",
    "pg_read_all_data",
    "pg_monitor",
)
ROWS = {
    "users": "(email, password_hash) VALUES ('matrix@example.com', 'x')",
    "profiles": "(user_id) VALUES (uuid_generate_v4())",
    "system_logs": "(service_name, level, message) VALUES ('matrix', 'info', 'x')",
    "login_logs": "(user_id, success) VALUES (uuid_generate_v4(), true)",
    "system_settings": "(key, value) VALUES ('matrix', '{}')",
    "knowledge_bases": "(name, user_id) VALUES ('matrix', uuid_generate_v4())",
    "documents": "(filename, original_filename, file_path, mime_type, file_size, user_id)"
    " VALUES ('m', 'm', 'm', 'm', 1, uuid_generate_v4())",
    "langchain_pg_collection": "(name) VALUES ('matrix')",
    "langchain_pg_embedding": "(document) VALUES ('matrix')",
    "schema_migration": "SELECT * FROM ai_micro.schema_migration WHERE false",
}
UPDATED = {
    "users": "is_active",
    "profiles": "phone",
    "system_logs": "level",
    "login_logs": "success",
    "system_settings": "updated_at",
    "knowledge_bases": "status",
    "documents": "status",
    "langchain_pg_collection": "name",
    "langchain_pg_embedding": "document",
    "schema_migration": "checksum",
}
LATER = """
CREATE SEQUENCE public.matrix_made;
CREATE FUNCTION public.matrix_made() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'
"""
DENIED = "42501"
# Permitted, and then it fails: a table that others refer to is not truncated alone, and there is no table to copy to.
BEYOND = {":T": "0A000", "P": "42P01"}
SCRIPT = r"""
set -u
for mode in verify-full disable; do
    for role in $ROLES; do
        case " $SECOND " in *" $role "*) login=${role}_2 ;; *) login=$role ;; esac
        for database in $DATABASES; do
            target="host=$SERVER port=$PORT user=$login dbname=$database sslmode=$mode sslrootcert=/matrix/ca.crt"
            psql -X -q -w -f "/matrix/$database.sql" "$target" >/tmp/said 2>/tmp/errors
            # A client that is not let in ends with 2; that must be for want of permission and for nothing else.
            if [ $? -eq 2 ]; then
                state=$DENIED
                grep -q -e 'pg_hba.conf rejects' -e 'permission denied for database' /tmp/errors || { state=unknown; cat /tmp/errors >&2; }
                echo "$role $database $mode connect $state"
            fi
            sed -n "s/^MATRIX /$role $database $mode /p" /tmp/said
        done
    done
done
"""

Cell = tuple[str, str, str, str]  # role, database, mode, what


def read_table(text: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Give each line of a table written by hand as the letters of each role."""
    lines = [line.split() for line in text.strip().splitlines()][1:]
    return {tuple(line[: -len(ROLES)]): dict(zip(ROLES, line[-len(ROLES) :])) for line in lines}


def table_statements(table: str) -> dict[str, list[str]]:
    """Give what stands for each letter of a table."""
    name = table.split(".")[1]
    select = [f"SELECT * FROM {table}"]
    if name == "users":
        select = ["SELECT password_hash FROM public.users", "SELECT * FROM public.users"]
    return {
        "S": select,
        "I": [f"INSERT INTO {table} {ROWS[name]}"],
        "U": [f"UPDATE {table} SET {UPDATED[name]} = {UPDATED[name]}"],
        "D": [f"DELETE FROM {table}"],
        "T": [f"TRUNCATE {table}"],
        "A": [f"ALTER TABLE {table} ADD COLUMN matrix integer"],
        # A table that refers to another needs CREATE as well, so this one is asked and not done.
        "F": [
            f"DO $$ BEGIN IF NOT has_table_privilege('{table}', 'REFERENCES') THEN RAISE insufficient_privilege; END IF; END $$"
        ],
        "G": [
            f"CREATE TRIGGER matrix BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ],
    }


def database_statements(database: str) -> dict[str, list[str]]:
    """Give what stands for each letter of a database."""
    return {
        "x": [f'CREATE EXTENSION IF NOT EXISTS "{name}"' for name in INSTALLED[database]],
        "e": ["CREATE EXTENSION hstore"],
        "n": ["CREATE TABLE public.matrix (x integer)"],
        "s": ["CREATE SCHEMA matrix"],
        "t": ["CREATE TEMPORARY TABLE matrix (x integer)"],
        "f": ["COPY (SELECT 1) TO '/tmp/matrix'"],
        "p": ["COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'"],
        "P": ["COPY matrix FROM PROGRAM 'true'"],
        "r": ["SELECT pg_read_file('/etc/hostname')"],
        "l": ["SELECT pg_ls_dir('.')"],
        "i": ["SELECT lo_import('/etc/hostname')"],
        "o": ["SELECT lo_create(0)"],
        "q": ["SELECT nextval('public.matrix_made')"],
        "v": ["SELECT setval('public.matrix_made', 7)"],
        "m": ["SELECT public.matrix_made()"],
        "a": ["SELECT rolpassword FROM pg_authid"],
        "g": ["SET LOCAL log_statement = 'none'"],
        "R": ["CREATE ROLE matrix"],
        "D": ["CREATE DATABASE matrix"],
        **{f"b:{name}": [f"SET ROLE {name}"] for name in (*ROLES, *GROUPS)},
    }


def script(database: str) -> str:
    """Give psql's script for a database: each statement by itself and rolled back, its SQLSTATE said."""
    # Who is read-only by default may end that, so it protects from nothing.
    lines = ["\\echo MATRIX connect 00000", "SET default_transaction_read_only = off;"]
    tried = [(f"{letter}", each) for letter, some in database_statements(database).items() for each in some]
    for place, table in (each for each in read_table(TABLES) if each[0] == database):
        del place
        tried += [(f"{table}:{letter}", each) for letter, some in table_statements(table).items() for each in some]
        if table == "public.users":
            tried += [(f"{table}:s", "SELECT id, email, roles, created_at, is_active, last_login_at FROM public.users")]
    for number, (key, statement) in enumerate(tried):
        # A database is made outside of a transaction or not at all.
        begin, end = ("", "DROP DATABASE IF EXISTS matrix;") if key == "D" else ("BEGIN;", "ROLLBACK;")
        lines += [begin, f"{statement} \\g /dev/null", f"\\echo MATRIX {key}#{number} :SQLSTATE", end]
    return "\n".join(lines) + "\n"


def expected() -> dict[Cell, bool]:
    """Give the tables above as single cells; who cannot connect has nothing else to try."""
    wanted: dict[Cell, bool] = {}
    for (database,), row in read_table(DATABASES).items():
        for role, letters in row.items():
            wanted[role, database, "disable", "connect"] = "c" in letters
            wanted[role, database, "verify-full", "connect"] = "C" in letters
            if "C" in letters:
                for key in database_statements(database):
                    if key != f"b:{role}":
                        wanted[role, database, "verify-full", key] = key[0] in letters
    for (database, table), row in read_table(TABLES).items():
        for role, letters in row.items():
            if not wanted[role, database, "verify-full", "connect"]:
                assert letters == "-", f"{role} has {letters} on {table} and cannot connect"
                continue
            for key in table_statements(table):
                wanted[role, database, "verify-full", f"{table}:{key}"] = key in letters
            if table == "public.users":
                wanted[role, database, "verify-full", f"{table}:s"] = "s" in letters or "S" in letters
    return wanted


@contextmanager
def made_later(instance: Instance) -> Iterator[None]:
    """Make objects that nobody has granted anything on, and take them away again."""
    databases = [database for (database,) in read_table(DATABASES)]
    for database in databases:
        instance.sql(LATER, database)
    try:
        yield
    finally:
        for database in databases:
            instance.sql("DROP SEQUENCE public.matrix_made; DROP FUNCTION public.matrix_made()", database)


def try_all(instance: Instance, folder: Path, second: Sequence[str], network: str) -> dict[Cell, set[bool]]:
    """Let one container try it all. A cell that several statements stand for holds each one's outcome."""
    folder.mkdir(exist_ok=True)
    for (database,) in read_table(DATABASES):
        (folder / f"{database}.sql").write_text(script(database), encoding="utf-8")
    passwords = {role: instance.password(role).replace("\\", "\\\\").replace(":", "\\:") for role in ROLES}
    lines = [f"*:*:*:{role + end}:{password}\n" for role, password in passwords.items() for end in ("", "_2")]
    (folder / "pgpass").write_text("".join(lines), encoding="utf-8")
    (folder / "pgpass").chmod(0o600)
    (folder / "run.sh").write_text(SCRIPT, encoding="utf-8")
    (folder / "ca.crt").write_bytes((instance.directory / "tls" / "ca.crt").read_bytes())
    environment = {
        "ROLES": " ".join(ROLES),
        "DATABASES": " ".join(database for (database,) in read_table(DATABASES)),
        "SECOND": " ".join(second),
        "SERVER": instance.name if network else "host.docker.internal",
        "PORT": "5432" if network else str(instance.port),
        "DENIED": DENIED,
        "PGPASSFILE": "/matrix/pgpass",
    }
    given = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
    place = f"--network={network}" if network else "--add-host=host.docker.internal:host-gateway"
    options = ["--rm", "--user=0:0", place, "-v", f"{folder}:/matrix:ro"]
    done = run("docker", "run", *options, *given, "--entrypoint=bash", instance.image, "/matrix/run.sh")
    found: dict[Cell, set[bool]] = {}
    for line in done.stdout.splitlines():
        role, database, mode, key, state = line.split()
        what = key.split("#")[0]
        assert state in ("00000", DENIED, BEYOND.get(what[-2:])), f"{line}\n{done.stderr}"
        if what != f"b:{role}":
            found.setdefault((role, database, mode, what), set()).add(state != DENIED)
    return found


def deviations(instance: Instance, folder: Path, second: Sequence[str] = (), network: str = "") -> set[Cell]:
    """Give the cells that are not as written above, those that were not tried among them.

    Services in ``second`` come by their second login; with a ``network`` all come by that and not by the host.
    """
    with made_later(instance):
        wanted, found = expected(), try_all(instance, folder, second, network)
    return {cell for cell in {*wanted, *found} if found.get(cell) != {wanted.get(cell, False)}}
