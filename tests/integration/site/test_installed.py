"""The built artifact, installed as users do, works where no checkout and no ansible.cfg is in sight."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from instance import REPOSITORY, SUFFIX, Instance, PlaybookResult, run

SITE_ROLES = [
    role["role"] for role in yaml.safe_load((REPOSITORY / "playbooks" / "site.yml").read_text("utf-8"))[0]["roles"]
]
EVERY_ROLE = sorted(path.name for path in (REPOSITORY / "roles").iterdir() if path.is_dir())
NONSENSE = "neither a number nor a switch"


@dataclass
class Controller:
    """A user with a home and a directory of their own; the collection's dependencies come with the package `ansible`."""

    home: Path
    place: Path

    def tool(self, name: str, *arguments: str) -> PlaybookResult:
        """Run one of Ansible's programs as that user."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment["HOME"] = str(self.home)
        program = str(Path(sys.executable).with_name(name))
        result = run(program, *arguments, check=False, cwd=self.place, env=environment)
        return PlaybookResult(result.returncode, result.stdout + result.stderr)

    def play(self, playbook: str, inventory: Path) -> PlaybookResult:
        """Run a playbook, given by name or path."""
        return self.tool("ansible-playbook", playbook, "-i", str(inventory))

    def role(self, name: str, inventory: Path) -> PlaybookResult:
        """Run one role from a playbook that knows nothing but its name."""
        play = {"hosts": "postgres", "become": True, "gather_facts": False, "roles": [name]}
        path = self.place / "stranger.yml"
        path.write_text(yaml.safe_dump([{"name": "Run a role", **play}]), encoding="utf-8")
        return self.play(str(path), inventory)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """Build the artifact and install its tarball; the dependencies are there already, so no server is asked."""
    top = tmp_path_factory.mktemp("user")
    user = Controller(top / "home", top / "elsewhere")
    user.home.mkdir()
    user.place.mkdir()
    built = user.tool("ansible-galaxy", "collection", "build", "--output-path", str(top), str(REPOSITORY))
    assert built.code == 0, built.output
    (tarball,) = top.glob("ai_micro-postgres-*.tar.gz")
    installed = user.tool("ansible-galaxy", "collection", "install", "--no-deps", str(tarball))
    assert installed.code == 0, installed.output
    return user


@pytest.fixture(scope="module")
def installed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give the names of an instance that only the installed collection touches."""
    made = Instance(f"amt-installed{SUFFIX}", 25440, tmp_path_factory.mktemp("installed"), image)
    made.remove()
    yield made
    made.remove()


def wrongly_typed(role: str) -> dict[str, Any]:
    """Return a value that the role's own argument spec refuses."""
    specs = yaml.safe_load((REPOSITORY / "roles" / role / "meta" / "argument_specs.yml").read_text("utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    name = next(name for name, option in options.items() if option["type"] in ("int", "bool", "dict"))
    return {name: NONSENSE}


def test_the_collection_in_use_is_the_installed_one(controller: Controller) -> None:
    listed = controller.tool("ansible-galaxy", "collection", "list", "ai_micro.postgres", "--format", "json")
    assert list(json.loads(listed.output)) == [f"{controller.home}/.ansible/collections/ansible_collections"]
    documented = controller.tool("ansible-doc", "--json", "ai_micro.postgres.postgres_access")
    assert json.loads(documented.output)["ai_micro.postgres.postgres_access"]["doc"]["filename"].startswith(
        str(controller.home)
    )


def test_site_and_verify_run_by_name(controller: Controller, installed: Instance) -> None:
    inventory = installed.inventory()
    first = controller.play("ai_micro.postgres.site", inventory)
    assert first.code == 0, first.output
    assert installed.sql("SELECT count(*) FROM users", "authdb") == "0"
    second = controller.play("ai_micro.postgres.site", inventory)
    assert second.code == 0, second.output
    assert second.count("changed") == 0, second.output
    verified = controller.play("ai_micro.postgres.verify", inventory)
    assert verified.code == 0, verified.output


def test_roles_of_a_stranger_in_turn_make_an_instance(controller: Controller, installed: Instance) -> None:
    """Each role in a playbook of its own, by its full name; files come by role_path."""
    installed.remove()
    inventory = installed.inventory()
    for name in SITE_ROLES:
        result = controller.role(name, inventory)
        assert result.code == 0, f"{name}:\n{result.output}"
    assert installed.sql("SELECT count(*) FROM profiles", "apidb") == "0"
    for name in SITE_ROLES:
        again = controller.role(name, inventory)
        assert again.count("changed") == 0, f"{name}:\n{again.output}"


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_argument_spec_refuses_a_wrong_type_by_name(controller: Controller, installed: Instance, role: str) -> None:
    wrong = wrongly_typed(role)
    refused = controller.role(f"ai_micro.postgres.{role}", installed.inventory(**wrong))
    assert refused.code != 0
    assert next(iter(wrong)) in refused.text, refused.output
    assert NONSENSE in refused.text
    assert "Traceback" not in refused.output
