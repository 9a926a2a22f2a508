"""How the image is built, whatever it holds: by a recipe that changes meanwhile, and by two runs at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from instance import REPOSITORY, SUFFIX, Instance, PlaybookResult, run

REPOSITORY_NAME = f"amt-recipe{SUFFIX}"
NAME = f"{REPOSITORY_NAME}:pgvector-15"
LABELS = REPOSITORY / "roles" / "postgres_image" / "files" / "context" / "Dockerfile.labels"
PLAY = [{"hosts": "postgres", "gather_facts": False, "roles": ["ai_micro.postgres.postgres_image"]}]
# Another word at each look, as for a recipe that is edited all the time.
EDITED = "{{ lookup('ansible.builtin.pipe', 'cat /proc/sys/kernel/random/uuid') }}"


def names() -> list[str]:
    """Return what images there are by this image's label, under whatever name."""
    label = f"label=ai_micro.postgres.image={NAME}"
    return run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", label).stdout.split()


@dataclass
class Recipe:
    """The role with a context that takes seconds: the image under test as it is."""

    image: str
    folder: Path

    def build(self, instance: str, **variables: str) -> PlaybookResult:
        """Have the image for an instance."""
        folder = self.folder / instance
        folder.mkdir()
        (folder / "play.yml").write_text(json.dumps(PLAY))
        files = [
            {"name": "Dockerfile", "content": f"FROM {self.image}\nLABEL ai_micro.postgres.image={NAME}\n"},
            {"name": "Dockerfile.labels", "content": LABELS.read_text("utf-8")},
        ]
        tree = {"path": "{{ __postgres_image_directory.path }}/context", "files": files}
        given = {"_postgres_image_trees": [tree], "postgres_image_source": "registry", **variables}
        made = Instance(f"{REPOSITORY_NAME}-{instance}", 25496, folder, NAME)
        return made.play(str(folder / "play"), "-e", json.dumps(given))


@pytest.fixture
def recipe(image: str, tmp_path: Path) -> Iterator[Recipe]:
    """Give the recipe of an image that is not there yet."""
    run("docker", "image", "rm", "-f", *names(), check=False)
    yield Recipe(image, tmp_path)
    run("docker", "image", "rm", "-f", *names(), check=False)


def test_recipe_that_is_edited_during_the_build_leaves_no_other_name(recipe: Recipe) -> None:
    built = recipe.build("one", postgres_image_registry_base=EDITED)
    assert built.code == 0, built.output
    assert names() == [NAME]


def test_two_runs_at_once_build_one_image(recipe: Recipe) -> None:
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(recipe.build, ("one", "two")))
    assert [done.code for done in runs] == [0, 0], runs[0].output + runs[1].output
    assert sorted(done.count("changed") > 0 for done in runs) == [False, True]
    assert names() == [NAME]
