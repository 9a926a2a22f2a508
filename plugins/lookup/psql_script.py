# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: psql_script
short_description: Read a psql script and the files that it includes
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Reads a psql script on the controller together with every file that it includes by C(\\i), C(\\include), C(\\ir) or C(\\include_relative), so that
    all of them can be brought to a host side by side.
  - Included files must lie below the script's directory.
options:
  _terms:
    description: Paths of scripts.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Show which files belong to a script
  ansible.builtin.debug:
    msg: "{{ lookup('ai_micro.postgres.psql_script', 'files/init.sql', wantlist=true) | map(attribute='name') }}"
"""

RETURN = r"""
_list:
  description: The script first, then what it includes; C(name) is relative to the script's directory, C(content) the text.
  type: list
  elements: dict
  sample: [{name: init.sql, content: "\\ir schema/authdb.sql"}]
"""

import os
import re
from typing import Any, Optional

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

_INCLUDE = re.compile(r"^[ \t]*\\(?:i|include|ir|include_relative)[ \t]+(?:'((?:[^']|'')+)'|(\S+))", re.MULTILINE)


def included_names(script: str) -> list[str]:
    """Return the file names that a script includes, in order."""
    return [quoted.replace("''", "'") if quoted else plain for quoted, plain in _INCLUDE.findall(script)]


def read_script(path: str) -> list[dict[str, str]]:
    """Return a script and, depth first, everything that it includes."""
    root = os.path.dirname(os.path.abspath(path))
    files: dict[str, str] = {}
    pending = [(os.path.abspath(path), "")]
    while pending:
        current, parent = pending.pop(0)
        name = os.path.relpath(current, root)
        if name.split(os.sep)[0] == os.pardir:
            raise AnsibleLookupError(f"{parent} includes {current}, which is not below {root}: move it there.")
        if name in files:
            continue
        try:
            with open(current, encoding="utf-8") as file:
                files[name] = file.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            place = f", which {parent} includes," if parent else ""
            raise AnsibleLookupError(f"The psql script {current}{place} cannot be read: {reason}.") from error
        pending += [
            (os.path.normpath(os.path.join(os.path.dirname(current), child)), name)
            for child in included_names(files[name])
        ]
    return [{"name": name, "content": content} for name, content in files.items()]


class LookupModule(LookupBase):
    """Lookup of psql scripts."""

    def run(self, terms: list[str], variables: Optional[dict[str, Any]] = None, **kwargs: Any) -> list[Any]:
        """Return the files of each script, one after the other."""
        self.set_options(var_options=variables, direct=kwargs)
        return [file for term in terms for file in read_script(term)]
