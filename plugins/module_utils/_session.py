# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One way to reach PostgreSQL: connection arguments, one session, its errors, its closing.

A module holds its own verbs only. Whatever psycopg2 raises inside C(with session(...)) leaves the module as one
sentence that names the object and the remedy.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol

from ansible.module_utils.basic import env_fallback

try:
    import psycopg2
    import psycopg2.extras
    from psycopg2 import sql

    HAS_PSYCOPG2 = True
except ImportError:
    HAS_PSYCOPG2 = False
    sql = None  # type: ignore[assignment]

APPLICATION_NAME = "ai_micro.postgres"
CONNECT_TIMEOUT = 10

# What libpq or the server says when a connection fails, and what to do about it. The first match wins.
# libpq gives no SQLSTATE for a failed connection, so the text is all there is.
CONNECT_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"password authentication failed|SCRAM authentication",
        "the password of user {user} was refused: check login_password (an existing cluster ignores POSTGRES_PASSWORD)",
    ),
    (r"no password supplied", "a password is asked for user {user}: set login_password"),
    (
        r"(Peer|Ident) authentication failed",
        "this operating system user may not be {user} over the socket: set become_user, or map it in pg_ident.conf",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "no rule lets user {user} into database {db} from here: set ssl_mode=require if TLS is wanted, or add a rule",
    ),
    (r'database ".*" does not exist', "database {db} does not exist: create it first, or correct its name"),
    (r'role ".*" does not exist', "user {user} does not exist there: correct login_user"),
    (
        r"permission denied for database",
        "user {user} lacks CONNECT on database {db}: grant it, or use another login_user",
    ),
    (r"not currently accepting connections", "database {db} accepts no connections: set its ALLOW_CONNECTIONS to true"),
    (
        r"Connection refused|No such file or directory|could not connect to server",
        "no server listens there: start it, or correct login_host, login_port or login_unix_socket",
    ),
    (
        r"could not translate host name|Name or service not known",
        "the host name cannot be resolved: correct login_host",
    ),
    (r"timeout expired|timed out|No route to host", "no answer: check the address, the port and the firewall"),
    (r"server does not support SSL", "the server offers no TLS: set ssl_mode=disable, or turn ssl on in the server"),
    (
        r"certificate|SSL error|tlsv1 alert",
        "TLS failed: check ca_cert, ssl_cert and ssl_key, and that login_host is a name of the certificate",
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        "all connections are in use: raise max_connections, or close some",
    ),
    (
        r"starting up|shutting down|in recovery|consistent recovery state",
        "the server does not accept connections yet: wait until pg_isready succeeds",
    ),
    (r"invalid (dsn|connection option)", "connect_params holds an option that libpq does not know: correct it"),
)

# What to do about an error of a statement, by SQLSTATE (or its class).
STATEMENT_REMEDIES: Mapping[str, str] = {
    "42501": "connect as a superuser, or as a role that may do this",
    "25006": "the session or the server is read-only: connect to the primary",
    "55P03": "another session holds the lock: end it, or run again later",
    "57014": "a timeout or a cancel request ended the statement: run again, or raise statement_timeout",
    "40P01": "run again: another session wanted the same objects",
    "40001": "run again: another session changed the same rows",
    "53": "the server is out of a resource: see its log",
    "57": "the server ended the session: see its log",
    "58": "the server met a system error: see its log",
}


class Module(Protocol):
    """The part of AnsibleModule that a session needs; tests pass a stand-in."""

    params: dict[str, Any]

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn: ...


class Elsewhere:
    """A module as it would be at another server's socket, with the same user."""

    def __init__(self, module: Module, socket: str) -> None:
        self._module = module
        self.params = {**module.params, "login_host": "", "login_unix_socket": socket}

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        self._module.fail_json(msg=msg, **kwargs)


def argument_spec(login_db: bool = False) -> dict[str, Any]:
    """Connection options, named as community.postgresql names them, so one module_defaults group serves both."""
    spec: dict[str, Any] = {
        "login_host": {"type": "str", "default": "", "aliases": ["host"], "fallback": (env_fallback, ["PGHOST"])},
        "login_port": {"type": "int", "default": 5432, "aliases": ["port"], "fallback": (env_fallback, ["PGPORT"])},
        "login_user": {
            "type": "str",
            "default": "postgres",
            "aliases": ["login"],
            "fallback": (env_fallback, ["PGUSER"]),
        },
        "login_password": {
            "type": "str",
            "default": "",
            "no_log": True,
            "fallback": (env_fallback, ["PGPASSWORD"]),
        },
        "login_unix_socket": {"type": "str", "default": "", "aliases": ["unix_socket"]},
        "ssl_mode": {
            "type": "str",
            "default": "prefer",
            "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
            "fallback": (env_fallback, ["PGSSLMODE"]),
        },
        "ca_cert": {"type": "str", "aliases": ["ssl_rootcert"], "fallback": (env_fallback, ["PGSSLROOTCERT"])},
        "ssl_cert": {"type": "path", "fallback": (env_fallback, ["PGSSLCERT"])},
        "ssl_key": {"type": "path", "no_log": False, "fallback": (env_fallback, ["PGSSLKEY"])},
        "connect_params": {"type": "dict", "default": {}},
    }
    if login_db:
        spec["login_db"] = {
            "type": "str",
            "default": "postgres",
            "aliases": ["db"],
            "fallback": (env_fallback, ["PGDATABASE"]),
        }
    return spec


def connection_arguments(params: Mapping[str, Any], db: str) -> dict[str, Any]:
    """Translate module options into psycopg2.connect's; what is empty is left to libpq and its environment."""
    host = params["login_host"]
    if params["login_unix_socket"] and host in ("", "localhost"):
        host = params["login_unix_socket"]
    wanted = {
        "host": host,
        "port": params["login_port"],
        "user": params["login_user"],
        "password": params["login_password"],
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        "application_name": APPLICATION_NAME,
        "connect_timeout": CONNECT_TIMEOUT,
        "client_encoding": "UTF8",
    }
    arguments = {key: value for key, value in wanted.items() if value not in ("", None)}
    arguments.update(params["connect_params"] or {})
    # The caller names the database: a dbname among connect_params would silently aim at another one.
    arguments["dbname"] = db
    return arguments


def one_line(text: str) -> str:
    """First complaint of a multi-line libpq message (one per address tried), without its severity."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    first = lines[0] if lines else "no reason given"
    return re.sub(r"\b(FATAL|ERROR|PANIC): +", "", first)


def without_secret(text: str, secret: str | None) -> str:
    return text.replace(secret, "********") if secret else text


def refusal(arguments: Mapping[str, Any]) -> str:
    """Connect as psycopg2's arguments say, and close again; return why that was refused, or nothing where it was not."""
    try:
        psycopg2.connect(**arguments).close()
    except (psycopg2.Error, UnicodeError) as error:
        return without_secret(one_line(str(error)), arguments.get("password"))
    return ""


def connect_sentence(error: str, arguments: Mapping[str, Any]) -> str:
    """One sentence for a connection that failed: where, as whom, why, what to do."""
    host, port = str(arguments.get("host", "")), arguments.get("port", 5432)
    socket = not host or host.startswith("/")
    where = f"socket {host or '(default directory)'}, port {port}" if socket else f"{host}:{port}"
    user, db = str(arguments.get("user", "")), str(arguments.get("dbname", ""))
    found = next((text for pattern, text in CONNECT_REMEDIES if re.search(pattern, error)), None)
    reason = found.format(user=user, db=db) if found else "the server's reason is in the brackets"
    said = without_secret(one_line(error), arguments.get("password"))
    return f"Cannot connect to PostgreSQL at {where} as user {user}, database {db}: {reason}. [{said}]"


def statement_sentence(code: str | None, message: str, db: str) -> str:
    """One sentence for a statement that failed."""
    code = code or ""
    remedy = STATEMENT_REMEDIES.get(code) or STATEMENT_REMEDIES.get(code[:2])
    text = f"PostgreSQL refused a statement in database {db}: {one_line(message)}"
    text += f" (SQLSTATE {code})" if code else ""
    return f"{text}; {remedy}." if remedy else f"{text}."


class Session:
    """An open connection to one database, counting what it sends."""

    def __init__(self, connection: Any, database: str) -> None:
        self.connection = connection
        self.database = database
        self.statements = 0

    @property
    def version(self) -> int:
        """Major version of the server, such as 15."""
        return int(self.connection.server_version) // 10000

    @property
    def user(self) -> str:
        """Role that the session connected as."""
        return str(self.connection.info.user)

    def rows(self, statement: Any, params: Sequence[Any] | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Send one statement, return the names of its columns and its rows as they come."""
        with self.connection.cursor() as cursor:
            self.statements += 1
            cursor.execute(statement, params)
            return [column.name for column in cursor.description], cursor.fetchall()

    def query(self, statement: Any, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Send one statement, return its rows as dictionaries (none for a statement that returns none)."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            self.statements += 1
            cursor.execute(statement, params)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def execute(self, statement: Any, params: Sequence[Any] | Mapping[str, Any] | None = None) -> int:
        """Send one statement, return how many rows it touched."""
        with self.connection.cursor() as cursor:
            self.statements += 1
            cursor.execute(statement, params)
            return int(cursor.rowcount)

    def attempt(self, statement: Any) -> tuple[str, str]:
        """Send one statement in the open transaction and take it back. Return SQLSTATE (00000: it went well) and message."""
        self.execute("SAVEPOINT attempt")
        code, message = "00000", ""
        try:
            self.execute(statement)
        except psycopg2.Error as error:
            if self.connection.closed:
                raise
            code, message = error.pgcode or "", one_line(error.diag.message_primary or str(error))
        self.execute("ROLLBACK TO SAVEPOINT attempt")
        return code, message

    def copy_in(self, statement: str, rows: str) -> None:
        """Send rows through COPY … FROM stdin."""
        with self.connection.cursor() as cursor:
            self.statements += 1
            cursor.copy_expert(statement, io.StringIO(rows))

    def render(self, statement: Any) -> str:
        """The text that the server would receive for a psycopg2.sql composition."""
        return str(statement.as_string(self.connection))

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several statements, all or none, in a session that is otherwise in autocommit."""
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self.connection.closed:
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


def require_psycopg2(module: Module) -> None:
    if not HAS_PSYCOPG2:
        module.fail_json(
            msg="psycopg2 is missing for the Python that runs this module on the target: install the package "
            "python3-psycopg2 there, or point ansible_python_interpreter at a Python that has it."
        )


def open_session(module: Module, db: str, autocommit: bool = False, readonly: bool = False) -> Session:
    """Connect, or end the module with the sentence that says why not. The caller closes; C(session) does it for you."""
    require_psycopg2(module)
    if "password" in (module.params["connect_params"] or {}):
        module.fail_json(msg="connect_params would show the password in the run's output: use login_password for it.")
    arguments = connection_arguments(module.params, db)
    try:
        connection = psycopg2.connect(**arguments)
    except (psycopg2.Error, UnicodeError, TypeError) as error:
        module.fail_json(msg=connect_sentence(str(error), arguments))
    # In autocommit first: a rollback would undo the setting with the transaction.
    connection.autocommit = True
    opened = Session(connection, db)
    try:
        # Nothing but pg_catalog on the path: names in answers come qualified, and no user's object is met by accident.
        # Catalog queries are short: compiling one takes ten times as long as running it.
        opened.query(
            "SELECT pg_catalog.set_config('search_path', '', false), pg_catalog.set_config('jit', 'off', false)"
        )
        connection.set_session(autocommit=autocommit, readonly=readonly)
    except psycopg2.Error as error:
        connection.close()
        module.fail_json(msg=connect_sentence(str(error), arguments))
    return opened


@contextmanager
def session(module: Module, db: str, autocommit: bool = False, readonly: bool = False) -> Iterator[Session]:
    """A session on one database, closed whatever happens.

    Without autocommit the block is one transaction: committed at its end, rolled back when anything is raised.
    """
    opened = open_session(module, db, autocommit, readonly)
    try:
        with explained(module, db):
            yield opened
            if not autocommit:
                opened.commit()
    finally:
        # Closing without a commit rolls back.
        opened.connection.close()


@contextmanager
def explained(module: Module, db: str) -> Iterator[None]:
    """End the module with one sentence for whatever psycopg2 raises inside; C(db) is where nothing better is known."""
    try:
        yield
    except psycopg2.Error as error:
        message = error.diag.message_primary or str(error)
        cursor = getattr(error, "cursor", None)
        where = cursor.connection.info.dbname if cursor is not None and not cursor.connection.closed else db
        module.fail_json(msg=without_secret(statement_sentence(error.pgcode, message, where), _password(module)))
    except UnicodeError:
        module.fail_json(
            msg=f"Database {db} holds a name that is not valid UTF-8 (its encoding is probably SQL_ASCII): rename it."
        )


def _password(module: Module) -> str:
    return str(module.params.get("login_password") or "")


__all__ = [
    "HAS_PSYCOPG2",
    "Elsewhere",
    "Module",
    "Session",
    "argument_spec",
    "connection_arguments",
    "explained",
    "open_session",
    "refusal",
    "require_psycopg2",
    "session",
    "sql",
]
