#!/usr/bin/python
# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_host_info
short_description: Look at a host that runs, or shall run, PostgreSQL in Docker
version_added: 1.0.0
description:
  - One look at everything that decides what a run has to do on a host - operating system, memory, disk, Python libraries,
    Docker Engine, the instance's container, image, volume and network, the cluster in the volume, and who listens on the port.
  - It needs nothing but Python on the host, so it works before Docker or any library is installed. It never changes anything.
attributes:
  check_mode:
    support: full
    description: Reads only, in check mode as well as out of it.
  diff_mode:
    support: none
    description: There is nothing to compare.
  platform:
    support: full
    platforms: posix
    description: Linux hosts.
author:
  - ai-micro-service team (@ai-micro-service)
options:
  container:
    description: Name of the instance's container.
    type: str
    required: true
  image:
    description: Name and tag of the instance's image.
    type: str
    required: true
  volume:
    description: Name of the instance's data volume.
    type: str
    required: true
  network:
    description: Name of the Docker network that the instance is on.
    type: str
    required: true
  port:
    description: TCP port of the host that the instance is published on.
    type: int
    required: true
  directory:
    description: Directory on the host with the instance's configuration and identity.
    type: path
    required: true
  docker_socket:
    description: Socket of the Docker Engine.
    type: path
    default: /var/run/docker.sock
  docker_wait:
    description: Seconds to wait for a Docker Engine that does not answer yet.
    type: int
    default: 0
  daemon_config:
    description: Configuration file of the Docker Engine.
    type: path
    default: /etc/docker/daemon.json
  packages:
    description: Debian packages whose installed version is asked for.
    type: list
    elements: str
    default: []
  python_libraries:
    description: Python modules that the host's interpreter may have.
    type: list
    elements: str
    default: [requests, cryptography, psycopg2]
  certificate:
    description: Files of the server's certificate, which is looked at where Python on the host has the cryptography library.
    type: dict
    suboptions:
      certificate:
        description: File with the certificate, intermediates after it.
        type: path
        required: true
      private_key:
        description: File with the private key.
        type: path
        required: true
      ca:
        description: File with the certificate of the CA that clients trust.
        type: path
        required: true
"""

EXAMPLES = r"""
- name: Look at the host
  ai_micro.postgres.postgres_host_info:
    container: ai-micro-postgres
    image: ai-micro-postgres:pgvector-15
    volume: ai-micro-postgres_postgres_data
    network: ai-micro
    port: 5432
    directory: /etc/ai-micro-postgres
  register: host

- name: Stop where the Docker Engine does not answer
  ansible.builtin.assert:
    that: host.docker.answers
    fail_msg: "{{ host.docker.error }}"
"""

RETURN = r"""
host:
  description: Operating system, names, addresses, user, CPUs and memory of the host.
  returned: success
  type: dict
  sample:
    addresses: [127.0.0.1, "::1", 192.0.2.10]
    codename: bookworm
    cpus: 4
    huge_pages: {kept: true, limit: 3670, size_kb: 2048, writable: true}
    euid: 0
    id: debian
    memory_bytes: 25282142208
    name: Debian GNU/Linux 12 (bookworm)
    names: [db1, db1.example.com]
    service_manager: systemd
    version: "12"
packages:
  description: Installed version of each package asked for, empty where it is not installed.
  returned: success
  type: dict
  sample: {docker.io: 20.10.24+dfsg1-1+deb12u1+b6}
python:
  description: Whether the interpreter that ran this module finds each library.
  returned: success
  type: dict
  sample: {cryptography: true, psycopg2: true, requests: true}
docker:
  description: >-
    The Docker Engine. C(enabled) says whether systemd starts it at boot (true where there is no systemd); C(error) says in
    one clause why it does not answer; C(daemon_config) is the content of its configuration file, C(daemon_config_error) why
    that cannot be read; C(containers) names all containers, C(other_containers) those that run beside the instance's, C(networks) all networks;
    C(free_bytes) is what is free below its root directory.
  returned: success
  type: dict
  sample:
    answers: true
    bridge_gateway: 172.17.0.1
    containers: [ai-micro-postgres]
    daemon_config: {}
    daemon_config_error: ""
    enabled: true
    error: ""
    free_bytes: 85899345920
    installed: true
    networks: [ai-micro, bridge, host, none]
    other_containers: []
    root_dir: /var/lib/docker
    version: 20.10.24+dfsg1
container:
  description: >-
    The instance's container, or null where there is none. C(data_volume) is the volume at /var/lib/postgresql/data; C(networks) leaves out
    the Engine's own. C(created) is what the container was created with, by the Engine's own names, with the names of the variables of its
    environment that are not as its image sets them (C(environment)); it is null for a container that is not an instance's.
  returned: success
  type: dict
  sample:
    created:
      CapDrop: [ALL]
      Cmd: [postgres, -c, config_file=/etc/postgresql-config/postgresql.conf]
      Memory: 0
      User: 999:999
      environment: []
    data_volume: ai-micro-postgres_postgres_data
    exit_code: 0
    health: healthy
    id: 4f3a
    image: ai-micro-postgres:pgvector-15
    image_id: sha256:9d0c
    labels: {}
    name: ai-micro-postgres
    networks: [{aliases: [ai-micro-postgres], name: ai-micro}]
    pid: 4711
    ports: ["127.0.0.1:5432"]
    restart_policy: unless-stopped
    restarting: false
    running: true
    volumes: [ai-micro-postgres_postgres_data]
image:
  description: The instance's image, or null where there is none.
  returned: success
  type: dict
  sample: {id: "sha256:9d0c", labels: {}}
volume:
  description: >-
    The instance's volume with what the files in it say of the cluster, the names of the running containers that mount it (C(holders)), and
    all C(containers) that do, described as RV(container) is but for C(created); or null where there is none. Of settings, values that may hold a password are
    masked.
  returned: success
  type: dict
  sample:
    cluster:
      empty: false
      entries: [PG_VERSION, base, global]
      outside: []
      owner: 999
      pg_version: "15"
      settings: {lc_messages: en_US.utf8, timezone: Etc/UTC}
      state: in production
      system_identifier: "7312345678901234567"
      system_settings: {work_mem: 8MB}
    containers: []
    holders: [ai-micro-postgres]
    labels: {}
    mountpoint: /var/lib/docker/volumes/ai-micro-postgres_postgres_data/_data
network:
  description: The instance's Docker network, or null where there is none.
  returned: success
  type: dict
  sample: {gateway: 172.18.0.1, id: 0a1b}
identity:
  description: What the host remembers of the cluster it served last, empty on first contact.
  returned: success
  type: dict
  sample: {initialised: true, pg_version: "15", system_identifier: "7312345678901234567", volume: ai-micro-postgres_postgres_data}
adoption:
  description: The container of the deployment that the instance replaced, as it was; empty where it replaced none.
  returned: success
  type: dict
  sample: {id: 4f5e, kept_as: ai-micro-postgres-replaced, name: ai-micro-postgres, restart_policy: unless-stopped, running: true}
logins:
  description: Who logs in for each role whose password was rotated.
  returned: success
  type: dict
  sample: {auth_service: auth_service_2}
restores:
  description: >-
    The journal of restores, by the volume that each has kept. C(state) is C(swapped) where the volume holds what playbooks/restore_undo.yml brings
    back, C(unused) where it never was served, C(empty) where nothing was served before, C(prepared) while the two data change places.
  returned: success
  type: dict
  sample:
    ai-micro-postgres_kept_20261125t140000:
      doing: restore
      inodes: {kept: 1310801, volume: 1310722}
      served: true
      state: swapped
      time: "2026-11-25 14:00:12 UTC"
      volume: ai-micro-postgres_postgres_data
interrupted:
  description: >-
    What became of an exchange of volumes that a run was cut short in, or null. C(exchanged) is null where the directories do not tell; C(state) is
    what the journal is to say, C(goes_back) whether playbooks/restore_undo.yml still has something to do.
  returned: success
  type: dict
  sample:
    doing: restore
    exchanged: false
    goes_back: false
    kept: ai-micro-postgres_kept_20261125t140000
    message: The restore of 2026-11-25 14:00:12 UTC was cut short before its data took the place of the old ...
    served: true
    state: unused
    time: "2026-11-25 14:00:12 UTC"
scheduled:
  description: Whether the host runs playbooks of this instance by itself, as the directory says.
  returned: success
  type: bool
  sample: true
restricted:
  description: Whether the host holds the instance's rules about who may reach its port.
  returned: success
  type: bool
  sample: false
certificate:
  description: >-
    The certificate in the files of O(certificate), for the filter P(ai_micro.postgres.judge_certificate#filter) to judge; or null where it was
    not asked for, or the host has no cryptography. C(problems) is what is wrong whatever is wanted, C(now) the host's time.
  returned: success
  type: dict
  sample:
    ca_not_after: "2036-11-23T10:00:00+00:00"
    key: {group: 999, mode: "0640", owner: 0, path: /etc/ai-micro-postgres/tls/private/server.key}
    names: [localhost, 127.0.0.1]
    not_after: "2029-02-26T10:00:00+00:00"
    not_before: "2026-11-23T10:00:00+00:00"
    now: "2026-11-26T10:00:00+00:00"
    problems: []
listeners:
  description: Who listens on the port, containers that mount the volume left out.
  returned: success
  type: list
  elements: dict
  sample: [{address: 0.0.0.0, owner: "process nginx (pid 812)"}]
"""

import json
import os
import time
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils import _host, _restores
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_api import DockerReader, DockerUnavailable
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_objects import (
    bridge_gateway,
    describe_container,
    describe_creation,
    describe_volume,
    first_gateway,
    mounts,
)


def read_json(path: str) -> tuple[dict[str, Any], str]:
    """Return the object in a JSON file and no error, or nothing and why it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{path} cannot be read: {error.strerror}"
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError as error:
        return {}, f"{path} is not valid JSON: {error}"
    return (value, "") if isinstance(value, dict) else ({}, f"{path} does not hold a JSON object")


def look_at_docker(params: dict[str, Any]) -> dict[str, Any]:
    """Ask the Engine for the instance's objects; an Engine that does not answer has none."""
    config, config_error = read_json(params["daemon_config"])
    docker = {
        "installed": any(
            os.path.exists(os.path.join(path, "dockerd")) for path in ("/usr/bin", "/usr/sbin", "/usr/local/bin")
        ),
        "answers": False,
        "enabled": _host.starts_at_boot("docker"),
        "error": "",
        "version": "",
        "root_dir": config.get("data-root", "/var/lib/docker"),
        "bridge_gateway": "",
        "containers": [],
        "other_containers": [],
        "networks": [],
        "daemon_config": config,
        "daemon_config_error": config_error,
    }
    seen: dict[str, Any] = {"docker": docker, "container": None, "image": None, "volume": None, "network": None}
    reader = DockerReader(params["docker_socket"])
    try:
        docker["version"] = (reader.get("/version") or {}).get("Version", "")
        docker["root_dir"] = (reader.get("/info") or {}).get("DockerRootDir", docker["root_dir"])
        docker["bridge_gateway"] = bridge_gateway(reader.get("/networks/bridge"))
        rows = {row["Names"][0].lstrip("/"): row for row in reader.get("/containers/json", all=1) or []}
        container = reader.get(f"/containers/{params['container']}/json")
        image = reader.get(f"/images/{params['image']}/json")
        volume = reader.get(f"/volumes/{params['volume']}")
        mounting = [
            reader.get(f"/containers/{row['Id']}/json") for row in rows.values() if mounts(row, params["volume"])
        ]
        network = reader.get(f"/networks/{params['network']}")
        docker["networks"] = sorted(row["Name"] for row in reader.get("/networks") or [])
        docker["answers"] = True
    except DockerUnavailable as error:
        docker["error"] = str(error)
        return seen
    finally:
        docker["free_bytes"] = _host.free_bytes(docker["root_dir"])
    running = {name: row for name, row in rows.items() if row["State"] in ("running", "paused", "restarting")}
    docker["containers"] = sorted(rows)
    docker["other_containers"] = [name for name in running if name != params["container"]]
    seen["publishers"] = {
        port["PublicPort"]: name
        for name, row in running.items()
        for port in row.get("Ports") or []
        if port.get("PublicPort")
    }
    if container:
        seen["container"] = {**describe_container(container), "created": describe_creation(container, image)}
        # One that starts over and over is listed without ports in between, and has them again before anybody looks who listens.
        for bound in seen["container"]["ports"] if seen["container"]["running"] else []:
            if bound.rpartition(":")[2].isdigit():
                seen["publishers"].setdefault(int(bound.rpartition(":")[2]), params["container"])
    seen["image"] = {"id": image["Id"], "labels": image["Config"].get("Labels") or {}} if image else None
    seen["volume"] = describe_volume(volume) if volume else None
    if seen["volume"]:
        seen["volume"]["containers"] = [describe_container(raw) for raw in mounting if raw]
        seen["volume"]["holders"] = [name for name, row in running.items() if mounts(row, params["volume"])]
    seen["network"] = {"id": network["Id"], "gateway": first_gateway(network)} if network else None
    return seen


def look_at_certificate(paths: Optional[dict[str, str]]) -> Optional[dict[str, Any]]:
    """Describe the server's certificate where that was asked for and can be done."""
    if not paths:
        return None
    # Here, as the library takes its time, and may not be there.
    from ansible_collections.ai_micro.postgres.plugins.module_utils import _certificate

    return _certificate.look_at_certificate(paths) if _certificate.HAS_CRYPTOGRAPHY else None


def look_at_interrupted(params: dict[str, Any], restores: dict[str, Any]) -> Optional[dict[str, Any]]:
    """Say what became of an exchange of volumes that was cut short, where there is one."""
    kept = _restores.interrupted(restores)
    if not kept:
        return None
    found: dict[str, Optional[int]] = {}
    try:
        reader = DockerReader(params["docker_socket"])
        for name, volume in (("volume", restores[kept]["volume"]), ("kept", kept)):
            found[name] = _host.inode((reader.get(f"/volumes/{volume}") or {}).get("Mountpoint", ""))
    except DockerUnavailable:
        found = {}
    return _restores.judge(restores, kept, found)


def name_listeners(port: int, publishers: dict[int, str], own: list[str]) -> list[dict[str, str]]:
    """Name who holds each socket on the port; docker-proxy is named by the container behind it."""
    if publishers.get(port) in own:
        return []
    named = []
    for row in _host.listeners(port):
        owner = f"process {row['process']} (pid {row['pid']})" if row["pid"] else "a process of another namespace"
        if port in publishers:
            owner = f"container {publishers[port]}"
        named.append({"address": row["address"], "owner": owner})
    return named


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "volume": {"type": "str", "required": True},
            "network": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "directory": {"type": "path", "required": True},
            "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
            "docker_wait": {"type": "int", "default": 0},
            "daemon_config": {"type": "path", "default": "/etc/docker/daemon.json"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "python_libraries": {
                "type": "list",
                "elements": "str",
                "default": ["requests", "cryptography", "psycopg2"],
            },
            "certificate": {
                "type": "dict",
                "options": {
                    "certificate": {"type": "path", "required": True},
                    "private_key": {"type": "path", "required": True, "no_log": False},
                    "ca": {"type": "path", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    give_up = time.monotonic() + params["docker_wait"]
    seen = look_at_docker(params)
    while not seen["docker"]["answers"] and time.monotonic() < give_up:
        time.sleep(0.2)  # why: the Engine announces itself in no other way than by answering
        seen = look_at_docker(params)
    publishers = seen.pop("publishers", {})
    remembered = {}
    for name in ("identity", "adoption", "logins", "restores"):
        remembered[name], error = read_json(os.path.join(params["directory"], f"{name}.json"))
        if error:
            module.fail_json(
                msg=f"{error}; restore it from a backup of {params['directory']}, or move it away to be asked again."
            )
    try:
        interrupted = look_at_interrupted(params, remembered["restores"])
    except (KeyError, TypeError, ValueError):
        module.fail_json(
            msg=f"{params['directory']}/restores.json is not as restores write it: correct it, or move it away, and the volumes that it names "
            "are no longer gone back to."
        )
    own = [params["container"], *((seen["volume"] or {}).get("holders") or [])]
    module.exit_json(
        changed=False,
        host={
            **_host.os_release(),
            **_host.names_and_addresses(),
            "euid": os.geteuid(),
            "service_manager": _host.service_manager(),
            "memory_bytes": _host.memory_bytes(),
            "cpus": _host.cpus(),
            "huge_pages": _host.huge_pages(params["container"]),
        },
        packages=_host.packages(params["packages"]),
        python=_host.python_libraries(params["python_libraries"]),
        scheduled=os.path.exists(os.path.join(params["directory"], "runner", "runner.json")),
        restricted=os.path.exists(os.path.join(params["directory"], "firewall", "firewall.sh")),
        certificate=look_at_certificate(params["certificate"]),
        listeners=name_listeners(params["port"], publishers, own),
        interrupted=interrupted,
        **remembered,
        **seen,
    )


if __name__ == "__main__":
    main()
