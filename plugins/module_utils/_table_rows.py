# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of a table as they were, beside the table as it is: what differs by primary key, and what is put back in one transaction.

The table itself stays, with everything that refers to it: foreign keys, triggers, privileges, views, indexes. Only its rows change, and only
those that differ. No trigger fires for what is put back, so that each row is as it was; foreign keys are checked afterwards, in the same transaction.
What was there is kept in the schema ai_micro, from which it can be brought back.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, sql

SCHEMA = "ai_micro"
# Column of a kept table that says whether a row was there before, or was put there.
MARK = "ai_micro_kept"
LOCK_SECONDS = 10
# The longest name that PostgreSQL keeps whole.
LONGEST = 63

TABLE_SQL = """
SELECT c.oid::bigint AS oid, c.relkind::text AS kind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
COLUMNS_SQL = """
SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, a.attgenerated <> '' AS generated,
       COALESCE(a.attnum = ANY (i.indkey::int2[]), false) AS key
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
FOREIGN_KEYS_SQL = """
SELECT k.conname AS name, cn.nspname AS child_schema, c.relname AS child, pn.nspname AS parent_schema, p.relname AS parent,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.place) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number) AS child_columns,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.place) FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number) AS parent_columns
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.convalidated AND %s::oid IN (k.conrelid, k.confrelid) ORDER BY k.conname
"""
KEPT_SQL = """
SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'r' AND c.relname ~ '^kept_[0-9]{8}t[0-9]{6}_'
  AND (%s::text IS NULL OR pg_catalog.obj_description(c.oid, 'pg_class') = %s)
ORDER BY c.relname DESC
"""


class TableError(Exception):
    """Nothing was changed; the text says why in one clause."""


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: str
    generated: bool
    key: bool


class Table(NamedTuple):
    """A table with its columns, in their order."""

    schema: str
    name: str
    oid: int
    columns: list[Column]

    @property
    def identifier(self) -> Any:
        return sql.Identifier(self.schema, self.name)

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def written(self) -> list[str]:
        """Columns that a row is written with; the others follow from them."""
        return [column.name for column in self.columns if not column.generated]

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns if column.key]


def split(label: str) -> tuple[str, str]:
    """Take a name apart; a name without schema is one in public."""
    schema, dot, name = label.partition(".")
    return (schema, name) if dot else ("public", label)


def find(session: Session, label: str) -> Optional[Table]:
    """Look at a table, if there is one of the name."""
    schema, name = split(label)
    found = session.query(TABLE_SQL, (schema, name))
    if not found:
        return None
    if found[0]["kind"] != "r":
        raise TableError(f"{schema}.{name} is no plain table; restore the whole database (restore_database alone)")
    columns = [Column(**row) for row in session.query(COLUMNS_SQL, (found[0]["oid"],))]
    return Table(schema, name, found[0]["oid"], columns)


def same_shape(then: Table, now: Table) -> None:
    """Refuse rows that the table of today cannot hold as they were."""
    if not now.key:
        raise TableError(
            f"{now.label} has no primary key by which its rows could be told apart; restore the whole database"
        )
    before, today = ({column.name: column.type for column in side.columns} for side in (then, now))
    different = sorted(name for name in {**before, **today} if before.get(name) != today.get(name))
    if different or then.key != now.key:
        what = f"the columns {', '.join(different)} have" if different else "the primary key has"
        raise TableError(f"{what} changed since in {now.label}; undo that change, or restore the whole database")


def names(columns: Sequence[str], of: str = "") -> Any:
    parts = [sql.Identifier(of, column) if of else sql.Identifier(column) for column in columns]
    return sql.SQL(", ").join(parts)


def matching(columns: Sequence[str], left: str, right: str) -> Any:
    pairs = [sql.SQL("{} = {}").format(sql.Identifier(left, each), sql.Identifier(right, each)) for each in columns]
    return sql.SQL(" AND ").join(pairs)


def text_of_key(table: Table, of: str) -> Any:
    """How a row is named: the values of its key, joined by commas."""
    return sql.SQL("pg_catalog.concat_ws(',', {})").format(names(table.key, of))


def have_schema(session: Session) -> None:
    session.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))


def fetch(source: Session, target: Session, table: Table) -> None:
    """Have a table's rows of another server in the temporary table C(then)."""
    target.execute(sql.SQL('CREATE TEMPORARY TABLE "then" (LIKE {})').format(table.identifier))
    columns = names([column.name for column in table.columns])
    out = source.render(sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(columns, table.identifier))
    into = target.render(sql.SQL('COPY pg_temp."then" ({}) FROM STDIN').format(columns))
    failures: list[BaseException] = []
    reading, writing = os.pipe()

    def send() -> None:
        try:
            with os.fdopen(writing, "wb") as file, source.connection.cursor() as cursor:
                cursor.copy_expert(out, file)
        except BaseException as error:  # noqa: BLE001 (it is raised where it can be told)
            failures.append(error)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        with os.fdopen(reading, "rb") as file, target.connection.cursor() as cursor:
            cursor.copy_expert(into, file)
    finally:
        sender.join()
    if failures:
        raise failures[0]
    target.execute(sql.SQL('ALTER TABLE pg_temp."then" ADD PRIMARY KEY ({})').format(names(table.key)))
    target.execute('ANALYZE pg_temp."then"')


def pick(session: Session, table: Table) -> None:
    """Note in the temporary table C(pick) which rows differ: deleted since, changed since, added since."""
    values = [[sql.SQL("ROW({})::text").format(names(table.written, side))] for side in ("t", "n")]
    statement = sql.SQL(
        "CREATE TEMPORARY TABLE pick ON COMMIT DROP AS SELECT {key}, CASE WHEN n.{first} IS NULL THEN 'deleted' "
        "WHEN t.{first} IS NULL THEN 'added' ELSE 'changed' END AS ai_micro_what, {named} AS ai_micro_key, {columns} AS ai_micro_columns "
        'FROM pg_temp."then" t FULL JOIN {table} n ON {match} '
        "WHERE n.{first} IS NULL OR t.{first} IS NULL OR {then} IS DISTINCT FROM {now}"
    ).format(
        key=sql.SQL(", ").join(
            sql.SQL("COALESCE({}, {}) AS {}").format(
                sql.Identifier("t", each), sql.Identifier("n", each), sql.Identifier(each)
            )
            for each in table.key
        ),
        first=sql.Identifier(table.key[0]),
        named=sql.SQL("CASE WHEN t.{} IS NULL THEN {} ELSE {} END").format(
            sql.Identifier(table.key[0]), text_of_key(table, "n"), text_of_key(table, "t")
        ),
        columns=changed_columns(table),
        table=sql.SQL("ONLY {}").format(table.identifier),
        match=matching(table.key, "t", "n"),
        then=values[0][0],
        now=values[1][0],
    )
    session.execute(statement)


def changed_columns(table: Table) -> Any:
    """The names of the columns that differ; their values may be secrets."""
    parts = [
        sql.SQL("CASE WHEN {}::text IS DISTINCT FROM {}::text THEN {} END").format(
            sql.Identifier("t", each), sql.Identifier("n", each), sql.Literal(each)
        )
        for each in table.written
        if each not in table.key
    ]
    return sql.SQL("pg_catalog.array_remove(ARRAY[{}]::text[], NULL)").format(sql.SQL(", ").join(parts))


def counted(session: Session) -> dict[str, int]:
    found = session.query("SELECT ai_micro_what AS what, pg_catalog.count(*) AS rows FROM pg_temp.pick GROUP BY 1")
    return {**dict.fromkeys(("deleted", "changed", "added"), 0), **{row["what"]: row["rows"] for row in found}}


def shown(session: Session, limit: int) -> list[dict[str, Any]]:
    """The first rows that differ: what happened to each, its key, and which columns changed."""
    rows = session.query(
        "SELECT ai_micro_what AS what, ai_micro_key AS key, CASE WHEN ai_micro_what = 'changed' THEN ai_micro_columns ELSE '{}' END "
        "AS columns FROM pg_temp.pick ORDER BY 1 DESC, 2 LIMIT %s",
        (limit,),
    )
    return [dict(row) for row in rows]


def choose(session: Session, kinds: Sequence[str], keys: Sequence[str]) -> None:
    """Leave of what differs only what is to be put back."""
    if keys:
        known = {row["key"] for row in session.query("SELECT ai_micro_key AS key FROM pg_temp.pick")}
        strange = sorted(set(keys) - known)
        if strange:
            raise TableError(f"the row {strange[0]} is none of those that differ")
        session.execute("DELETE FROM pg_temp.pick WHERE ai_micro_key <> ALL (%s::text[])", (list(keys),))
    else:
        session.execute("DELETE FROM pg_temp.pick WHERE ai_micro_what <> ALL (%s::text[])", (list(kinds),))


def kept_name(table: Table, stamp: str) -> str:
    return f"kept_{stamp}_{table.name}".encode()[:LONGEST].decode(errors="ignore")


def keep(session: Session, table: Table, stamp: str) -> str:
    """Keep the rows that are about to go, and the keys of those that are about to come."""
    name = kept_name(table, stamp)
    kept = sql.Identifier(SCHEMA, name)
    have_schema(session)
    session.execute(
        sql.SQL("CREATE TABLE {} AS SELECT {}, 'was'::text AS {} FROM ONLY {} n JOIN pg_temp.pick p ON {}").format(
            kept, names(table.written, "n"), sql.Identifier(MARK), table.identifier, matching(table.key, "p", "n")
        )
    )
    session.execute(
        sql.SQL("INSERT INTO {} SELECT {}, 'put' FROM pg_temp.\"then\" t JOIN pg_temp.pick p ON {}").format(
            kept, names(table.written, "t"), matching(table.key, "p", "t")
        )
    )
    session.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(kept, sql.Literal(table.label)))
    return name


def lock(session: Session, table: Table) -> None:
    """Keep others from writing until the transaction ends; reading goes on."""
    session.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    session.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE").format(table.identifier))


def put(session: Session, table: Table, rows: Any) -> int:
    """Write rows as they are, of a query that yields them."""
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE {}").format(
        table.identifier, names(table.written), rows
    )
    return session.execute(statement)


def silence(session: Session) -> None:
    session.execute("SET LOCAL session_replication_role = replica")


def put_back(session: Session, table: Table) -> int:
    """Let the rows that were chosen be as they were then."""
    silence(session)
    session.execute(
        sql.SQL("DELETE FROM ONLY {} n USING pg_temp.pick p WHERE {}").format(
            table.identifier, matching(table.key, "p", "n")
        )
    )
    query = sql.SQL('SELECT {} FROM pg_temp."then" t JOIN pg_temp.pick p ON {}').format(
        names(table.written, "t"), matching(table.key, "p", "t")
    )
    done = put(session, table, query)
    check_references(session, table)
    return done


def return_kept(session: Session, table: Table, name: str) -> int:
    """Let the rows that a restore has touched be as they were before it, and forget what was kept."""
    kept = sql.Identifier(SCHEMA, name)
    silence(session)
    session.execute(
        sql.SQL("DELETE FROM ONLY {} n USING {} k WHERE {}").format(
            table.identifier, kept, matching(table.key, "k", "n")
        )
    )
    query = sql.SQL("SELECT {} FROM {} k WHERE k.{} = 'was'").format(
        names(table.written, "k"), kept, sql.Identifier(MARK)
    )
    done = put(session, table, query)
    check_references(session, table)
    session.execute(sql.SQL("DROP TABLE {}").format(kept))
    return done


def check_references(session: Session, table: Table) -> None:
    """Refuse what foreign keys would have refused, of this table and of those that refer to it."""
    for key in session.query(FOREIGN_KEYS_SQL, (table.oid,)):
        columns = zip(key["child_columns"], key["parent_columns"])
        match = [
            sql.SQL("p.{} = c.{}").format(sql.Identifier(theirs), sql.Identifier(ours)) for ours, theirs in columns
        ]
        given = [sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(each)) for each in key["child_columns"]]
        statement = sql.SQL(
            "SELECT pg_catalog.count(*) AS rows FROM {} c WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {})"
        )
        orphans = session.query(
            statement.format(
                sql.Identifier(key["child_schema"], key["child"]),
                sql.SQL(" AND ").join(given),
                sql.Identifier(key["parent_schema"], key["parent"]),
                sql.SQL(" AND ").join(match),
            )
        )[0]["rows"]
        if orphans:
            child, parent = f"{key['child_schema']}.{key['child']}", f"{key['parent_schema']}.{key['parent']}"
            raise TableError(
                f"{orphans} rows of {child} would refer to rows that {parent} has not ({key['name']}); bring back {parent} first, or choose other rows"
            )


def kept_tables(session: Session, label: Optional[str]) -> list[str]:
    """Find what was kept, of one table or of all; newest first."""
    return [str(row["name"]) for row in session.query(KEPT_SQL, (SCHEMA, label, label))]


def stamp_problem(stamp: str) -> str:
    return "" if re.fullmatch(r"\d{8}t\d{6}", stamp) else f"stamp has to be of the form 20261125t140000, and is {stamp}"
