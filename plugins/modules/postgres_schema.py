#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_schema
short_description: Verify that a PostgreSQL database has exactly the declared schema, or bring it there
version_added: "1.0.0"
description:
  - Loads the declared SQL into a scratch database on the same server, reads both databases from the catalogs, and says what differs, by name.
  - With O(state=present), differences are made good in dependency order. Whatever can lose data, rewrite a table or block is a named hazard and
    happens only where O(allow) names it; otherwise nothing is changed at all.
  - A plan is tried first on a copy of the live schema (without rows). Only statements that ended there in the declared schema are carried out.
  - Compared are the database itself, schemas, extensions, enumerations, composite types, domains with their constraints, range types, sequences, functions,
    procedures, aggregates, tables, columns, constraints, indexes with their validity, views, materialised views, triggers, rules, policies, extended
    statistics, collations, casts, operators, publications, default privileges and event triggers, with comments, owners and privileges. What belongs to
    an extension is left out, and so is the order of columns.
  - Not compared are foreign servers and tables, text search, operator classes, languages, transforms, subscriptions, security labels and large objects.
  - The scratch database is dropped whatever happens. What a killed run left behind is swept by the next one.
attributes:
  check_mode:
    description: Predicts whether something changes, and RV(queries), without writing anything.
    support: full
  diff_mode:
    description: Shows each object that differs, as it is and as it should be.
    support: full
  idempotent:
    description: A second run finds nothing to change.
    support: full
options:
  login_db:
    description:
      - Database to look at. It has to exist.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  definition:
    description:
      - SQL text that makes the schema in an empty database. C(COPY … FROM stdin) with its rows, C(CONCURRENTLY) and transaction control are understood, so the
        output of pg_dump can be used. The lookup P(ai_micro.postgres.database_definition#lookup) reads it from a psql script.
      - What would reach beyond the database, such as C(CREATE DATABASE), C(ALTER SYSTEM) or a subscription, is refused. Roles that it makes are rolled back.
      - One of O(definition) and O(databases) is needed.
    type: str
  databases:
    description:
      - Several databases in one call, one after the other, instead of O(login_db), O(definition) and O(rows). What one of them fails by keeps
        none of the others from being compared.
    type: list
    elements: dict
    suboptions:
      login_db:
        description: Database to look at.
        type: str
        required: true
      definition:
        description: SQL text that makes its schema, as O(definition).
        type: str
        required: true
      rows:
        description: Tables whose declared rows are compared, as O(rows).
        type: list
        elements: dict
        default: []
        suboptions:
          table:
            description: Name of the table; schema V(public) may be left out.
            type: str
            required: true
          key:
            description: Columns that identify a row.
            type: list
            elements: str
            required: true
          columns:
            description: Columns to compare, or a path within JSON.
            type: list
            elements: str
            default: []
      migrations:
        description:
          - The files of its migrations, as M(ai_micro.postgres.postgres_migration) takes them; an empty list where it has none.
          - A database that is not there, or has not had exactly these, is not compared but named in RV(absent) or RV(unsettled), and
            fails as a difference does (O(fail_on_drift)). Without the option it is compared as it is.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the file.
            type: str
            required: true
          content:
            description: Its SQL.
            type: str
            required: true
  state:
    description:
      - V(verified) compares and never changes anything.
      - V(present) also makes the differences good.
    type: str
    choices: [verified, present]
    default: verified
  fail_on_drift:
    description: Whether O(state=verified) fails where something differs.
    type: bool
    default: true
  allow:
    description:
      - Hazards that O(state=present) may take, by name; V(all) permits every one.
      - C(drop_KIND) drops something that is not declared, for example V(drop_table), V(drop_column), V(drop_index), V(drop_constraint), V(drop_function),
        V(drop_materialized_view).
      - V(change_type) converts a column to a type that its values may not fit, V(narrow_type) makes a type smaller, V(narrow_sequence) the range of a sequence.
      - V(rewrite_table) writes every row anew while nobody else can use the table. V(drop_attribute) drops a composite type's attribute.
      - V(rebuild_index) and V(rebuild_materialized_view) drop one and build it again. V(remove_enum_value) and V(rebuild_type) put a new type in the place of
        the old one.
      - V(set_not_null_over_nulls) gives the column's default to rows that have no value. V(downgrade_extension) goes back to an older version.
      - V(update_row) changes a declared row that says something else.
      - V(violated_constraint), and NOT NULL over rows that have no value and no default to take, cannot be permitted, because nothing but a change of
        the rows helps.
    type: list
    elements: str
    default: []
  ignore:
    description:
      - Shell patterns of objects that others own; they are neither compared nor changed, with everything that belongs to them.
      - A pattern is compared with V(schema.name) (schema V(public) may be left out), or with one kind when it is written V(kind:schema.name). A column, a
        constraint or a trigger is V(schema.table.name).
    type: list
    elements: str
    default: []
  privileges:
    description: Whether owners, privileges and default privileges are compared.
    type: bool
    default: true
  rows:
    description:
      - Tables whose rows in the definition have to be in the database. Rows that nobody declared are left alone.
      - Missing rows are inserted by O(state=present); columns that the server fills with generated values or times are left to it.
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description: Name of the table; schema V(public) may be left out.
        type: str
        required: true
      key:
        description: Columns that identify a row.
        type: list
        elements: str
        required: true
      columns:
        description: Columns to compare, or a path within JSON such as V(value.version). Without any, a row only has to be there.
        type: list
        elements: str
        default: []
  lock_timeout:
    description: How long each statement of O(state=present) waits for a lock. It is tried four times.
    type: str
    default: 5s
  statement_timeout:
    description: How long each statement of O(state=present) may take; V(0) is for ever.
    type: str
    default: '0'
  cache_directory:
    description:
      - Directory on the target where the snapshot of the declared schema is kept, so that a repeated run needs no scratch database. Its files can be read by
        their owner only and hold names and definitions, and the rows that O(rows) asks for.
      - They are used only while the definition, the server's version, its extensions, roles and settings are the same. Empty keeps nothing.
      - A schema that was found in sync is kept as the hash of where its catalogs' row versions lie and which transactions wrote them. While the server runs and
        gives the same hash, nothing was changed, and nothing is read again but the rows that O(rows) asks for.
    type: path
    default: ~/.cache/ai_micro.postgres
  restore_point:
    description:
      - Name that the moment right before the first statement of O(state=present) gets in the WAL, so that a backup can be recovered to it. It is given
        once, however many databases change, and not at all where none does.
      - Needs a superuser, or the privilege to execute C(pg_create_restore_point).
    type: str
    default: ""
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
seealso:
  - plugin: ai_micro.postgres.database_definition
    plugin_type: lookup
  - plugin: ai_micro.postgres.database_declarations
    plugin_type: lookup
  - module: ai_micro.postgres.postgres_access
notes:
  - A scratch database needs a superuser where the definition makes an extension that is not trusted, such as C(vector).
"""

EXAMPLES = r"""
- name: Verify several databases that one script declares
  ai_micro.postgres.postgres_schema:
    login_unix_socket: /var/run/postgresql
    databases: "{{ query('ai_micro.postgres.database_declarations', [{'name': 'authdb'}, {'name': 'apidb'}], script='files/init.sql') }}"

- name: Verify a database against the script that declares it
  ai_micro.postgres.postgres_schema:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    definition: "{{ lookup('ai_micro.postgres.database_definition', 'files/init.sql', database='admindb') }}"
    rows:
      - table: system_settings
        key: [key]
        columns: [value.version]

- name: Add what is missing, and drop indexes that nobody declared
  ai_micro.postgres.postgres_schema:
    login_unix_socket: /var/run/postgresql
    login_db: apidb
    state: present
    definition: |
      CREATE EXTENSION "uuid-ossp";
      CREATE TABLE profiles (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text);
      CREATE INDEX idx_profiles_name ON profiles (name);
    allow: [drop_index]
    ignore: ["table:tmp_*"]
"""

RETURN = r"""
in_sync:
  description: Whether nothing differed when the module came.
  returned: always
  type: bool
  sample: false
drift:
  description: Every difference. What is part of an object that is missing or extra as a whole is left out.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object, such as V(column).
      type: str
    object:
      description: Its name, schema V(public) left out.
      type: str
    attribute:
      description: What differs about it; nothing where the object itself is missing or extra.
      type: str
    expected:
      description: The declared value.
      type: raw
    actual:
      description: The value found.
      type: raw
    change:
      description: V(missing), V(extra) or V(different).
      type: str
    hazard:
      description: What has to be permitted to make it good, if anything.
      type: str
    sql:
      description: Statements that make it good.
      type: list
      elements: str
  sample:
    - kind: column
      object: documents.category
      attribute:
      expected: {type: character varying, storage: extended}
      actual:
      change: missing
      hazard:
      sql: ['ALTER TABLE "public"."documents" ADD COLUMN "category" character varying']
queries:
  description: Statements that were executed, or would be, in their order; none with O(state=verified).
  returned: always
  type: list
  elements: str
  sample: ['ALTER TABLE "public"."documents" ADD COLUMN "category" character varying']
diff:
  description: Each object that differs, as it is and as it should be.
  returned: always
  type: dict
  sample:
    before: ""
    after: "column documents.category\n"
restore_point:
  description: O(restore_point), where a moment was named by it; empty where nothing was changed.
  returned: always
  type: str
  sample: ""
fingerprint:
  description: Hash of the declared schema; two definitions that make the same schema have the same.
  returned: without O(databases)
  type: str
  sample: sha256:0f343b0931126a20f133d67c2b018a3b5e8b1a4a7c0ad2f6a8b0a2f5d1c3e4f5
databases:
  description:
    - What was found in each of O(databases), with its C(login_db) and the keys that the module returns for one; C(msg) where it failed. C(in_sync) and
      C(changed) are then about all of them, C(diff) is a list, and C(drift), C(queries) and C(fingerprint) are only here.
  returned: with O(databases)
  type: list
  elements: dict
  sample: [{login_db: authdb, changed: false, in_sync: true, drift: [], queries: []}]
absent:
  description: Databases that are declared with their migrations and are not there. C(in_sync) is false where there is one.
  returned: with O(databases)
  type: list
  elements: str
  sample: []
unsettled:
  description:
    - Databases that were not compared, as the migrations they have had are not exactly those that they are declared with. C(in_sync) is false where there
      is one.
  returned: with O(databases)
  type: list
  elements: str
  sample: [admindb]
"""

from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.run import run
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec
from ansible_collections.ai_micro.postgres.plugins.module_utils._settled import look

ROWS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "table": {"type": "str", "required": True},
        "key": {"type": "list", "elements": "str", "required": True, "no_log": False},
        "columns": {"type": "list", "elements": "str", "default": []},
    },
}
MIGRATIONS = {
    "type": "list",
    "elements": "dict",
    "options": {"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}},
}


class Ended(Exception):
    """What would have ended the module, had it been about one database only."""


class Part:
    """The module as one of several databases sees it."""

    def __init__(self, module: AnsibleModule, given: dict[str, Any]) -> None:
        self.params = {**module.params, **given}

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        raise Ended({"changed": False, "in_sync": False, "restore_point": "", **kwargs, "failed": True, "msg": msg})


def compare_part(module: AnsibleModule, given: dict[str, Any], point: str) -> dict[str, Any]:
    """Give the result of one of several databases, failed or not; C(point) names the moment before its first change, where none is named yet."""
    try:
        found = run(Part(module, {**given, "restore_point": point}), writing=not module.check_mode)
    except Ended as ended:
        found = ended.args[0]
    return {"login_db": given["login_db"], **found}


def compare_parts(module: AnsibleModule) -> dict[str, Any]:
    """Give the result of several databases, which has failed if one of them has."""
    unready = look(module, module.params["databases"])
    left_out = [*unready.absent, *unready.unsettled]
    found, named = [], ""
    for given in module.params["databases"]:
        if given["login_db"] not in left_out:
            found.append(compare_part(module, given, "" if named else module.params["restore_point"]))
            named = named or found[-1]["restore_point"]
    result: dict[str, Any] = {
        "changed": any(part["changed"] for part in found),
        "in_sync": not left_out and all(part["in_sync"] for part in found),
        "restore_point": named,
        "databases": found,
        **unready._asdict(),
        "diff": [
            {"before_header": part["login_db"], "after_header": part["login_db"], **part["diff"]}
            for part in found
            if "diff" in part
        ],
    }
    sentences = [part["msg"] for part in found if "msg" in part]
    if module.params["state"] == "verified" and module.params["fail_on_drift"]:
        sentences += unready.sentences()
    if sentences:
        module.fail_json(msg=" ".join(dict.fromkeys(sentences)), **result)
    return result


def main() -> None:
    spec = argument_spec(login_db=True)
    spec.update(
        definition={"type": "str"},
        databases={
            "type": "list",
            "elements": "dict",
            "options": {
                "login_db": {"type": "str", "required": True},
                "definition": {"type": "str", "required": True},
                "rows": ROWS,
                "migrations": MIGRATIONS,
            },
        },
        state={"type": "str", "choices": ["verified", "present"], "default": "verified"},
        fail_on_drift={"type": "bool", "default": True},
        allow={"type": "list", "elements": "str", "default": []},
        ignore={"type": "list", "elements": "str", "default": []},
        privileges={"type": "bool", "default": True},
        rows=ROWS,
        lock_timeout={"type": "str", "default": "5s"},
        statement_timeout={"type": "str", "default": "0"},
        cache_directory={"type": "path", "default": "~/.cache/ai_micro.postgres"},
        restore_point={"type": "str", "default": ""},
    )
    module = AnsibleModule(
        argument_spec=spec,
        required_one_of=[("definition", "databases")],
        mutually_exclusive=[("definition", "databases")],
        supports_check_mode=True,
    )
    if module.params["databases"] is None:
        module.exit_json(**run(module, writing=not module.check_mode))
    module.exit_json(**compare_parts(module))


if __name__ == "__main__":
    main()
