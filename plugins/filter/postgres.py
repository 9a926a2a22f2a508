# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of all filters; each is documented in the file of its name.

Ansible loads every file of this directory to find one filter, in each task anew: with one file and functions that are imported when they are
called, a task pays for what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable

FUNCTIONS = {
    "access_declaration": ("module_utils._declared", "access_declaration"),
    "access_deviations": ("module_utils._deviations", "deviation_lines"),
    "backup_line": ("plugin_utils._lines", "backup_line"),
    "certificate_logins": ("module_utils._declared", "certificate_logins"),
    "certificate_problems": ("plugin_utils._given_certificate", "problems_of"),
    "collection_findings": ("plugin_utils._lines", "collection_findings"),
    "collection_settings": ("module_utils._declared", "collection_settings"),
    "collections_named": ("module_utils._declared", "collections_named"),
    "connection_trees": ("module_utils._declared", "connection_trees"),
    "container_differences": ("plugin_utils._container", "container_differences"),
    "debian_sources": ("plugin_utils._debian_sources", "debian_sources"),
    "drift_table": ("module_utils._drift", "drift_table"),
    "drill_history": ("module_utils._drills", "history"),
    "drill_line": ("module_utils._drills", "line"),
    "dump_line": ("plugin_utils._lines", "dump_line"),
    "hba_certificates": ("module_utils._hba", "asks_for_certificates"),
    "hba_difference": ("module_utils._hba", "difference_in_force"),
    "hba_lines": ("module_utils._hba", "file_lines"),
    "hba_rules": ("module_utils._hba", "effective_rules"),
    "image_build_failure": ("plugin_utils._image_build_failure", "image_build_failure"),
    "judge_adoption": ("module_utils._adoption", "judge_adoption"),
    "judge_certificate": ("module_utils._certificate_judge", "judge_certificate"),
    "judge_cluster": ("plugin_utils._verdicts", "cluster_verdict"),
    "login_roles": ("module_utils._declared", "login_roles"),
    "memory_budget": ("module_utils._budget", "memory_budget"),
    "migration_baseline": ("plugin_utils._migration_baseline", "migration_baseline"),
    "neighbour_problems": ("module_utils._neighbours", "neighbour_problems"),
    "overridden_settings": ("module_utils._adoption", "overridden_settings"),
    "pgbackrest_failure": ("plugin_utils._verdicts", "pgbackrest_failure"),
    "pgvector_advice": ("plugin_utils._pgvector_advice", "pgvector_advice"),
    "postgres_failure": ("plugin_utils._postgres_failure", "explain_failure"),
    "preflight_problems": ("module_utils._preflight", "preflight_problems"),
    "replaced_container": ("module_utils._adoption", "replaced_container"),
    "rotation_plan": ("module_utils._rotation", "plan_rotation"),
    "rotation_stage": ("module_utils._rotation", "stage_roles"),
    "rotation_targets": ("module_utils._rotation", "rotation_targets"),
    "row_line": ("plugin_utils._lines", "row_line"),
    "schema_drift": ("module_utils._drift", "schema_drift"),
    "secret_problems": ("module_utils._preflight", "secret_problems"),
    "service_roles": ("module_utils._declared", "service_roles"),
    "settings_by_hand": ("module_utils._by_hand", "settings_by_hand"),
    "trial_logins": ("module_utils._entrance", "trial_logins"),
    "trial_roles": ("module_utils._declared", "trial_roles"),
}


def _when_called(module: str, function: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(f"ansible_collections.ai_micro.postgres.plugins.{module}"), function)(
            *arguments, **named
        )

    return call


class FilterModule:
    """Filters of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {name: _when_called(*place) for name, place in FUNCTIONS.items()}
