"""The core part that every supported ansible-core runs: playbooks can be read, site.yml makes an instance and leaves it alone, and what is
lost comes back from a verified backup."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.site.instance import NETWORK, REPOSITORY, SUFFIX, Instance, run

PORT = 25450


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give a small instance, on an Engine that has the image where it can be handed over."""
    made = Instance(
        f"amt-core{SUFFIX}",
        PORT,
        tmp_path_factory.mktemp("core"),
        os.environ["AI_MICRO_TEST_IMAGE"],
        {"postgres_backup_enabled": True},
    )
    handed = run(
        str(Path(sys.executable).with_name("ansible-playbook")),
        str(REPOSITORY / "tests" / "hosts" / "hand_over.yml"),
        "-i",
        str(made.inventory()),
        check=False,
        cwd=REPOSITORY,
    )
    assert handed.returncode == 0, handed.stdout + handed.stderr
    made.remove()
    yield made
    made.remove()
    run("docker", "network", "rm", NETWORK, check=False)


def test_playbooks_pass_the_syntax_check() -> None:
    playbooks = [REPOSITORY / "site.yml", *sorted((REPOSITORY / "playbooks").glob("*.yml"))]
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    said = run(program, "--syntax-check", "-i", "inventories/local", *map(str, playbooks), cwd=REPOSITORY)
    assert "deprecat" not in said.stderr.lower(), said.stderr


def test_site_makes_an_instance_and_then_finds_nothing_to_do(core: Instance) -> None:
    assert core.site("--check").count("changed") > 0
    assert core.site().count("changed") > 0
    assert core.sql("SELECT count(*) FROM users", "authdb") == "0"
    again = core.site("--diff")
    assert again.count("changed") == 0, again.output
    assert core.site("--check", "--diff").count("changed") == 0
    assert core.play("status").code == 0


def test_what_is_lost_comes_back_from_a_verified_backup(core: Instance) -> None:
    core.sql("INSERT INTO users (email, password_hash) VALUES ('kept@example.com', 'h')", "authdb")
    taken = core.play("backup")
    assert taken.code == 0, taken.output
    assert "verified: restored in" in taken.text
    verified = core.play("verify")
    assert verified.code == 0, verified.output
    core.sql("SELECT pg_create_restore_point('before_the_loss')")
    core.sql("DELETE FROM users", "authdb")
    back = core.play("restore", "-e", f"confirm_restore={core.name}", "-e", "restore_point=before_the_loss")
    assert back.code == 0, back.output
    assert core.sql("SELECT email FROM users", "authdb") == "kept@example.com"
    gone = core.play("restore_cleanup", "-e", f"confirm_restore_cleanup={core.name}")
    assert gone.code == 0, gone.output
    assert core.site().count("changed") == 0


def test_destroy_leaves_nothing_of_it(core: Instance) -> None:
    gone = core.play("destroy", "-e", f"confirm_destroy={core.name}")
    assert gone.code == 0, gone.output
    assert core.name not in run("docker", "ps", "-a", "--format", "{{.Names}}").stdout.split()
