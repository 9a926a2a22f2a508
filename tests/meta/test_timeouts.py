"""Keepalives, timeouts of roles and the README's advice for pools agree with each other."""

from __future__ import annotations

import re

from scripts import docs
from tests.meta.checkout import ROOT

ADVICE = re.search(r"\nSQLAlchemy's pools want .*?\n\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
SETTINGS = docs.load(ROOT / "roles/postgres_instance/vars/main.yml")["_postgres_instance_base_settings"]
OF_ROLES = docs.load(ROOT / "roles/postgres_databases/defaults/main.yml")["postgres_databases_role_settings"]


def seconds(text: str) -> int:
    """Return a time as settings write it in seconds."""
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "min": 60}[unit]


def test_a_client_that_is_gone_is_noticed_when_the_readme_says() -> None:
    probes = SETTINGS["tcp_keepalives_count"] * seconds(SETTINGS["tcp_keepalives_interval"])
    assert seconds(SETTINGS["tcp_keepalives_idle"]) + probes == seconds(SETTINGS["tcp_user_timeout"]) == 120
    assert ADVICE
    assert "after two minutes, by keepalives" in ADVICE[0]


def test_the_advice_names_the_timeouts_of_roles() -> None:
    assert ADVICE
    assert {"pool_pre_ping=True", "pool_recycle=1800"} <= set(re.findall("`([^`]+)`", ADVICE[0]))
    assert set(OF_ROLES) == {"statement_timeout", "idle_in_transaction_session_timeout"}
    for name, value in OF_ROLES.items():
        assert re.search(rf"`{value}`[^`]*\(`{name}`\)", ADVICE[0]), name


def test_no_connection_is_ended_while_it_waits_in_a_pool() -> None:
    """Pools recycle a connection by themselves: the server ends none that is in no transaction."""
    assert "idle_session_timeout" not in {*OF_ROLES, *SETTINGS}
