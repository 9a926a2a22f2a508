# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where in the WAL a restore point lies: archived files are read from the newest on, in one container beside the server.

Its name alone does not tell which backup leads there, and PostgreSQL finds out at the end of all WAL that the point was not in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup, position
from ansible_collections.ai_micro.postgres.plugins.module_utils._wal_chain import number, read_listing

# The file of the container that lists the WAL.
LISTED = "/files"
# Each line there is a WAL file: its name, its path in the repository, and a position in the next one. The script says how many it has read, and
# ends with the line of the point. A file stays until the one before it is read: a record may go over the edge, though not where the next one is
# of another timeline, or was not read.
SCRIPT = r"""
name=$1 limit=$2; shift 2; cd /tmp; count=0; newer=
while read -r wal path end; do
  if [ "$SECONDS" -ge "$limit" ]; then echo "stopped"; exit; fi
  if ! (set -o pipefail; pgbackrest "$@" repo-get "$path" | zstd -dqc > "$wal") 2>/dev/null; then
    echo "unread $wal"
  else
    dump="pg_waldump --path=/tmp --rmgr=XLOG"
    { [ "$newer" ] && $dump --end="$end" "$wal" "$newer" || $dump "$wal"; } 2>/dev/null | NAME="$name" awk '
      { at = index($0, "desc: RESTORE_POINT ") }
      at && substr($0, at + 20) == ENVIRON["NAME"] { found = $0 }
      END { if (found == "") exit 1; print found }' && exit
  fi
  rm -f "$newer"; newer=$wal; count=$((count + 1)); echo "read $count"
done < /files
"""
# Of the next file's first page.
_PAGE = 8192
_FOUND = re.compile(r"^rmgr: XLOG .*\blsn: ([0-9A-F]+/[0-9A-F]+), .*desc: RESTORE_POINT ", re.MULTILINE)


class Search(NamedTuple):
    """What a search came to: the point's position, or which files were read, and whether all were."""

    lsn: str
    read: int
    unread: list[str]
    stopped: bool


def container(stanza: str) -> str:
    """Name the container in which an instance's WAL is read."""
    return f"{stanza}-search"


def newest_timeline(listing: str) -> int:
    """The newest timeline of an archive, 0 of an empty one."""
    return max((int(wal[:8], 16) for wal in read_listing(listing)), default=0)


def way(listing: str, timeline: int, parents: Mapping[int, int], size: int, since: int) -> list[tuple[str, str]]:
    """Name the WAL files that lead to the end of a timeline from a position on, newest first, each with its directory and file in the archive.

    The file in which a timeline branched off begins with what its parent wrote, so that of two the later timeline's is taken.
    """
    chosen: dict[int, tuple[str, str]] = {}
    for wal, path in sorted(read_listing(listing).items()):
        own, file = int(wal[:8], 16), number(wal, size)
        if file >= since // size and (own == timeline or (own in parents and file * size < parents[own])):
            chosen[file] = (wal, path)
    return [chosen[file] for file in sorted(chosen, reverse=True)]


def lines(files: Sequence[tuple[str, str]], stanza: str, archive: str, size: int) -> str:
    """Give the input of the script."""
    return "".join(
        f"{wal} archive/{stanza}/{archive}/{path} {_shown((number(wal, size) + 1) * size + _PAGE)}\n"
        for wal, path in files
    )


def _shown(place: int) -> str:
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}"


def read_progress(text: str) -> int:
    """Read how many files a search has read."""
    return max((int(count) for count in re.findall(r"^read (\d+)$", text, re.MULTILINE)), default=0)


def read_search(text: str) -> Search:
    """Read what the script printed."""
    found = _FOUND.search(text)
    unread = re.findall(r"^unread (\w+)$", text, re.MULTILINE)
    return Search(found[1] if found else "", read_progress(text), unread, "\nstopped\n" in f"\n{text}\n")


def before(backups: Sequence[Backup], lsn: str) -> list[Backup]:
    """The backups that ended before a position."""
    return [each for each in backups if each.ended_at <= position(lsn)]


def unfound(name: str, files: Sequence[tuple[str, str]], search: Search, backups: Sequence[Backup], size: int) -> str:
    """Say in one sentence that a point was not found, and what to do."""
    reached = files[search.read - 1 :][:1] if search.stopped and search.read else []
    left = [each for each in backups if not reached or each.ended_at <= number(reached[0][0], size) * size]
    if search.stopped and left:
        return (
            f"The restore point {name} is in none of the {search.read} newest WAL files, which is as far as postgres_backup_point_search lets a restore look: "
            f"give the label of the backup to begin with (restore_set), one of {_labels(left)}, or a higher postgres_backup_point_search."
        )
    lost = f", of which {len(search.unread)} cannot be read ({', '.join(search.unread[:3])})" if search.unread else ""
    oldest: Optional[Backup] = backups[0] if backups else None
    since = f" since the end of the oldest backup that leads there, {oldest.label}" if oldest else ""
    gone = number(files[0][0], size) - oldest.ended_at // size + 1 - len(files) if oldest and files else 0
    lost += f"; {gone} of that time are not in the repository (postgres_backup_wal_days)" if gone > 0 else ""
    return (
        f"No restore point {name} is in the {len(files)} WAL files{since}{lost}: look how it is spelled, or give another restore_point, a restore_time, "
        "or the label of a backup alone (restore_set)."
    )


def too_early(name: str, lsn: str, backups: Sequence[Backup]) -> str:
    """Say in one sentence that no backup ended before a point."""
    return (
        f"The restore point {name} lies at {lsn}, before the end of every backup that leads on from there ({_labels(backups)}), so nothing leads to it: "
        "give another restore_point, or the label of one of these (restore_set) without it."
    )


def _labels(backups: Sequence[Backup]) -> str:
    """Name the newest of the backups, newest first."""
    return ", ".join(each.label for each in list(reversed(backups))[:5]) or "there is none"
