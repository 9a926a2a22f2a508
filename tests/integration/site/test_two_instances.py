"""Two instances on one host: everything of theirs is apart, and no run on one disturbs the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from instance import SUFFIX, Instance, play, run

LOCK = "Keep other runs away from what the instances of this host share"
CREATE = "Create the network, unless the run that was waited for has"
MARK = "INSERT INTO users (email, password_hash) VALUES ('first@example.org', '-')"


def make(name: str, port: int, folder: Path, image: str) -> Instance:
    """Return an instance with a network of its own."""
    folder.mkdir()
    full = f"amt-{name}{SUFFIX}"
    return Instance(full, port, folder, image, {"postgres_common_network": full})


@pytest.fixture(scope="module")
def pair(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, Instance]]:
    """Provision two instances at once."""
    top = tmp_path_factory.mktemp("two")
    both = (make("one", 25441, top / "one", image), make("two", 25442, top / "two", image))
    try:
        for instance in both:
            instance.remove()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Instance.site, both))
        both[0].sql(MARK, "authdb")
        yield both
    finally:
        for instance in both:
            instance.remove()
            run("docker", "network", "rm", instance.name, check=False)


def state(instance: Instance) -> dict[str, object]:
    """Return what a run on another instance must leave as it is: container, start, files, rows and the server's own start."""
    return {
        **instance.snapshot(),
        "rows": instance.sql("SELECT email, created_at FROM users", "authdb"),
        "begun": instance.sql("SELECT pg_postmaster_start_time(), system_identifier FROM pg_control_system()"),
        "reloaded": instance.sql("SELECT pg_conf_load_time()"),
    }


def test_everything_with_a_name_is_apart(pair: tuple[Instance, Instance]) -> None:
    seen: list[set[str]] = []
    for instance in pair:
        inspected = instance.inspect()
        mounts = {mount.get("Name") or mount["Source"] for mount in inspected["Mounts"]}
        ports = {binding["HostPort"] for binding in inspected["HostConfig"]["PortBindings"]["5432/tcp"]}
        seen.append(mounts | ports | set(inspected["NetworkSettings"]["Networks"]) | {str(instance.directory)})
        assert all(instance.name in name or name == str(instance.port) for name in seen[-1])
    assert seen[0].isdisjoint(seen[1])
    identifiers = {instance.sql("SELECT system_identifier FROM pg_control_system()") for instance in pair}
    assert len(identifiers) == 2


def test_runs_on_one_leave_the_other_untouched(pair: tuple[Instance, Instance]) -> None:
    """A run with nothing to do, one that restarts, one that is refused, a stop and the end of all data."""
    first, second = pair
    before = state(first)
    assert second.site().count("changed") == 0
    second.site(postgres_instance_settings={"max_connections": 120})
    assert second.sql("SHOW max_connections") == "120"
    second.refused(postgres_instance_settings={"work_mem": "-4MB"})
    assert second.play("stop").code == 0
    assert second.play("destroy", "-e", f"confirm_destroy={second.name}").code == 0
    assert state(first) == before
    assert first.site().count("changed") == 0
    assert state(first) == before


def test_two_runs_at_once_make_one_network(image: str, tmp_path: Path) -> None:
    """Both have seen that there is none, and the first is about to make it when the second asks; Debian 12's Engine would make two of one name."""
    shared = f"amt-shared{SUFFIX}"
    role = {"name": "ai_micro.postgres.postgres_instance", "tasks_from": "storage"}
    tasks = [{"ansible.builtin.import_role": role}]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "postgres", "gather_facts": False, "tasks": tasks}]))
    both = (make("three", 25498, tmp_path / "three", image), make("four", 25499, tmp_path / "four", image))
    for instance in both:
        instance.variables["postgres_common_network"] = shared

    held, asked = tmp_path / "held", tmp_path / "asked"
    wait = "for i in $(seq 600); do test -e {} && break; sleep 0.1; done"
    moments = ((CREATE, f"touch {held}; {wait.format(asked)}"), (LOCK, f"{wait.format(held)}; touch {asked}"))
    try:
        with ThreadPoolExecutor() as pool:
            runs = list(pool.map(lambda one, moment: one.at_task(*moment, str(tmp_path / "play")), both, moments))
        assert [done.code for done in runs] == [0, 0], runs[0].output + runs[1].output
        # Each its volume, and the first the network.
        assert [done.count("changed") for done in runs] == [2, 1], runs[0].output + runs[1].output
        assert len(run("docker", "network", "ls", "-q", "-f", f"name={shared}").stdout.split()) == 1
        assert (held.exists(), asked.exists()) == (True, True)
    finally:
        for instance in both:
            instance.remove()
        run("docker", "network", "rm", shared, check=False)


def test_port_of_the_other_instance_is_refused_by_its_name(pair: tuple[Instance, Instance]) -> None:
    first, second = pair
    refused = second.refused(postgres_common_port=first.port)
    assert f"Port {first.port} on 127.0.0.1 is held by container {first.name}" in refused.text


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(("x", "y"), "would be provisioned at the same time"), (("x", "x"), "have the same postgres_common_name x")],
)
def test_one_inventory_with_two_on_a_machine_is_told_how(
    pair: tuple[Instance, Instance], names: tuple[str, str], sentence: str
) -> None:
    first = pair[0]
    before = state(first)
    path = first.inventory()
    inventory = json.loads(path.read_text("utf-8"))
    group = inventory["all"]["children"]["postgres"]
    (variables,) = group["hosts"].values()
    group["hosts"] = {
        host: {**variables, "postgres_common_name": name} for host, name in zip(("one", "two"), names, strict=True)
    }
    both = path.with_name("both.json")
    both.write_text(json.dumps(inventory), encoding="utf-8")
    refused = play("site", both)
    assert refused.code != 0
    assert sentence in refused.text, refused.output
    assert "one and two are one machine (the controller)" in refused.text
    assert state(first) == before
