# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connection options and the sentences for what libpq and the server say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _session

PARAMS: dict[str, Any] = {
    "login_host": "",
    "login_port": 5432,
    "login_user": "postgres",
    "login_password": "",
    "login_unix_socket": "",
    "ssl_mode": "prefer",
    "ca_cert": None,
    "ssl_cert": None,
    "ssl_key": None,
    "connect_params": {},
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, {"user": "postgres", "port": 5432, "dbname": "d"}, id="defaults"),
        pytest.param({"login_unix_socket": "/s"}, {"host": "/s"}, id="socket"),
        pytest.param({"login_unix_socket": "/s", "login_host": "localhost"}, {"host": "/s"}, id="socket and localhost"),
        pytest.param({"login_unix_socket": "/s", "login_host": "db"}, {"host": "db"}, id="a host wins"),
        pytest.param({"connect_params": {"connect_timeout": 3}}, {"connect_timeout": 3}, id="parameters win"),
        pytest.param({"connect_params": {"dbname": "other"}}, {"dbname": "d"}, id="but not over the database"),
        pytest.param({"ca_cert": "/ca", "ssl_mode": "verify-full"}, {"sslrootcert": "/ca"}, id="authority"),
    ],
)
def test_connection_arguments(given: dict[str, Any], expected: dict[str, Any]) -> None:
    arguments = _session.connection_arguments({**PARAMS, **given}, "d")
    assert expected.items() <= arguments.items()
    assert None not in arguments.values()


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ('connection to server at "h" failed: FATAL:  password authentication failed for user "u"', "login_password"),
        ("fe_sendauth: no password supplied", "set login_password"),
        ('FATAL:  Peer authentication failed for user "u"', "become_user"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption', "ssl_mode=require"),
        ('FATAL:  database "d" does not exist', "create it first"),
        ('FATAL:  role "u" does not exist', "login_user"),
        ('connection to server on socket "/s/.s.PGSQL.1" failed: No such file or directory', "login_unix_socket"),
        ("Connection refused\n\tIs the server running?", "start it"),
        ("could not translate host name", "login_host"),
        ("timeout expired", "firewall"),
        ("server does not support SSL, but SSL was required", "ssl_mode=disable"),
        ('server certificate for "a" does not match host name "b"', "ca_cert"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("FATAL:  the database system is starting up", "pg_isready"),
        ("something else", "in the brackets"),
    ],
)
def test_connect_sentence(said: str, remedy: str) -> None:
    arguments = {"host": "h", "port": 1, "user": "u", "dbname": "d", "password": "geheim"}
    sentence = _session.connect_sentence(said + " geheim", arguments)
    assert remedy in sentence
    for part in ("h:1", "user u", "database d"):
        assert part in sentence
    for part in ("\n", "geheim"):
        assert part not in sentence


def test_statement_sentence_names_the_remedy_of_a_code_and_of_its_class() -> None:
    assert "superuser" in _session.statement_sentence("42501", "permission denied", "d")
    assert "see its log" in _session.statement_sentence("53100", "disk full", "d")
    assert _session.statement_sentence(None, "odd\nmore", "d") == "PostgreSQL refused a statement in database d: odd."


class RefusedError(Exception):
    """What the stand-in for fail_json raises."""


class StandIn:
    def __init__(self, **params: Any) -> None:
        self.params = {**PARAMS, **params}

    def fail_json(self, msg: str, **_kwargs: Any) -> Any:
        raise RefusedError(msg)


def test_password_among_connect_params_is_refused() -> None:
    with pytest.raises(RefusedError, match="login_password"):
        _session.open_session(StandIn(connect_params={"password": "geheim"}), "d")


def test_missing_psycopg2_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_session, "HAS_PSYCOPG2", False)
    with pytest.raises(RefusedError, match="python3-psycopg2"):
        _session.open_session(StandIn(), "d")


def test_nobody_listens() -> None:
    with (
        pytest.raises(RefusedError, match="no server listens"),
        _session.session(StandIn(login_unix_socket="/nowhere"), "d"),
    ):
        pass
