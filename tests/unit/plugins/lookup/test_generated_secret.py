# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that are generated once."""

from __future__ import annotations

import multiprocessing
import os
import stat
import string
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.ai_micro.postgres.plugins.lookup.generated_secret import generate, read_or_make
from ansible_collections.ai_micro.postgres.plugins.module_utils._preflight import password_weakness

NAME = "ai_micro.postgres.generated_secret"


def look(directory: Path, *terms: str, create: bool = True) -> list[str]:
    """Look up as Ansible does."""
    found: list[str] = lookup_loader.get(NAME).run(list(terms), {}, directory=str(directory), create=create)
    return found


def mode(path: Path) -> int:
    """Give the permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_generated_secret_is_strong_and_needs_no_quoting() -> None:
    made = {generate() for _ in range(200)}
    assert len(made) == 200
    for secret in made:
        assert (len(secret), password_weakness(secret)) == (32, "")
        assert secret[0] in string.ascii_letters
        assert set(secret) <= set(string.ascii_letters + string.digits + "-_.")


def test_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "secrets"
    old = os.umask(0)
    try:
        first = look(directory, "superuser", "reader")
    finally:
        os.umask(old)
    assert look(directory, "superuser", "reader") == first
    assert first[0] != first[1]
    assert mode(directory) == 0o700
    assert mode(directory / "superuser") == 0o600
    assert (directory / "superuser").read_text() == first[0] + "\n"
    assert sorted(os.listdir(directory)) == ["reader", "superuser"]


def test_nothing_is_kept_in_check_mode(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    assert len(look(directory, "superuser", create=False)[0]) == 32
    assert not directory.exists()


def test_a_secret_of_the_users_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "superuser").write_text("  own secret \n")
    assert look(tmp_path, "superuser") == ["own secret"]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "superuser").write_text("\n")
    with pytest.raises(AnsibleLookupError, match="superuser is empty: remove it"):
        look(tmp_path, "superuser")


@pytest.mark.parametrize("term", ["../superuser", "a/b", "/etc/passwd", ""])
def test_only_file_names(tmp_path: Path, term: str) -> None:
    with pytest.raises(AnsibleLookupError, match="is not a file name: give a name without a slash"):
        look(tmp_path, term)


@pytest.mark.parametrize("term", [".", ".."])
def test_a_directory_is_no_file(tmp_path: Path, term: str) -> None:
    with pytest.raises(AnsibleLookupError, match=r"^The secret \.+ (cannot be kept|is not a file name)"):
        look(tmp_path, term)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnsibleLookupError, match=r"The secret superuser cannot be kept in .*: Not a directory"):
        look(tmp_path / "file", "superuser")


def test_many_at_once_agree_on_one(tmp_path: Path) -> None:
    # Processes, because each names its unfinished file after its own id.
    with ProcessPoolExecutor(8, multiprocessing.get_context("fork")) as pool:
        made = list(pool.map(read_or_make, [str(tmp_path / "superuser")] * 32, [True] * 32))
    assert set(made) == {(tmp_path / "superuser").read_text().strip()}
    assert os.listdir(tmp_path) == ["superuser"]
