# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_declarations
short_description: Read what several databases are declared to hold
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns what O(ai_micro.postgres.postgres_schema#module:databases) takes, for databases as the inventory lists them.
options:
  _terms:
    description: Databases with their C(name), C(extensions), C(definition) (a psql script of their own) and C(rows), as in V(postgres_databases).
    type: list
    elements: dict
    required: true
  script:
    description: The psql script of those that have none of their own. It connects to each of them.
    type: path
    required: true
  migrations:
    description:
      - By name of a database, the files of its migrations, as P(ai_micro.postgres.migrations#lookup) reads them. Each declaration then holds its
        C(migrations).
    type: dict
seealso:
  - module: ai_micro.postgres.postgres_schema
  - plugin: ai_micro.postgres.database_definition
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Verify several databases that one script declares
  ai_micro.postgres.postgres_schema:
    databases: "{{ query('ai_micro.postgres.database_declarations', [{'name': 'authdb'}, {'name': 'apidb'}], script='files/init.sql') }}"
"""

RETURN = r"""
_list:
  description: One entry per database.
  type: list
  elements: dict
  sample: [{login_db: authdb, definition: "CREATE TABLE users (id uuid PRIMARY KEY);", rows: []}]
"""

from collections.abc import Mapping
from typing import Any, Optional

from ansible.plugins.lookup import LookupBase
from ansible_collections.ai_micro.postgres.plugins.lookup.database_definition import read_definition


def declaration(database: Mapping[str, Any], script: str) -> dict[str, Any]:
    """Return one database's name, SQL and rows; the extensions that the inventory names come first."""
    name, own = database["name"], database.get("definition") or ""
    extensions = "".join(f'CREATE EXTENSION IF NOT EXISTS "{each}"; ' for each in database.get("extensions") or ())
    definition = read_definition([own or script], name, name if own else "postgres")
    return {"login_db": name, "definition": extensions + definition, "rows": database.get("rows") or []}


class LookupModule(LookupBase):
    """Lookup of several databases' declarations."""

    def run(self, terms: list[Any], variables: Optional[dict[str, Any]] = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the declaration of each database."""
        self.set_options(var_options=variables, direct=kwargs)
        databases = [one for term in terms for one in (term if isinstance(term, list) else [term])]
        declared = [declaration(database, str(self.get_option("script"))) for database in databases]
        migrations = self.get_option("migrations")
        if migrations is None:
            return declared
        return [{**each, "migrations": migrations.get(each["login_db"]) or []} for each in declared]
