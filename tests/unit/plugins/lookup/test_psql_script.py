# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""psql scripts read with what they include."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.ai_micro.postgres.plugins.lookup.psql_script import included_names, read_script

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("SELECT 1;", []),
        ("\\ir a.sql", ["a.sql"]),
        ("\\i a.sql\n  \\include b.sql\n\t\\include_relative c/d.sql\n", ["a.sql", "b.sql", "c/d.sql"]),
        ("\\ir 'with blank.sql'", ["with blank.sql"]),
        ("\\ir 'it''s.sql' -- why", ["it's.sql"]),
        ("\\ir a.sql\r\n\\ir b.sql\r\n", ["a.sql", "b.sql"]),
        ("-- \\ir a.sql", []),
        ("SELECT '\\ir a.sql';", []),
        ("\\irrelevant a.sql\n\\if true\n\\iramble x", []),
        ("\\echo \\ir a.sql", []),
        ("\\connect authdb\n\\ir schema/authdb.sql", ["schema/authdb.sql"]),
    ],
)
def test_included_names(script: str, names: list[str]) -> None:
    assert included_names(script) == names


def write(root: Path, **files: str) -> str:
    """Write files (a dot in a name stands for a slash) and give the path of main.sql."""
    for key, content in files.items():
        path = root / f"{key.replace('__', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(root / "main.sql")


def test_nested_files_are_relative_to_the_one_that_names_them(tmp_path: Path) -> None:
    main = write(tmp_path, main="\\ir a/one.sql\n\\ir two.sql", a__one="\\ir three.sql", two="2", a__three="3")
    assert {file["name"]: file["content"] for file in read_script(main)} == {
        "main.sql": "\\ir a/one.sql\n\\ir two.sql",
        "a/one.sql": "\\ir three.sql",
        "two.sql": "2",
        "a/three.sql": "3",
    }
    assert read_script(main)[0]["name"] == "main.sql"


def test_a_file_that_is_included_twice_or_in_a_circle_comes_once(tmp_path: Path) -> None:
    main = write(tmp_path, main="\\ir a.sql\n\\ir a.sql", a="\\ir main.sql")
    assert [file["name"] for file in read_script(main)] == ["main.sql", "a.sql"]


def test_a_missing_script(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match=r"^The psql script /.*/main.sql cannot be read: No such file or dir"):
        read_script(str(tmp_path / "main.sql"))


def test_a_missing_included_file_names_who_includes_it(tmp_path: Path) -> None:
    main = write(tmp_path, main="\\ir gone.sql")
    with pytest.raises(AnsibleLookupError, match=r"gone\.sql, which main\.sql includes, cannot be read: No such file"):
        read_script(main)


@pytest.mark.parametrize("name", ["../outside.sql", "/etc/passwd", "a/../../outside.sql"])
def test_a_file_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.sql").touch()
    main = write(tmp_path / "scripts", main=f"\\ir {name}")
    with pytest.raises(AnsibleLookupError, match=r"^main\.sql includes .*, which is not below .*: move it there\.$"):
        read_script(main)


def test_a_name_that_begins_with_two_dots_is_not_outside(tmp_path: Path) -> None:
    (tmp_path / "..data.sql").write_text("1")
    assert len(read_script(write(tmp_path, main="\\ir ..data.sql"))) == 2


def test_a_script_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "main.sql").write_bytes(b"-- \xe9\xe9")
    with pytest.raises(AnsibleLookupError, match=r"main\.sql cannot be read: it is not UTF-8"):
        read_script(str(tmp_path / "main.sql"))


def test_the_schema_of_this_collection() -> None:
    found = lookup_loader.get("ai_micro.postgres.psql_script").run([str(ROOT / "files" / "init.sql")], {})
    assert [file["name"] for file in found] == [
        "init.sql",
        *(f"schema/{db}.sql" for db in ("authdb", "apidb", "admindb")),
    ]
