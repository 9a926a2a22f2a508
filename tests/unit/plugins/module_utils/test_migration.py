# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which migrations are run, and which files and histories are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.ai_micro.postgres.plugins.lookup.migrations import read_directory
from ansible_collections.ai_micro.postgres.plugins.module_utils._migration import (
    Applied,
    MigrationError,
    checksum,
    first_start,
    lines,
    pending,
    read_migrations,
)
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._migration_baseline import migration_baseline

ROOT = Path(__file__).parents[4]
ONE, TWO, THREE = ({"name": f"000{n}_m.sql", "content": f"SELECT {n}"} for n in (1, 2, 3))


def named(name: str, content: str = "SELECT 1") -> dict[str, str]:
    return {"name": name, "content": content}


def had(*files: dict[str, str]) -> list[Applied]:
    return [Applied(file["name"], checksum(file["content"]), False) for file in files]


def test_files_come_in_the_order_of_their_numbers() -> None:
    assert [migration.name for migration in read_migrations([THREE, ONE, TWO])] == [
        "0001_m.sql",
        "0002_m.sql",
        "0003_m.sql",
    ]
    assert read_migrations([]) == []


@pytest.mark.parametrize(
    ("content", "transaction", "statements"),
    [
        ("SELECT 1; SELECT ';'", True, ("SELECT 1", "SELECT ';'")),
        ("-- why\n\nSELECT 1;", True, ("-- why\n\nSELECT 1",)),
        ("-- migration: no transaction\nVACUUM;", False, ("-- migration: no transaction\nVACUUM",)),
        ("VACUUM; --migration: no transaction", True, ("VACUUM",)),
        ("SELECT 1; -- migration: no transaction", True, ("SELECT 1",)),
        ("SELECT '\n-- migration: no transaction\n'", True, ("SELECT '\n-- migration: no transaction\n'",)),
        ("DO $$BEGIN PERFORM 1; END$$; SELECT 2", True, ("DO $$BEGIN PERFORM 1; END$$", "SELECT 2")),
    ],
)
def test_head_and_statements(content: str, transaction: bool, statements: tuple[str, ...]) -> None:
    (found,) = read_migrations([named("0001_x.sql", content)])
    assert (found.transaction, found.statements) == (transaction, statements)


@pytest.mark.parametrize(
    "head", ["\n\n  -- a\n -- migration: no transaction.\r\n", "-- a\n--migration:   no transaction  \n-- b\n"]
)
def test_head_among_other_comments(head: str) -> None:
    (found,) = read_migrations([named("0001_x.sql", f"{head}VACUUM")])
    assert not found.transaction
    assert found.statements[0].endswith("VACUUM")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([named("1_x.sql")], "1_x.sql is no name of a migration: call it as 0001_what_it_does.sql."),
        ([named("0001.sql")], "is no name of a migration"),
        ([named("0001_x y.sql")], "is no name of a migration"),
        ([named("../0001_x.sql")], "is no name of a migration"),
        ([TWO], "Number 0001 is missing before 0002_m.sql: numbers begin with 0001 and leave none out."),
        ([named("0000_x.sql")], "0000_x.sql"),
        ([ONE, THREE], "Number 0002 is missing before 0003_m.sql"),
        (
            [ONE, named("0001_a.sql")],
            "0001_a.sql and 0001_m.sql have the same number: give the later one the next number.",
        ),
        ([named("0001_x.sql", "-- nothing\n;")], "0001_x.sql holds no statement"),
        ([named("0001_x.sql", "-- migration: later\nSELECT 1")], "its head says `-- migration: later`"),
        ([named("0001_x.sql", "SELECT 1;\n\\i x.sql")], "0001_x.sql, line 2: \\i is a command of psql"),
        ([named("0001_x.sql", "COPY t FROM stdin;\n1\n\\.\n")], "COPY FROM stdin and \\g are psql's"),
        ([named("0001_x.sql", "BEGIN; SELECT 1; COMMIT")], "line 1: a migration begins and ends no transaction itself"),
        ([named("0001_x.sql", "SELECT 1;\nROLLBACK")], "line 2: a migration begins and ends no transaction itself"),
        (
            [named("0001_x.sql", "-- migration: no transaction\nSTART TRANSACTION")],
            "a migration begins and ends",
        ),
        ([named("0001_x.sql", "SELECT 1 /* x")], "0001_x.sql: "),
    ],
)
def test_refused_files(files: list[dict[str, str]], sentence: str) -> None:
    with pytest.raises(MigrationError) as error:
        read_migrations(files)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("history", "waiting"),
    [([], ["0001_m.sql", "0002_m.sql"]), (had(ONE), ["0002_m.sql"]), (had(ONE, TWO), [])],
)
def test_what_is_pending(history: list[Applied], waiting: list[str]) -> None:
    assert [migration.name for migration in pending(read_migrations([ONE, TWO]), history)] == waiting


@pytest.mark.parametrize(
    ("files", "history", "sentence"),
    [
        ([ONE], had(named("0001_m.sql", "SELECT 7")), "0001_m.sql was changed after it had been applied: restore it"),
        ([ONE], had(ONE, TWO), "0002_m.sql was applied, and its file is not there any more: put it back."),
        ([named("0001_other.sql")], had(ONE), "0001_m.sql was applied, and its file is not there any more"),
        (
            [ONE, TWO],
            had(TWO),
            "0001_m.sql comes before 0002_m.sql, which was applied already: give it the next number.",
        ),
    ],
)
def test_files_that_do_not_fit_the_history(files: list[dict[str, str]], history: list[Applied], sentence: str) -> None:
    with pytest.raises(MigrationError) as error:
        pending(read_migrations(files), history)
    assert sentence in str(error.value)


def test_the_end_of_a_line_is_no_change() -> None:
    assert checksum("SELECT 1;\r\nSELECT 2") == checksum("SELECT 1;\nSELECT 2") != checksum("SELECT 1; SELECT 2")


def test_history_is_a_line_per_migration() -> None:
    assert (
        lines([Applied("0001_a.sql", "", True), Applied("0002_b.sql", "", False)])
        == "0001_a.sql (baseline)\n0002_b.sql\n"
    )


def test_the_collections_own_migrations_are_in_order() -> None:
    own = read_directory(str(ROOT / "files" / "migrations"))
    assert own
    for database, files in own.items():
        assert (ROOT / "files" / "schema" / f"{database}.sql").is_file()
        assert read_migrations(files)


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    (tmp_path / "authdb").mkdir()
    (tmp_path / "admindb").mkdir()
    for name in ("0002_b.sql", "0001_a.sql", ".hidden", "README.md"):
        (tmp_path / "admindb" / name).write_text(name)
    lookup = lookup_loader.get("ai_micro.postgres.migrations")
    files = [{"name": "0001_a.sql", "content": "0001_a.sql"}, {"name": "0002_b.sql", "content": "0002_b.sql"}]
    assert lookup.run([str(tmp_path), str(tmp_path / "absent")]) == [{"admindb": files, "authdb": []}, {}]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("0001_a.sq", b"", r"0001_a\.sq is no migration: give it a name ending in \.sql, or move it\.$"),
        ("0001_a.sql", b"\xff", "cannot be read: it is not UTF-8"),
    ],
)
def test_refused_directory(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / "admindb").mkdir()
    (tmp_path / "admindb" / name).write_bytes(content)
    with pytest.raises(AnsibleLookupError, match=sentence):
        read_directory(str(tmp_path))


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").touch()
    with pytest.raises(AnsibleLookupError, match=r"0001_a\.sql cannot be read: Not a directory"):
        read_directory(str(tmp_path))


def test_first_start_records_what_it_creates() -> None:
    scripts = first_start({'it\'s "x"': [ONE, TWO], "empty": []})
    assert scripts["before"].count("\\gset") == 1
    assert "datname = 'it''s \"x\"'" in scripts["before"]
    assert '\\connect "it\'s ""x"""' in scripts["after"]
    assert f"VALUES ('0002_m.sql', '{checksum('SELECT 2')}', true) ON CONFLICT DO NOTHING;" in scripts["after"]
    assert first_start({}) == {"before": "", "after": ""}


def test_filter_says_what_is_wrong_with_the_files() -> None:
    with pytest.raises(AnsibleFilterError, match="Number 0001 is missing before 0002_m"):
        migration_baseline({"admindb": [TWO]})
