# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memory_budget
short_description: PostgreSQL settings that follow from memory, CPUs, pools and embeddings
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Divides the memory that a server may use among its settings, so that the sum never exceeds it.
  - C(shared_buffers) is 25 %, C(effective_cache_size) 60 %, C(maintenance_work_mem) 6 % (64 MB to 2 GB, more for expected embeddings),
    C(autovacuum_work_mem) 1/64; C(work_mem) is what the sessions can share.
options:
  _input:
    description: What M(ai_micro.postgres.postgres_host_info) says of the host, of which C(memory_bytes) and C(cpus) are read.
    type: dict
    required: true
  memory:
    description: Memory limit of the container in Docker's notation, or empty for the host's.
    type: str
    required: true
  databases:
    description: The inventory's databases, of which the pools and the collections' C(expected_rows) are read.
    type: list
    elements: dict
    required: true
  overrides:
    description: Settings that the inventory gives by name; they count as they are given.
    type: dict
    default: {}
  disk:
    description: Kind of the disk that holds the volume.
    type: str
    choices: [ssd, hdd]
    default: ssd
positional: memory, databases, overrides, disk
"""

EXAMPLES = r"""
- name: Show the budget of 1 GiB
  ansible.builtin.debug:
    msg: "{{ ({'memory_bytes': 8589934592, 'cpus': 2} | ai_micro.postgres.memory_budget('1g', databases)).table }}"
  vars:
    databases:
      - {name: authdb, pool: {size: 20, overflow: 10}}
"""

RETURN = r"""
_value:
  description: The budget.
  type: dict
  contains:
    settings:
      description: Settings by name.
      type: dict
      sample: {max_connections: 100, shared_buffers: 256MB}
    shm_mb:
      description: Size of /dev/shm in MB that a parallel index build needs.
      type: int
      sample: 128
    table:
      description: The sum, a line each, for a person to read.
      type: list
      elements: str
    sum_mb:
      description: What the server may take in MB when everything is busy.
      type: int
    limit_mb:
      description: What it may use in MB.
      type: int
    problems:
      description: Sentences that say what does not fit, with the arithmetic; empty where everything does.
      type: list
      elements: str
"""

from typing import Any, Callable

from ansible_collections.ai_micro.postgres.plugins.module_utils._budget import memory_budget


class FilterModule:
    """Filters over memory."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"memory_budget": memory_budget}
