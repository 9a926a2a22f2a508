#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_dump
short_description: Dump each database of a copy, encrypted, and restore each dump before it counts
version_added: 1.0.0
description:
  - Writes C(pg_dump -Fc) of each database and C(pg_dumpall --globals-only) of a server in a container into a directory of the host, encrypted as
    C(openssl enc -aes-256-cbc -pbkdf2 -iter 600000) encrypts, so that nothing but openssl and pg_restore is needed to read them.
  - Meant for a copy that was recovered to one moment and that nobody else writes to, so that all dumps are of that moment.
  - Each dump is read back from the disk, restored into a database beside the dumped one and compared with it (rows, sequences, schema). Then the
    manifest is written and the directory gets its name; until then it ends in C(.partial), and the next run removes it.
  - Dumps that are older than O(keep_days) are removed afterwards, but for the O(keep_generations) newest.
requirements:
  - psycopg2, cryptography and the docker command on the host that runs the module
attributes:
  check_mode:
    support: full
    description: Says that dumps would be taken, and takes none.
  diff_mode:
    support: none
    description: A dump has no state before.
author:
  - ai-micro-service team (@ai-micro-service)
extends_documentation_fragment:
  - ai_micro.postgres.postgres
options:
  container:
    description: Name of the container that the server runs in.
    type: str
    required: true
  databases:
    description: Databases to dump.
    type: list
    elements: str
    required: true
  directory:
    description: Directory of the host that holds a directory for each time that dumps were taken.
    type: path
    required: true
  label:
    description: Name of the directory to make.
    type: str
    required: true
  passphrase:
    description: Secret that the dumps are encrypted with.
    type: str
    required: true
  restore_point:
    description: Name of the moment that the server was recovered to, remembered in the manifest.
    type: str
    default: ''
  hash_up_to:
    description: Size in bytes of a table up to which the rows of dump and server are compared; of a larger one they are counted.
    type: int
    default: 1073741824
  disk:
    description: Directory of the host that the server's data lies below; without it nobody looks whether the restored database fits there.
    type: path
  reserve_mb:
    description: Megabytes that have to stay free on O(disk) beside the restored database.
    type: int
    default: 1024
  keep_days:
    description: Days after which dumps are removed.
    type: int
    default: 14
  keep_generations:
    description: How many of the newest are kept however old they are.
    type: int
    default: 3
seealso:
  - module: ai_micro.postgres.postgres_backup
  - module: ai_micro.postgres.postgres_backup_info
"""

EXAMPLES = r"""
- name: Dump the databases of a copy
  ai_micro.postgres.postgres_dump:
    login_unix_socket: /proc/4711/root/run/postgresql
    login_user: postgres
    container: ai-micro-postgres-verify
    databases: [authdb, apidb, admindb]
    directory: /var/backups/ai-micro-postgres/dumps
    label: 20261125-234256F
    passphrase: "{{ postgres_backup_passphrase }}"
"""

RETURN = r"""
dump:
  description: What was written; sizes in bytes, the time in seconds since 1970.
  returned: out of check mode
  type: dict
  sample:
    label: 20261125-234256F
    restore_point: verify_20261125-234256F
    taken: 1795650180
    seconds: 3
    server_version: "15.14"
    decryption: openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000
    files:
      - {name: authdb.dump.enc, database: authdb, bytes: 8240, sha256: 5f2c, tables: 1, rows: 2}
      - {name: globals.sql.enc, database: "", bytes: 1168, sha256: 7bd1}
removed:
  description: Labels of dumps that were removed because of their age.
  returned: always
  type: list
  elements: str
  sample: []
"""

import errno
import io
import json
import os
import shutil
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.ai_micro.postgres.plugins.module_utils import _beside, _cipher
from ansible_collections.ai_micro.postgres.plugins.module_utils._dumps import (
    MANIFEST,
    PARTIAL,
    file_name,
    outdated,
    read_generations,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._fingerprint import closing
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec, explained, open_session
from ansible_collections.ai_micro.postgres.plugins.module_utils._stream import (
    StreamError,
    feeding,
    inside,
    producing,
)

GLOBALS = "globals.sql.enc"
# The last words of a whole file of pg_dumpall.
GLOBALS_END = b"-- PostgreSQL database cluster dump complete"
CHECKED = "ai_micro_dump_check"


class DumpError(Exception):
    """A dump does not count; the text says which and why in one clause."""


def write(module: AnsibleModule, path: str, *words: str) -> dict[str, Any]:
    """Encrypt what a program of the container writes into a file that is on the disk afterwards."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with producing(inside(module.params["container"], *words)) as source:
            size, digest = _cipher.encrypt(source, file, module.params["passphrase"])
        file.flush()
        os.fsync(file.fileno())
    return {"name": os.path.basename(path), "bytes": size, "sha256": digest}


def read(module: AnsibleModule, path: str, entry: dict[str, Any], target: Any) -> None:
    """Decrypt a file as the disk has it, which has to be what was written."""
    with open(path, "rb") as file:
        digest = _cipher.decrypt(file, target, module.params["passphrase"])
    if digest != entry["sha256"]:
        raise DumpError(f"{path} is not what was written: look at the repository's disk")


def check(module: AnsibleModule, path: str, entry: dict[str, Any]) -> None:
    """Restore a dump beside its database and compare the two."""
    words = ("pg_restore", "-U", "postgres", "--exit-on-error", "-d", CHECKED)
    database = entry["database"]
    with closing(open_session(module, "postgres", autocommit=True)) as server:
        _beside.drop(server, CHECKED)
        with closing(open_session(module, database, autocommit=True)) as source:
            lack = _beside.lack_of_room(source, database, module.params["disk"], module.params["reserve_mb"])
            if lack:
                raise DumpError(lack)
            memory = _beside.building(server, source)
            _beside.create(server, source, CHECKED)
            try:
                with feeding(inside(module.params["container"], *memory, *words)) as sink:
                    read(module, path, entry, sink)
                with closing(open_session(module, CHECKED, autocommit=True)) as copy:
                    found, tables = _beside.differences(source, copy, module.params["hash_up_to"])
            finally:
                _beside.drop(server, CHECKED)
    if found:
        raise DumpError(f"restored from its dump, {database} is not as it was: {_beside.listed(found)}")
    entry.update(tables=len(tables), rows=_beside.total(tables))


def dump(module: AnsibleModule, directory: str) -> dict[str, Any]:
    """Write and check everything, in a directory that has no name yet."""
    begun, files = time.monotonic(), []
    for database in module.params["databases"]:
        path = os.path.join(directory, file_name(database))
        try:
            written = write(module, path, "pg_dump", "-U", "postgres", "-Fc", "-d", database)
            entry = {**written, "database": database}
            check(module, path, entry)
        except StreamError as error:
            raise DumpError(f"{database}: {error}") from error
        files.append(entry)
    path = os.path.join(directory, GLOBALS)
    entry = {**write(module, path, "pg_dumpall", "-U", "postgres", "--globals-only"), "database": ""}
    text = io.BytesIO()
    read(module, path, entry, text)
    if GLOBALS_END not in text.getvalue():
        raise DumpError("pg_dumpall ended before it had written all roles")
    with closing(open_session(module, "postgres", autocommit=True)) as server:
        version = server.query("SELECT pg_catalog.current_setting('server_version') AS version")[0]["version"]
    return {
        "label": module.params["label"],
        "restore_point": module.params["restore_point"],
        "taken": int(time.time()),
        "seconds": round(time.monotonic() - begun),
        "server_version": version,
        "decryption": _cipher.DECRYPTION,
        "files": [*files, entry],
    }


def synchronise(directory: str) -> None:
    """Have names of a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take(module: AnsibleModule) -> dict[str, Any]:
    """Make one generation, or leave nothing of it."""
    root, label = module.params["directory"], module.params["label"]
    os.makedirs(root, mode=0o700, exist_ok=True)
    for name in os.listdir(root):
        if name.endswith(PARTIAL):
            shutil.rmtree(os.path.join(root, name))
    if os.path.exists(os.path.join(root, label)):
        raise DumpError(f"{os.path.join(root, label)} is there already: remove it, or name another label")
    partial = os.path.join(root, label + PARTIAL)
    os.mkdir(partial, 0o700)
    try:
        manifest = dump(module, partial)
        with open(os.open(os.path.join(partial, MANIFEST), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(manifest, file, indent=2, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        synchronise(partial)
        os.rename(partial, os.path.join(root, label))
        synchronise(root)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def expire(module: AnsibleModule) -> list[str]:
    """Remove what is too old, and say what it was."""
    root, given = module.params["directory"], module.params
    gone = outdated(read_generations(root), int(time.time()), given["keep_days"], given["keep_generations"])
    for label in gone:
        shutil.rmtree(os.path.join(root, label))
    return gone


def main() -> None:
    """Run the module."""
    spec = argument_spec()
    spec.update(
        container={"type": "str", "required": True},
        databases={"type": "list", "elements": "str", "required": True},
        directory={"type": "path", "required": True},
        label={"type": "str", "required": True},
        passphrase={"type": "str", "required": True, "no_log": True},
        restore_point={"type": "str", "default": ""},
        hash_up_to={"type": "int", "default": 1073741824},
        disk={"type": "path"},
        reserve_mb={"type": "int", "default": 1024},
        keep_days={"type": "int", "default": 14},
        keep_generations={"type": "int", "default": 3},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    if not _cipher.HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography (python3-cryptography)"))
    result: dict[str, Any] = {"changed": True, "removed": []}
    if not module.check_mode:
        try:
            with explained(module, "postgres"):
                result["dump"] = take(module)
            result["removed"] = expire(module)
        except (DumpError, StreamError, _cipher.CipherError) as error:
            module.fail_json(msg=f"No dumps were kept of {module.params['label']}: {error}.")
        except OSError as error:
            where = error.filename or module.params["directory"]
            full = (
                "; make room there, or keep fewer of them (postgres_backup_dump_days, postgres_backup_dump_generations)"
            )
            remedy = full if error.errno == errno.ENOSPC else ""
            module.fail_json(msg=f"No dumps were kept of {module.params['label']}: {where}: {error.strerror}{remedy}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
