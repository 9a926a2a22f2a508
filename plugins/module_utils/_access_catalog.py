# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is: who owns and who may what inside one database, in three set-based catalog queries.

Members of extensions and what initdb made are not ours to judge: their base line is what the extension's script or
initdb gave (pg_init_privs, else the built-in default); only what was granted beyond it is seen. Default privileges
hold for extensions' objects too, but PostgreSQL notes as initial only what the script says: the base line stays true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.ai_micro.postgres.plugins.module_utils._access_declare import (
    PUBLIC,
    Database,
    guarded_tables,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

# Letters of pg_default_acl.defaclobjtype, with the kind of object and the word of ALTER DEFAULT PRIVILEGES.
DEFAULT_KINDS: Mapping[str, tuple[str, str]] = {
    "r": ("table", "TABLES"),
    "S": ("sequence", "SEQUENCES"),
    "f": ("routine", "FUNCTIONS"),
    "T": ("type", "TYPES"),
    "n": ("schema", "SCHEMAS"),
}


class Target(NamedTuple):
    """One thing that privileges are about."""

    kind: str
    path: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...] = ()  # schema and name of each argument type of a routine

    def label(self) -> str:
        text = ".".join(part for part in self.path if part)
        if self.kind == "routine":
            text += "(" + ", ".join(plain_type(schema, name) for schema, name in self.arguments) + ")"
        return text


class Held(NamedTuple):
    """An entry of an access control list, the owner's own left out."""

    target: Target
    role: str
    privilege: str
    grantable: bool = False
    by_owner: bool = True


@dataclass(frozen=True)
class Thing:
    """An object: its owner, and whether it is ours to judge as a whole."""

    target: Target
    owner: str
    ours: bool = True
    noun: str = ""  # what ALTER … OWNER calls it; empty where the owner follows another object's
    names: tuple[str, ...] = ()  # what a declaration may call it
    base: frozenset[tuple[str, str]] = frozenset()  # (role, privilege) that it comes with
    extension: str = ""


@dataclass(frozen=True)
class Snapshot:
    """One database as it is."""

    database: str
    owner: str
    things: tuple[Thing, ...]
    held: tuple[Held, ...]
    columns: Mapping[tuple[str, str], tuple[str, ...]]
    exists: bool = True
    # Creators whose built-in defaults are replaced by an entry, with or without anything in it for others.
    own_defaults: frozenset[Target] = frozenset()
    # Tables of which a role may not read all, by the views and partitions that show their rows.
    shown: Mapping[Target, frozenset[tuple[str, str]]] = field(default_factory=dict)


# An access control list as JSON: [role, privilege, grantable, granted by the owner], the owner's own entries left out.
OBJECTS_SQL = """
WITH extension AS (
    SELECT d.classid, d.objid, e.extname
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
), follower AS (
    SELECT DISTINCT objid FROM pg_catalog.pg_depend
    WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0 AND deptype IN ('a', 'i')
      AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjsubid > 0
), object AS (
    SELECT 'schema' AS kind, n.tableoid AS classid, n.oid, n.oid AS nspoid, ARRAY[n.nspname] AS path,
           NULL::oidvector AS args, 'SCHEMA' AS noun, n.nspowner AS owner, n.nspacl AS acl,
           pg_catalog.acldefault('n', n.nspowner) AS std
    FROM pg_catalog.pg_namespace n
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, c.tableoid, c.oid, c.relnamespace,
           ARRAY[c.relname], NULL,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                WHEN 'S' THEN
                    CASE WHEN EXISTS (SELECT FROM follower f WHERE f.objid = c.oid) THEN '' ELSE 'SEQUENCE' END
                ELSE 'TABLE' END,
           c.relowner, c.relacl,
           pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'routine', p.tableoid, p.oid, p.pronamespace, ARRAY[p.proname], p.proargtypes, 'ROUTINE', p.proowner,
           p.proacl, pg_catalog.acldefault('f', p.proowner)
    FROM pg_catalog.pg_proc p
    UNION ALL
    SELECT 'type', t.tableoid, t.oid, t.typnamespace, ARRAY[t.typname], NULL,
           CASE t.typtype WHEN 'd' THEN 'DOMAIN' WHEN 'm' THEN '' ELSE 'TYPE' END, t.typowner, t.typacl,
           pg_catalog.acldefault('T', t.typowner)
    FROM pg_catalog.pg_type t
    WHERE t.typelem = 0 AND (t.typrelid = 0 OR EXISTS (
        SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    UNION ALL
    SELECT 'language', l.tableoid, l.oid, 0, ARRAY[l.lanname], NULL, 'LANGUAGE', l.lanowner, l.lanacl,
           pg_catalog.acldefault('l', l.lanowner)
    FROM pg_catalog.pg_language l
    UNION ALL
    SELECT 'foreign data wrapper', w.tableoid, w.oid, 0, ARRAY[w.fdwname], NULL, 'FOREIGN DATA WRAPPER', w.fdwowner,
           w.fdwacl, pg_catalog.acldefault('F', w.fdwowner)
    FROM pg_catalog.pg_foreign_data_wrapper w
    UNION ALL
    SELECT 'foreign server', s.tableoid, s.oid, 0, ARRAY[s.srvname], NULL, 'SERVER', s.srvowner, s.srvacl,
           pg_catalog.acldefault('S', s.srvowner)
    FROM pg_catalog.pg_foreign_server s
    UNION ALL
    SELECT 'large object', 'pg_catalog.pg_largeobject'::pg_catalog.regclass, m.oid, 0, ARRAY[m.oid::text], NULL,
           'LARGE OBJECT', m.lomowner, m.lomacl, pg_catalog.acldefault('L', m.lomowner)
    FROM pg_catalog.pg_largeobject_metadata m
    UNION ALL
    SELECT 'extension', e.tableoid, e.oid, 0, ARRAY[e.extname], NULL, 'EXTENSION', e.extowner, NULL, NULL
    FROM pg_catalog.pg_extension e
), judged AS (
    SELECT o.*, n.nspname, x.extname, i.initprivs,
           o.oid < 16384 AND NOT (o.kind = 'schema' AND o.path[1] = 'public') AS system,
           -- initdb makes information_schema after it has noted the initial privileges.
           n.nspname = 'information_schema' AND o.oid < 16384 AS standard
    FROM object o
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.nspoid
    LEFT JOIN extension x ON x.classid = o.classid AND x.objid = o.oid
    LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = o.classid AND i.objoid = o.oid AND i.objsubid = 0
    WHERE n.nspname IS NULL OR n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
)
SELECT j.kind, j.path, j.nspname, j.noun, pg_catalog.pg_get_userbyid(j.owner) AS owner,
       NOT j.system AND j.extname IS NULL AS ours, j.extname,
       (SELECT json_agg(json_build_array(tn.nspname, t.typname) ORDER BY a.place)
        FROM unnest(j.args::oid[]) WITH ORDINALITY a(type, place)
        JOIN pg_catalog.pg_type t ON t.oid = a.type JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace) AS args,
       CASE WHEN j.kind = 'routine' THEN pg_catalog.oidvectortypes(j.args) END AS signature,
       (SELECT json_agg(json_build_array(
            CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
            x.privilege_type, x.is_grantable, x.grantor = j.owner))
        FROM pg_catalog.aclexplode(COALESCE(j.acl, j.std)) x
        WHERE x.grantee <> j.owner) AS held,
       CASE WHEN j.system OR j.extname IS NOT NULL OR j.kind IN ('type', 'language') THEN
       (SELECT json_agg(json_build_array(
            CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
            x.privilege_type))
        FROM pg_catalog.aclexplode(COALESCE(j.initprivs, CASE WHEN j.standard THEN j.acl END, j.std)) x
        WHERE (x.grantee = 0 OR pg_catalog.pg_get_userbyid(x.grantee) ~ '^pg_')
          AND (NOT j.standard OR x.privilege_type IN ('SELECT', 'USAGE', 'EXECUTE'))) END AS base
FROM judged j
WHERE CASE WHEN j.system THEN COALESCE(j.acl, j.std) IS DISTINCT FROM COALESCE(j.initprivs, j.std)
           WHEN j.extname IS NOT NULL THEN j.acl IS NOT NULL OR j.initprivs IS NOT NULL
           ELSE true END
   OR (COALESCE(j.nspname, j.path[1]) = ANY (%(schemas)s::text[]) AND j.kind = 'schema')
   OR (j.nspname = ANY (%(schemas)s::text[]) AND (
         j.path[1] = ANY (%(names)s::text[])
         OR (j.kind = 'routine' AND replace(j.path[1] || '(' || pg_catalog.oidvectortypes(j.args) || ')', ' ', '')
             = ANY (%(signatures)s::text[]))))
"""

COLUMNS_SQL = """
SELECT n.nspname AS schema, c.relname AS table, a.attname AS column, a.attnum > 0 AS declarable,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       (SELECT json_agg(json_build_array(
            CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
            x.privilege_type, x.is_grantable, x.grantor = c.relowner))
        FROM pg_catalog.aclexplode(a.attacl) x
        WHERE x.grantee <> c.relowner) AS held,
       (SELECT json_agg(json_build_array(
            CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
            x.privilege_type))
        FROM pg_catalog.aclexplode(i.initprivs) x
        WHERE x.grantee = 0 OR pg_catalog.pg_get_userbyid(x.grantee) ~ '^pg_') AS base
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_init_privs i
       ON i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objoid = c.oid AND i.objsubid = a.attnum
WHERE NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND ((a.attacl IS NOT NULL AND a.attacl IS DISTINCT FROM i.initprivs) OR (a.attnum > 0
       AND n.nspname = ANY (%(schemas)s::text[]) AND c.relname = ANY (%(names)s::text[])))
ORDER BY n.nspname, c.relname, a.attnum
"""

DEFAULTS_SQL = """
SELECT pg_catalog.pg_get_userbyid(d.defaclrole) AS creator, n.nspname AS schema, d.defaclobjtype::text AS letter,
       (SELECT json_agg(json_build_array(
            CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
            x.privilege_type, x.is_grantable, true))
        FROM pg_catalog.aclexplode(d.defaclacl) x
        WHERE x.grantee <> d.defaclrole) AS held
FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
"""
# A view depends on the tables that it reads; which columns, it does not always say (a whole row leaves no trace of them).
SHOWN_SQL = """
WITH RECURSIVE direct AS (
    SELECT r.ev_class AS shower, d.refobjid AS shown
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.objid = r.oid
     AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
    UNION
    SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits
), reached AS (
    SELECT shower, shown FROM direct
    UNION
    SELECT r.shower, d.shown FROM reached r JOIN direct d ON d.shower = r.shown
)
SELECT sn.nspname AS schema, s.relname AS name, tn.nspname AS table_schema, t.relname AS table
FROM reached r
JOIN pg_catalog.pg_class s ON s.oid = r.shower JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = r.shown JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE tn.nspname = ANY (%(schemas)s::text[]) AND t.relname = ANY (%(names)s::text[])
"""


def take_snapshot(session: Session, declared: Database, owner: str, creators: Sequence[str]) -> Snapshot:
    """Read one database; three queries, four where a role may not read all of a table, however many objects it has."""
    names = sorted({name for _role, _kind, _schema, name in declared.named})
    asked = {
        "schemas": sorted(declared.schemas),
        "names": names,
        "signatures": [name.replace(" ", "") for name in names],
    }
    things: list[Thing] = []
    held: list[Held] = []
    for row in session.query(OBJECTS_SQL, asked):
        thing = read_thing(row)
        things.append(thing)
        held += read_acl(thing.target, row["held"])
    columns: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in session.query(COLUMNS_SQL, asked):
        table = (row["schema"], row["table"])
        if row["declarable"]:
            columns[table] = (*columns.get(table, ()), row["column"])
        target = Target("column", (*table, row["column"]))
        if row["held"]:
            base = frozenset((role, privilege) for role, privilege in row["base"] or ())
            things.append(Thing(target, row["owner"], ours=False, base=base))
            held += read_acl(target, row["held"])
    shown: dict[Target, set[tuple[str, str]]] = {}
    for row in session.query(SHOWN_SQL, asked) if guarded_tables(declared) else ():
        shown.setdefault(Target("table", (row["schema"], row["name"])), set()).add((row["table_schema"], row["table"]))
    own_defaults = set()
    for row in session.query(DEFAULTS_SQL):
        target = default_target(row["creator"], row["schema"], row["letter"])
        held += read_acl(target, row["held"])
        if row["schema"] is None:
            own_defaults.add(target)
    held += built_in_defaults(creator for creator in creators if default_target(creator, None, "f") not in own_defaults)
    return Snapshot(
        declared.name,
        owner,
        tuple(things),
        tuple(held),
        columns,
        own_defaults=frozenset(own_defaults),
        shown={target: frozenset(tables) for target, tables in shown.items()},
    )


def read_thing(row: Mapping[str, Any]) -> Thing:
    path = (row["nspname"], *row["path"]) if row["nspname"] and row["kind"] != "schema" else tuple(row["path"])
    arguments = tuple((schema, name) for schema, name in row["args"] or ())
    names: tuple[str, ...] = (path[-1],)
    if row["kind"] == "routine":
        names += (f"{path[-1]}({row['signature']})".replace(" ", ""),)
    return Thing(
        target=Target(row["kind"], path, arguments),
        owner=row["owner"],
        ours=row["ours"],
        noun=row["noun"],
        names=names,
        base=frozenset((role, privilege) for role, privilege in row["base"] or ()),
        extension=row["extname"] or "",
    )


def read_acl(target: Target, entries: Sequence[Sequence[Any]] | None) -> list[Held]:
    return [Held(target, *entry) for entry in entries or ()]


def default_target(creator: str, schema: str | None, letter: str) -> Target:
    """What C(creator) will make: objects of one kind, in one schema or (empty) anywhere."""
    return Target(f"default {DEFAULT_KINDS[letter][1].lower()}", (creator, schema or ""))


def built_in_defaults(creators: Iterable[str]) -> list[Held]:
    """What a role without an entry of its own gives away with each function. (USAGE on types opens no data.)"""
    return [Held(default_target(creator, None, "f"), PUBLIC, "EXECUTE") for creator in creators]


def new_database(declared: Database, owner: str, creators: Sequence[str]) -> Snapshot:
    """A database that CREATE DATABASE would have made just now: what check mode compares a missing one with."""
    public = Target("schema", ("public",))
    held = [Held(public, PUBLIC, "USAGE"), *built_in_defaults(creators)]
    things = (Thing(public, owner, noun="SCHEMA", names=("public",)),)
    return Snapshot(declared.name, owner, things, tuple(held) if declared.contents else (), {}, exists=False)


def plain_type(schema: str, name: str) -> str:
    return name if schema == "pg_catalog" else f"{schema}.{name}"
