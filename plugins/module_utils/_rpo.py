# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much work would be lost with the host now: pure functions over what the archiver and the WAL's directory say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.ai_micro.postgres.plugins.module_utils._wal_chain import number, place

# Right after a switch, a WAL file holds nothing but its header.
HEADER = 40
SEGMENT = re.compile(r"[0-9A-F]{24}")
# A WAL file that waits for the archiver is noted as <name>.ready; what only describes a backup or a timeline holds no work.
ARCHIVER_SQL = """
SELECT COALESCE(a.last_archived_wal, '') AS last_archived_wal, COALESCE(a.last_failed_wal, '') AS last_failed_wal,
       COALESCE(a.last_failed_time > COALESCE(a.last_archived_time, '-infinity'), false) AS failing,
       pg_catalog.floor(EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - COALESCE(a.last_archived_time, a.stats_reset)))::int AS elapsed,
       w.file_name AS current_wal, w.file_offset AS written,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS segment_size,
       pg_catalog.current_setting('archive_mode') <> 'off' AS archives,
       (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'archive_timeout') AS archive_timeout,
       s.waiting, COALESCE(pg_catalog.floor(EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - s.oldest)), 0)::int AS waiting_for
FROM pg_catalog.pg_stat_archiver a,
     pg_catalog.pg_walfile_name_offset(pg_catalog.pg_current_wal_insert_lsn()) w,
     (SELECT pg_catalog.count(*)::int AS waiting, pg_catalog.min(modification) AS oldest
      FROM pg_catalog.pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}[.]ready$') s
"""
# Of which timelines the one that is served is a branch; the first has no history.
HISTORY_SQL = """
SELECT COALESCE(pg_catalog.pg_read_file('pg_wal/' || pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex(%(timeline)s)), 8, '0') || '.history',
                                        0, 1048576, true), '') AS history
"""


def predecessor(wal: str, segment_size: int) -> str:
    """Name the WAL file before another one, without the timeline, which may have changed between the two."""
    return place(number(wal, segment_size) - 1, segment_size)


def archived_so_far(facts: Mapping[str, Any]) -> bool:
    """Whether the repository holds every WAL file but the one that is being written."""
    if facts["failing"] or not facts["archives"]:
        return False
    last = str(facts["last_archived_wal"])
    if SEGMENT.fullmatch(last):
        return last[8:] == predecessor(str(facts["current_wal"]), int(facts["segment_size"]))
    # The note of a backup or of a timeline was the last to go, or a crash has cost the statistics: then it counts that nothing waits.
    return int(facts["waiting"]) == 0


def rpo_seconds(facts: Mapping[str, Any]) -> int:
    """Give the seconds of work that the repository lacks; C(facts) is the row of C(ARCHIVER_SQL).

    What was written into an open file is younger than the archive_timeout, after which the server closes it.
    """
    elapsed, limit = max(int(facts["elapsed"]), int(facts["waiting_for"]), 0), int(facts["archive_timeout"])
    if not archived_so_far(facts):
        return elapsed
    if int(facts["written"]) <= HEADER:
        return 0
    return min(elapsed, limit) if limit > 0 else elapsed
