"""The Engine on a host with no service manager: started, found running, started again after a kill."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _lock
from instance import REPOSITORY, SECRETS, SUFFIX, PlaybookResult, run

sys.path.insert(0, str(REPOSITORY))

from tests.hosts.host import privilege_options
from tests.hosts.host_image import build, image_name

NAME = f"amh-plain{SUFFIX}"
PATIENCE = 60


@pytest.fixture(scope="module")
def plain_host() -> Iterator[str]:
    """Run a bare Debian whose first process starts nothing."""
    run("docker", "rm", "-f", "-v", NAME, check=False)
    build("bookworm")
    base = ["docker", "run", "-d", f"--name={NAME}", f"--hostname={NAME}", "--init", "--volume=/var/lib/docker"]
    command = [image_name("bookworm"), "tail", "-f", "/dev/null"]
    for options in privilege_options():
        started = subprocess.run(
            [*base, *options, "--entrypoint=", *command], capture_output=True, text=True, check=False
        )
        if started.returncode == 0:
            break
        run("docker", "rm", "-f", "-v", NAME, check=False)
    assert started.returncode == 0, started.stderr
    yield NAME
    run("docker", "rm", "-f", "-v", NAME)


def engine(tmp_path: Path, **variables: Any) -> PlaybookResult:
    """Run the role docker_engine on the host."""
    play = [{"hosts": "postgres", "gather_facts": False, "roles": ["ai_micro.postgres.docker_engine"]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    return play_on_host(tmp_path, tmp_path / "play.yml", **variables)


def play_on_host(tmp_path: Path, playbook: Path, **variables: Any) -> PlaybookResult:
    """Run a playbook on the host."""
    passwords = {k: v for k, v in SECRETS.items() if k != "postgres"}
    inventory = {
        NAME: {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
            "postgres_common_superuser_password": SECRETS["postgres"],
            "postgres_common_role_passwords": passwords,
            **variables,
        }
    }
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"children": {"postgres": {"hosts": inventory}}}}))
    program = Path(sys.executable).with_name("ansible-playbook")
    result = run(str(program), "-i", str(tmp_path / "inventory.json"), str(playbook), check=False, cwd=REPOSITORY)
    return PlaybookResult(result.returncode, result.stdout + result.stderr)


def inside(*command: str, check: bool = True) -> str:
    """Run a program on the host."""
    return run("docker", "exec", NAME, *command, check=check).stdout


def test_engine_without_a_service_manager(plain_host: str, tmp_path: Path) -> None:
    # Two controllers at once, for two instances of the host: one of them has all the work.
    names = ("one", "two")
    for name in names:
        (tmp_path / name).mkdir()
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda name: engine(tmp_path / name, postgres_common_name=name), names))
    assert [run.code for run in runs] == [0, 0], runs[0].output + runs[1].output
    idle, first = sorted(runs, key=lambda run: run.count("changed"))
    assert (idle.count("changed"), first.count("changed") > 0) == (0, True)
    assert "Waiting for another run: process " in idle.text
    assert inside("docker", "info", "-f", "{{.ServerVersion}}").strip()
    pid = inside("cat", "/run/docker.pid")
    second = engine(tmp_path)
    assert second.code == 0, second.output
    assert second.count("changed") == 0
    assert inside("cat", "/run/docker.pid") == pid

    inside("sh", "-c", "kill -9 $(cat /run/docker.pid)")
    third = engine(tmp_path)
    assert third.code == 0, third.output
    assert third.count("changed") >= 1
    assert inside("docker", "info", "-f", "{{.ServerVersion}}").strip()
    assert engine(tmp_path).count("changed") == 0


def test_daemon_json_is_merged_and_never_overwritten(plain_host: str, tmp_path: Path) -> None:
    assert engine(tmp_path).code == 0
    inside("sh", "-c", "mkdir -p /etc/docker && echo '{\"debug\": true}' > /etc/docker/daemon.json")
    config = {"docker_engine_daemon_config": {"max-concurrent-downloads": 4}}
    merged = engine(tmp_path, **config)
    assert merged.code == 0, merged.output
    assert json.loads(inside("cat", "/etc/docker/daemon.json")) == {"debug": True, "max-concurrent-downloads": 4}
    assert inside("docker", "info", "-f", "{{.Debug}}").strip() == "true"
    assert engine(tmp_path, **config).count("changed") == 0

    # Debian 12's Engine would not start with them.
    pid = inside("cat", "/run/docker.pid")
    proxies = {"proxies": {"https-proxy": "http://192.0.2.1:3128"}}
    unknown = engine(tmp_path, docker_engine_daemon_config=proxies)
    assert unknown.code != 0
    assert "The Docker Engine 20.10.24 of this host does not know proxies in daemon.json" in unknown.text
    assert "proxies" not in inside("cat", "/etc/docker/daemon.json")
    assert inside("cat", "/run/docker.pid") == pid

    inside("sh", "-c", "echo '{\"debug\": tru' > /etc/docker/daemon.json")
    refused = engine(tmp_path, **config)
    assert refused.code != 0
    assert "/etc/docker/daemon.json is not valid JSON" in refused.text
    assert inside("cat", "/etc/docker/daemon.json") == '{"debug": tru\n'
    inside("rm", "/etc/docker/daemon.json")


def test_another_run_that_changes_the_engine_is_waited_for(plain_host: str, tmp_path: Path) -> None:
    """What it has done meanwhile is not done again, and one that was killed keeps nobody out."""
    assert engine(tmp_path).code == 0
    lock = "/run/ai_micro.postgres/.host.lock"
    config = {"docker_engine_daemon_config": {"max-concurrent-downloads": 5}}
    with subprocess.Popen(["sleep", "600"]) as other:
        holder = {
            "id": "0badcafe",
            "controller": "elsewhere",
            "realm": _lock.realm(),
            "user": "deploy",
            "process": other.pid,
            "process_started": _lock.process_started(other.pid),
            "started": "2026-11-24T03:08:03+00:00",
        }
        inside("sh", "-c", f"rm -f {lock}.guard && echo '{json.dumps(holder)}' > {lock}")
        refused = engine(tmp_path, postgres_common_host_lock_wait=0, **config)
        assert refused.code != 0
        words = f"changing this: process {other.pid} of deploy on elsewhere, begun 2026-11-24 03:08:03 UTC"
        assert words in refused.text
        assert json.loads(inside("cat", lock)) == holder
        inside("rm", f"{lock}.guard")
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(engine, tmp_path, **config)
            end = time.monotonic() + PATIENCE
            while not inside("find", f"{lock}.guard", check=False):
                assert time.monotonic() < end, "the run never looked at the lock"
                time.sleep(0.2)
            inside("sh", "-c", f"echo '{json.dumps(config['docker_engine_daemon_config'])}' > /etc/docker/daemon.json")
            other.kill()
            other.wait()
            result = waiting.result()
    assert result.code == 0, result.output
    assert f"A lock left by process {other.pid} of deploy" in result.text
    assert result.count("changed") == 0
    assert not inside("find", lock, check=False)
    inside("rm", "/etc/docker/daemon.json")


def test_engine_that_does_not_answer_is_named(plain_host: str, tmp_path: Path) -> None:
    """By all playbooks at once: each waits for seconds until it says so. They are of instances of their own, for the sake of their locks."""
    assert engine(tmp_path).code == 0

    def play(playbook: str) -> PlaybookResult:
        folder = tmp_path / playbook
        folder.mkdir()
        if playbook in ("existing", "distribution"):
            return engine(folder, docker_engine_source=playbook, postgres_common_name=playbook)
        return play_on_host(folder, REPOSITORY / "playbooks" / f"{playbook}.yml", postgres_common_name=playbook)

    playbooks = ("verify", "status", "start", "stop", "restart", "down", "destroy")
    inside("sh", "-c", "kill -STOP $(cat /run/docker.pid)")
    try:
        with ThreadPoolExecutor(len(playbooks) + 2) as pool:
            managed, existing, *named = pool.map(play, ("distribution", "existing", *playbooks))
    finally:
        inside("sh", "-c", "kill -CONT $(cat /run/docker.pid)")
    assert [one.code == 0 for one in (managed, existing, *named)] == [False] * (len(playbooks) + 2)
    assert "The Docker Engine of this host does not answer: the socket /var/run/docker.sock accepts" in existing.text
    assert "The Docker Engine was started but does not answer" in managed.text
    assert "/var/log/docker.log" in managed.text
    for one in named:
        assert "the Docker Engine does not answer" in one.text, one.output
    assert engine(tmp_path).count("changed") == 0


@pytest.mark.parametrize(
    "system",
    [
        {"ID": "debian", "VERSION_ID": "11", "PRETTY_NAME": "Debian GNU/Linux 11 (bullseye)"},
        {"ID": "ubuntu", "VERSION_ID": "20.04", "PRETTY_NAME": "Ubuntu 20.04.6 LTS"},
        {"ID": "fedora", "VERSION_ID": "41", "PRETTY_NAME": "Fedora Linux 41 (Server Edition)"},
    ],
    ids=lambda system: system["ID"],
)
def test_system_that_is_not_supported_is_refused_by_its_name(
    plain_host: str, tmp_path: Path, system: dict[str, str]
) -> None:
    lines = "\n".join(f'{key}="{value}"' for key, value in system.items())
    inside("sh", "-c", f"mv /etc/os-release /root/ && echo '{lines}' > /etc/os-release")
    try:
        refused = engine(tmp_path)
    finally:
        inside("mv", "/root/os-release", "/etc/os-release")
    assert refused.code != 0
    assert f"{system['PRETTY_NAME']} is not supported: use a host with Debian 12 or 13" in refused.text
