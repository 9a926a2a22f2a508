#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_settings
short_description: Compare wanted settings with those that are in force, and apply what needs no restart
version_added: 1.0.0
description:
  - Compares settings with what the running server uses, not with what a file says. Values are read as the server reads them, so V(1GB) and
    V(1024MB) are the same.
  - Of each setting it says whether it is in force, needs a reload, needs a restart, is unknown, invalid or out of range, and what overrides it -
    the file that counts, the server's command line, C(ALTER DATABASE) and C(ALTER ROLE).
  - With O(state=present) what no configuration file says yet is set by C(ALTER SYSTEM); where only an earlier C(ALTER SYSTEM) hides the wanted
    value of another file, it is reset. Then the server reloads its configuration. Nothing is restarted.
requirements:
  - psycopg2 on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Predicts RV(queries) and changes nothing.
  diff_mode:
    support: full
    description: Shows the settings that are not in force, before and after.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  settings:
    description:
      - Wanted values by name. Booleans, numbers, numbers with a unit and lists are taken.
    type: dict
    required: true
  state:
    description:
      - V(verified) looks and never changes anything. What is not in force is no failure, read RV(in_sync).
      - V(present) applies what it can. An unknown name or an impossible value fails before anything is changed.
    type: str
    choices: [verified, present]
    default: verified
"""

EXAMPLES = r"""
- name: See whether the declared settings are the running ones
  ai_micro.postgres.postgres_settings:
    login_unix_socket: /var/run/postgresql
    settings:
      work_mem: 8MB
      log_min_duration_statement: 1s
      shared_preload_libraries: [pg_stat_statements]
  register: settings
  failed_when: not settings.in_sync

- name: Apply what a reload is enough for
  ai_micro.postgres.postgres_settings:
    login_unix_socket: /var/run/postgresql
    state: present
    settings:
      work_mem: 8MB
"""

RETURN = r"""
in_sync:
  description: Whether every wanted setting is in force, after the module has done its work.
  returned: success
  type: bool
  sample: false
settings:
  description:
    - Each wanted setting. C(status) is one of V(in_force), V(needs_reload), V(needs_restart), V(overridden), V(unknown), V(invalid),
      V(out_of_range) and V(read_only).
    - C(file) is the place in the configuration files that counts, C(overrides) what sets another value for some database or role.
  returned: success
  type: list
  elements: dict
  sample:
    - name: shared_buffers
      wanted: 1GB
      actual: 128MB
      status: needs_restart
      message: "shared_buffers is 128MB, not 1GB: it takes a restart to come into force."
      file: ""
      overrides: []
pending_restart:
  description: Settings of the whole server that wait for a restart, wanted ones that need one among them.
  returned: success
  type: list
  elements: str
  sample: [shared_buffers]
loaded:
  description:
    - Whether the server has read its configuration and certificates since they were written; null where the login may not look at files.
    - PostgreSQL tells in whole seconds when a file was written, so one that was written within the second of the last reload passes for read.
  returned: success
  type: bool
  sample: true
queries:
  description: Statements that were executed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["ALTER SYSTEM SET work_mem = '8MB'", "SELECT pg_reload_conf()"]
"""

import time
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session, argument_spec, session, sql
from ansible_collections.ai_micro.postgres.plugins.module_utils._settings import (
    IN_FORCE,
    NEEDS_RELOAD,
    NEEDS_RESTART,
    QUOTED_LISTS,
    REFUSED,
    as_text,
    in_files,
    judge,
    split_list,
)

SETTINGS = """
SELECT name, current_setting(name) AS setting, unit, vartype, context, source, min_val, max_val, enumvals, boot_val, pending_restart
  FROM pg_catalog.pg_settings
"""
FILES = "SELECT sourcefile, sourceline, name, setting, error FROM pg_catalog.pg_file_settings ORDER BY seqno"
OVERRIDES = """
SELECT lower(split_part(item, '=', 1)) AS name,
       CASE WHEN s.setrole = 0 THEN format('ALTER DATABASE %I SET %s', d.datname, item)
            WHEN s.setdatabase = 0 THEN format('ALTER ROLE %I SET %s', r.rolname, item)
            ELSE format('ALTER ROLE %I IN DATABASE %I SET %s', r.rolname, d.datname, item) END AS override
  FROM pg_catalog.pg_db_role_setting s
       CROSS JOIN LATERAL unnest(s.setconfig) AS item
       LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
       LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 ORDER BY 2
"""
MAY_LOOK = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(text, boolean)', 'EXECUTE') AS may"
LOADED = """
SELECT max((pg_catalog.pg_stat_file(path, true)).modification) <= pg_catalog.pg_conf_load_time() AS loaded
  FROM (SELECT current_setting(name) AS path
          FROM unnest(ARRAY['config_file', 'hba_file', 'ident_file', 'ssl_cert_file', 'ssl_ca_file']) name) place
 WHERE path <> ''
"""
# What settings are read from, ALTER SYSTEM's file and included ones among them.
SETTINGS_LOADED = """
SELECT max((pg_catalog.pg_stat_file(path, true)).modification) <= pg_catalog.pg_conf_load_time() AS loaded
  FROM (SELECT sourcefile FROM pg_catalog.pg_file_settings
        UNION SELECT current_setting('config_file')
        UNION SELECT current_setting('data_directory') || '/postgresql.auto.conf') AS file (path)
"""
RELOAD = "SELECT pg_reload_conf()"
RELOAD_TIMEOUT = 10.0


def is_loaded(server: Session, query: str) -> Optional[bool]:
    """Whether no file is newer than the last reload; only who may look at files knows."""
    (allowed,) = server.query(MAY_LOOK)
    if not allowed["may"]:
        return None
    (found,) = server.query(query)
    return bool(found["loaded"])


Look = tuple[list[dict[str, Any]], list[str]]


def look(server: Session, wanted: dict[str, str]) -> Look:
    """Judge each wanted setting; name all settings that wait for a restart."""
    rows = {row["name"].lower(): row for row in server.query(SETTINGS)}
    files = in_files(server.query(FILES))
    overrides: dict[str, list[str]] = {}
    for row in server.query(OVERRIDES):
        overrides.setdefault(row["name"], []).append(row["override"])
    loaded = is_loaded(server, SETTINGS_LOADED)
    judged = [
        judge(name, value, rows.get(name.lower()), files.get(name.lower(), ()), overrides.get(name.lower(), ()), loaded)
        for name, value in wanted.items()
    ]
    return judged, sorted(row["name"] for row in rows.values() if row["pending_restart"])


def statement(server: Session, name: str, value: str, repair: str) -> str:
    """Write ALTER SYSTEM for one setting."""
    # Each part of a name such as hnsw.ef_search is an identifier of its own.
    identifier = sql.Identifier(*name.split("."))
    if repair == "RESET":
        return server.render(sql.SQL("ALTER SYSTEM RESET {}").format(identifier))
    values = split_list(value) if name.lower() in QUOTED_LISTS else [value]
    literals = sql.SQL(", ").join([sql.Literal(each) for each in values or [""]])
    return server.render(sql.SQL("ALTER SYSTEM SET {} = {}").format(identifier, literals))


def plan(server: Session, judged: list[dict[str, Any]]) -> list[str]:
    """Statements that bring into force what no restart is needed for, and prepare the rest."""
    open_ones = [each for each in judged if each["status"] in (NEEDS_RELOAD, NEEDS_RESTART)]
    statements = [
        statement(server, each["name"], each["wanted"], each["repair"]) for each in open_ones if each["repair"]
    ]
    if statements or any(each["status"] == NEEDS_RELOAD for each in open_ones):
        statements.append(RELOAD)
    return statements


def apply(server: Session, statements: list[str]) -> None:
    """Execute the plan and wait until this session has read the configuration again."""
    (before,) = server.query("SELECT pg_conf_load_time() AS at")
    for each in statements:
        server.query(each)
    deadline = time.monotonic() + RELOAD_TIMEOUT
    while server.query("SELECT pg_conf_load_time() AS at")[0] == before and time.monotonic() < deadline:
        time.sleep(0.02)


def difference(judged: list[dict[str, Any]]) -> dict[str, str]:
    """Before and after of what is not in force, for a person to read."""
    open_ones = [each for each in judged if each["status"] != IN_FORCE]
    return {
        "before": "".join(f"{each['name']} = {each['actual']}\n" for each in open_ones),
        "after": "".join(f"{each['name']} = {each['wanted']}\n" for each in open_ones),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **argument_spec(login_db=False),
            "settings": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["verified", "present"], "default": "verified"},
        },
        supports_check_mode=True,
    )
    wanted = {str(name): as_text(value) for name, value in module.params["settings"].items()}
    present = module.params["state"] == "present"
    with session(module, "postgres", autocommit=True) as server:
        judged, pending = look(server, wanted)
        diff = difference(judged)
        refused = [each["message"] for each in judged if each["status"] in REFUSED]
        if present and refused:
            module.fail_json(msg=" ".join(refused))
        queries = plan(server, judged) if present else []
        if queries and not module.check_mode:
            apply(server, queries)
            judged, pending = look(server, wanted)
        loaded = is_loaded(server, LOADED)
    pending = sorted({*pending, *(each["name"] for each in judged if each["status"] == NEEDS_RESTART)})
    for each in judged:
        del each["repair"]
    module.exit_json(
        changed=bool(queries),
        in_sync=all(each["status"] == IN_FORCE for each in judged),
        settings=judged,
        pending_restart=pending,
        loaded=loaded,
        queries=queries,
        diff=diff,
    )


if __name__ == "__main__":
    main()
