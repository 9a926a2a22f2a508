"""The built artifact, installed as users do, works where no checkout and no ansible.cfg is in sight."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from instance import REPOSITORY, SUFFIX, Instance, PlaybookResult, run


def readme_example() -> str:
    """Return the playbook of one's own that README.md shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text("utf-8"), re.DOTALL)
    (example,) = (block for block in blocks if all(f"name: {role}}}" in block for role in SITE_ROLES))
    return str(example)


def site_roles() -> list[str]:
    """Return the roles of site.yml in their order."""
    (play,) = yaml.safe_load((REPOSITORY / "playbooks" / "site.yml").read_text("utf-8"))
    imports = [task.get("ansible.builtin.import_role", {}) for task in play["tasks"][0]["block"]]
    return [wanted["name"] for wanted in imports if wanted and "tasks_from" not in wanted]


SITE_ROLES = site_roles()
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

    def roles(self, plays: list[dict[str, Any]], inventory: Path) -> PlaybookResult:
        """Run roles from a playbook that knows nothing but their names."""
        path = self.place / "stranger.yml"
        common = {"name": "Run a stranger's roles", "hosts": "postgres", "become": True, "gather_facts": False}
        path.write_text(yaml.safe_dump([common | play for play in plays]), encoding="utf-8")
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


@pytest.fixture(scope="module")
def made_by_roles(controller: Controller, installed: Instance) -> Path:
    """Make the instance by each role in turn, in a playbook of its own and by its full name."""
    inventory = installed.inventory()
    for name in SITE_ROLES:
        result = controller.roles([{"roles": [name]}], inventory)
        assert result.code == 0, f"{name}:\n{result.output}"
    return inventory


def test_roles_of_a_stranger_make_an_instance(controller: Controller, installed: Instance, made_by_roles: Path) -> None:
    """Files come by role_path; the same roles in the playbook of README.md find nothing left to do, and no other run gets in."""
    assert installed.sql("SELECT count(*) FROM profiles", "apidb") == "0"
    example = controller.place / "readme.yml"
    example.write_text(readme_example(), encoding="utf-8")
    again = controller.play(str(example), made_by_roles)
    assert again.code == 0, again.output
    assert again.count("changed") == 0, again.output
    lock = Path(f"/run/ai_micro.postgres/{installed.name}.lock")
    assert not lock.exists()
    holder = dict.fromkeys(("controller", "realm", "user", "process_started"), "elsewhere")
    lock.write_text(json.dumps({**holder, "id": "0badcafe", "process": 1, "started": "2026-11-24T03:00:00+00:00"}))
    try:
        assert "process 1 of elsewhere on elsewhere" in controller.play(str(example), made_by_roles).text
    finally:
        lock.unlink()


def test_playbooks_run_by_name(controller: Controller, installed: Instance, made_by_roles: Path) -> None:
    run("docker", "rm", "-f", installed.name)
    first = controller.play("ai_micro.postgres.site", made_by_roles)
    assert first.code == 0, first.output
    assert first.count("changed") == 1, first.output
    assert installed.sql("SELECT count(*) FROM users", "authdb") == "0"
    assert controller.play("ai_micro.postgres.site", made_by_roles).count("changed") == 0
    verified = controller.play("ai_micro.postgres.verify", made_by_roles)
    assert verified.code == 0, verified.output


def test_argument_specs_refuse_wrong_types_by_name(controller: Controller, installed: Instance) -> None:
    """Each role has a host of its own, so that all are refused in one run."""
    inventory = json.loads(installed.inventory().read_text("utf-8"))
    group = inventory["all"]["children"]["postgres"]
    (variables,) = group["hosts"].values()
    del variables["ansible_connection"]
    group["hosts"] = {role: {**variables, **wrongly_typed(role)} for role in EVERY_ROLE}
    path = controller.place / "wrong.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    include = {"ansible.builtin.include_role": {"name": "ai_micro.postgres.{{ inventory_hostname }}"}}
    refused = controller.roles([{"connection": "local", "tasks": [include]}], path)
    assert refused.count("failed") == len(EVERY_ROLE), refused.output
    assert "Traceback" not in refused.output
    for role in EVERY_ROLE:
        (name,) = wrongly_typed(role)
        assert f"argument '{name}' is of type str and we were unable to convert" in refused.text, refused.output
