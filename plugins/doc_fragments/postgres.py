# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Connection options, shared by every module that talks to the server."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Name or address of the server, or the directory of its Unix-domain socket.
      - Empty means the socket that libpq looks for by itself.
      - The environment variable E(PGHOST) is used when the option is not given.
    type: str
    default: ''
    aliases: [host]
  login_port:
    description:
      - Port of the server; it is part of the socket's name too.
      - The environment variable E(PGPORT) is used when the option is not given.
    type: int
    default: 5432
    aliases: [port]
  login_user:
    description:
      - Role to connect as.
      - The environment variable E(PGUSER) is used when the option is not given.
    type: str
    default: postgres
    aliases: [login]
  login_password:
    description:
      - Password of O(login_user). Not needed where the server trusts the operating system user (C(peer)).
      - The environment variable E(PGPASSWORD) is used when the option is not given.
    type: str
    default: ''
  login_unix_socket:
    description:
      - Directory of the server's Unix-domain socket. Used when O(login_host) is empty or V(localhost).
    type: str
    default: ''
    aliases: [unix_socket]
  ssl_mode:
    description:
      - How much TLS is asked for on a TCP connection; V(verify-full) also checks the server's name.
      - The environment variable E(PGSSLMODE) is used when the option is not given.
    type: str
    default: prefer
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
  ca_cert:
    description:
      - File on the target with the certificates of the authorities that may have signed the server's certificate.
      - The environment variable E(PGSSLROOTCERT) is used when the option is not given.
    type: str
    aliases: [ssl_rootcert]
  ssl_cert:
    description:
      - File on the target with a client certificate.
      - The environment variable E(PGSSLCERT) is used when the option is not given.
    type: path
  ssl_key:
    description:
      - File on the target with the key of O(ssl_cert).
      - The environment variable E(PGSSLKEY) is used when the option is not given.
    type: path
  connect_params:
    description:
      - Further connection parameters of libpq, by libpq's names. They win over the other options, except for the
        name of the database.
      - A password is refused here, because it would be shown. Use O(login_password).
    type: dict
    default: {}
requirements:
  - psycopg2 2.8 or later for the Python that runs the module on the target (Debian package C(python3-psycopg2))
notes:
  - The connection options have the names that C(community.postgresql) uses, so one C(module_defaults) group
    (C(group/ai_micro.postgres.postgres)) configures every module of this collection.
  - Works with PostgreSQL 15 to 17.
"""
