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
  - O(state=checked) reads every file of the repository, and of the dumps, and compares it with what was written. It looks for the WAL that each backup
    needs from its begin to its end, and for all WAL since the newest one, which pgBackRest's own C(verify) does not miss. What is damaged, or lacks its
    WAL, is noted in the catalogue, and beside the dumps, until a check finds it whole again - retention, the choice of the backup to restore and
    M(ai_micro.postgres.postgres_backup_info) know it from there.
  - O(state=expired) removes what is older than wanted. A full backup goes with those that build on it, unless one of them is among the last
    O(generations) that were verified and are not damaged, or carries the annotation C(keep). Of what is older than O(full_days), the newest stays,
    since WAL leads from it to the first moment of those days. WAL that leads on from a backup is kept for O(wal_days); older backups keep
    what they need to be whole, so that each can be restored to its own end.
requirements:
  - the docker command on the host that runs the module
  - A backup that takes long is watched by an action plugin, which says each O(progress) seconds how far it is.
attributes:
  action:
    support: full
    description: With O(state=taken), an action plugin has the module run as a job of the host and prints how far it is.
  check_mode:
    support: full
    description: Says whether a stanza would be created or a backup taken, and does neither; a check reads everything and notes nothing.
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
      - V(checked) reads what is there.
      - V(expired) removes what is too old, and the records of what is not there any more.
    type: str
    choices: [ready, taken, archived, checked, expired]
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
  progress:
    description:
      - Seconds between two lines that say how far the backup is with O(state=taken); one that is taken sooner is not spoken of.
      - V(0) says nothing, and has the module run like any other one.
    type: int
    default: 30
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
    description: Directory of the host with the records of verified and of damaged backups, with O(state=checked) and O(state=expired).
    type: path
  dumps:
    description: Directory of the host with the dumps of M(ai_micro.postgres.postgres_dump), with O(state=checked); without it none are read.
    type: path
  full_days:
    description: Days that full backups are kept, with O(state=expired).
    type: int
    default: 30
  wal_days:
    description:
      - Days of which any moment can be restored, with O(state=expired). WAL goes with the last full backup that leads to one of them; that which leads
        on from the newest verified one stays whatever its age.
      - Without it, WAL is kept as long as full backups.
    type: int
  generations:
    description: How many verified full backups are kept however old they are, with O(state=expired).
    type: int
    default: 2
seealso:
  - module: ai_micro.postgres.postgres_backup_info
"""

EXAMPLES = r"""
- name: Read every file of the repository
  ai_micro.postgres.postgres_backup:
    container: ai-micro-postgres
    stanza: ai-micro-postgres
    state: checked
    catalog: /var/backups/ai-micro-postgres/catalog
    dumps: /var/backups/ai-micro-postgres/dumps

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
damaged:
  description: Labels of the backups of which a file is not as it was written, or which lack WAL from their begin to their end.
  returned: with O(state=checked)
  type: list
  elements: str
  sample: []
damaged_dumps:
  description: Labels of the dumps of which a file is not what was written.
  returned: with O(state=checked)
  type: list
  elements: str
  sample: []
verdict:
  description: What is wrong with the repository, backups or WAL, and what to do, as a sentence that lacks its subject; empty where nothing is.
  returned: with O(state=checked)
  type: str
  sample: ""
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
    timeline: 1
backups:
  description: How many backups the stanza holds.
  returned: with every other O(state) than V(archived) and V(checked)
  type: int
  sample: 1
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils import _dumps
from ansible_collections.ai_micro.postgres.plugins.module_utils._backup_set import branches, leading
from ansible_collections.ai_micro.postgres.plugins.module_utils._damaged import note_damaged, read_damaged
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import (
    NO_STANZA,
    Stanza,
    command,
    damaged_labels,
    failure,
    history_words,
    read_info,
    shown,
    taken,
    unusable,
    usable,
    verdict,
    wal_words,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._retention import judge
from ansible_collections.ai_micro.postgres.plugins.module_utils._wal_chain import (
    broken_off,
    gaps,
    invalid_files,
    lacking,
    listing_words,
    read_listing,
    sentence,
)

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


def served_timeline(catalog: str) -> int:
    """Read which timeline the role has noted as the one that is served; 0 where there is no note.

    There is one note of the instance, and that is in the local catalogue, in which the one of the off-site repository lies.
    """
    for directory in (catalog, os.path.dirname(catalog)):
        path = os.path.join(directory, "served_timeline")
        if os.path.isfile(path):
            with open(path, encoding="ascii") as file:
                return int(file.read())
    return 0


def expire(module: AnsibleModule, found: Stanza) -> list[str]:
    """Remove what is too old, with its WAL and its records, and say what it was."""
    given = module.params
    records = os.path.join(given["catalog"], "verified")
    names = os.listdir(records) if os.path.isdir(records) else []
    verified = {name[: -len(".json")] for name in names if name.endswith(".json")}
    damaged = read_damaged(given["catalog"])
    limits = (given["full_days"], given["generations"], damaged, given["wal_days"], served_timeline(given["catalog"]))
    verdict = judge(found.backups, verified, int(time.time()), *limits)
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


def ancestors(module: AnsibleModule, archive: str, timeline: int) -> dict[int, int]:
    """Where a timeline branched off its ancestors; nothing where the repository lacks its history."""
    words = history_words(module.params["stanza"], archive, timeline)
    code, output, errors = module.run_command(
        command(*(module.params[name] for name in ("container", "stanza", "config")), *words)
    )
    # 1 is no failure of pgBackRest's, whose codes begin at 25: the file is missing.
    if code not in (0, 1):
        module.fail_json(
            msg=f"pgBackRest could not read the history of the timeline {timeline}: {failure([errors, output])}"
        )
    return branches(str(output))


def look_for_wal(module: AnsibleModule, log: str) -> tuple[list[str], list[str]]:
    """Look for the WAL that the backups need: the labels of those that lack some, and what to say of that."""
    now = look(module)
    if not now.backups:
        return [], []
    words = listing_words(module.params["stanza"], now.archive)
    # Of files that are archived side by side, the later may be there first: what the second look finds was on its way.
    listings = [read_listing(call(module, *words, doing="list WAL")) for _look in range(2)]
    whole = set().union(*listings) - invalid_files(log)
    lost = lacking(now.backups, now.archive, whole)
    served = served_timeline(module.params["catalog"])
    parents = ancestors(module, now.archive, served) if served > 1 else {}
    newest = (leading(now.backups, served, parents) if served else now.backups)[-1:]
    since = broken_off(now.backups, now.archive, whole, served, parents)
    return list(lost), gaps(lost, newest[0].label if newest else "", since)


def check(module: AnsibleModule) -> dict[str, Any]:
    """Read every file, note which backups and dumps are damaged, and return them."""
    given = module.params
    # Which WAL is not as it was written is told by the log alone.
    words = ("--repo=1", "--output=text", "--log-level-stderr=info", "verify")
    code, output, errors = module.run_command(command(given["container"], given["stanza"], given["config"], *words))
    found, said = damaged_labels(output), verdict(code, output, errors)
    if code == 0:
        lost, missed = look_for_wal(module, errors)
        found, said = [*found, *lost], sentence(said, missed)
    # Where it did not come to an end, it knows nothing of what it has not read; and what another run has removed meanwhile is not damaged.
    known = found if code == 0 else [*found, *read_damaged(given["catalog"])]
    there = {each.label for each in look(module).backups} if known else set()
    found = sorted(there.intersection(found))
    changed = note_damaged(given["catalog"], sorted(there.intersection(known)), module.check_mode)
    bad = []
    for generation in _dumps.read_generations(given["dumps"]) if given["dumps"] else []:
        files, noted = _dumps.check(given["dumps"], generation, module.check_mode)
        changed = changed or noted
        bad += [generation.label] if files else []
    return {
        "changed": changed,
        "damaged": found,
        "damaged_dumps": bad,
        "verdict": said,
    }


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
            "state": {
                "type": "str",
                "choices": ["ready", "taken", "archived", "checked", "expired"],
                "default": "ready",
            },
            "system_identifier": {"type": "str"},
            "accept": {"type": "str", "default": ""},
            "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "incr"},
            "progress": {"type": "int", "default": 30},
            "annotations": {"type": "dict", "default": {}},
            "wal": {"type": "str"},
            "timeout": {"type": "int", "default": 3600},
            "catalog": {"type": "path"},
            "dumps": {"type": "path"},
            "full_days": {"type": "int", "default": 30},
            "wal_days": {"type": "int"},
            "generations": {"type": "int", "default": 2},
        },
        required_if=[
            ("state", "expired", ["catalog"]),
            ("state", "checked", ["catalog"]),
            ("state", "archived", ["wal"]),
        ],
        supports_check_mode=True,
    )
    if module.params["state"] == "archived":
        wait_for_wal(module)
        module.exit_json(changed=False)
    if module.params["state"] == "checked":
        try:
            module.exit_json(**check(module))
        except OSError as error:
            module.fail_json(msg=f"What was found cannot be noted: {error.filename}: {error.strerror}.")
        except ValueError as error:
            module.fail_json(
                msg=f"The catalogue {module.params['catalog']} cannot be read ({error}): correct or remove the file that it names."
            )
    found = look(module)
    result: dict[str, Any] = {"changed": ready(module, found), "backups": len(found.backups)}
    if module.params["state"] == "taken":
        result["changed"] = True
        if not module.check_mode:
            result.update(take(module))
    elif module.params["state"] == "expired":
        try:
            result["expired"] = expire(module, found)
        except (OSError, ValueError) as error:
            module.fail_json(
                msg=f"The catalogue {module.params['catalog']} cannot be tidied ({error}): correct or remove the file that it names."
            )
        result["changed"] = result["changed"] or bool(result["expired"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
