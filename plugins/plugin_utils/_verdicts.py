# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judgements of module_utils in the shape that a template wants."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import failure
from ansible_collections.ai_micro.postgres.plugins.module_utils._preflight import judge_look


def cluster_verdict(look: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """Say what is to be done with the cluster that a look at the host has found."""
    action, problem = judge_look(look, wanted)
    return {"action": action, "problem": problem}


def pgbackrest_failure(output: str) -> str:
    """Return why pgBackRest failed, from its output."""
    return failure([output])
