# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: generated_secret
short_description: Read a secret from a file on the controller, made once
version_added: 1.0.0
author: ai-micro-service team (@ai-micro-service)
description:
  - Returns the secret in O(directory)/<term>. Where there is no such file, a strong secret is generated and, unless O(create=false), kept there
    with mode 0600 in a directory of mode 0700.
  - A generated secret has 32 characters with upper and lower case letters, digits and symbols that need no quoting in a shell or URL.
  - Meant for a machine of one's own; production takes its secrets from Ansible Vault or a secrets manager.
options:
  _terms:
    description: Names of the secrets, each a file name.
    type: list
    elements: str
    required: true
  directory:
    description: Directory that holds the secrets.
    type: path
    required: true
  create:
    description: Whether a generated secret is kept. Give V(false) in check mode.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Use a secret that is generated on first use
  ansible.builtin.set_fact:
    superuser_password: >-
      {{ lookup('ai_micro.postgres.generated_secret', 'superuser', directory=inventory_dir ~ '/.secrets', create=not ansible_check_mode) }}
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of the terms.
  type: list
  elements: str
"""

import os
import secrets
import string
from typing import Any, Optional

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

_SYMBOLS = "-_."
_CLASSES = (string.ascii_uppercase, string.ascii_lowercase, string.digits, _SYMBOLS)
_LENGTH = 32


def generate() -> str:
    """Return a secret that holds each class of characters."""
    alphabet = "".join(_CLASSES)
    while True:
        # The first character is a letter, so that no tool takes the secret for an option.
        rest = [secrets.choice(alphabet) for dummy in range(_LENGTH - 1)]
        secret = secrets.choice(string.ascii_letters) + "".join(rest)
        if all(set(secret) & set(members) for members in _CLASSES):
            return secret


def read_or_make(path: str, create: bool) -> str:
    """Return the secret in a file, made exclusively so that two runs at once agree on one."""
    try:
        with open(path, encoding="utf-8") as file:
            secret = file.read().strip()
    except FileNotFoundError:
        secret = ""
    else:
        if not secret:
            raise AnsibleLookupError(f"The secret file {path} is empty: remove it to have a new secret generated.")
        return secret
    secret = generate()
    if create:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        partial = f"{path}.{os.getpid()}"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(secret + "\n")
        try:
            os.link(partial, path)
        except FileExistsError:
            return read_or_make(path, create=False)
        finally:
            os.unlink(partial)
    return secret


class LookupModule(LookupBase):
    """Lookup of secrets that are generated once."""

    def run(self, terms: list[str], variables: Optional[dict[str, Any]] = None, **kwargs: Any) -> list[str]:
        """Return one secret per term."""
        self.set_options(var_options=variables, direct=kwargs)
        directory = os.path.expanduser(self.get_option("directory"))
        found = []
        for term in terms:
            if os.path.basename(term) != term or not term:
                raise AnsibleLookupError(f"The secret {term!r} is not a file name: give a name without a slash.")
            try:
                found.append(read_or_make(os.path.join(directory, term), self.get_option("create")))
            except OSError as error:
                raise AnsibleLookupError(
                    f"The secret {term} cannot be kept in {directory}: {error.strerror}; make that directory writable."
                ) from error
        return found
