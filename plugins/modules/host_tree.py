#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_tree
short_description: Keep a set of directories and small text files in one call
version_added: 1.0.0
description:
  - Makes directories and files of a host what is declared - content, owner, group and mode - and leaves every other file alone.
  - M(ansible.builtin.template) and M(ansible.builtin.copy) take two round trips for each file; an instance has a dozen of them, looked at on
    every run. This module takes one for all.
  - A file is replaced by an atomic rename, its new owner and mode set before that. Nothing is ever removed.
attributes:
  check_mode:
    support: full
    description: Reports what would be changed and changes nothing.
  diff_mode:
    support: full
    description: Shows each path before and after. Use C(no_log) on the task where a content is secret.
  platform:
    support: full
    platforms: posix
    description: POSIX hosts.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  trees:
    description: Directories with the files wanted in them, parents before children.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the directory.
        type: str
        required: true
      owner:
        description: Owner of directory and files, by name or number.
        type: str
        default: root
      group:
        description: Group of directory and files, by name or number.
        type: str
        default: root
      directory_mode:
        description: Permissions of the directory, and of those below it that O(trees[].files) name, in octal digits.
        type: str
        default: "0755"
      file_mode:
        description: Permissions of the files in octal digits.
        type: str
        default: "0644"
      files:
        description: Files wanted in the directory.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Path below the directory.
            type: str
            required: true
          content:
            description: The text.
            type: str
            required: true
          mode:
            description: Permissions in octal digits where they differ from O(trees[].file_mode).
            type: str
"""

EXAMPLES = r"""
- name: Keep the configuration of an instance
  ai_micro.postgres.host_tree:
    trees:
      - path: /etc/ai-micro-postgres
      - path: /etc/ai-micro-postgres/postgresql
        group: "999"
        directory_mode: "0750"
        file_mode: "0640"
        files:
          - name: postgresql.conf
            content: |
              port = 5432
"""

RETURN = r"""
paths:
  description: The paths that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/ai-micro-postgres/postgresql.conf]
"""

import errno
import os
import re
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._tree import (
    BadNode,
    Node,
    describe,
    find_node,
    resolve_id,
)


def parse_mode(text: str, path: str) -> int:
    """Read permissions in octal digits."""
    # int() would take a sign, a prefix, blanks and more digits than a mode has.
    if not re.fullmatch("[0-7]{3,4}", text):
        raise BadNode(f"The mode {text} of {path} is not octal: give it as for example '0640'.")
    return int(text, 8)


def parse_tree(raw: dict[str, Any]) -> list[Node]:
    """Turn a tree of the argument into what is wanted, directories before what is in them."""
    root = os.path.normpath(raw["path"])
    if not os.path.isabs(root):
        raise BadNode(f"The path {raw['path']} is not absolute: give it from the root.")
    uid, gid = resolve_id(raw["owner"], "user"), resolve_id(raw["group"], "group")
    directory_mode = parse_mode(raw["directory_mode"], root)
    nodes = {root: Node(root, uid, gid, directory_mode, None)}
    for file in raw["files"]:
        path = os.path.normpath(os.path.join(root, file["name"]))
        if not path.startswith(root + os.sep):
            raise BadNode(f"The file {file['name']} is not below {root}: give a name without '..'.")
        between = os.path.relpath(os.path.dirname(path), root).split(os.sep)
        for depth in range(len(between)):
            directory = os.path.normpath(os.path.join(root, *between[: depth + 1]))
            nodes.setdefault(directory, Node(directory, uid, gid, directory_mode, None))
        nodes[path] = Node(path, uid, gid, parse_mode(file["mode"] or raw["file_mode"], path), file["content"])
    return list(nodes.values())


def apply_node(wanted: Node, exists: bool) -> None:
    """Make a path what is wanted."""
    if wanted.content is None:
        if not exists:
            os.mkdir(wanted.path, 0o700)
        os.chown(wanted.path, wanted.uid, wanted.gid)
        os.chmod(wanted.path, wanted.mode)
        return
    handle, partial = tempfile.mkstemp(prefix=".", suffix=".new", dir=os.path.dirname(wanted.path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(wanted.content)
            file.flush()
            os.fsync(file.fileno())
        os.chown(partial, wanted.uid, wanted.gid)
        os.chmod(partial, wanted.mode)
        os.rename(partial, wanted.path)
    except OSError:
        os.unlink(partial)
        raise


def keep(directory: str) -> None:
    """Have the names in a directory on the disk: what is noted there is relied on after the machine has stopped, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems keep names without being asked, and do not let themselves be.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def main() -> None:
    """Run the module."""
    file_options = {
        "name": {"type": "str", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str"},
    }
    tree_options = {
        "path": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "directory_mode": {"type": "str", "default": "0755"},
        "file_mode": {"type": "str", "default": "0644"},
        "files": {"type": "list", "elements": "dict", "default": [], "options": file_options},
    }
    module = AnsibleModule(
        argument_spec={"trees": {"type": "list", "elements": "dict", "required": True, "options": tree_options}},
        supports_check_mode=True,
    )
    paths: list[str] = []
    diffs: list[dict[str, str]] = []
    try:
        pairs = [(node, find_node(node)) for raw in module.params["trees"] for node in parse_tree(raw)]
        for wanted, found in pairs:
            if wanted == found:
                continue
            paths.append(wanted.path)
            diffs.append(
                {
                    "before": describe(found),
                    "after": describe(wanted),
                    "before_header": wanted.path,
                    "after_header": wanted.path,
                }
            )
            if not module.check_mode:
                apply_node(wanted, found is not None)
        if not module.check_mode:
            for directory in sorted({os.path.dirname(path) for path in paths}):
                keep(directory)
    except BadNode as error:
        module.fail_json(msg=str(error), paths=paths)
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'A file'} cannot be written: {error.strerror}; free the way and run again.",
            paths=paths,
        )
    module.exit_json(changed=bool(paths), paths=paths, diff=diffs)


if __name__ == "__main__":
    main()
