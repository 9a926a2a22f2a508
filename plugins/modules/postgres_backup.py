#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_backup
short_description: Prepare a pgBackRest repository and take backups into it
version_added: 1.0.0
description:
  - Calls pgBackRest in the container of an instance, as the container's own user and with the configuration that is there. No secret passes.
  - O(state=ready) creates the stanza where it is missing, checks that WAL reaches the
    local repository, and refuses a repository that holds the backups of
    another cluster.
  - O(state=taken) takes a backup. A differential or incremental one becomes a full one where there is none yet.
  - O(state=archived) waits until a WAL file is in the repository. The server's own view is none of one repository alone where it archives into two.
  - O(state=expired) removes what is older than wanted. A full backup goes with those that build on it, unless one of them is among the last
    O(generations) that were verified, or carries the annotation C(keep). Of what is older than O(full_days), the newest stays, since WAL leads from it to
    the first moment of those days.
requirements:
  - the docker command on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Says whether a stanza would be created or a backup taken, and does neither.
  diff_mode:
    support: none
    description: A backup has no state before.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  container:
    description: Name of the instance's container.
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
  state:
    description:
      - V(ready) has the stanza there.
      - V(taken) takes a backup now.
      - V(archived) waits for O(wal).
      - V(expired) removes what is too old, and the records of what is not there any more.
    type: str
    choices: [ready, taken, archived, expired]
    default: ready
  system_identifier:
    description: The cluster's system identifier; a stanza of another one is refused.
    type: str
  accept:
    description: System identifier of a cluster whose backups may follow those of another one in the same stanza, which are kept.
    type: str
    default: ""
  type:
    description: What to take with O(state=taken).
    type: str
    choices: [full, diff, incr]
    default: incr
  annotations:
    description: Words to remember with the backup, shown by C(pgbackrest info). One that is named C(keep) keeps the backup until somebody removes it.
    type: dict
    default: {}
  wal:
    description: Name of a WAL file, with O(state=archived).
    type: str
  timeout:
    description: Seconds that it is waited for.
    type: int
    default: 3600
  catalog:
    description: Directory of the host with the records of verified backups, with O(state=expired).
    type: path
  full_days:
    description: Days that full backups are kept, with O(state=expired).
    type: int
    default: 30
  generations:
    description: How many verified full backups are kept however old they are, with O(state=expired).
    type: int
    default: 2
seealso:
  - module: ai_micro.postgres.postgres_backup_info
"""

EXAMPLES = r"""
- name: Have the repository ready
  ai_micro.postgres.postgres_backup:
    container: ai-micro-postgres
    stanza: ai-micro-postgres

- name: Take a full backup before a migration
  ai_micro.postgres.postgres_backup:
    container: ai-micro-postgres
    stanza: ai-micro-postgres
    state: taken
    type: full
    annotations:
      reason: before migration 0002
"""

RETURN = r"""
expired:
  description: Labels of the full backups that were removed with those that build on them, or would be.
  returned: with O(state=expired)
  type: list
  elements: str
  sample: [20261025-234256F]
backup:
  description: The backup that was taken; sizes in bytes, times in seconds since 1970, its duration in seconds.
  returned: with O(state=taken), out of check mode
  type: dict
  sample:
    label: 20261125-234256F
    type: full
    started: 1795650176
    ended: 1795650178
    seconds: 2
    size: 23213709
    repository_size: 2842432
    damaged: false
    annotations: {}
backups:
  description: How many backups the stanza holds.
  returned: with every other O(state) than V(archived)
  type: int
  sample: 1
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    NO_STANZA,
    Stanza,
    command,
    failure,
    read_info,
    shown,
    taken,
    unusable,
    usable,
    wal_words,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._retention import judge

# More than there ever are: what is removed is named, and pgBackRest's own rule shall remove nothing else.
EVERY = 9999999
# Between two looks for a WAL file.
PAUSE = 0.3
# Seconds after which a repository that does not answer is not waited for any more.
SILENCE = 60


def call(module: AnsibleModule, *words: str, doing: str = "") -> str:
    """Run pgBackRest and return what it printed, or end the module with the sentence that says why it failed."""
    code, output, errors = module.run_command(
        command(*(module.params[name] for name in ("container", "stanza", "config")), *words)
    )
    if code != 0:
        module.fail_json(msg=f"pgBackRest could not {doing}: {failure([errors, output])}")
    return str(output)


def look(module: AnsibleModule) -> Stanza:
    """Ask the repository what it holds."""
    return read_info(call(module, "info", "--output=json", doing="read the repository"), module.params["stanza"])


def ready(module: AnsibleModule, found: Stanza) -> bool:
    """Have the stanza there, and return whether it had to be made."""
    name, identifier = module.params["stanza"], module.params["system_identifier"]
    if not usable(found):
        module.fail_json(msg=f"The repository of {name} cannot be used: {unusable(found)}")
    known = found.system_identifiers
    if known and identifier and known[-1] != identifier:
        if module.params["accept"] != identifier:
            module.fail_json(
                msg=f"The repository of {name} holds the backups of the cluster {known[-1]}, and the instance serves {identifier}: name another directory "
                f"by postgres_backup_repository, or set postgres_backup_accept_system_identifier to {identifier} to have its backups follow the others, "
                "which are kept."
            )
        verb = "stanza-upgrade"
    elif found.code in NO_STANZA:
        verb = "stanza-create"
    else:
        return False
    if not module.check_mode:
        call(module, verb, doing=f"prepare the repository of {name}")
        if not module.params["config"]:
            # What a repository of another configuration lacks is brought there when it is ready.
            call(module, "check", doing=f"archive WAL into the repository of {name}")
    return True


def expire(module: AnsibleModule, found: Stanza) -> list[str]:
    """Remove what is too old, with its WAL and its records, and say what it was."""
    given = module.params
    records = os.path.join(given["catalog"], "verified")
    names = os.listdir(records) if os.path.isdir(records) else []
    verified = {name[: -len(".json")] for name in names if name.endswith(".json")}
    verdict = judge(found.backups, verified, int(time.time()), given["full_days"], given["generations"])
    if module.check_mode:
        return verdict.outdated
    for label in verdict.outdated:
        call(module, f"--set={label}", "expire", doing=f"remove the backup {label}")
    if found.backups:
        words = ("--repo1-retention-full-type=count", f"--repo1-retention-full={EVERY}")
        wal = ("--repo1-retention-archive-type=full", f"--repo1-retention-archive={verdict.wal_from}")
        call(module, *words, *wal, "expire", doing="remove WAL that leads to no backup")
    now = look(module)
    # A repository that has just ceased to answer lists nothing.
    if usable(now) and now.backups:
        for label in verified - {backup.label for backup in now.backups}:
            os.remove(os.path.join(records, f"{label}.json"))
    return verdict.outdated


def wait_for_wal(module: AnsibleModule) -> None:
    """Wait until the WAL file is in the repository."""
    name, wal = module.params["stanza"], module.params["wal"]
    give_up = time.monotonic() + module.params["timeout"]
    archive = ""
    patience = time.monotonic() + min(SILENCE, module.params["timeout"])
    while True:
        if not archive:
            found = look(module)
            archive = found.archive
            if not usable(found) and time.monotonic() > patience:
                module.fail_json(msg=f"The repository of {name} cannot be used: {unusable(found)}")
        if archive and call(module, *wal_words(name, archive, wal), doing="list WAL").strip():
            return
        if time.monotonic() > give_up:
            module.fail_json(
                msg=f"The WAL file {wal} is not in the repository of {name} after {module.params['timeout']} s: docker logs {module.params['container']} "
                "shows what archive_command says."
            )
        time.sleep(PAUSE)


def take(module: AnsibleModule) -> dict[str, Any]:
    """Take a backup, and return it."""
    notes = [f"--annotation={name}={value}" for name, value in sorted(module.params["annotations"].items())]
    words = (f"--type={module.params['type']}", "--no-expire-auto", "--log-level-console=info", *notes, "backup")
    output = call(module, *words, doing="take the backup")
    now = look(module)
    made = taken(output, now)
    if made is None:
        return module.fail_json(msg="pgBackRest reported success, but lists no new backup: run again.")
    return {"backup": shown(made), "backups": len(now.backups)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "stanza": {"type": "str", "required": True},
            "config": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["ready", "taken", "archived", "expired"], "default": "ready"},
            "system_identifier": {"type": "str"},
            "accept": {"type": "str", "default": ""},
            "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "incr"},
            "annotations": {"type": "dict", "default": {}},
            "wal": {"type": "str"},
            "timeout": {"type": "int", "default": 3600},
            "catalog": {"type": "path"},
            "full_days": {"type": "int", "default": 30},
            "generations": {"type": "int", "default": 2},
        },
        required_if=[("state", "expired", ["catalog"]), ("state", "archived", ["wal"])],
        supports_check_mode=True,
    )
    if module.params["state"] == "archived":
        wait_for_wal(module)
        module.exit_json(changed=False)
    found = look(module)
    result: dict[str, Any] = {"changed": ready(module, found), "backups": len(found.backups)}
    if module.params["state"] == "taken":
        result["changed"] = True
        if not module.check_mode:
            result.update(take(module))
    elif module.params["state"] == "expired":
        try:
            result["expired"] = expire(module, found)
        except OSError as error:
            module.fail_json(
                msg=f"The catalogue {module.params['catalog']} cannot be tidied: {error.filename}: {error.strerror}."
            )
        result["changed"] = result["changed"] or bool(result["expired"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
