# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: migration_baseline
short_description: Record migrations in the databases that a script creates
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns two psql scripts that stand around the one that creates databases, all of them run by one psql.
  - The first notes which databases are not there yet. The second records, in those alone, their migrations as a baseline,
    because the script between them makes a database as it is after all of them.
options:
  _input:
    description: Files of migrations by name of the database, as P(ai_micro.postgres.migrations#lookup) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what records the migrations of a new database
  ansible.builtin.debug:
    msg: "{{ (lookup('ai_micro.postgres.migrations', 'files/migrations')
              | ai_micro.postgres.migration_baseline).after }}"
"""

RETURN = r"""
_value:
  description: The script to run C(before) and the one to run C(after).
  type: dict
  sample: {before: "SELECT NOT EXISTS …", after: "\\if :ai_micro_new_1 …"}
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_micro.postgres.plugins.module_utils._migration import MigrationError, first_start


def migration_baseline(databases: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return both scripts, or fail with the sentence that says what is wrong with the files."""
    try:
        return first_start(databases)
    except MigrationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters over migrations."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"migration_baseline": migration_baseline}
