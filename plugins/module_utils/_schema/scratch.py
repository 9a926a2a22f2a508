# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scratch databases on the same server: recognisable, dropped whatever happens, swept where a killed run left one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.catalog import settle
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.definition import (
    Piece,
    batches,
    read_definition,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import SchemaError
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import ident, literal
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Module, Session, open_session

try:
    import psycopg2
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

PREFIX = "ai_micro_schema_"
_NAME = re.compile(PREFIX + r"(\d+)_(\d+)_\d+")
# So many statements are one transaction: each object that is made holds locks until its end, and the server's table of
# locks is everybody's.
BATCH = 400

# A scratch database is named after the session that made it, so whoever finds it can ask whether that session lives.
STALE_SQL = r"""
SELECT d.datname FROM pg_catalog.pg_database d
WHERE d.datname ~ '^ai_micro_schema_[0-9]+_[0-9]+_[0-9]+$' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity a
    WHERE a.pid = substring(d.datname FROM '^ai_micro_schema_([0-9]+)')::int
      AND COALESCE((EXTRACT(epoch FROM a.backend_start) * 1000000)::bigint
          = substring(d.datname FROM '^ai_micro_schema_[0-9]+_([0-9]+)')::bigint, true))
"""
SELF_SQL = """
SELECT a.pid, (EXTRACT(epoch FROM a.backend_start) * 1000000)::bigint
FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()
"""
# What a database's text looks like and sorts by; the columns differ by version.
LIKENESS_SQL = """
SELECT pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       d.datlocprovider AS provider, COALESCE(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       to_jsonb(d) ->> 'daticurules' AS rules, t.spcname AS tablespace, d.oid::text AS oid
FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
WHERE d.datname = pg_catalog.current_database()
"""
# Everything of the server that a definition may have changed besides its own database.
SHARED_SQL = """
SELECT pg_catalog.md5(COALESCE(pg_catalog.string_agg(x, ',' ORDER BY x), '')) FROM (
    SELECT 'a' || oid || xmin || ctid FROM pg_catalog.pg_authid
    UNION ALL SELECT 'm' || roleid || member || xmin || ctid FROM pg_catalog.pg_auth_members
    UNION ALL SELECT 'd' || oid || xmin || ctid FROM pg_catalog.pg_database
    UNION ALL SELECT 's' || setdatabase || setrole || xmin || ctid FROM pg_catalog.pg_db_role_setting
    UNION ALL SELECT 't' || oid || xmin || ctid FROM pg_catalog.pg_tablespace
    UNION ALL SELECT 'p' || oid || xmin || ctid FROM pg_catalog.pg_parameter_acl) s(x)
"""


class Workshop:
    """Makes scratch databases like one target; holds the session that they are named after."""

    def __init__(self, module: Module, target: str, likeness: dict[str, Any]) -> None:
        self.module = module
        self.target = target
        self.likeness = likeness
        self._keeper: Session | None = None
        self._made = 0

    def keeper(self) -> Session:
        """A session outside the target, whose life tells others that its scratch databases are in use."""
        if self._keeper is None:
            self._keeper = open_session(self.module, self.likeness["maintenance"], autocommit=True)
            pid, started = self._keeper.rows(SELF_SQL)[1][0]
            self._stem = f"{PREFIX}{pid}_{started}_"
            for (name,) in self._keeper.rows(STALE_SQL)[1]:
                self._keeper.execute(f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)")
        return self._keeper

    @contextmanager
    def database(self) -> Iterator[Session]:
        """An empty database and a session in it."""
        keeper = self.keeper()
        self._made += 1
        name = f"{self._stem}{self._made}"
        try:
            keeper.execute(f"CREATE DATABASE {ident(name)} {likeness_clause(self.likeness)}")
            inner = open_session(self.module, name, autocommit=True)
            try:
                inner.execute("SET synchronous_commit = off")
                yield inner
            finally:
                inner.connection.close()
        finally:
            keeper.execute(f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)")

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.connection.close()


def likeness_clause(likeness: dict[str, Any]) -> str:
    text = (
        f"TEMPLATE template0 ENCODING {literal(likeness['encoding'])} LC_COLLATE {literal(likeness['collate'])} "
        f"LC_CTYPE {literal(likeness['ctype'])} TABLESPACE {ident(likeness['tablespace'])}"
    )
    if likeness["provider"] == "i":
        text += f" LOCALE_PROVIDER icu ICU_LOCALE {literal(likeness['locale'])}"
        text += f" ICU_RULES {literal(likeness['rules'])}" if likeness["rules"] else ""
    elif likeness["provider"] == "b":
        text += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(likeness['locale'])}"
    return text


def load(workshop: Workshop, inner: Session, text: str, settings: Sequence[str]) -> None:
    """Load a definition into a scratch database and leave the transaction open, for what it did to the server's roles
    must never be committed. A long one, and one that adds labels to an enumeration, is committed in between as long as it has
    touched nothing that is shared."""
    pieces = read_definition(text, workshop.target, inner.connection.info.dbname)
    inner.execute("RESET search_path")
    for setting in settings:
        name, _equals, value = setting.partition("=")
        inner.query("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
    groups = batches(pieces, BATCH)
    before = inner.rows(SHARED_SQL)[1] if len(groups) > 1 else None
    inner.execute("BEGIN")
    clean = True
    for number, group in enumerate(groups):
        _send(inner, group)
        due = group[-1].commits or sum(len(some) for some in groups[: number + 1]) >= BATCH
        if clean and due and number + 1 < len(groups):
            clean = inner.rows(SHARED_SQL)[1] == before
            if clean:
                inner.execute("COMMIT; BEGIN")
    inner.execute("RESET ROLE; RESET SESSION AUTHORIZATION; SET CONSTRAINTS ALL IMMEDIATE")
    settle(inner)


def _send(inner: Session, group: Sequence[Piece]) -> None:
    try:
        if group[0].data is not None:
            inner.copy_in(group[0].sql, group[0].data)
        else:
            inner.execute("SAVEPOINT ai_micro;\n" + ";\n".join(piece.sql for piece in group))
    except psycopg2.Error as error:
        if len(group) == 1:
            raise SchemaError(_sentence(error, group[0])) from error
        # Only PostgreSQL knows where it stopped: one after the other, the one that fails can be named.
        inner.execute("ROLLBACK TO SAVEPOINT ai_micro")
        for piece in group:
            _send(inner, [piece])


def _sentence(error: Any, piece: Piece) -> str:
    said = error.diag.message_primary or str(error).strip()
    position = error.diag.statement_position
    prefix = len("SAVEPOINT ai_micro;\n") if piece.data is None else 0
    lines = piece.sql[: max(0, int(position) - 1 - prefix)].count("\n") if position else 0
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    return (
        f"definition, line {piece.line + lines}: PostgreSQL refuses it in a scratch database: "
        f"{said}{hint}; correct the definition."
    )
