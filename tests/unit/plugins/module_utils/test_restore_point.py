"""Where a restore point lies: which WAL files are read in which order, what is read from the search, and what is said where it finds nothing."""

from __future__ import annotations

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup, position
from ansible_collections.ai_micro.postgres.plugins.module_utils._restore_point import (
    Search,
    before,
    lines,
    newest_timeline,
    read_progress,
    read_search,
    too_early,
    unfound,
    way,
)

MB = 1 << 20
HASH = "767d93563c340f5bcefbb4641591c6a4eb95ad8a"
FOUND = "rmgr: XLOG        len (rec/tot):     98/    98, tx:          0, lsn: 0/05000128, prev 0/050000F0, desc: RESTORE_POINT the import\n"


def path(file: int, timeline: int = 1) -> str:
    directory = f"{timeline:08X}{file // 256:08X}"
    return f"{directory}/{directory}{file % 256:08X}-{HASH}.zst"


def backup(label: str, ended_at: str) -> Backup:
    return Backup(label, "full", 1, 2, 3, 4, False, {}, 1, 1, position(ended_at))


# Timeline 2 branched off in the middle of the fifth file.
LISTING = "\n".join(
    [
        *(path(file) for file in (3, 4, 5, 6, 7)),
        *(path(file, 2) for file in (5, 6)),
        f"{path(8)[:-4]}.partial.zst",
        "00000002.history",
        "archive.info",
    ]
)
OLD, NEW = backup("A", "0/3000100"), backup("B", "0/6000100")


@pytest.mark.parametrize(
    ("timeline", "parents", "since", "paths"),
    [
        (1, {}, 0, [path(file) for file in (7, 6, 5, 4, 3)]),
        (1, {}, 5 * 16 * MB + 1, [path(file) for file in (7, 6, 5)]),
        (2, {1: 5 * 16 * MB + 8 * MB}, 0, [path(6, 2), path(5, 2), path(4), path(3)]),
        (2, {1: 5 * 16 * MB}, 0, [path(6, 2), path(5, 2), path(4), path(3)]),
        (3, {}, 0, []),
    ],
    ids=["newest first", "since a backup's end", "over a branch", "a branch at a file's edge", "nothing of it"],
)
def test_files_on_the_way_to_a_timeline(timeline: int, parents: dict[int, int], since: int, paths: list[str]) -> None:
    files = way(LISTING, timeline, parents, 16 * MB, since)
    assert [place for _wal, place in files] == paths
    assert all(place.startswith(f"{wal[:16]}/{wal}-") for wal, place in files)


def test_newest_timeline_is_the_one_that_a_restore_takes() -> None:
    assert newest_timeline(LISTING) == 2
    assert newest_timeline("archive.info\n") == 0


def test_search_reads_each_file_and_the_first_page_of_the_next() -> None:
    files = way(LISTING, 1, {}, 16 * MB, 7 * 16 * MB)
    assert lines(files, "db", "15-1", 16 * MB) == f"000000010000000000000007 archive/db/15-1/{path(7)} 0/8002000\n"
    (line,) = lines([("0000000100000000000000FF", "p")], "db", "15-1", 16 * MB).splitlines()
    assert line.split()[-1] == "1/2000"


def test_what_a_search_says_is_read() -> None:
    assert read_search(f"read 1\nunread W\nread 2\n{FOUND}") == Search("0/05000128", 2, ["W"], False)
    assert read_search("read 1\nread 12\nstopped\n") == Search("", 12, [], True)
    assert read_search("") == Search("", 0, [], False)
    assert read_progress("read 41\n") == 41
    assert read_progress("unread W\n") == 0


def test_backups_that_ended_before_lead_there() -> None:
    assert before([OLD, NEW], "0/5000000") == [OLD]
    assert before([OLD, NEW], "0/6000100") == [OLD, NEW]
    assert before([OLD, NEW], "0/1000000") == []
    assert too_early("x", "0/1000000", [OLD, NEW]).startswith(
        "The restore point x lies at 0/1000000, before the end of every backup that leads on from there (B, A)"
    )


def test_candidates_are_named_where_the_search_was_given_up() -> None:
    """Those that ended before what was read: the point is in nothing that came later."""
    files = way(LISTING, 1, {}, 16 * MB, 0)
    said = unfound("x", files, Search("", 2, [], True), [OLD, NEW], 16 * MB)
    assert said.startswith("The restore point x is in none of the 2 newest WAL files,")
    assert "(restore_set), one of A, or a higher postgres_backup_point_search." in said
    nothing_read = unfound("x", files, Search("", 0, [], True), [OLD, NEW], 16 * MB)
    assert "one of B, A, or" in nothing_read


def test_point_that_is_nowhere_is_said_to_be_nowhere() -> None:
    files = way(LISTING, 1, {}, 16 * MB, 0)
    said = unfound("x", files, Search("", 5, ["W"], False), [OLD, NEW], 16 * MB)
    assert said.startswith(
        "No restore point x is in the 5 WAL files since the end of the oldest backup that leads there, A, of which 1 cannot be read (W): look"
    )


def test_wal_that_is_kept_no_more_is_said_to_be_gone() -> None:
    files = [file for file in way(LISTING, 1, {}, 16 * MB, 0) if not file[0].endswith(("4", "5"))]
    said = unfound("x", files, Search("", 3, [], False), [OLD, NEW], 16 * MB)
    assert "A; 2 of that time are not in the repository (postgres_backup_wal_days): look" in said
