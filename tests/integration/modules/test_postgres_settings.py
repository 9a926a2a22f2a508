"""postgres_settings on a real server: what it says is what SHOW says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Server


@pytest.fixture(autouse=True)
def untouched(server: Server) -> Iterator[None]:
    """Take back whatever a test has set by ALTER SYSTEM."""
    yield
    server.sql("ALTER SYSTEM RESET ALL")
    server.sql("SELECT pg_reload_conf()")


def statuses(result: dict[str, Any]) -> dict[str, str]:
    assert "settings" in result, result.get("msg")
    return {each["name"]: each["status"] for each in result["settings"]}


def test_every_setting_of_the_server_is_in_force_as_it_shows_it(server: Server) -> None:
    """No false alarm: each value in PostgreSQL's own notation, and in base units, is the running one."""
    rows = server.sql(
        "SELECT name, current_setting(name), setting FROM pg_settings"
        " WHERE name NOT IN ('search_path', 'jit', 'application_name', 'client_encoding')"
    )
    for wanted in ({name: shown for name, shown, _ in rows}, {name: base for name, _, base in rows}):
        result = server.call("postgres_settings", settings=wanted)
        assert {name: status for name, status in statuses(result).items() if status != "in_force"} == {}
        assert result["in_sync"] is True
        assert result["changed"] is False


def test_every_word_that_an_enumeration_takes_is_in_force_once_it_is_set(server: Server) -> None:
    """PostgreSQL shows some words as others, such as on as pglz."""
    rows = server.sql(
        "SELECT name, enumvals FROM pg_settings"
        " WHERE vartype = 'enum' AND context IN ('user', 'superuser') AND name <> 'transaction_isolation' AND source <> 'command line'"
    )
    # Words that pg_settings does not list, and the server takes.
    unlisted = {"wal_compression": ["true", "no"], "synchronous_commit": ["1", "false"], "log_min_messages": ["debug"]}
    words = {name: listed + unlisted.get(name, []) for name, listed in rows}
    for turn in range(max(map(len, words.values()))):
        wanted = {name: listed[turn % len(listed)] for name, listed in words.items()}
        result = server.call("postgres_settings", state="present", settings=wanted)
        assert result.get("in_sync"), [each for each in result.get("settings", result) if each["status"] != "in_force"]


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("state", ["verified", "present"])
def test_each_case_is_told_apart(server: Server, state: str, check: bool) -> None:
    wanted = {"work_mem": "9MB", "shared_buffers": "77MB", "geqo": True}
    result = server.call("postgres_settings", check=check, state=state, settings=wanted)
    applied = state == "present" and not check
    assert statuses(result) == {
        "work_mem": "in_force" if applied else "needs_reload",
        "shared_buffers": "needs_restart",
        "geqo": "in_force",
    }
    assert result["pending_restart"] == ["shared_buffers"]
    assert result["in_sync"] is False
    assert result["changed"] is (state == "present")
    assert result["queries"] == (
        [
            "ALTER SYSTEM SET \"work_mem\" = '9MB'",
            "ALTER SYSTEM SET \"shared_buffers\" = '77MB'",
            "SELECT pg_reload_conf()",
        ]
        if state == "present"
        else []
    )
    assert server.sql("SHOW work_mem")[0][0] == ("9MB" if applied else "4MB")


def test_second_run_changes_nothing(server: Server) -> None:
    wanted = {"work_mem": "9MB", "log_min_duration_statement": "1s", "search_path": ['"$user"', "public", "odd, name"]}
    first = server.call("postgres_settings", state="present", settings=wanted)
    assert (first["changed"], first["in_sync"]) == (True, True), first
    second = server.call("postgres_settings", state="present", settings=wanted)
    assert (second["changed"], second["queries"], second["in_sync"]) == (False, [], True)


def test_entry_that_is_written_but_not_read_needs_no_more_than_a_reload(server: Server) -> None:
    server.sql("ALTER SYSTEM SET work_mem = '10MB'")
    verified = server.call("postgres_settings", settings={"work_mem": "10MB"})
    assert statuses(verified) == {"work_mem": "needs_reload"}
    assert "postgresql.auto.conf line" in verified["settings"][0]["file"]
    done = server.call("postgres_settings", state="present", settings={"work_mem": "10MB"})
    assert (done["queries"], done["in_sync"]) == (["SELECT pg_reload_conf()"], True)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"work_mex": "1MB"}, "work_mex is no setting of this server"),
        ({"work_mem": "1 apple"}, "work_mem = 1 apple has the unit apple"),
        ({"work_mem": "1kB"}, "work_mem = 1kB is outside 64 to"),
        ({"block_size": 4096}, "block_size is 8192 and cannot be set"),
    ],
)
def test_impossible_value_fails_before_anything_is_changed(server: Server, setting: dict[str, Any], said: str) -> None:
    result = server.call("postgres_settings", state="present", settings={"geqo": False, **setting})
    assert result.get("failed") is True
    assert said in result["msg"]
    assert server.sql("SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'") == [(0,)]


def test_overrides_are_named(server: Server) -> None:
    server.sql('CREATE ROLE "set by; hand"')
    server.sql("ALTER ROLE \"set by; hand\" SET work_mem = '1MB'")
    server.sql("ALTER DATABASE postgres SET work_mem = '2MB'")
    try:
        result = server.call("postgres_settings", settings={"work_mem": "4MB", "fsync": True})
        by_name = {each["name"]: each for each in result["settings"]}
        assert by_name["work_mem"]["status"] == "in_force"
        assert by_name["work_mem"]["overrides"] == [
            "ALTER DATABASE postgres SET work_mem=2MB",
            'ALTER ROLE "set by; hand" SET work_mem=1MB',
        ]
        # The server of these tests is started with -c fsync=off.
        assert by_name["fsync"]["status"] == "overridden"
        assert "command line" in by_name["fsync"]["message"]
    finally:
        server.sql("ALTER DATABASE postgres RESET work_mem")
        server.sql('DROP ROLE "set by; hand"')


def test_value_that_alter_system_hides_is_laid_open_again(server: Server) -> None:
    """max_wal_size stands in the file that initdb writes."""
    server.sql("ALTER SYSTEM SET max_wal_size = '3GB'")
    server.sql("SELECT pg_reload_conf()")
    done = server.call("postgres_settings", state="present", settings={"max_wal_size": "1GB"})
    assert done["queries"] == ['ALTER SYSTEM RESET "max_wal_size"', "SELECT pg_reload_conf()"]
    assert done["in_sync"] is True
    assert server.sql("SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'") == [(0,)]


def test_what_a_socket_does_not_show_counts_by_its_file(server: Server) -> None:
    """Over a Unix-domain socket SHOW says 0 of the keepalives, whatever is in force for TCP."""
    wanted = {"tcp_keepalives_idle": "60s", "tcp_keepalives_count": 6, "tcp_user_timeout": "2min"}
    assert server.call("postgres_settings", state="present", settings=wanted)["in_sync"]
    assert server.call("postgres_settings", state="present", settings=wanted)["changed"] is False
    server.sql("ALTER SYSTEM SET tcp_keepalives_idle = '7s'")
    server.sql("SELECT pg_reload_conf()")
    assert statuses(server.call("postgres_settings", settings=wanted))["tcp_keepalives_idle"] == "needs_reload"


def test_what_was_written_and_not_read_is_not_in_force(server: Server) -> None:
    """A number that is chosen at the start, and a setting that the module's own session has otherwise: the file shows more than is true."""
    wanted = {"wal_buffers": "3MB", "jit": "off"}
    server.sql("SELECT pg_reload_conf()")
    # The time of a file is told in whole seconds.
    time.sleep(1.1)
    server.sql("ALTER SYSTEM SET wal_buffers = '3MB'")
    server.sql("ALTER SYSTEM SET jit = off")
    verified = server.call("postgres_settings", settings=wanted)
    assert statuses(verified) == {"wal_buffers": "needs_restart", "jit": "needs_reload"}
    assert server.sql("SHOW jit") == [("on",)]
    done = server.call("postgres_settings", state="present", settings=wanted)
    assert statuses(done) == {"wal_buffers": "needs_restart", "jit": "in_force"}
    assert done["queries"] == ["SELECT pg_reload_conf()"]
    assert server.sql("SHOW jit") == [("off",)]


def test_files_that_no_reload_has_followed_are_known(server: Server) -> None:
    def loaded(**given: Any) -> Any:
        return server.call("postgres_settings", login_user="postgres", settings={"port": server.port}, **given)[
            "loaded"
        ]

    (path,) = server.sql("SHOW hba_file")[0]
    assert loaded() is True
    try:
        server.shell(f"touch -d +5seconds {path}")
        assert loaded() is False
    finally:
        server.shell(f"touch -d -5seconds {path}")
    server.sql("SELECT pg_reload_conf()")
    assert loaded(check=True) is True
    server.sql(
        "CREATE ROLE amt_settings_plain LOGIN PASSWORD 'for-tests' IN ROLE pg_read_all_settings;"
        "GRANT SELECT ON pg_file_settings TO amt_settings_plain;"
        "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO amt_settings_plain"
    )
    try:
        found = server.call(
            "postgres_settings",
            settings={"port": server.port},
            login_unix_socket="",
            login_host="127.0.0.1",
            login_user="amt_settings_plain",
            login_password="for-tests",
        )
        assert "msg" not in found, found["msg"]
        assert (found["in_sync"], found["loaded"]) == (True, None)
    finally:
        server.sql("DROP OWNED BY amt_settings_plain; DROP ROLE amt_settings_plain")
