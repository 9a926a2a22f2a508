# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One database's part of a psql script, whether all of it stands in one file or in many."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader

ROOT = Path(__file__).parents[4]


def look(path: Path, database: str, **options: str) -> str:
    found = lookup_loader.get("ai_micro.postgres.database_definition").run(
        [str(path)], {}, database=database, **options
    )
    assert len(found) == 1
    return str(found[0])


def script(root: Path, text: str, name: str = "init.sql") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_sections_of_one_file(tmp_path: Path) -> None:
    path = script(tmp_path, "SELECT 0;\n\\c one\nSELECT 1;\n\\connect two\nSELECT '\\c one';\n\\c one\nSELECT 3;\n")
    assert look(path, "one") == "SELECT 1;\nSELECT 3;\n"
    assert look(path, "two") == "SELECT '\\c one';\n"
    assert look(path, "postgres") == "SELECT 0;\n"


@pytest.mark.parametrize(
    ("connect", "database"),
    [
        ('\\c "a b"', "a b"),
        ("\\c 'a''b'", "a'b"),
        ("\\connect -reuse-previous=on \"dbname='x y'\"", "x y"),
        ("\\c postgresql://u@h:1/mine?sslmode=require", "mine"),
        ("\\c mine postgres localhost 5432", "mine"),
    ],
)
def test_names_of_databases(tmp_path: Path, connect: str, database: str) -> None:
    assert look(script(tmp_path, f"{connect}\nSELECT 1;"), database) == "SELECT 1;\n"


def test_included_files(tmp_path: Path) -> None:
    script(tmp_path, "SELECT 2;\n\\ir deeper/b.sql\n", "parts/a.sql")
    script(tmp_path, "SELECT 3;", "parts/deeper/b.sql")
    path = script(tmp_path, "\\c one\n\\ir parts/a.sql\nSELECT 4;\n\\c two\n\\i parts/deeper/b.sql\n")
    assert look(path, "one") == "SELECT 2;\nSELECT 3;\nSELECT 4;\n"
    assert look(path, "two") == "SELECT 3;\n"


def test_variables(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        "\\set role app\n\\c one\nCREATE ROLE :\"role\"; SELECT :'role', ':role';\n\\unset role\nSELECT :role;",
    )
    assert look(path, "one") == "CREATE ROLE \"app\";\nSELECT 'app', ':role';\nSELECT :role;\n"


def test_gexec_becomes_a_block(tmp_path: Path) -> None:
    path = script(tmp_path, "\\c one\nSELECT 'CREATE ROLE x' WHERE false \\gexec\n")
    found = look(path, "one")
    assert found.startswith("DO $gexec$ DECLARE")
    assert "$gexecq$SELECT 'CREATE ROLE x' WHERE false$gexecq$" in found


def test_rows_of_copy_stay(tmp_path: Path) -> None:
    path = script(tmp_path, "\\c one\nCOPY t FROM stdin;\n1\t\\N\n\\.\nSELECT 1;\n")
    assert look(path, "one") == "COPY t FROM stdin;\n1\t\\N\n\\.\n\nSELECT 1;\n"


def test_quit_ends_a_file(tmp_path: Path) -> None:
    assert look(script(tmp_path, "\\c one\nSELECT 1;\n\\q\nSELECT 2;"), "one") == "SELECT 1;\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\\c one\nSELECT 1;", r"never connects to database wanted: correct the name, or set initial\.$"),
        ("\\c wanted\n\\copy t from 'x'", r"line 2: \\copy needs a running psql: leave it out\.$"),
        ("\\c wanted\nSELECT 1 \\gset", r"line 2: \\gset needs a running psql"),
        ("\\ir gone.sql", r"gone\.sql cannot be read: No such file"),
        ("\\ir init.sql", r"includes itself: end the circle\.$"),
        ("\\c wanted\nDO $$", r"Line 2: the quote"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AnsibleLookupError, match=said):
        look(script(tmp_path, text), "wanted")


def test_a_plain_file_is_that_of_the_initial_database(tmp_path: Path) -> None:
    assert look(script(tmp_path, "SELECT 1;"), "mine", initial="mine") == "SELECT 1;\n"


@pytest.mark.parametrize("database", ["authdb", "apidb", "admindb"])
def test_the_schema_of_this_collection(database: str) -> None:
    found = look(ROOT / "files" / "init.sql", database)
    assert "CREATE TABLE" in found
    assert "\\" not in found
