#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_runner
short_description: Let a host run playbooks by itself
version_added: 1.0.0
description:
  - Copies the controller's ansible-core, the Python packages that it needs and collections to a directory of the managed host, with a program
    C(ansible-playbook) that uses nothing else. Nothing is downloaded, and the host's own packages stay as they are.
  - Only what is written in Python is copied; C(cryptography) comes from the host's distribution.
  - The copy is tried before it takes the place of the old one, in one rename.
attributes:
  action:
    support: full
    description: An action plugin reads the files on the controller and sends them where the host has others.
  check_mode:
    support: full
    description: Reports what would be copied and changes nothing.
  diff_mode:
    support: none
    description: Thousands of files would be shown.
  platform:
    support: full
    platforms: posix
    description: POSIX hosts.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  path:
    description: Absolute path of the directory; nothing else may be in it.
    type: path
    required: true
  state:
    description: V(present) has the runner there, V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
  collections:
    description: Collections that the playbooks need, by full name.
    type: list
    elements: str
    default: []
  python:
    description: The host's Python that runs ansible-core, of a version that the controller's ansible-core supports.
    type: str
    default: /usr/bin/python3
  digest:
    description: The name of the content. The action plugin gives it.
    type: str
    default: ""
  archive:
    description: The content itself. The action plugin gives it.
    type: path
  core:
    description: The version of ansible-core. The action plugin gives it.
    type: str
    default: ""
seealso:
  - module: ai_micro.postgres.host_schedule
"""

EXAMPLES = r"""
- name: Let the host take its backups by itself
  ai_micro.postgres.host_runner:
    path: /opt/ai-micro-postgres/runner
    collections: [ai_micro.postgres, community.docker, community.postgresql]
"""

RETURN = r"""
digest:
  description: The name of the content that is wanted, empty where none is.
  returned: success
  type: str
  sample: 6f1ed002ab5595859014ebf0951522d9ae0b2f6d5f5b5c9d6c8e3a1f0b7d4c21
"""

import contextlib
import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._runner import DIGEST, unpack


def present(path: str) -> str:
    """Name the content that is there, nothing where it is not whole."""
    try:
        with open(os.path.join(path, DIGEST), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def replace(module: AnsibleModule, path: str) -> None:
    """Put the archive's content in the place of what is there, if it runs."""
    given = module.params
    fresh, old = f"{path}.new", f"{path}.old"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    unpack(given["archive"], fresh)
    code, output, errors = module.run_command([os.path.join(fresh, "ansible-playbook"), "--version"])
    if code != 0:
        shutil.rmtree(fresh)
        said = ((errors or output).strip().splitlines() or ["it printed nothing"])[-1]
        module.fail_json(
            msg=f"The host's {given['python']} cannot run ansible-core {given['core']} ({said}): set python (in the role postgres_backup: "
            "postgres_backup_runner_python) to a Python that this version supports, use another ansible-core on the controller, or schedule nothing "
            "(postgres_backup_schedule)."
        )
    with open(os.path.join(fresh, DIGEST), "w", encoding="utf-8") as file:
        file.write(given["digest"])
    if os.path.lexists(path):
        os.rename(path, old)
    os.rename(fresh, path)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "collections": {"type": "list", "elements": "str", "default": []},
            "python": {"type": "str", "default": "/usr/bin/python3"},
            "digest": {"type": "str", "default": ""},
            "archive": {"type": "path"},
            "core": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    path, wanted = os.path.normpath(given["path"]), given["state"] == "present"
    if wanted and not given["digest"]:
        module.fail_json(msg="host_runner is not called by Ansible's controller: call it as a task of a playbook.")
    changed = present(path) != given["digest"] if wanted else os.path.lexists(path)
    try:
        if wanted and changed and given["archive"] and not module.check_mode:
            replace(module, path)
        elif not wanted and changed and not module.check_mode:
            shutil.rmtree(path)
            # The directory above is shared by nothing else, unless somebody put something there.
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or path} cannot be written: {error.strerror}; free the way and run again."
        )
    module.exit_json(changed=changed, digest=given["digest"])


if __name__ == "__main__":
    main()
