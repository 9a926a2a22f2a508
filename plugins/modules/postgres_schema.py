#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.run import run
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec


def main() -> None:
    spec = argument_spec(login_db=True)
    spec.update(
        definition={"type": "str", "required": True},
        state={"type": "str", "choices": ["verified", "present"], "default": "verified"},
        fail_on_drift={"type": "bool", "default": True},
        allow={"type": "list", "elements": "str", "default": []},
        ignore={"type": "list", "elements": "str", "default": []},
        privileges={"type": "bool", "default": True},
        rows={
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "table": {"type": "str", "required": True},
                "key": {"type": "list", "elements": "str", "required": True},
                "columns": {"type": "list", "elements": "str", "default": []},
            },
        },
        lock_timeout={"type": "str", "default": "5s"},
        statement_timeout={"type": "str", "default": "0"},
        cache_directory={"type": "path", "default": "~/.cache/ai_micro.postgres"},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
