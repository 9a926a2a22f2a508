# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken over from a docker-compose deployment, what forbids it, and what is said about it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._adoption import (
    judge_adoption,
    locale_settings,
    overridden_settings,
    replaced_container,
    replacement_problems,
)

LABELS = {"com.docker.compose.project": "pg", "com.docker.compose.service": "postgres"}
OLD: dict[str, Any] = {
    "id": "4f5e",
    "name": "pg",
    "image": "pg:old",
    "image_id": "sha256:1",
    "labels": LABELS,
    "data_volume": "pg_postgres_data",
    "running": True,
    "restarting": False,
    "pid": 7,
    "networks": [{"name": "pg_default", "aliases": ["postgres"]}],
    "ports": ["0.0.0.0:5432"],
    "restart_policy": "unless-stopped",
}
OURS = {**OLD, "id": "0a1b", "labels": {"ai_micro.postgres.instance": "pg"}}
KEPT = {**OLD, "name": "pg-replaced", "running": False, "restart_policy": "no"}
RECORD = {"id": "4f5e", "name": "pg", "running": True, "restart_policy": "unless-stopped"}
SERVED = {"initialised": True}
CLUSTER: dict[str, Any] = {
    "system_identifier": "7001",
    "owner": 999,
    "outside": [],
    "settings": {"lc_messages": "en_US.utf8", "timezone": "Etc/UTC", "max_connections": "100"},
    "system_settings": {},
}
WANTED: dict[str, Any] = {
    "name": "pg",
    "volume": "pg_postgres_data",
    "kept_as": "pg-replaced",
    "port": 5432,
    "addresses": ["0.0.0.0"],
    "databases": [{"name": "authdb", "role": "auth_service"}],
    "readonly_role": "readonly_user",
    "lock_out": [],
    "superuser_from_network": True,
    "pgvector_version": "0.8.0",
    "choice": {},
}
FACTS: dict[str, Any] = {
    "marked": False,
    "recorded": False,
    "databases": {
        "authdb": {"collate": "en_US.utf8", "encoding": "UTF8", "extensions": {"vector": "0.8.0"}, "unavailable": {}}
    },
    "login_roles": ["postgres"],
    "superuser_verifier": "scram-sha-256",
    "data_checksums": True,
    "prepared_transactions": 0,
}


def look(
    *containers: dict[str, Any], own: Any = None, identity: Any = None, record: Any = None, **cluster: Any
) -> dict[str, Any]:
    """Give a look at a host on which these containers mount the volume."""
    return {
        "container": own,
        "identity": identity or {},
        "adoption": record or {},
        "docker": {"bridge_gateway": "172.17.0.1", "containers": ["pg", "web"]},
        "volume": {"containers": list(containers), "cluster": {**CLUSTER, **cluster}},
    }


@pytest.mark.parametrize(
    ("seen", "now", "running"),
    [
        pytest.param(look(), None, None, id="nothing"),
        pytest.param({**look(), "volume": None}, None, None, id="no volume"),
        pytest.param(look(OLD, own=OLD), "pg", True, id="it serves"),
        pytest.param(look({**OLD, "running": False}, own=OLD), "pg", False, id="it is stopped"),
        pytest.param(
            look({**OLD, "name": "pg-postgres-1"}), "pg-postgres-1", True, id="under the name of docker compose"
        ),
        pytest.param(look({**OLD, "labels": {}}), None, None, id="without labels"),
        pytest.param(look({**OLD, "data_volume": "other"}), None, None, id="with another volume"),
        pytest.param(look(KEPT, own=OURS, identity=SERVED, record=RECORD), None, None, id="replaced"),
        pytest.param(look(KEPT, identity=SERVED, record=RECORD), None, None, id="replaced, the instance's is away"),
        pytest.param(look(KEPT, record=RECORD), "pg-replaced", True, id="cut short after the renaming"),
        pytest.param(
            look({**KEPT, "name": "pg"}, record=RECORD), "pg", True, id="cut short before the renaming: as it was noted"
        ),
        pytest.param(
            look({**KEPT, "running": True}, identity=SERVED, record=RECORD), "pg-replaced", True, id="started by hand"
        ),
        pytest.param(look({**KEPT, "name": "pg"}, identity=SERVED, record=RECORD), "pg", True, id="renamed by hand"),
        pytest.param(look({**KEPT, "id": "x"}, OLD, own=OLD), "pg", True, id="the one that runs of two"),
    ],
)
def test_replaced_container(seen: dict[str, Any], now: str | None, running: bool | None) -> None:
    found = replaced_container(seen, WANTED)
    assert (found.get("now"), found.get("running")) == (now, running)
    if found:
        assert found["kept_as"] == "pg-replaced"
        assert found["project"] == "pg"
        expected = seen["adoption"] or seen["volume"]["containers"][-1]
        assert (found["name"], found["restart_policy"]) == (expected["name"], expected["restart_policy"])


@pytest.mark.parametrize(
    ("changes", "serving"),
    [
        pytest.param({}, True, id="it runs"),
        pytest.param({"running": False}, False, id="it is stopped"),
        # The cluster of such a one was not shut down, and its server cannot be asked.
        pytest.param({"restarting": True}, False, id="it ends again and again"),
    ],
)
def test_whether_the_replaced_container_serves(changes: dict[str, Any], serving: bool) -> None:
    found = replaced_container(look({**OLD, **changes}), WANTED)
    assert (found["running"], found["serving"]) == (serving, serving)


@pytest.mark.parametrize(
    ("seen", "sentences"),
    [
        pytest.param(look(OLD, own=OLD), [], id="nothing"),
        pytest.param(look(), [], id="no container"),
        pytest.param(
            look(OLD, {**OLD, "id": "2", "name": "b"}),
            ["The containers pg and b of docker-compose deployments"],
            id="two",
        ),
        pytest.param(look(OLD, owner=70), ["belongs to user 70 and not to 999, as where an Alpine image"], id="Alpine"),
        pytest.param(look(OLD, outside=["pg_wal"]), ["has parts outside of it (pg_wal)"], id="a link"),
        pytest.param(
            look(OLD, system_settings={"ssl": "off", "work_mem": "8MB", "port": "1"}),
            ["sets port, ssl, which would come before", "docker exec pg psql -U postgres -c 'ALTER SYSTEM RESET port'"],
            id="ALTER SYSTEM",
        ),
    ],
)
def test_replacement_problems(seen: dict[str, Any], sentences: list[str]) -> None:
    problems = replacement_problems(seen, WANTED)
    assert len(problems) == min(len(sentences), 1)
    assert all(sentence in problems[0] for sentence in sentences)


def test_name_to_keep_it_under_is_taken() -> None:
    (problem,) = replacement_problems(look(OLD), {**WANTED, "kept_as": "web"})
    assert "The container pg would be kept as web, and there is a container of that name already" in problem
    assert replacement_problems(look({**OLD, "name": "web"}), {**WANTED, "kept_as": "web"}) == []


def judge(facts: dict[str, Any] | None = None, seen: dict[str, Any] | None = None, **wanted: Any) -> dict[str, Any]:
    """Judge a cluster that differs from an ordinary one by these."""
    return judge_adoption({**copy.deepcopy(FACTS), **(facts or {})}, seen or look(OLD, own=OLD), {**WANTED, **wanted})


def database(**changes: Any) -> dict[str, Any]:
    """Give the databases of a cluster, authdb differing by the keywords."""
    return {"databases": {"authdb": {**FACTS["databases"]["authdb"], **changes}}}


def test_an_ordinary_deployment() -> None:
    assert judge() == {
        "adopt": True,
        "complete": False,
        "problems": [],
        "notes": ["The cluster keeps its locale: en_US.utf8 (UTF8)."],
        "adopted": {
            "keeps_superuser_password": True,
            "locale_settings": {"lc_messages": "en_US.utf8"},
            "system_settings": {},
        },
    }


@pytest.mark.parametrize(
    ("facts", "adopt"),
    [
        pytest.param({"marked": True}, False, id="this instance's own"),
        pytest.param({"marked": True, "recorded": True}, True, id="cut short after the mark"),
        pytest.param({"recorded": True}, True, id="cut short before the mark"),
    ],
)
def test_whose_cluster_it_is(facts: dict[str, Any], adopt: bool) -> None:
    found = judge({**facts, "login_roles": ["postgres", "auth_service", "readonly_user"]})
    assert found["adopt"] is adopt
    assert bool(found["adopted"]) is adopt
    assert found["problems"] == []


def test_roles_of_an_own_cluster_are_not_judged() -> None:
    assert judge({"marked": True, "login_roles": ["postgres", "stranger"]})["problems"] == []


@pytest.mark.parametrize(
    ("facts", "wanted", "sentence"),
    [
        ({"databases": {}}, {}, "lacks the databases authdb, so it is unfinished or somebody else's"),
        ({"databases": {}}, {"choice": {"identifier": "9"}}, "set postgres_instance_accept_system_identifier to 7001"),
        ({"prepared_transactions": 2}, {}, "has 2 prepared transactions"),
        ({"login_roles": ["postgres", "b", "c"]}, {"lock_out": ["b"]}, "The roles c may log in"),
        ({"superuser_verifier": "md5"}, {}, "The password of postgres is stored as MD5"),
        ({"superuser_verifier": "none"}, {}, "The password of postgres is not set"),
        (database(extensions={"vector": "0.8.1"}), {}, "has the extension vector 0.8.1, which the image does not have"),
        (database(extensions={"vector": "0.10.0"}), {}, "has the extension vector 0.10.0"),
        (database(unavailable={"postgis": "3.3"}), {}, "has the extension postgis 3.3"),
    ],
)
def test_what_forbids_an_adoption(facts: dict[str, Any], wanted: dict[str, Any], sentence: str) -> None:
    (problem,) = judge(facts, **wanted)["problems"]
    assert sentence in problem


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"databases": {}}, {"choice": {"identifier": "7001"}}),
        ({"superuser_verifier": "md5"}, {"superuser_from_network": False}),
        ({"login_roles": ["postgres", "b"]}, {"lock_out": ["b"]}),
        (database(extensions={"vector": "0.5.1"}), {}),
        (database(extensions={"vector": "0.9.0"}), {"pgvector_version": ""}),
    ],
)
def test_what_does_not(facts: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = judge(facts, **wanted)
    assert found["problems"] == []
    assert found["complete"] == (facts == {"databases": {}})


@pytest.mark.parametrize(
    ("facts", "seen", "wanted", "sentence"),
    [
        ({"data_checksums": False}, look(OLD), {}, "It has no data checksums"),
        ({}, look(OLD, settings={"timezone": "Asia/Tokyo"}), {}, "Its time zone was Asia/Tokyo and is UTC now"),
        (
            {},
            look(OLD, settings={"work_mem": "9MB", "shared_buffers": "128MB"}),
            {},
            "postgresql.conf in the volume is not read any more; it held work_mem = 9MB:",
        ),
        ({}, look(OLD), {"addresses": ["bridge"]}, "It was published on 0.0.0.0:5432 and is on 172.17.0.1:5432 now"),
        ({}, look(OLD), {"addresses": []}, "It was published on 0.0.0.0:5432 and is on nothing now"),
    ],
)
def test_notes(facts: dict[str, Any], seen: dict[str, Any], wanted: dict[str, Any], sentence: str) -> None:
    notes = judge(facts, seen, **wanted)["notes"]
    assert len(notes) == 2
    assert sentence in notes[1]


def test_superuser_that_may_not_come_from_the_network_keeps_no_password() -> None:
    assert judge(superuser_from_network=False)["adopted"]["keeps_superuser_password"] is False


def test_locale_settings() -> None:
    settings = {"lc_time": "de_DE.utf8", "default_text_search_config": "pg_catalog.german", "port": "1"}
    assert locale_settings({"settings": settings}) == {
        "default_text_search_config": "pg_catalog.german",
        "lc_time": "de_DE.utf8",
    }


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        ({}, []),
        ({"work_mem": "4MB", "ssl": "true"}, []),
        (
            {"work_mem": "7MB"},
            [
                "postgresql.auto.conf sets work_mem = 7MB, which overrides 4MB of the configuration: it is reset; its place"
            ],
        ),
        (
            {"jit": "off"},
            [
                "postgresql.auto.conf sets jit = off, which the configuration does not: it stays in force until ALTER SYSTEM RESET jit;"
            ],
        ),
    ],
)
def test_overridden_settings(found: dict[str, str], sentences: list[str]) -> None:
    said = overridden_settings({"work_mem": "4MB", "ssl": True}, found)
    assert len(said) == len(sentences)
    assert all(sentence in text for sentence, text in zip(sentences, said))
