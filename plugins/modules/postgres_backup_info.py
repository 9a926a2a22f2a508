#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_backup_info
short_description: Facts about the backups of an instance
version_added: 1.0.0
description:
  - Lists the backups of a pgBackRest repository with their age and size and when each was verified, says how much would be lost now and how long the
    last verified backup took to restore, and warns of what speaks against relying on them. A backup on a timeline that was left by
    C(restore_undo.yml) is listed and counts for nothing.
  - It never changes anything.
requirements:
  - psycopg2 and the docker command on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Reads only, in check mode as well as out of it.
  diff_mode:
    support: none
    description: There is nothing to compare.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  container:
    description: Name of the instance's container.
    type: str
    required: true
  stanza:
    description: Name of the instance in the repository.
    type: str
    required: true
  offsite_config:
    description: pgBackRest's configuration of the off-site repository in the container; without it there is none.
    type: str
    default: ""
  offsite_missed:
    description: Directory of the host with a note for each WAL file that the off-site repository could not take.
    type: path
  catalog:
    description: Directory of the host with the records of verified backups; those of the off-site repository are in C(offsite) below it.
    type: path
    required: true
  dumps:
    description: Directory of the host with the dumps of M(ai_micro.postgres.postgres_dump); without it none are listed.
    type: path
  runner:
    description:
      - Directory of the host in which scheduled runs are noted, with the schedule itself in C(schedule.json); without it nothing is said of a schedule.
    type: path
  max_age:
    description: Age of the newest backup in seconds above which there is a warning.
    type: int
    default: 86400
  max_rpo:
    description: Seconds without WAL in the repository, though there is some to archive, above which there is a warning.
    type: int
    default: 300
seealso:
  - module: ai_micro.postgres.postgres_backup
"""

EXAMPLES = r"""
- name: Look at the backups
  ai_micro.postgres.postgres_backup_info:
    login_unix_socket: /var/run/postgresql
    login_user: postgres
    container: ai-micro-postgres
    stanza: ai-micro-postgres
    catalog: /var/backups/ai-micro-postgres/catalog
    dumps: /var/backups/ai-micro-postgres/dumps
  register: backups

- name: Warn
  ansible.builtin.debug:
    msg: "{{ backups.warnings_found }}"
"""

RETURN = r"""
backups:
  description: >-
    The backups, oldest first; sizes in bytes, times in seconds since 1970, age and duration in seconds, and when each was verified. One that
    the last check has found damaged (M(ai_micro.postgres.postgres_backup), C(state=checked)) is so here, and is verified no more.
  returned: always
  type: list
  elements: dict
  sample:
    - label: 20261125-234256F
      type: full
      started: 1795650176
      ended: 1795650178
      seconds: 2
      age: 120
      size: 23213709
      repository_size: 2842432
      damaged: false
      annotations: {}
      timeline: 1
      verified_at: "2026-11-25T23:43:20Z"
offsite:
  description: Whether the off-site repository can be read, why not, and its backups as in RV(backups); nothing where there is none.
  returned: always
  type: dict
  sample: {usable: true, message: "", backups: []}
dumps:
  description: The dumps, oldest first; age in seconds, size in bytes, and whether every file is there as it was written.
  returned: always
  type: list
  elements: dict
  sample:
    - label: 20261125-234256F
      restore_point: verify_20261125-234256F
      databases: [authdb, apidb, admindb]
      age: 120
      size: 23412
      whole: true
drill:
  description: When the last drill was and whether it passed, and recovery time and lost work of the last that did, in seconds; each is nothing without one.
  returned: always
  type: dict
  sample: {last: "2026-11-01T05:00:12Z", passed: true, rto_seconds: 9, rpo_seconds: 12}
drills:
  description: The history of drills, oldest first.
  returned: always
  type: list
  elements: dict
  sample:
    - at: "2026-11-01T05:00:12Z"
      passed: true
      backup: 20261031-234256F
      restore_point: drill_20261101t050012
      rto_seconds: 9
      rpo_seconds: 12
      restored_in: 6
      tables: 10
      rows: 31415
schedule:
  description: What is scheduled, with its cron expression, when it last began and ended, how, and when it was due last; empty without O(runner).
  returned: always
  type: list
  elements: dict
  sample:
    - job: full
      calendar: "0 1 * * 0"
      due: "2026-11-22T01:00:00+00:00"
      began: "2026-11-22T01:02:17+00:00"
      ended: "2026-11-22T01:02:59+00:00"
      status: 0
rpo_seconds:
  description:
    - Seconds of work that would be lost with the host now, 0 where all that was written is in the repository. What the open WAL file may hold is no older
      than C(archive_timeout); where a closed one is missing, it is all since the last that was archived.
  returned: always
  type: int
  sample: 12
rto_seconds:
  description: Seconds that the newest verified backup took to be restored and recovered; nothing where none is verified.
  returned: always
  type: int
  sample: 5
last_archived_wal:
  description: The last WAL file that reached the repository; empty where none has.
  returned: always
  type: str
  sample: "000000010000000000000005"
warnings_found:
  description: What speaks against relying on these backups, with the remedy, in words.
  returned: always
  type: list
  elements: str
  sample: ["The newest backup is 30 h old: look whether the schedule still fires, or take one with site.yml --tags backup."]
"""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils import _drills, _dumps, _schedule
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_set import branches, leading
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_state import (
    Limits,
    first_awaited,
    known,
    newest_verified,
    offsite_warnings,
    warnings,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._damaged import read_damaged
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    Backup,
    command,
    failure,
    read_info,
    shown,
    unusable,
    usable,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._rpo import ARCHIVER_SQL, HISTORY_SQL, rpo_seconds
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec, session


def read_records(catalog: str) -> dict[str, Mapping[str, Any]]:
    """Read what was verified, by the backup's label."""
    directory = os.path.join(catalog, "verified")
    found: dict[str, Mapping[str, Any]] = {}
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.endswith(".json"):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                found[name[: -len(".json")]] = json.load(file)
    return found


def call(module: AnsibleModule, *words: str, config: str = "") -> tuple[int, str, str]:
    """Run pgBackRest."""
    code, output, errors = module.run_command(
        command(module.params["container"], module.params["stanza"], config, *words)
    )
    return int(code), str(output), str(errors)


def ask(module: AnsibleModule, *words: str) -> str:
    """Ask the local repository, which must answer."""
    code, output, errors = call(module, *words)
    if code != 0:
        module.fail_json(msg=f"pgBackRest could not read the repository: {failure([errors, output])}")
    return output


def waiting_wal(directory: str) -> int:
    """Count the WAL files that the off-site repository could not take."""
    return len(os.listdir(directory)) if directory and os.path.isdir(directory) else 0


def listed(backups: list[Backup], records: Mapping[str, Mapping[str, Any]], now: int) -> list[dict[str, Any]]:
    """Give backups as the module returns them."""
    return [
        {**shown(each), "age": now - each.ended, "verified_at": records.get(each.label, {}).get("verified_at")}
        for each in backups
    ]


def look_offsite(module: AnsibleModule, config: str) -> tuple[list[Backup], str]:
    """Ask the off-site repository for its backups, or for why it does not answer."""
    code, output, errors = call(module, "info", "--output=json", config=config)
    if code != 0:
        return [], failure([errors, output])
    found = read_info(output, module.params["stanza"])
    return (found.backups, "") if usable(found) else ([], unusable(found))


def main() -> None:
    """Run the module."""
    spec = argument_spec()
    spec.update(
        container={"type": "str", "required": True},
        stanza={"type": "str", "required": True},
        offsite_config={"type": "str", "default": ""},
        offsite_missed={"type": "path"},
        catalog={"type": "path", "required": True},
        dumps={"type": "path"},
        runner={"type": "path"},
        max_age={"type": "int", "default": 86400},
        max_rpo={"type": "int", "default": 300},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given = module.params
    found = read_info(ask(module, "info", "--output=json"), given["stanza"])
    with session(module, "postgres", readonly=True) as opened:
        archiver = dict(opened.query(ARCHIVER_SQL)[0])
        timeline = int(archiver["current_wal"][:8], 16)
        parents = branches(str(opened.query(HISTORY_SQL, {"timeline": timeline})[0]["history"]))
    archiver["rpo_seconds"] = rpo_seconds(archiver)
    far = given["offsite_config"]
    try:
        records = read_records(given["catalog"])
        damaged = read_damaged(given["catalog"])
        far_records = read_records(os.path.join(given["catalog"], "offsite"))
        far_damaged = read_damaged(os.path.join(given["catalog"], "offsite"))
        generations = _dumps.read_generations(given["dumps"]) if given["dumps"] else []
        drills = _drills.read_history(os.path.join(given["catalog"], "drills.jsonl"))
        jobs = _schedule.read_jobs(given["runner"]) if given["runner"] else []
        waiting = waiting_wal(given["offsite_missed"] or "")
    except (OSError, ValueError) as error:
        module.fail_json(
            msg=f"The catalogue {given['catalog']} cannot be read ({error}): correct or remove the file that it names."
        )
    now = int(time.time())
    limits = Limits(given["max_age"], given["max_rpo"])
    awaited = first_awaited(found.backups, records, jobs)
    backups, records = known(found.backups, records, damaged)
    away, silence = look_offsite(module, far) if far else ([], "")
    away, far_records = known(away, far_records, far_damaged)
    leads, away_leads = leading(backups, timeline, parents), leading(away, timeline, parents)
    verified = newest_verified(leads, records)
    good = [each for each in leads if each.label in records]
    done = {
        "full": max((each.ended for each in good if each.type == "full"), default=0),
        "incr": max((each.ended for each in good), default=0),
        "logical": max((each.taken for each in generations if not each.missing), default=0),
        "drill": _drills.last_passed(drills),
    }
    module.exit_json(
        changed=False,
        backups=listed(backups, records, now),
        offsite={"usable": not silence, "message": silence, "backups": listed(away, far_records, now)} if far else None,
        dumps=[_dumps.shown(each, now) for each in generations],
        drill=_drills.summary(drills),
        drills=drills,
        schedule=[_schedule.shown(job, now) for job in jobs],
        rpo_seconds=archiver["rpo_seconds"],
        rto_seconds=verified["restored_in"] if verified else None,
        last_archived_wal=archiver["last_archived_wal"],
        warnings_found=[
            *warnings(backups, records, archiver, now, limits, awaited, leads),
            *(offsite_warnings(away, silence, waiting, far_records, now, limits, awaited, away_leads) if far else []),
            *_dumps.warnings(generations, given["dumps"] or ""),
            *_drills.warnings(drills),
            *_schedule.warnings(jobs, now, done),
        ],
    )


if __name__ == "__main__":
    main()
