#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_info
short_description: Facts about a PostgreSQL server and its databases
version_added: 1.0.0
description:
  - Returns version, start, connections and settings that wait for a restart of a server, and of each database its size, encoding,
    connections, extensions and tables.
  - Two queries for the server and one for each database, whatever their size. It never changes anything.
requirements:
  - psycopg2 on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Reads only, in check mode as well as out of it.
  diff_mode:
    support: none
    description: There is nothing to compare.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  login_db:
    description:
      - Database to connect to for what concerns the whole server.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  databases:
    description:
      - Databases whose extensions and tables are asked for. One that does not exist is left out of the result.
      - Every database that allows connections and is no template, where this is not given.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Look at the server through its socket
  ai_micro.postgres.postgres_info:
    login_unix_socket: /var/run/postgresql
    login_user: postgres
  register: server

- name: Say how large each database is
  ansible.builtin.debug:
    msg: "{{ item.key }}: {{ item.value.size }}"
  loop: "{{ server.databases | dict2items }}"
  loop_control:
    label: "{{ item.key }}"
"""

RETURN = r"""
version:
  description: Version of the server as it names itself.
  returned: success
  type: str
  sample: 15.18 (Debian 15.18-0+deb12u1)
started:
  description: When the server was started, ISO 8601 in UTC.
  returned: success
  type: str
  sample: "2026-11-24T01:10:44Z"
connections:
  description: Client connections in use, the most that are possible, and how many of those are kept for superusers.
  returned: success
  type: dict
  sample: {max: 100, reserved: 3, used: 7}
pending_restart:
  description: Settings that were changed and wait for a restart.
  returned: success
  type: list
  elements: str
  sample: [shared_buffers]
databases:
  description: >-
    By name, each database's size in bytes and in words, encoding, locale, client connections, extensions with their versions, and tables with
    their schema.
  returned: success
  type: dict
  sample:
    authdb:
      collate: C.UTF-8
      connections: 3
      encoding: UTF8
      extensions: {plpgsql: "1.0", uuid-ossp: "1.1"}
      size: 7729 kB
      size_bytes: 7914031
      tables: [public.users]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec, session

SERVER = """
SELECT current_setting('server_version') AS version,
       to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS started,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS used,
       current_setting('max_connections')::int AS max,
       current_setting('superuser_reserved_connections')::int AS reserved,
       ARRAY(SELECT name FROM pg_settings WHERE pending_restart ORDER BY name) AS pending_restart
"""

DATABASES = """
SELECT d.datname AS name, pg_database_size(d.oid) AS size_bytes, pg_size_pretty(pg_database_size(d.oid)) AS size,
       pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.backend_type = 'client backend')::int AS connections
  FROM pg_database d
 WHERE d.datallowconn AND NOT d.datistemplate
 ORDER BY d.datname
"""

CONTENTS = """
SELECT (SELECT coalesce(jsonb_object_agg(extname, extversion), '{}') FROM pg_extension) AS extensions,
       ARRAY(SELECT format('%s.%s', n.nspname, c.relname)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                AND n.nspname !~ '^pg_(toast|temp)'
              ORDER BY 1) AS tables
"""


def gather(module: AnsibleModule) -> dict[str, Any]:
    """Ask the server, then each database."""
    with session(module, module.params["login_db"] or "postgres", readonly=True) as server:
        (facts,) = server.query(SERVER)
        rows = {row.pop("name"): row for row in server.query(DATABASES)}
    wanted = module.params["databases"]
    found = {name: row for name, row in rows.items() if wanted is None or name in wanted}
    for name, row in found.items():
        with session(module, name, readonly=True) as database:
            (contents,) = database.query(CONTENTS)
        row.update(contents)
    return {
        "version": facts["version"],
        "started": facts["started"],
        "connections": {key: facts[key] for key in ("used", "max", "reserved")},
        "pending_restart": facts["pending_restart"],
        "databases": found,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**argument_spec(login_db=True), "databases": {"type": "list", "elements": "str"}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **gather(module))


if __name__ == "__main__":
    main()
