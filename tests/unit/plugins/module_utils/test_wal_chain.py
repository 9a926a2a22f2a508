"""The WAL that backups need: which names lie between two, which are not there, and what is said of that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgbackrest import Backup
from ansible_collections.ai_micro.postgres.plugins.module_utils._wal_chain import (
    between,
    broken_off,
    gaps,
    invalid_files,
    lacking,
    read_listing,
    segment_size,
    sentence,
)

MB = 1 << 20
HASH = "767d93563c340f5bcefbb4641591c6a4eb95ad8a"


def wal(file: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{file // 256:08X}{file % 256:08X}"


def backup(label: str, first: int, last: int, **changes: Any) -> Backup:
    """A backup from one WAL file of 16 MB to another."""
    timeline = changes.pop("timeline", 1)
    given: dict[str, Any] = {
        "cluster": 1,
        "begun_at": first * 16 * MB + 0x28,
        "wal": (wal(first, timeline), wal(last, timeline)),
        **changes,
    }
    return Backup(label, "full", 1, 2, 3, 4, False, {}, timeline, **given)


@pytest.mark.parametrize(
    ("first", "last", "size", "names"),
    [
        (wal(4), wal(4), 16 * MB, [wal(4)]),
        (wal(254), wal(257), 16 * MB, [wal(254), wal(255), wal(256), wal(257)]),
        (
            "00000001000000010000003F",
            "000000010000000200000000",
            64 * MB,
            ["00000001000000010000003F", "000000010000000200000000"],
        ),
        (wal(4), wal(5, timeline=2), 16 * MB, []),
    ],
    ids=["one", "over the edge of 4 GiB", "of another size", "of two timelines"],
)
def test_files_between_two(first: str, last: str, size: int, names: list[str]) -> None:
    assert between(first, last, size) == names


@pytest.mark.parametrize(
    ("wal_name", "begun_at", "size"),
    [
        ("000000010000000000000004", 0x4000028, 16),
        ("000000010000000100000004", 0x104000028, 16),
        ("000000010000000000000001", 0x4000028, 64),
        ("000000010000000000000040", 0x4000028, 1),
        ("000000010000000000000000", 0x28, 16),
        ("", 0, 16),
    ],
)
def test_size_of_a_file_follows_from_where_a_backup_began(wal_name: str, begun_at: int, size: int) -> None:
    assert segment_size([backup("A", 0, 0, wal=(wal_name, wal_name), begun_at=begun_at)]) == size * MB


def test_backup_lacks_what_is_missing_in_its_own_range_alone() -> None:
    backups = [backup("A", 2, 4), backup("B", 7, 9), backup("C", 2, 4, cluster=2), backup("D", 2, 4, wal=("", ""))]
    there = {wal(file) for file in (2, 3, 4, 7, 9)}
    assert lacking(backups, "15-1", there) == {"B": [wal(8)]}
    assert lacking(backups, "15-2", {wal(2), wal(4)}) == {"C": [wal(3)]}
    assert lacking(backups[:1], "15-1", there) == {}


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([9, 10, 11], []),
        ([9], []),
        ([], []),
        ([9, 12, 13], [10, 11]),
        # What is older than the newest backup is kept for some days only.
        ([2, 4, 9, 10], []),
    ],
)
def test_wal_since_the_newest_backup_is_whole(there: list[int], missing: list[int]) -> None:
    backups = [backup("A", 2, 4), backup("B", 7, 9)]
    assert broken_off(backups, "15-1", {wal(file) for file in there}) == [wal(file) for file in missing]
    assert broken_off(backups, "15-1", {wal(9), wal(20, timeline=2)}) == []
    assert broken_off([], "15-1", {wal(file) for file in there}) == []


LEFT = [backup("A", 7, 9, ended_at=9 * 16 * MB + 1), backup("B", 14, 15, timeline=2, ended_at=15 * 16 * MB + 1)]
# Timeline 2 branched off 1 in its file 12.
BRANCH = {1: 12 * 16 * MB + 0x100}


@pytest.mark.parametrize(
    ("served", "parents", "on_1", "on_2", "missing"),
    [
        (1, {}, (9, 12), (14, 15, 17), [wal(10), wal(11)]),
        (1, {}, (9, 10), (14, 15, 17), []),
        (2, BRANCH, (9, 12), (14, 15, 17), [wal(16, 2)]),
        (0, {}, (9, 12), (14, 15, 17), [wal(16, 2)]),
        (3, {}, (9, 12), (14, 15, 17), []),
    ],
    ids=["the older is served again", "and is whole", "the newer", "not known", "none leads there"],
)
def test_wal_since_the_newest_backup_that_leads_to_what_is_served(
    served: int, parents: dict[int, int], on_1: tuple[int, ...], on_2: tuple[int, ...], missing: list[str]
) -> None:
    """A restore that was undone has left backups that count no more."""
    whole = {wal(file) for file in on_1} | {wal(file, 2) for file in on_2}
    assert broken_off(LEFT, "15-1", whole, served, parents) == missing


@pytest.mark.parametrize(
    ("on_1", "on_2", "missing"),
    [
        ((9, 10, 11), (12, 13), []),
        ((9, 10, 11, 20), (12,), []),
        ((9, 11), (13,), [wal(10), wal(12, 2)]),
        ((9, 10, 11), (), []),
    ],
    ids=["whole", "what was left since counts no more", "both lack one", "nothing there yet"],
)
def test_wal_leads_over_to_the_next_timeline(on_1: tuple[int, ...], on_2: tuple[int, ...], missing: list[str]) -> None:
    """A restore was not followed by a backup yet; the file in which it branched off is whole on the next timeline alone."""
    whole = {wal(file) for file in on_1} | {wal(file, 2) for file in on_2}
    assert broken_off(LEFT[:1], "15-1", whole, 2, BRANCH) == missing


def test_what_is_listed_and_logged_is_read() -> None:
    listing = f"{wal(4)[:16]}/{wal(4)}-{HASH}.zst\n{wal(5)[:16]}/{wal(5)}-{HASH}\n{wal(4)}.00000028.backup\n00000002.history\n"
    assert read_listing(listing) == {
        wal(4): f"{wal(4)[:16]}/{wal(4)}-{HASH}.zst",
        wal(5): f"{wal(5)[:16]}/{wal(5)}-{HASH}",
    }
    log = f"P02   INFO: invalid result 15-1/{wal(5)[:16]}/{wal(5)}-{HASH}.zst: [29] zst error\nP00   INFO: verify command end\n"
    assert invalid_files(log) == {wal(5)}


def test_what_is_lacking_is_said_with_its_remedy() -> None:
    assert sentence("", gaps({}, "B", [])) == ""
    assert (
        sentence("holds files that are not as they were written.", [])
        == "holds files that are not as they were written."
    )
    said = gaps({"A": [wal(3)]}, "B", [wal(10), wal(11)])
    assert sentence("holds files.", said) == (
        f"holds files. It lacks the WAL file {wal(3)}, without which the backup A cannot be restored: take a full backup (-e backup_type=full). "
        f"It lacks 2 WAL files, {wal(10)} to {wal(11)}, so that no moment since the backup B can be restored: take a backup."
    )
