# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts that make a new database count as migrated."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_micro.postgres.plugins.module_utils._migration import MigrationError, first_start


def migration_baseline(databases: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return both scripts, or fail with the sentence that says what is wrong with the files."""
    try:
        return first_start(databases)
    except MigrationError as error:
        raise AnsibleFilterError(str(error)) from error
