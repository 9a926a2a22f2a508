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
  - A volume that a running container mounts is refused, since its processes would go on in the other one's data. So is one that its driver mounts from
    elsewhere, whose data does not follow the directory, and two whose directories are not on one mount.
  - It asks the Docker Engine by its socket and needs nothing but Python's standard library.
attributes:
  check_mode:
    support: full
    description: Checks everything and exchanges nothing. O(permitted_holder) says of whom it is known that it will be stopped.
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
  permitted_holder:
    description:
      - Name of a container that may run and mount the volumes in check mode, as it is stopped before they are exchanged.
      - Out of check mode it may not.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Let the restored data take the place of the live one, which is kept in the other volume
  ai_micro.postgres.volume_exchange:
    first: ai-micro-postgres_postgres_data
    second: ai-micro-postgres_kept_20261125t140000

- name: Find out before the server is stopped whether that will do
  ai_micro.postgres.volume_exchange:
    first: ai-micro-postgres_postgres_data
    second: ai-micro-postgres_kept_20261125t140000
    permitted_holder: ai-micro-postgres
  check_mode: true
"""

RETURN = r"""
directories:
  description: The two directories that changed places.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/docker/volumes/ai-micro-postgres_postgres_data/_data, /var/lib/docker/volumes/ai-micro-postgres_kept_20261125t140000/_data]
inodes:
  description: The inodes of the two volumes' directories before the exchange; a directory keeps its inode when it changes places.
  returned: always
  type: dict
  sample: {first: 1310722, second: 1310801}
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_api import DockerReader, DockerUnavailable
from ansible_collections.ai_micro.postgres.plugins.module_utils._exchange import (
    ExchangeError,
    check,
    exchange,
    refuse_volume,
)


def directory(engine: DockerReader, name: str, permitted: str) -> str:
    """Find where a volume keeps its data, unless it may not be touched."""
    volume = engine.get(f"/volumes/{name}")
    if not volume:
        raise ExchangeError(f"there is no volume {name}, create it first")
    refuse_volume(volume, engine.get("/containers/json", filters=json.dumps({"volume": [name]})) or [], permitted)
    return str(volume["Mountpoint"])


def main() -> None:
    """Run the module."""
    names = ("first", "second")
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "str", "required": True} for name in names},
            "permitted_holder": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    volumes = " and ".join(module.params[name] for name in names)
    permitted = module.params["permitted_holder"] if module.check_mode else ""
    try:
        engine = DockerReader()
        found = [directory(engine, module.params[name], permitted) for name in names]
        check(*found)
        inodes = {name: os.stat(path).st_ino for name, path in zip(names, found)}
        if not module.check_mode:
            exchange(*found)
    except (DockerUnavailable, ExchangeError) as error:
        module.fail_json(msg=f"The volumes {volumes} are as they were: {error}.")
    except OSError as error:
        module.fail_json(msg=f"The volumes {volumes} cannot be read or written ({error.strerror}): look at their disk.")
    module.exit_json(changed=True, directories=found, inodes=inodes)


if __name__ == "__main__":
    main()
