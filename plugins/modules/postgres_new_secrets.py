#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_new_secrets
short_description: Give the roles of a copied cluster other passwords
version_added: 1.0.0
description:
  - Draws a password for each role that is named, on the host, writes them all to a file there, and stores their SCRAM-SHA-256 verifiers. No password is
    returned, sent to the server or seen by the controller.
  - The password of every other role is taken away, so that none of those that the cluster was copied with opens the copy.
  - All of it happens in one transaction, after the file was written.
  - Meant for a copy; on the server in use M(ai_micro.postgres.postgres_access) owns the passwords.
requirements:
  - psycopg2 on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Names the roles and changes nothing.
  diff_mode:
    support: none
    description: A secret is not shown.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  roles:
    description: Roles that get another password; one that is not there is passed over.
    type: list
    elements: str
    required: true
  path:
    description: File for the passwords, a line C(role=password) each, readable by root alone. Its directory must exist; the file is replaced.
    type: path
    required: true
seealso:
  - module: ai_micro.postgres.postgres_access
"""

EXAMPLES = r"""
- name: Change the secrets of a copy
  ai_micro.postgres.postgres_new_secrets:
    login_unix_socket: /run/copy
    login_user: postgres
    roles: [postgres, auth_service]
    path: /etc/ai-micro-postgres/clones/dev_postgres_data.env
"""

RETURN = r"""
changed_roles:
  description: Roles that got another password.
  returned: always
  type: list
  elements: str
  sample: [auth_service, postgres]
closed_roles:
  description: Roles that had a password and have none now.
  returned: always
  type: list
  elements: str
  sample: [auth_service_2]
"""

import os
import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._scram import make_verifier
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec, session, sql

ROLES_SQL = "SELECT rolname AS name, rolpassword IS NOT NULL AS has_password FROM pg_catalog.pg_authid ORDER BY 1"
BYTES = 24


def write_private(path: str, text: str) -> None:
    """Replace a file by one that nobody but root has ever been able to read."""
    partial = f"{path}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def main() -> None:
    """Run the module."""
    spec = argument_spec()
    spec.update(
        roles={"type": "list", "elements": "str", "required": True},
        path={"type": "path", "required": True},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given = module.params
    with session(module, "postgres") as server:
        found = server.query(ROLES_SQL)
        chosen = [row["name"] for row in found if row["name"] in given["roles"]]
        closed = [row["name"] for row in found if row["has_password"] and row["name"] not in chosen]
        if not module.check_mode:
            drawn = {name: secrets.token_urlsafe(BYTES) for name in chosen}
            try:
                write_private(given["path"], "".join(f"{name}={password}\n" for name, password in drawn.items()))
            except OSError as error:
                module.fail_json(
                    msg=f"The passwords could not be written to {given['path']} ({error.strerror}): have its directory there, with space left."
                )
            for name, password in drawn.items():
                words = (sql.Identifier(name), sql.Literal(make_verifier(password)))
                server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(*words))
            for name in closed:
                server.execute(sql.SQL("ALTER ROLE {} PASSWORD NULL").format(sql.Identifier(name)))
    module.exit_json(changed=bool(chosen or closed), changed_roles=chosen, closed_roles=closed)


if __name__ == "__main__":
    main()
