# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unsettled_migrations
short_description: Name the databases whose migrations need a look
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Names the databases whose history of migrations is not exactly their files. What is to be done there, or what is wrong,
    M(ai_micro.postgres.postgres_migration) says.
options:
  _input:
    description: The databases that M(ai_micro.postgres.postgres_info) found.
    type: dict
    required: true
  migrations:
    description: By database, its migrations with C(name) and C(content), as P(ai_micro.postgres.migrations#lookup) reads them.
    type: dict
    required: true
positional: migrations
"""

EXAMPLES = r"""
- name: Look at the databases
  ai_micro.postgres.postgres_info:
    login_unix_socket: /var/run/postgresql
    login_user: postgres
  register: server

- name: Say which databases wait for migrations, or have others than the files say
  ansible.builtin.debug:
    msg: "{{ server.databases | ai_micro.postgres.unsettled_migrations(lookup('ai_micro.postgres.migrations', 'files/migrations')) }}"
"""

RETURN = r"""
_value:
  description: Names of databases.
  type: list
  elements: str
  sample: [admindb]
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._migration import unsettled


class FilterModule:
    """Filters over migrations."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"unsettled_migrations": unsettled}
