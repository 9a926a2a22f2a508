# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: connection_files
short_description: Write connection files of services
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns for each database a file with a C(DATABASE_URL) in libpq's URI form, user and password quoted, TLS with verification in full.
options:
  _input:
    description: The list C(postgres_databases).
    type: list
    elements: dict
    required: true
  passwords:
    description: Passwords by name of the role.
    type: dict
    required: true
  logins:
    description: Who logs in for each role whose password was rotated.
    type: dict
    required: true
  host:
    description: Name that the services connect to.
    type: str
    required: true
  port:
    description: Port that the services connect to.
    type: int
    required: true
  directory:
    description: Directory of the certificates as the services see it, with C(tls/ca.crt) and C(clients/<login>.crt) in it.
    type: str
    required: true
positional: passwords, logins, host, port, directory
"""

EXAMPLES = r"""
- name: Keep connection files
  ai_micro.postgres.host_tree:
    trees:
      - path: /etc/ai-micro-postgres/services
        file_mode: "0600"
        files: "{{ postgres_databases | ai_micro.postgres.connection_files(passwords, {}, 'db1', 5432, '/etc/ai-micro-postgres') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: C(name) and C(content) of each file.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import connection_files


class FilterModule:
    """Filters over the list of databases."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"connection_files": connection_files}
