#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_backup_set
short_description: Choose the backup that a restore begins with, and look whether its copy fits on the disk
version_added: 1.0.0
description:
  - pgBackRest begins a restore with the newest backup. After a restore that was undone, that one may lie on a timeline from which no WAL leads to what is
    wanted. This module chooses the newest backup from which it does - on the timeline itself, or on an ancestor before the branch - and passes over
    backups that a check has found damaged.
  - Of a restore point it looks for the place in the WAL, and chooses the newest backup that ended before. It reads the archived WAL files with C(pg_waldump)
    from the newest on, and says now and then how many it has read.
  - It asks the repository in a container of its own, so it needs no server, and says what the copy needs and what is free.
  - It never changes anything. What pgBackRest refuses is left for the restore to say.
requirements:
  - the docker command on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Reads only, in check mode as well as out of it.
  diff_mode:
    support: none
    description: There is nothing to compare.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  image:
    description: Image with pgBackRest in it.
    type: str
    required: true
  stanza:
    description: Name of the instance in the repository.
    type: str
    required: true
  config:
    description: pgBackRest's configuration in the container; empty for its default, which is the local repository.
    type: str
    default: ""
  configuration:
    description: Directory of the host with pgBackRest's configuration.
    type: path
    required: true
  repository:
    description: Directory of the host with the local repository; without it the repository is reached over the network.
    type: path
  hosts:
    description: Addresses by the host names that no name service knows.
    type: dict
    default: {}
  catalog:
    description: Directory of the host in which damaged backups are noted; without it none is known.
    type: path
  set:
    description: Label of the backup that is wanted; empty to choose one.
    type: str
    default: ""
  timeline:
    description: Number of the timeline that is wanted; empty, or a word such as V(current) or V(latest), for whatever the newest backup leads to.
    type: str
    default: ""
  time:
    description: Time of ISO 8601 that the backup has to have ended before, UTC where it names no zone; empty for none.
    type: str
    default: ""
  clock_ahead:
    description: Seconds that the clock which gave O(time) may be ahead of the server's. A backup that ended so much earlier is chosen first.
    type: int
    default: 0
  point:
    description:
      - Name of the restore point that is to be recovered to, where its place in the WAL is not known; empty for none. Of several of that name, the newest on
        the way to O(timeline) is meant. Not looked for with O(set).
    type: str
    default: ""
  search:
    description: Seconds that a restore point is looked for.
    type: int
    default: 1800
  progress:
    description: Seconds after which, and between which, a line says how far the search is; 0 for none.
    type: int
    default: 30
  disk:
    description: Directory of the host below which the copy will lie.
    type: path
    default: /var/lib/docker
  reserve_mb:
    description: Megabytes that have to stay free beside the copy.
    type: int
    default: 1024
seealso:
  - module: ai_micro.postgres.postgres_backup
  - module: ai_micro.postgres.postgres_backup_info
"""

EXAMPLES = r"""
- name: Choose the backup that leads to timeline 1
  ai_micro.postgres.postgres_backup_set:
    image: ai-micro-postgres:pgvector-15
    stanza: ai-micro-postgres
    configuration: /etc/ai-micro-postgres/pgbackrest
    repository: /var/backups/ai-micro-postgres/pgbackrest
    catalog: /var/backups/ai-micro-postgres/catalog
    timeline: "1"
  register: chosen

- name: Stop where there is no room
  ansible.builtin.assert:
    that: chosen.shortage == ''
    fail_msg: "{{ chosen.shortage }}."
"""

RETURN = r"""
backup:
  description: The backup that was chosen, as M(ai_micro.postgres.postgres_backup) returns it; nothing where there is none or the repository cannot be read.
  returned: always
  type: dict
  sample:
    label: 20261125-234256F
    type: full
    timeline: 1
    size: 23213709
astray:
  description: Why no backup leads to O(timeline) and to O(time) or O(point), in one sentence; empty where one does.
  returned: always
  type: str
  sample: ""
lsn:
  description: Position in the WAL of O(point); empty where it was not looked for, or not found.
  returned: always
  type: str
  sample: "0/5000128"
system_identifiers:
  description: The clusters whose backups the repository holds, oldest first; nothing where it holds none or cannot be read.
  returned: always
  type: list
  elements: str
  sample: ["7576311223344556677"]
timelines:
  description: The newest backup of each timeline.
  returned: always
  type: list
  elements: dict
  sample: [{timeline: 1, label: 20261125-234256F}]
shortage:
  description: That the copy does not fit on O(disk), in one clause with both numbers and the remedy; empty where it does.
  returned: always
  type: str
  sample: ""
"""

import os
import tempfile
from collections.abc import Sequence
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_set import (
    astray,
    branches,
    choose,
    leading,
    moment,
    newest_of_each,
    number,
    unreached,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._damaged import read_damaged
from ansible_collections.ai_micro.postgres.plugins.module_utils._host import free_bytes
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    Backup,
    Stanza,
    apart,
    beside,
    failure,
    history_words,
    read_info,
    shown,
    stanza_options,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._restore_point import (
    LISTED,
    SCRIPT,
    before,
    container,
    lines,
    newest_timeline,
    read_search,
    too_early,
    unfound,
    way,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._room import shortage
from ansible_collections.ai_micro.postgres.plugins.module_utils._wal_chain import (
    listing_words,
    of_cluster,
    segment_size,
)


def ask(module: AnsibleModule, *words: str) -> tuple[str, str]:
    """Run pgBackRest beside the server; give its answer, and why there is none."""
    given = module.params
    command = apart(
        given["image"], given["configuration"], given["repository"], given["hosts"], given["config"], given["stanza"]
    )
    code, output, errors = module.run_command([*command, *words])
    # 1 is no failure of pgBackRest's, whose codes begin at 25: a file that was asked for with --ignore-missing is missing.
    return (str(output), "") if code in (0, 1) else ("", failure([output, errors]))


def ancestors(module: AnsibleModule, archive: str, timeline: int) -> dict[int, int]:
    """The WAL position up to which a timeline shares each of its ancestors; the first has none, and no history."""
    if timeline == 1:
        return {}
    history, unread = ask(module, *history_words(module.params["stanza"], archive, timeline))
    if unread:
        module.fail_json(
            msg=f"Which backups lead to the timeline {timeline} cannot be told, since the repository does not give its history: {unread}"
        )
    return branches(history)


def look_for(module: AnsibleModule, name: str, found: Stanza) -> tuple[str, list[Backup], str]:
    """Where in the WAL a restore point lies, the backups that ended before it, and why there are none."""
    given = module.params
    listing, unread = ask(module, *listing_words(given["stanza"], found.archive))
    if unread:
        module.fail_json(
            msg=f"The restore point {name} cannot be looked for, since the repository does not list its WAL: {unread}"
        )
    timeline = number(given["timeline"]) or newest_timeline(listing)
    parents = ancestors(module, found.archive, timeline) if timeline else {}
    leads = leading(found.backups, timeline, parents)
    if not leads:
        return "", [], astray(found.backups, timeline)
    size = segment_size(of_cluster(found.backups, found.archive))
    files = way(listing, timeline, parents, size, leads[0].ended_at)
    search = read_search(searched(module, name, lines(files, given["stanza"], found.archive, size)))
    if not search.lsn:
        return "", [], unfound(name, files, search, leads, size)
    early = before(leads, search.lsn)
    return search.lsn, early, "" if early else too_early(name, search.lsn, leads)


def searched(module: AnsibleModule, name: str, files: str) -> str:
    """Read WAL files in a container of their own until a restore point is found, and give what the search says."""
    given = module.params
    own = container(given["stanza"])
    # Of a run that was cut short: the instance's lock keeps two from going on at a time.
    module.run_command(["docker", "rm", "--force", own])
    # A pipe that is written to before anything is read from the other end would fill at some thousand files.
    with tempfile.NamedTemporaryFile("w", dir=module.tmpdir) as listed:
        listed.write(files)
        listed.flush()
        os.chmod(listed.name, 0o644)
        options = (f"--name={own}", f"--mount=type=bind,source={listed.name},target={LISTED},readonly")
        place = (given["image"], given["configuration"], given["repository"], given["hosts"])
        words = [*beside(*place, *options, entrypoint="bash"), "-c", SCRIPT, "bash", name, str(given["search"])]
        code, output, errors = module.run_command([*words, *stanza_options(given["config"], given["stanza"])])
    if code != 0:
        module.fail_json(msg=f"The restore point {name} cannot be looked for: {failure([errors, output])}")
    return str(output)


def candidates(module: AnsibleModule, found: Stanza, timeline: int) -> Sequence[Backup]:
    """The backups that lead to a timeline; all, where none was named."""
    if not timeline:
        return found.backups
    return leading(found.backups, timeline, ancestors(module, found.archive, timeline))


def known_damaged(module: AnsibleModule) -> Sequence[str]:
    """The backups that a check has found damaged."""
    catalog = module.params["catalog"]
    try:
        return read_damaged(catalog) if catalog else []
    except (OSError, ValueError) as error:
        return module.fail_json(
            msg=f"The catalogue {catalog} cannot be read ({error}): correct or remove the file that it names."
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "stanza": {"type": "str", "required": True},
            "config": {"type": "str", "default": ""},
            "configuration": {"type": "path", "required": True},
            "repository": {"type": "path"},
            "hosts": {"type": "dict", "default": {}},
            "catalog": {"type": "path"},
            "set": {"type": "str", "default": ""},
            "timeline": {"type": "str", "default": ""},
            "time": {"type": "str", "default": ""},
            "clock_ahead": {"type": "int", "default": 0},
            "point": {"type": "str", "default": ""},
            "search": {"type": "int", "default": 1800},
            "progress": {"type": "int", "default": 30},
            "disk": {"type": "path", "default": "/var/lib/docker"},
            "reserve_mb": {"type": "int", "default": 1024},
        },
        supports_check_mode=True,
    )
    given = module.params
    answer, _unread = ask(module, "info", "--output=json")
    found = read_info(answer, given["stanza"])
    chosen: Optional[Backup] = None
    lost = lsn = ""
    if given["set"]:
        chosen = next((each for each in found.backups if each.label == given["set"]), None)
    elif found.backups and given["point"]:
        lsn, early, lost = look_for(module, given["point"], found)
        chosen = choose(early, None, known_damaged(module))
    elif found.backups:
        timeline = number(given["timeline"])
        leads = candidates(module, found, timeline)
        time = moment(given["time"]) if given["time"] else None
        chosen = choose(leads, time, known_damaged(module), given["clock_ahead"])
        lost = "" if leads else astray(found.backups, timeline)
    # A label that is not in the list, and a repository that cannot be read, are left for pgBackRest to name.
    if not lost and found.backups and (chosen or not given["set"]):
        lost = unreached(given["time"], given["clock_ahead"], chosen)
    result: dict[str, Any] = {
        "backup": shown(chosen) if chosen else None,
        "astray": lost,
        "lsn": lsn,
        "system_identifiers": found.system_identifiers,
        "timelines": [
            {"timeline": timeline, "label": label} for timeline, label in sorted(newest_of_each(found.backups).items())
        ],
        "shortage": shortage(
            f"A copy of the backup {chosen.label}",
            chosen.size,
            given["disk"],
            free_bytes(os.path.realpath(given["disk"])),
            given["reserve_mb"],
        )
        if chosen
        else "",
    }
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
