# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pgBackRest in an instance's container: how it is called, what its answers mean, why it failed in one sentence.

Source of the codes and of the answers' shape: pgBackRest's command reference ("info", JSON output) and its list of errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._jobs import INSIDE

# What `info` says of a stanza that has to be created.
NO_STANZA = (1, 3)
NO_BACKUP = 2
_ERROR = re.compile(r"ERROR: \[(\d+)\]: (.*)")
_DAMAGED = "a file is damaged: run verify.yml --tags backup, and restores pass over the backups that it finds damaged"
_REMEDIES: Mapping[int, str] = {
    26: _DAMAGED,
    27: "start the container",
    28: "another cluster's backups are in the repository",
    29: _DAMAGED,
    39: "look at the repository's directory, its owner and the space left",
    41: "look at the repository's directory, its owner and the space left",
    50: "another backup of this instance runs: wait for its end",
    55: "the repository lacks a file that it needs: look whether it was moved or cut short",
    56: "start the container",
    64: "look at the space left where that file lies",
    75: "give another restore_time, or the label of a backup (restore_set)",
    82: "WAL does not reach the repository: docker logs shows what archive_command says",
    # Of a file that was cut short too.
    95: f"postgres_backup_passphrase is not the one that the repository was made with, or {_DAMAGED}",
}


class Backup(NamedTuple):
    """One backup of the repository; sizes in bytes, times in seconds since 1970.

    The cluster is pgBackRest's own number of it, which a stanza-upgrade counts up; C(begun_at) and C(ended_at) are positions in the WAL, and C(wal) names the
    files in which they lie: from the end of the second on it is whole.
    """

    label: str
    type: str
    started: int
    ended: int
    size: int
    repository_size: int
    damaged: bool
    annotations: dict[str, str]
    timeline: int = 1
    cluster: int = 1
    ended_at: int = 0
    begun_at: int = 0
    wal: tuple[str, str] = ("", "")

    @property
    def seconds(self) -> int:
        return self.ended - self.started


class Stanza(NamedTuple):
    """What the repository holds of one cluster; oldest backup first."""

    code: int
    message: str
    system_identifiers: list[str]
    backups: list[Backup]
    archive: str


def command(container: str, stanza: str, config: str, *words: str) -> list[str]:
    """Give the words that call pgBackRest as the container's own user, with a configuration of the container or its default one."""
    options = [f"--config={config}"] if config else []
    exec_words = ("docker", "exec", INSIDE, "--user", "999:999", container)
    return [*exec_words, "pgbackrest", *options, f"--stanza={stanza}", *words]


def beside(
    image: str, configuration: str, repository: str, hosts: Mapping[str, str], *options: str, entrypoint: str
) -> list[str]:
    """Give the words that call a program of the image in a container of its own.

    It has no cluster, and a network only where the repository is off site.
    """
    places = {"/etc/pgbackrest": configuration, **({"/var/lib/pgbackrest": repository} if repository else {})}
    return [
        *(
            "docker",
            "run",
            "--rm",
            INSIDE,
            "--user=999:999",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--read-only",
        ),
        *("--pull=never", "--tmpfs=/tmp:mode=1777", "--tmpfs=/var/lib/postgresql/data:uid=999,gid=999,mode=0700"),
        # Not by --volume, which would make a directory that is not there.
        *(f"--mount=type=bind,source={source},target={target},readonly" for target, source in places.items()),
        *(["--network=none"] if repository else []),
        *(f"--add-host={name}:{address}" for name, address in sorted(hosts.items())),
        *(*options, f"--entrypoint={entrypoint}", image),
    ]


def stanza_options(config: str, stanza: str) -> list[str]:
    """Give the options that tell pgBackRest the repository and the stanza."""
    return [*([f"--config={config}"] if config else []), f"--stanza={stanza}"]


def apart(
    image: str, configuration: str, repository: str, hosts: Mapping[str, str], config: str, stanza: str
) -> list[str]:
    """Give the words that call pgBackRest in a container of its own."""
    return [
        *beside(image, configuration, repository, hosts, entrypoint="pgbackrest"),
        *stanza_options(config, stanza),
    ]


def history_words(stanza: str, archive: str, timeline: int) -> tuple[str, ...]:
    """Give the words that print the history of a timeline, nothing where there is none."""
    return "repo-get", f"archive/{stanza}/{archive}/{timeline:08X}.history", "--ignore-missing"


def position(lsn: str) -> int:
    """Give a position in the WAL as a number."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def ended_at(entry: Mapping[str, Any]) -> int:
    """Give the position in the WAL where a backup ended; at least its last file's, where the list does not tell more."""
    if entry.get("lsn"):
        return position(entry["lsn"]["stop"])
    wal = entry["archive"]["stop"] or "0" * 24
    return (int(wal[8:16], 16) << 32) + (int(wal[16:], 16) << 24)


def read_info(text: str, stanza: str) -> Stanza:
    """Read the answer of ``info --output=json``."""
    found = next((entry for entry in json.loads(text or "[]") if entry["name"] == stanza), None)
    if found is None:
        return Stanza(1, "missing stanza path", [], [], "")
    backups = [
        Backup(
            each["label"],
            each["type"],
            each["timestamp"]["start"],
            each["timestamp"]["stop"],
            each["info"]["size"],
            each["info"]["repository"]["delta"],
            bool(each["error"]),
            dict(each.get("annotation") or {}),
            int((each["archive"]["start"] or "1")[:8], 16),
            each["database"]["id"],
            ended_at(each),
            position(each["lsn"]["start"]) if each.get("lsn") else 0,
            (each["archive"]["start"] or "", each["archive"]["stop"] or ""),
        )
        for each in found["backup"]
    ]
    repositories = [each["status"] for each in found.get("repo", [])]
    worst = next((each for each in repositories if each["code"] not in (0, NO_BACKUP, *NO_STANZA)), found["status"])
    identifiers = [str(each["system-id"]) for each in found["db"]]
    # What a wrong passphrase makes of a file is in the lines that follow.
    said = worst["message"].splitlines()[0].rstrip(":") if worst["message"] else ""
    archive = found["archive"][-1]["id"] if found["archive"] else ""
    return Stanza(worst["code"], said, identifiers, backups, archive)


def read_progress(text: str) -> Optional[float]:
    """Read from what ``info`` prints how many per cent of a backup that runs are copied; None where none runs, or it is not known yet.

    Its JSON does not tell, of pgBackRest 2.45 at least.
    """
    found = re.search(r"^\s*status: .*\brunning - ([0-9.]+)% complete", text, re.MULTILINE)
    return float(found[1]) if found else None


def is_running(text: str) -> bool:
    """Read from what C(info) prints whether a backup is being taken, or old ones are being removed."""
    return re.search(r"^\s*status: .*\bbackup/expire running\b", text, re.MULTILINE) is not None


def wal_words(stanza: str, archive: str, wal: str) -> tuple[str, ...]:
    """Give the words that list a WAL file of a repository: nothing is printed where it is not there as a whole."""
    return "repo-ls", f"archive/{stanza}/{archive}/{wal[:16]}", f"--filter=^{wal}-[0-9a-f]{{40}}([.][a-z0-9]+)?$"


def damaged_labels(output: str) -> list[str]:
    """Name the backups of which C(verify) has found that they are not as they were written."""
    return re.findall(r"^\s*backup: (\S+), status: (?:invalid|manifest missing)\b", output, re.MULTILINE)


def verdict(code: int, output: str, errors: str) -> str:
    """Say what C(verify) has found wrong with a repository, the sentence's end and the remedy; nothing of one that is as it was written."""
    if re.search(r"^status: error", output, re.MULTILINE):
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        return (
            f"holds files that are not as they were written: {', '.join(lines)}. Take a full backup (-e backup_type=full), and look at the place "
            "where the repository lies."
        )
    # It ends with 0 too where it has found something.
    return "" if code == 0 else f"could not be read to its end: {failure([errors, output])}"


def taken(output: str, stanza: Stanza) -> Optional[Backup]:
    """Find the backup that a call of ``backup`` has made, by what it printed."""
    label = re.search(r"new backup label = (\S+)", output)
    return next((each for each in stanza.backups if label and each.label == label[1]), None)


def failure(outputs: Sequence[str]) -> str:
    """Say in one sentence why pgBackRest or docker failed, and what to do."""
    text = "\n".join(outputs)
    errors = _ERROR.findall(text)
    if not errors:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f"{lines[-1].rstrip('.') if lines else 'it ended without a word'}."
    code, said = int(errors[0][0]), errors[0][1]
    details = re.search(
        r"\[\w+Error\] (?:on retry after \d+ms(?:: |\n))?(?!on retry after \d+ms$)(\S.*)", text, re.MULTILINE
    )
    reason = f"{said.rstrip(':.')}{': ' + details[1].rstrip('.') if details and details[1] not in said else ''}"
    remedy = _REMEDIES.get(code, "")
    return f"{reason}{'; ' + remedy if remedy else ''}."


def usable(stanza: Stanza) -> bool:
    """Whether the configuration at hand opens the repository."""
    return stanza.code in (0, NO_BACKUP, *NO_STANZA)


def unusable(stanza: Stanza) -> str:
    """Say in one sentence why the repository cannot be used, and what to do."""
    if "CryptoError" in stanza.message or "decrypt" in stanza.message:
        return f"{stanza.message}; look whether the passphrase is the one that it was made with."
    return f"{stanza.message}; look whether the place where it lies can be reached and read."


def shown(backup: Backup) -> dict[str, Any]:
    """Give a backup as a module returns it."""
    inner = ("cluster", "ended_at", "begun_at", "wal")
    return {**{name: value for name, value in backup._asdict().items() if name not in inner}, "seconds": backup.seconds}
