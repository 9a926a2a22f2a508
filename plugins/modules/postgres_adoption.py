#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_adoption
short_description: Take over a cluster that another deployment made, or give it back
version_added: 1.0.0
description:
  - Tells of a cluster what decides whether an instance of this collection can take it over, in every state.
  - Marks a cluster as initialised, after noting in a file on the host what a later run changes of it, and puts that back where the old deployment is
    to serve the cluster again.
  - The stored password of the superuser is in that file as PostgreSQL has it (a verifier), and in no result.
extends_documentation_fragment:
  - ai_micro.postgres.postgres
requirements:
  - psycopg2 on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Returns the same keys and changes nothing.
  diff_mode:
    support: none
    description: What changes is a mark and a verifier, which is not shown.
  idempotent:
    support: full
    description: A cluster that is marked, or given back, already is left alone.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  state:
    description:
      - V(inspected) only looks.
      - V(adopted) notes the superuser's stored password and the comment of the database postgres in O(record), where that is not there yet, and
        sets the comment to O(mark).
      - V(returned) sets both back to what O(record) holds.
    type: str
    choices: [inspected, adopted, returned]
    default: inspected
  record:
    description: File on the host that holds what was there before.
    type: path
    required: true
  mark:
    description: Comment of the database postgres by which this collection recognises a cluster that is initialised to the end.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the cluster of another deployment
  ai_micro.postgres.postgres_adoption:
    login_unix_socket: /var/run/postgresql
    login_user: postgres
    record: /etc/ai-micro-postgres/adoption_cluster.json
    mark: "ai_micro.postgres: initialised"
  register: cluster

- name: Say what it holds
  ansible.builtin.debug:
    msg: "{{ cluster.databases.keys() | join(', ') }}"
"""

RETURN = r"""
marked:
  description: Whether the cluster carried the mark when the module looked.
  returned: success
  type: bool
  sample: false
recorded:
  description: Whether the file was there when the module looked.
  returned: success
  type: bool
  sample: false
databases:
  description: >-
    The databases that allow connections, templates left out, with encoding, locale, extensions, and those of the extensions whose version the
    server's installation does not have (C(unavailable)).
  returned: success
  type: dict
  sample:
    authdb:
      collate: en_US.utf8
      encoding: UTF8
      extensions: {plpgsql: "1.0", uuid-ossp: "1.1"}
      unavailable: {}
login_roles:
  description: Roles that may log in.
  returned: success
  type: list
  elements: str
  sample: [postgres]
superuser_verifier:
  description: How the password of postgres is stored, V(scram-sha-256), V(md5) or V(none).
  returned: success
  type: str
  sample: scram-sha-256
superuser_clients:
  description: Addresses and application names of the connections that postgres has over the network.
  returned: success
  type: list
  elements: str
  sample: [172.18.0.3 ai-micro-api-auth]
data_checksums:
  description: Whether the cluster has data checksums.
  returned: success
  type: bool
  sample: false
prepared_transactions:
  description: Number of prepared transactions that wait.
  returned: success
  type: int
  sample: 0
"""

import json
import os
import tempfile
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._access_run import SILENCE_SQL
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import (
    Session,
    argument_spec,
    session,
    sql,
)

SERVER_SQL = """
SELECT pg_catalog.current_setting('data_checksums') = 'on' AS data_checksums,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts)::int AS prepared_transactions,
       ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolcanlogin ORDER BY 1) AS login_roles,
       ARRAY(SELECT DISTINCT pg_catalog.concat_ws(' ', pg_catalog.host(client_addr), NULLIF(application_name, ''))
             FROM pg_catalog.pg_stat_activity
             WHERE usename = 'postgres' AND client_addr IS NOT NULL ORDER BY 1) AS superuser_clients
"""
DATABASES_SQL = """
SELECT datname AS name, datcollate AS collate, pg_catalog.pg_encoding_to_char(encoding) AS encoding
FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""
EXTENSIONS_SQL = """
SELECT e.extname AS name, e.extversion AS version,
       EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions v
               WHERE v.name = e.extname AND v.version = e.extversion) AS available
FROM pg_catalog.pg_extension e ORDER BY 1
"""
COMMENT_SQL = """
SELECT pg_catalog.shobj_description(oid, 'pg_database') AS comment
FROM pg_catalog.pg_database WHERE datname = 'postgres'
"""
VERIFIER_SQL = "SELECT rolpassword AS verifier FROM pg_catalog.pg_authid WHERE rolname = 'postgres'"


def password_kind(verifier: Optional[str]) -> str:
    """Say how a password is stored."""
    if not verifier:
        return "none"
    return "scram-sha-256" if verifier.startswith("SCRAM-SHA-256$") else "md5"


def present_state(server: Session) -> dict[str, Optional[str]]:
    """Return what an adoption changes, as it is."""
    (comment,), (verifier,) = server.query(COMMENT_SQL), server.query(VERIFIER_SQL)
    return {"comment": comment["comment"], "verifier": verifier["verifier"]}


def gather(module: AnsibleModule, server: Session, present: dict[str, Optional[str]]) -> dict[str, Any]:
    """Tell of the cluster what decides an adoption."""
    (facts,) = server.query(SERVER_SQL)
    databases = {row.pop("name"): row for row in server.query(DATABASES_SQL)}
    for name, database in databases.items():
        with session(module, name, readonly=True) as opened:
            extensions = opened.query(EXTENSIONS_SQL)
        database["extensions"] = {row["name"]: row["version"] for row in extensions}
        database["unavailable"] = {row["name"]: row["version"] for row in extensions if not row["available"]}
    return {
        **facts,
        "databases": databases,
        "marked": present["comment"] == module.params["mark"],
        "recorded": os.path.exists(module.params["record"]),
        "superuser_verifier": password_kind(present["verifier"]),
    }


def write_record(module: AnsibleModule, present: dict[str, Optional[str]]) -> None:
    """Write the file, readable to root alone, at once or not at all."""
    path = module.params["record"]
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be written: {error.strerror}; make its directory first.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(present, file)
        file.flush()
        os.fsync(file.fileno())
    # Not atomic_move, which opens a new file to everybody.
    os.replace(temporary, path)


def read_record(module: AnsibleModule) -> dict[str, Optional[str]]:
    """Read the file."""
    path = module.params["record"]
    try:
        with open(path, encoding="utf-8") as file:
            record = dict(json.load(file))
    except (OSError, TypeError, ValueError) as error:
        module.fail_json(
            msg=f"{path} cannot be read ({error}): restore it from a backup, without it nobody knows what the cluster was like before."
        )
    return {key: record.get(key) for key in ("comment", "verifier")}


def converge(
    module: AnsibleModule, server: Session, present: dict[str, Optional[str]], wanted: dict[str, Optional[str]]
) -> bool:
    """Set comment and stored password where they differ, with the verifier in no log."""
    different = [key for key in wanted if wanted[key] != present[key]]
    if different and not module.check_mode:
        server.query(SILENCE_SQL)
        if "comment" in different:
            server.execute(sql.SQL("COMMENT ON DATABASE postgres IS {}").format(sql.Literal(wanted["comment"])))
        if "verifier" in different:
            server.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(wanted["verifier"])))
    return bool(different)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "state": {"type": "str", "choices": ["inspected", "adopted", "returned"], "default": "inspected"},
            "record": {"type": "path", "required": True},
            "mark": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    state, changed = module.params["state"], False
    with session(module, "postgres") as server:
        present = present_state(server)
        facts = gather(module, server, present)
        if state == "adopted":
            changed = not facts["recorded"]
            if changed and not module.check_mode:
                write_record(module, present)
            changed = converge(module, server, present, {"comment": module.params["mark"]}) or changed
        elif state == "returned":
            changed = converge(module, server, present, read_record(module))
    module.exit_json(changed=changed, **facts)


if __name__ == "__main__":
    main()
