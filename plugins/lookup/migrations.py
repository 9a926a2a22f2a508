# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: migrations
short_description: Read the migrations of all databases
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Reads a directory on the controller that holds a directory of migrations for each database, for the option
    O(ai_micro.postgres.postgres_migration#module:migrations).
  - A directory that does not exist holds none. In a database's directory, a file that does not end in C(.sql) is an error, so that no misspelt
    migration is overlooked. Names that begin with a dot, and C(README.md), are not looked at.
options:
  _terms:
    description: Paths of directories.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Show the migrations of a database
  ansible.builtin.debug:
    msg: "{{ lookup('ai_micro.postgres.migrations', 'files/migrations').admindb | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description: By name of the database, its files in the order of their names; one mapping for each path.
  type: list
  elements: dict
  sample: [{admindb: [{name: 0001_embedding_superset.sql, content: "ALTER TABLE …"}]}]
"""

import os
from typing import Any, Optional

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def names_in(path: str) -> list[str]:
    """Return what a directory holds, without what nobody means."""
    return sorted(name for name in os.listdir(path) if not name.startswith(".") and name != "README.md")


def read_database(path: str) -> list[dict[str, str]]:
    """Return name and content of each migration of one database."""
    found = []
    for name in names_in(path):
        if not name.endswith(".sql"):
            raise AnsibleLookupError(
                f"{os.path.join(path, name)} is no migration: give it a name ending in .sql, or move it."
            )
        with open(os.path.join(path, name), encoding="utf-8") as file:
            found.append({"name": name, "content": file.read()})
    return found


def read_directory(path: str) -> dict[str, list[dict[str, str]]]:
    """Return the migrations of each database that has a directory."""
    if not os.path.lexists(path):
        return {}
    try:
        return {name: read_database(os.path.join(path, name)) for name in names_in(path)}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        where = getattr(error, "filename", None) or path
        raise AnsibleLookupError(f"The migrations of {where} cannot be read: {reason}.") from error


class LookupModule(LookupBase):
    """Lookup of migrations."""

    def run(self, terms: list[str], variables: Optional[dict[str, Any]] = None, **kwargs: Any) -> list[Any]:
        """Return the migrations below each directory."""
        self.set_options(var_options=variables, direct=kwargs)
        return [read_directory(term) for term in terms]
