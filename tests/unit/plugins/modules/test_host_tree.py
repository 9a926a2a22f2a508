# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_tree, called as Ansible calls it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._tree import BadNode, Node, describe, resolve_id
from ansible_collections.ai_micro.postgres.plugins.modules.host_tree import parse_mode

from tests.module_call import call_module

ROOT = Path(__file__).parents[4]
UID, GID = str(os.getuid()), str(os.getgid())


def call(tmp_path: Path, *trees: dict[str, Any], check: bool = False) -> dict[str, Any]:
    """Call the module and return its result."""
    owned = [{"owner": UID, "group": GID, **tree} for tree in trees]
    return call_module("host_tree", tmp_path, {"trees": owned}, check)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_tree(tmp_path: Path) -> None:
    top = tmp_path / "top"
    files = [
        {"name": "a.conf", "content": "port = 5432\n"},
        {"name": "deep/er/b.conf", "content": "ü\r\n", "mode": "0600"},
    ]
    tree = {"path": str(top), "directory_mode": "0750", "file_mode": "0640", "files": files}
    paths = [str(top / name) for name in ("", "a.conf", "deep", "deep/er", "deep/er/b.conf")]
    paths[0] = str(top)

    predicted = call(tmp_path, tree, check=True)
    assert (predicted["changed"], predicted["paths"]) == (True, paths)
    assert not top.exists()

    made = call(tmp_path, tree)
    assert {key: made[key] for key in ("changed", "paths", "diff")} == {
        key: predicted[key] for key in ("changed", "paths", "diff")
    }
    assert (top / "a.conf").read_bytes() == b"port = 5432\n"
    assert (top / "deep/er/b.conf").read_bytes() == "ü\r\n".encode()
    assert [mode(top / name) for name in ("", "deep/er", "a.conf", "deep/er/b.conf")] == [0o750, 0o750, 0o640, 0o600]

    again = call(tmp_path, tree)
    assert (again["changed"], again["paths"], again["diff"]) == (False, [], [])


def test_the_diff_shows_owner_mode_and_content(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir(mode=0o755)
    (tmp_path / "top").chmod(0o755)
    (tmp_path / "top" / "f").write_text("old\n")
    (tmp_path / "top" / "f").chmod(0o600)
    tree = {"path": str(tmp_path / "top"), "files": [{"name": "f", "content": "new\n"}]}
    assert call(tmp_path, tree, check=True)["diff"] == [
        {
            "before": f"# {UID}:{GID} 0600\nold\n",
            "after": f"# {UID}:{GID} 0644\nnew\n",
            "before_header": str(tmp_path / "top" / "f"),
            "after_header": str(tmp_path / "top" / "f"),
        }
    ]
    assert (tmp_path / "top" / "f").read_text() == "old\n"


def test_only_the_mode_differs(tmp_path: Path) -> None:
    tree = {"path": str(tmp_path / "top"), "files": [{"name": "f", "content": "x"}]}
    call(tmp_path, tree)
    (tmp_path / "top" / "f").chmod(0o666)
    assert call(tmp_path, tree)["paths"] == [str(tmp_path / "top" / "f")]
    assert mode(tmp_path / "top" / "f") == 0o644


def test_a_file_is_replaced_by_a_rename_and_nothing_is_left_behind(tmp_path: Path) -> None:
    top = tmp_path / "top"
    call(tmp_path, {"path": str(top), "files": [{"name": "f", "content": "old"}]})
    with (top / "f").open() as reader:
        call(tmp_path, {"path": str(top), "files": [{"name": "f", "content": "new"}]})
        # Who has the file open reads the whole of the old one.
        assert reader.read() == "old"
        assert os.fstat(reader.fileno()).st_ino != (top / "f").stat().st_ino
    assert (top / "f").read_text() == "new"
    assert os.listdir(top) == ["f"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "other").write_text("mine")
    (tmp_path / "top" / "other").chmod(0o600)
    call(tmp_path, {"path": str(tmp_path / "top"), "files": [{"name": "f", "content": "x"}]})
    assert (tmp_path / "top" / "other").read_text() == "mine"
    assert mode(tmp_path / "top" / "other") == 0o600


def test_owner_and_group(tmp_path: Path) -> None:
    tree = {"path": str(tmp_path / "top"), "owner": "nobody", "group": "12345", "files": [{"name": "f", "content": ""}]}
    call(tmp_path, tree)
    for path in (tmp_path / "top", tmp_path / "top" / "f"):
        assert (path.owner(), path.stat().st_gid) == ("nobody", 12345)
    assert not call(tmp_path, tree)["changed"]


def test_another_owner_is_put_right(tmp_path: Path) -> None:
    tree = {"path": str(tmp_path / "top"), "files": [{"name": "f", "content": "x"}]}
    call(tmp_path, tree)
    os.chown(tmp_path / "top" / "f", 999, 999)
    assert call(tmp_path, tree)["paths"] == [str(tmp_path / "top" / "f")]
    assert (tmp_path / "top" / "f").stat().st_uid == os.getuid()


def test_parents_may_be_trees_before(tmp_path: Path) -> None:
    trees = [{"path": str(tmp_path / "a")}, {"path": str(tmp_path / "a" / "b"), "directory_mode": "0700"}]
    assert call(tmp_path, *trees)["paths"] == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert mode(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize(
    ("make", "files", "sentence"),
    [
        pytest.param("directory", [{"name": "x", "content": ""}], "a plain file is wanted there", id="directory"),
        pytest.param("file", [{"name": "x/y", "content": ""}], "a directory is wanted there", id="file"),
        pytest.param("link", [{"name": "x", "content": ""}], "a plain file is wanted there", id="link to a file"),
        pytest.param("fifo", [{"name": "x", "content": ""}], "a plain file is wanted there", id="pipe"),
        pytest.param("", [{"name": "../x", "content": ""}], "is not below", id="outside"),
        pytest.param("", [{"name": "a/../../x", "content": ""}], "without '..'", id="outside by a detour"),
        pytest.param("", [{"name": "/etc/x", "content": ""}], "is not below", id="absolute"),
        pytest.param("", [{"name": ".", "content": ""}], "is not below", id="the directory itself"),
        pytest.param("", [{"name": "f", "content": "", "mode": "rw"}], "is not octal: give it as", id="mode"),
    ],
)
def test_what_is_refused_changes_nothing(tmp_path: Path, make: str, files: list[dict[str, str]], sentence: str) -> None:
    top = tmp_path / "top"
    top.mkdir(mode=0o700)
    (tmp_path / "target").write_text("target")
    makers: dict[str, Any] = {
        "directory": Path.mkdir,
        "file": Path.touch,
        "link": lambda path: path.symlink_to(tmp_path / "target"),
        "fifo": os.mkfifo,
        "": lambda path: None,
    }
    makers[make](top / "x")
    before = sorted(os.listdir(top))
    result = call(tmp_path, {"path": str(top), "files": [{"name": "good", "content": "x"}, *files]})
    assert result["failed"]
    assert sentence in result["msg"]
    assert sorted(os.listdir(top)) == before
    assert mode(top) == 0o700
    assert (tmp_path / "target").read_text() == "target"


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"path": "relative"}, "The path relative is not absolute"),
        ({"path": "/tmp/x", "owner": "no-such-user"}, "There is no user no-such-user on the host"),
        ({"path": "/tmp/x", "group": "no-such-group"}, "There is no group no-such-group on the host"),
        ({"path": "/tmp/x", "directory_mode": "u+x"}, "The mode u+x of /tmp/x is not octal"),
        ({"path": "/nonexistent-amt/deep"}, "/nonexistent-amt/deep cannot be written: No such file or directory"),
    ],
)
def test_bad_arguments(tmp_path: Path, tree: dict[str, Any], sentence: str) -> None:
    result = call(tmp_path, tree)
    assert result["failed"]
    assert result["msg"].startswith(sentence)


@pytest.mark.parametrize("text", ["-0755", "+755", "0o755", "7_5", "17777", "", " 755", "u+x", "0888"])
def test_a_mode_that_is_not_plain_octal_digits_is_refused(text: str) -> None:
    with pytest.raises(BadNode, match="is not octal: give it as for example '0640'"):
        parse_mode(text, "/f")


@pytest.mark.parametrize(("text", "number"), [("0644", 0o644), ("755", 0o755), ("4750", 0o4750), ("000", 0)])
def test_parse_mode(text: str, number: int) -> None:
    assert parse_mode(text, "/f") == number


def test_resolve_id() -> None:
    assert (resolve_id("root", "user"), resolve_id("root", "group"), resolve_id("999", "user")) == (0, 0, 999)
    with pytest.raises(BadNode, match="no user nobody-here on the host: give one that exists, or its number"):
        resolve_id("nobody-here", "user")


def test_describe() -> None:
    assert describe(None) == ""
    assert describe(Node("/d", 0, 999, 0o750, None)) == "# 0:999 0750\n"
    assert describe(Node("/f", 0, 0, 0o4644, "x\n")) == "# 0:0 4644\nx\n"
