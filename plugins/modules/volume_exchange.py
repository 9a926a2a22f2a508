#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_exchange
short_description: Let the data of two Docker volumes change places
version_added: 1.0.0
description:
  - Docker cannot rename a volume. This module exchanges the directories that two local volumes keep their data in, in one step that either happens or
    does not, whenever the machine stops.
  - A volume that a running container mounts is refused, since its processes would go on in the other one's data.
  - It asks the Docker Engine by its socket and needs nothing but Python's standard library.
attributes:
  check_mode:
    support: full
    description: Checks everything and exchanges nothing.
  diff_mode:
    support: none
    description: The data has no text to show.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  first:
    description: Name of a volume.
    type: str
    required: true
  second:
    description: Name of the other volume.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Let the restored data take the place of the live one, which is kept in the other volume
  ai_micro.postgres.volume_exchange:
    first: ai-micro-postgres_postgres_data
    second: ai-micro-postgres_kept_20261125t140000
"""

RETURN = r"""
directories:
  description: The two directories that changed places.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/docker/volumes/ai-micro-postgres_postgres_data/_data, /var/lib/docker/volumes/ai-micro-postgres_kept_20261125t140000/_data]
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_api import DockerReader, DockerUnavailable
from ansible_collections.ai_micro.postgres.plugins.module_utils._exchange import ExchangeError, exchange


def directory(engine: DockerReader, name: str) -> str:
    """Find where a volume keeps its data, unless it may not be touched."""
    volume = engine.get(f"/volumes/{name}")
    if not volume:
        raise ExchangeError(f"there is no volume {name}, create it first")
    users = engine.get("/containers/json", filters=json.dumps({"volume": [name]})) or []
    if users:
        raise ExchangeError(f"{name} is in use by the container {users[0]['Names'][0].lstrip('/')}, stop it first")
    return str(volume["Mountpoint"])


def main() -> None:
    """Run the module."""
    names = ("first", "second")
    module = AnsibleModule(
        argument_spec={name: {"type": "str", "required": True} for name in names}, supports_check_mode=True
    )
    try:
        engine = DockerReader()
        found = [directory(engine, module.params[name]) for name in names]
        if not module.check_mode:
            exchange(*found)
    except (DockerUnavailable, ExchangeError) as error:
        module.fail_json(
            msg=f"The volumes {module.params['first']} and {module.params['second']} are as they were: {error}."
        )
    module.exit_json(changed=True, directories=found)


if __name__ == "__main__":
    main()
