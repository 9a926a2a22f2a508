#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_lock
short_description: Keep a second run away from what a run is changing
version_added: 1.0.0
description:
  - Takes or releases a lock on the managed host. While a run of C(ansible-playbook) holds it, another run is refused with the time and the
    process of the first; the run itself may take it as often as it likes.
  - A lock is stale, and taken over, when the process that holds it has ended, which only the controller that it ran on can know, or the host itself where
    it is one of the host's own runs. Any other lock is taken over by name alone (O(replace)), however old it is, because a long run is not told from one
    that was killed.
  - Processes that such a run has left at work on the host are ended before its lock is taken over, if E(AI_MICRO_POSTGRES_JOB) in their environment is the
    C(id) of the lock and its path, parted by a space. Tasks whose work is to end so set it (C(environment)); that of other tasks goes on to its end.
  - Nothing is ever reported as changed, because a lock is no part of the host's configuration.
attributes:
  action:
    support: full
    description: An action plugin tells the module which process of the controller is asking.
  check_mode:
    support: full
    description: Neither takes nor minds a lock, because nothing is changed that it would protect.
  diff_mode:
    support: none
    description: There is nothing to compare.
  platform:
    support: full
    platforms: posix
    description: POSIX hosts.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  path:
    description:
      - Absolute path of the lock. Its directory is made where it is missing.
      - A directory that a boot empties, such as C(/run), because a boot ends every run.
    type: path
    required: true
  state:
    description: V(held) takes the lock or fails, V(released) gives it back where this run holds it.
    type: str
    choices: [held, released]
    default: held
  wait:
    description: Seconds that the action plugin waits for another run to end, before this one is refused.
    type: int
    default: 0
  replace:
    description: The C(id) of a lock to take over although it does not look stale, as the refusal shows it.
    type: str
    default: ""
  holder:
    description: Who asks. The action plugin gives it.
    type: dict
"""

EXAMPLES = r"""
- name: Change something that no other run may change meanwhile
  block:
    - name: Take the lock
      ai_micro.postgres.host_lock:
        path: /run/ai_micro.postgres/ai-micro-postgres.lock

    - name: Provision
      ansible.builtin.import_role:
        name: ai_micro.postgres.postgres_instance
  always:
    - name: Give the lock back
      ai_micro.postgres.host_lock:
        path: /run/ai_micro.postgres/ai-micro-postgres.lock
        state: released
"""

RETURN = r"""
ended:
  description: What the run that held the lock before had left at work on the host, and was ended.
  returned: success
  type: list
  elements: str
  sample: [pgbackrest, postgres_backup]
held:
  description: Whether this run holds the lock now.
  returned: success
  type: bool
  sample: true
holder:
  description: Who holds the lock now, empty where nobody does.
  returned: always
  type: dict
  sample:
    controller: deploy.example.org
    id: 5f0c1d7e
    process: 4711
    process_started: "1093412"
    realm: deploy.example.org 3f2c pid:[4026531836]
    started: "2026-11-24T03:08:03+00:00"
    user: ansible
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils import _jobs, _lock
from ansible_collections.ai_micro.postgres.plugins.module_utils._lock import KEYS


@contextmanager
def guarded(path: str) -> Iterator[None]:
    """Let nobody else look and decide between this look and this decision."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(f"{path}.guard", "a", encoding="utf-8") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def read(path: str) -> dict[str, Any]:
    """Who holds the lock. What is no lock of this module's counts as none: it was not written to its end."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(key in found for key in KEYS) else {}


def write(path: str, holder: dict[str, Any]) -> None:
    """Replace the lock as a whole."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False, encoding="utf-8") as file:
        json.dump(holder, file)
    os.replace(file.name, path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
            "wait": {"type": "int", "default": 0},
            "replace": {"type": "str", "default": ""},
            "holder": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    path, wanted = module.params["path"], module.params["state"] == "held"
    if not module.params["holder"]:
        module.fail_json(msg="host_lock is not called by Ansible's controller: call it as a task of a playbook.")
    if module.check_mode:
        module.exit_json(changed=False, held=False, holder={}, ended=[])
    holder = {key: module.params["holder"].get(key, "") for key in KEYS}
    ended: list[str] = []
    try:
        with guarded(path):
            found = read(path)
            own = bool(found) and found["id"] == holder["id"]
            if wanted and not own:
                if found and found["id"] != module.params["replace"]:
                    here = found["realm"] == _lock.realm()
                    alive = _lock.process_started(int(found["process"])) if here else ""
                    module.fail_json(msg="Another run holds the lock.", holder=found, here=here, alive=alive)
                if found:
                    # Before the lock is this run's: where this is cut short too, the next one finds it all again.
                    ended, left = _jobs.end(_jobs.mark(found["id"], path))
                    if left:
                        module.fail_json(
                            msg=f"What the run that held {path} has left at work does not end: {', '.join(left)}; look at these processes on the host.",
                            holder={},
                        )
                write(path, holder)
                found = holder
            elif not wanted and own:
                os.unlink(path)
                found = {}
    except PermissionError:
        module.fail_json(
            msg="The host is managed as an ordinary user: connect as root or set ansible_become to true.", holder={}
        )
    except OSError as error:
        module.fail_json(msg=f"The lock {path} cannot be used: {error.strerror}; correct path.", holder={})
    module.exit_json(changed=False, held=wanted, holder=found, ended=ended)


if __name__ == "__main__":
    main()
