# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What speaks against a run: every sentence of preflight, and what each data volume needs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import published_addresses
from ansible_collections.ai_micro.postgres.plugins.module_utils._hba import default_rules
from ansible_collections.ai_micro.postgres.plugins.module_utils._preflight import (
    container_problems,
    database_problems,
    host_problems,
    judge_cluster,
    limit_problems,
    password_weakness,
    port_problems,
    preflight_problems,
    role_problems,
    secret_problems,
    source_problems,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._units import MEBIBYTE

VOLUME = "pg_postgres_data"
OWN = "pg"
EMPTY = {"empty": True, "entries": [], "pg_version": "", "system_identifier": "", "state": ""}
LABELS = {"com.docker.compose.project": "pg", "com.docker.compose.service": "postgres"}
CLUSTER = {
    "empty": False,
    "entries": ["PG_VERSION", "base", "global"],
    "pg_version": "15",
    "system_identifier": "7001",
    "state": "in production",
    "owner": 999,
    "outside": [],
    "settings": {},
    "system_settings": {},
}
WANTED: dict[str, Any] = {
    "name": OWN,
    "volume": VOLUME,
    "kept_as": "pg-replaced",
    "port": 5432,
    "addresses": ["127.0.0.1", "bridge"],
    "databases": [{"name": "authdb", "service": "auth", "role": "auth_service"}],
    "min_memory_mb": 512,
    "min_free_mb": 2048,
    "readonly_role": "readonly_user",
    "superuser_from_network": True,
    "hba": default_rules([{"name": "authdb", "service": "auth", "role": "auth_service"}], "readonly_user", True),
    "tls_source": "managed",
    "choice": {},
}
LOOK: dict[str, Any] = {
    "host": {
        "euid": 0,
        "id": "debian",
        "version": "12",
        "name": "Debian GNU/Linux 12",
        "memory_bytes": 1024 * MEBIBYTE,
    },
    "docker": {
        "root_dir": "/var/lib/docker",
        "free_bytes": 4096 * MEBIBYTE,
        "daemon_config": {},
        "daemon_config_error": "",
        "bridge_gateway": "172.17.0.1",
        "containers": [],
    },
    "listeners": [],
    "container": None,
    "volume": None,
    "identity": {},
    "adoption": {},
}


def changed(path: str, value: Any, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give a copy with one value, named by a dotted path, replaced."""
    result = copy.deepcopy(LOOK if base is None else base)
    inner, keys = result, path.split(".")
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return result


def test_sources_that_are_no_networks_are_named() -> None:
    assert source_problems(["192.0.2.7", "192.0.2.0/24", "2001:db8::/32"]) == []
    (host_bits, name) = source_problems(["192.0.2.7/24", "db1"])
    assert host_bits.startswith("192.0.2.7/24 in postgres_instance_allowed_sources is no address or network")
    assert "write it as 192.0.2.7 or 192.0.2.0/24" in name


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        (None, "is not set"),
        ("", "is not set"),
        (123456789012, "is not set"),
        ("Short-1", "has fewer than 12 characters"),
        ("Abcdefgh-12", "has fewer than 12 characters"),
        ("Abcdefghi-12", ""),
        ("abcdefghi-12", "lacks an upper case letter"),
        ("ABCDEFGHI-12", "lacks a lower case letter"),
        ("Abcdefghi-jk", "lacks a digit"),
        ("Abcdefghij12", "lacks a symbol"),
        ("abcdefghijkl", "lacks an upper case letter and a digit and a symbol"),
        ("Pass word 1234", ""),
    ],
)
def test_password_weakness(password: Any, weakness: str) -> None:
    assert password_weakness(password) == weakness


def test_secret_problems_name_variables_and_never_the_secret() -> None:
    problems = secret_problems({"good": "Abcdefghi-12", "bad": "hunter2hunter2"}, ["good", "bad", "gone"], prefix="v.")
    assert [problem.split()[0] for problem in problems] == ["v.bad", "v.gone"]
    assert "v.gone is not set: give it" in problems[1]
    assert not any("hunter2" in problem for problem in problems)


def test_secret_problems_judge_all_where_none_is_named() -> None:
    assert secret_problems({"good": "Abcdefghi-12"}) == []
    assert len(secret_problems({"a": "", "b": "x"})) == 2


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["127.0.0.1", "bridge"], ["127.0.0.1", "172.17.0.1"]),
        (["bridge", "172.17.0.1"], ["172.17.0.1"]),
        ([], []),
    ],
)
def test_published_addresses(addresses: list[str], expected: list[str]) -> None:
    assert published_addresses(addresses, "172.17.0.1") == expected


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("host.euid", 1000, "connect as root or set ansible_become to true."),
        ("host.version", "11", "Debian GNU/Linux 12 is not supported: use a host with Debian 12 or 13"),
        ("host.id", "fedora", "is not supported"),
        ("host.memory_bytes", 511 * MEBIBYTE, "511 MB of memory, postgres_common_min_memory_mb asks for 512"),
        (
            "docker.free_bytes",
            10 * MEBIBYTE,
            "/var/lib/docker has 10 MB free, postgres_common_min_free_mb asks for 2048",
        ),
        ("docker.daemon_config_error", "daemon.json is not JSON", "daemon.json is not JSON: correct that file"),
    ],
)
def test_host_problems(path: str, value: Any, sentence: str) -> None:
    (problem,) = host_problems(changed(path, value), WANTED)
    assert sentence in problem


@pytest.mark.parametrize(("system", "version"), [("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")])
def test_supported_systems(system: str, version: str) -> None:
    assert host_problems(changed("host.version", version, changed("host.id", system)), WANTED) == []


def test_a_host_at_its_limits_is_accepted() -> None:
    look = changed("host.memory_bytes", 512 * MEBIBYTE, changed("docker.free_bytes", 2048 * MEBIBYTE))
    assert host_problems(look, WANTED) == []


@pytest.mark.parametrize(
    ("listening", "published", "refused"),
    [
        pytest.param("127.0.0.1", ["127.0.0.1"], True, id="the same address"),
        pytest.param("127.0.0.1", ["10.0.0.1"], False, id="another address"),
        pytest.param("0.0.0.0", ["10.0.0.1"], True, id="a listener everywhere"),
        pytest.param("::", ["10.0.0.1"], True, id="a listener everywhere, IPv6"),
        pytest.param("10.0.0.1", ["0.0.0.0"], True, id="published everywhere"),
        pytest.param("172.17.0.1", ["bridge"], True, id="the bridge's gateway"),
        pytest.param("127.0.0.1", [], False, id="published nowhere"),
    ],
)
def test_port_problems(listening: str, published: list[str], refused: bool) -> None:
    look = changed("listeners", [{"address": listening, "owner": "nginx (pid 7)"}])
    problems = port_problems(look, {**WANTED, "addresses": published})
    assert [f"Port 5432 on {listening} is held by nginx (pid 7): set postgres_common_port" in p for p in problems] == (
        [True] if refused else []
    )


def container(**changes: Any) -> dict[str, Any]:
    """Give a container as docker compose leaves it, but for the keywords."""
    return {
        "id": "4f5e",
        "name": OWN,
        "image": "postgres:15",
        "image_id": "sha256:1",
        "labels": LABELS,
        "data_volume": VOLUME,
        "running": True,
        "restarting": False,
        "pid": 7,
        "networks": [],
        "ports": [],
        "restart_policy": "unless-stopped",
        **changes,
    }


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        pytest.param(None, False, id="none"),
        pytest.param(container(labels={"ai_micro.postgres.instance": OWN}), False, id="the instance's"),
        pytest.param(container(), False, id="docker-compose's, with the volume"),
        pytest.param(container(labels={}), True, id="nobody's"),
        pytest.param(container(labels={"com.docker.compose.project": "pg"}), True, id="half the labels"),
        pytest.param(container(data_volume="another"), True, id="docker-compose's, with another volume"),
        pytest.param(container(labels={"ai_micro.postgres.instance": "another"}), True, id="another instance's"),
    ],
)
def test_container_problems(found: Any, refused: bool) -> None:
    look = changed("container", found)
    look["volume"] = {**volume(), "containers": [found] if found else []}
    problems = container_problems(look, WANTED)
    assert len(problems) == int(refused)
    expected = f"container pg (image postgres:15) was not made by this collection, nor by docker-compose on the volume {VOLUME}: rename"
    assert all(expected in problem for problem in problems)


def volume(holders: list[str] | None = None, **cluster: Any) -> dict[str, Any]:
    """Give a volume with a cluster that differs from a healthy one by the keywords."""
    return {"holders": holders or [], "containers": [], "mountpoint": "/data", "cluster": {**CLUSTER, **cluster}}


SERVED = {"system_identifier": "7001", "initialised": True}


@pytest.mark.parametrize(
    ("found", "identity", "choice", "action", "sentence"),
    [
        pytest.param(None, {}, {}, "initialise", "", id="nothing there"),
        pytest.param({"holders": [], "cluster": EMPTY}, {}, {}, "initialise", "", id="an empty volume"),
        pytest.param(
            {"holders": ["other"], "cluster": EMPTY}, {}, {}, "initialise", "", id="an empty volume that is mounted"
        ),
        pytest.param(
            None, SERVED, {}, "refuse", "is empty or gone, but held the cluster 7001", id="where data used to be"
        ),
        pytest.param(None, SERVED, {"empty": VOLUME}, "initialise", "", id="where data used to be, accepted"),
        pytest.param(None, SERVED, {"empty": "another"}, "refuse", "accept_empty_volume", id="accepted for another"),
        pytest.param(None, {"initialised": False}, {}, "initialise", "", id="nothing was known of it"),
        pytest.param(
            volume(["intruder"]), SERVED, {}, "refuse", "in use by the container intruder: stop it", id="held"
        ),
        pytest.param(volume([OWN]), SERVED, {}, "serve", "", id="held by ourselves"),
        pytest.param(
            volume(pg_version="", entries=["a", "b", "c", "d"]),
            {},
            {},
            "refuse",
            "holds files (a, b, c) but no PostgreSQL cluster: move them out of /data",
            id="not a cluster",
        ),
        pytest.param(
            volume(pg_version="13"), {}, {}, "refuse", "initialised by PostgreSQL 13 and this instance runs 15", id="13"
        ),
        pytest.param(
            volume(system_identifier=""), {}, {}, "refuse", "the remains of an interrupted initdb", id="half an initdb"
        ),
        pytest.param(volume(system_identifier=""), {}, {"discard": VOLUME}, "discard", "", id="half, to be removed"),
        pytest.param(
            volume(system_identifier=""), {}, {"discard": "other"}, "refuse", "discard_failed_init", id="another's"
        ),
        pytest.param(
            volume(system_identifier="8"),
            SERVED,
            {},
            "refuse",
            "holds the cluster 8, this host served 7001: mount the right volume",
            id="a foreign cluster",
        ),
        pytest.param(
            volume(system_identifier="8"), SERVED, {"identifier": "8"}, "adopt", "", id="a foreign one, accepted"
        ),
        pytest.param(
            volume(system_identifier="8"), SERVED, {"identifier": "9"}, "refuse", "accept_system_identifier", id="other"
        ),
        pytest.param(volume(), {}, {}, "adopt", "", id="first contact"),
        pytest.param(volume(), SERVED, {}, "serve", "", id="known"),
        pytest.param(volume(), {"system_identifier": "7001"}, {}, "complete", "", id="our own, unfinished"),
        pytest.param(volume(), {"initialised": False}, {}, "complete", "", id="unfinished, without an identifier"),
    ],
)
def test_judge_cluster(
    found: Any, identity: dict[str, Any], choice: dict[str, str], action: str, sentence: str
) -> None:
    judged, problem = judge_cluster(VOLUME, found, identity, OWN, choice)
    assert judged == action
    assert sentence in problem
    assert bool(problem) == (action == "refuse")
    assert not problem or VOLUME in problem


@pytest.mark.parametrize(
    ("found", "identity", "action", "sentence"),
    [
        pytest.param(volume(["old"]), {}, "adopt", "", id="it serves"),
        pytest.param(volume(), {}, "adopt", "", id="it is stopped"),
        pytest.param(volume(), SERVED, "adopt", "", id="it came back by hand"),
        pytest.param(volume(["old", f"{OWN}-init"]), {}, "adopt", "", id="an adoption that was cut short"),
        pytest.param(volume(["old", f"{OWN}-init"]), SERVED, "adopt", "", id="a second one that was cut short"),
        pytest.param(volume(["old", "third"]), {}, "refuse", "in use by the container third", id="another one as well"),
        pytest.param(
            volume(system_identifier="8"), SERVED, "refuse", "holds the cluster 8, this host served 7001", id="foreign"
        ),
        pytest.param(volume(pg_version="14"), {}, "refuse", "was initialised by PostgreSQL 14", id="another version"),
        pytest.param(
            {"holders": [], "cluster": EMPTY}, {}, "refuse", "which holds no initialised cluster", id="never started"
        ),
        pytest.param(
            volume(system_identifier=""), {}, "refuse", "which holds no initialised cluster", id="half an initdb"
        ),
    ],
)
def test_judge_the_cluster_of_a_deployment(found: Any, identity: dict[str, Any], action: str, sentence: str) -> None:
    judged, problem = judge_cluster(VOLUME, found, identity, OWN, {"discard": VOLUME}, "old")
    assert judged == action
    assert sentence in problem
    assert bool(problem) == (action == "refuse")


def test_a_server_that_a_run_left_is_in_the_way_of_a_known_cluster() -> None:
    action, problem = judge_cluster(VOLUME, volume([f"{OWN}-init"]), SERVED, OWN, {})
    assert action == "refuse"
    assert f"in use by the container {OWN}-init" in problem


@pytest.mark.parametrize(
    ("databases", "expected"),
    [
        pytest.param([{"name": "a", "service": "s", "role": "r"}], [], id="complete"),
        pytest.param([], [], id="none"),
        pytest.param([{"name": "a", "service": "s"}], ["The database a in postgres_databases has no role"], id="role"),
        pytest.param(
            [{}],
            [f"The database number 1 in postgres_databases has no {key}" for key in ("name", "service", "role")],
            id="everything",
        ),
        pytest.param(
            [{"name": "a", "service": "s", "role": "r"}, {"name": "a", "service": "t", "role": "r"}],
            ["The name a stands more than once", "The role r stands more than once"],
            id="twice",
        ),
    ],
)
def test_database_problems(databases: list[dict[str, Any]], expected: list[str]) -> None:
    problems = database_problems(databases)
    assert len(problems) == len(expected)
    assert all(problem.startswith(start) for problem, start in zip(problems, expected))


@pytest.mark.parametrize(
    ("limit", "less"),
    [({}, 0), ({"connection_limit": 60}, 0), ({"connection_limit": -1}, 0), ({"connection_limit": 45}, 15)],
    ids=str,
)
def test_limit_below_the_roles_own_pools(limit: dict[str, int], less: int) -> None:
    pool = {"role": "writer", "service": "api", "pool": {"size": 20, "overflow": 10, "workers": 2}}
    problems = limit_problems([{**pool, **limit}, {"role": "reader", "service": "web", "connection_limit": 0}])
    assert problems == (
        [
            "The connection_limit 45 of the role writer is 15 less than the 60 connections that the pools of api open (size + overflow, times "
            "workers): raise it, leave it out, or make the pools smaller."
        ]
        if less
        else []
    )


def test_preflight_is_silent_about_a_good_host() -> None:
    assert preflight_problems(LOOK, WANTED) == []


def test_preflight_refuses_collections_that_replace_each_others_index() -> None:
    collections = [{"name": "a"}, {"name": "b", "index": {"m": 8}}]
    (problem,) = preflight_problems(
        LOOK, {**WANTED, "databases": [{**WANTED["databases"][0], "collections": collections}]}
    )
    assert "The collections a and b of the database authdb" in problem


def test_preflight_collects_everything_at_once_and_each_is_one_sentence() -> None:
    look = changed("host.euid", 1000)
    look["listeners"] = [{"address": "0.0.0.0", "owner": "nginx (pid 7)"}]
    look["container"] = container(labels={})
    look["volume"] = volume(pg_version="13")
    database = {"name": "a", "service": "s", "pool": {"size": 2, "overflow": 0}, "connection_limit": 1}
    problems = preflight_problems(look, {**WANTED, "databases": [database], "hba": []})
    assert len(problems) == 6
    assert all(problem.endswith(".") and "\n" not in problem for problem in problems)


def test_preflight_takes_a_deployment_and_names_what_forbids_it() -> None:
    look = changed("container", container())
    look["volume"] = {**volume([OWN]), "containers": [container()]}
    assert preflight_problems(look, WANTED) == []
    look["volume"]["cluster"]["owner"] = 70
    (problem,) = preflight_problems(look, WANTED)
    assert "belongs to user 70 and not to 999" in problem


@pytest.mark.parametrize(
    ("databases", "words"),
    [
        ([{"name": "a", "role": "app"}, {"name": "b", "role": "app_2"}], "app_2 is the second login of app"),
        ([{"name": "a", "role": "r" * 62}], "The role of the database a is too long"),
        ([{"name": "a", "role": "app", "owner": "app"}], "The owner app of the database a logs in"),
        ([{"name": "a", "role": "app", "owner": "reader"}], "The owner reader of the database a logs in"),
        ([{"name": "a", "role": "app", "client_certificate": True}], "set postgres_tls_source to managed"),
    ],
)
def test_roles_in_each_others_way(databases: list[dict[str, Any]], words: str) -> None:
    (problem,) = role_problems(databases, "reader", "given")
    assert words in problem


def test_an_owner_and_a_client_certificate_are_in_order() -> None:
    assert (
        role_problems([{"name": "a", "role": "app", "owner": "a_owner", "client_certificate": True}], "r", "managed")
        == []
    )
