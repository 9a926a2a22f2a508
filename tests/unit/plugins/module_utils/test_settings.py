"""Values are read as PostgreSQL's guc.c reads them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._settings import (
    BadValue,
    OutOfRange,
    as_text,
    judge,
    parse,
    same,
    split_list,
)


def row(**changes: Any) -> dict[str, Any]:
    """Make a row of pg_settings."""
    usual = {
        "name": "some_setting",
        "setting": "",
        "unit": None,
        "vartype": "string",
        "context": "sighup",
        "source": "configuration file",
        "min_val": None,
        "max_val": None,
        "enumvals": None,
        "boot_val": "",
        "pending_restart": False,
    }
    return {**usual, **changes}


def integer(unit: str | None = None, low: int = -1, high: int = 2**31 - 1) -> dict[str, Any]:
    """Make the row of a whole number."""
    return row(vartype="integer", unit=unit, min_val=str(low), max_val=str(high))


PAGES, KILOBYTES, MILLISECONDS = integer("8kB"), integer("kB"), integer("ms")
BOOLEAN = row(vartype="bool")
ENUM = row(vartype="enum", enumvals=["local", "remote_write", "on", "off"])


@pytest.mark.parametrize(
    ("setting", "one", "other"),
    [
        (PAGES, "1GB", "131072"),
        (PAGES, "1GB", "1024MB"),
        (PAGES, "1.5 GB", "1536MB"),
        (KILOBYTES, "4MB", "4096"),
        (KILOBYTES, "0x1000", "4096"),
        (KILOBYTES, " 4096 ", "4096kB"),
        (KILOBYTES, "1e3", "1000"),
        (integer(), "0777", "511"),
        (MILLISECONDS, "1s", "1000"),
        (MILLISECONDS, "1min", "60s"),
        (MILLISECONDS, "0.5 h", "30min"),
        (MILLISECONDS, "1500us", "2"),
        (row(vartype="real", unit="ms", min_val="-1", max_val="100"), "2", "2000us"),
        (row(vartype="real", min_val="0", max_val="1"), "0.9", ".90"),
        (BOOLEAN, "on", "t"),
        (BOOLEAN, "FALSE", "0"),
        (ENUM, "Local", "local"),
        (ENUM, "yes", "on"),
        (row(vartype="enum", name="wal_level", enumvals=["minimal", "replica", "logical"]), "hot_standby", "replica"),
        (row(vartype="enum", name="wal_compression", enumvals=["pglz", "lz4", "zstd", "on", "off"]), "on", "pglz"),
        (row(vartype="enum", name="log_min_messages", enumvals=["debug2", "debug1"]), "debug", "debug2"),
        (row(name="DateStyle"), "iso, mdy", "ISO, MDY"),
        (row(name="TimeZone"), "utc", "UTC"),
        (row(name="shared_preload_libraries"), "a,b", '"a", b'),
        (row(name="archive_command"), "cp %p /x", "cp %p /x"),
    ],
)
def test_same_value_in_two_spellings(setting: dict[str, Any], one: str, other: str) -> None:
    assert parse(setting, one) == parse(setting, other)


@pytest.mark.parametrize(
    ("setting", "one", "other"),
    [
        (PAGES, "1GB", "1GB 1"),
        (KILOBYTES, "4MB", "4GB"),
        (BOOLEAN, "on", "off"),
        (row(name="archive_command"), "cp A", "cp a"),
        (row(name="shared_preload_libraries"), "a, b", "b, a"),
    ],
)
def test_different_values(setting: dict[str, Any], one: str, other: str) -> None:
    assert not same(setting, one, other)


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        (BOOLEAN, "o", "is not a boolean"),
        (BOOLEAN, "", "is not a boolean"),
        (BOOLEAN, "2", "is not a boolean"),
        (ENUM, "elsewhere", "is none of local, remote_write, on, off"),
        (KILOBYTES, "4 apples", "has the unit apples: it takes B, kB, MB, GB, TB"),
        (KILOBYTES, "4mb", "has the unit mb"),
        (KILOBYTES, "1s", "has the unit s"),
        (MILLISECONDS, "1MB", "has the unit MB: it takes us, ms, s, min, h, d"),
        (integer(), "1kB", "has the unit kB: it takes a number without one"),
        (integer(), "many", "is not a number"),
        (integer(), "", "is not a number"),
    ],
)
def test_no_value_of_the_setting(setting: dict[str, Any], text: str, said: str) -> None:
    with pytest.raises(BadValue, match=said):
        parse(setting, text)


@pytest.mark.parametrize("text", ["17", "-1", "1MB"])
def test_outside_the_range(text: str) -> None:
    with pytest.raises(OutOfRange, match="is outside 0 to 16 kB"):
        parse(integer("kB", 0, 16), text)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "on"), (False, "off"), (1, "1"), (0.9, "0.9"), (None, ""), (["a", "b"], "a, b")]
)
def test_value_of_yaml_as_text(value: Any, text: str) -> None:
    assert as_text(value) == text


def test_list_is_split_outside_quotes() -> None:
    assert split_list('a , "b, ""c""", d') == ["a", 'b, "c"', "d"]
    assert split_list("") == []


ENTRY = {"sourcefile": "/etc/x.conf", "sourceline": 7, "name": "some_setting", "setting": "8MB", "error": None}


@pytest.mark.parametrize(
    ("changes", "entry", "status"),
    [
        pytest.param({"setting": "8MB"}, None, "in_force", id="in force"),
        pytest.param({"setting": "4MB"}, None, "needs_reload", id="sighup"),
        pytest.param({"setting": "4MB", "context": "postmaster"}, None, "needs_restart", id="postmaster"),
        pytest.param(
            {"setting": "8MB", "pending_restart": True, "context": "postmaster"}, ENTRY, "needs_restart", id="waits"
        ),
        pytest.param({"setting": "4MB", "source": "command line"}, ENTRY, "overridden", id="command line"),
        pytest.param({"setting": "4MB", "context": "internal"}, None, "read_only", id="internal"),
        pytest.param({"setting": "4MB", "source": "session"}, ENTRY, "in_force", id="set in this session only"),
        pytest.param(
            {"setting": "4MB", "source": "user", "boot_val": "8192"}, None, "in_force", id="set for this role only"
        ),
        pytest.param({"setting": "8MB", "max_val": "1"}, None, "out_of_range", id="out of range"),
    ],
)
def test_judgement(changes: dict[str, Any], entry: dict[str, Any] | None, status: str) -> None:
    setting = {**integer("kB"), "boot_val": "4096", **changes}
    answer = judge("some_setting", "8MB", setting, [entry] if entry else [])
    assert answer["status"] == status
    assert bool(answer["message"]) is (status != "in_force")


def test_number_chosen_at_the_start_is_in_force_as_its_default() -> None:
    setting = {**integer("8kB"), "setting": "4MB", "boot_val": "-1", "context": "postmaster"}
    assert judge("wal_buffers", "-1", setting)["status"] == "in_force"
    assert judge("wal_buffers", "16MB", setting)["status"] == "needs_restart"
    assert judge("wal_buffers", "-1", setting, [{**ENTRY, "setting": "4MB"}])["status"] == "needs_restart"


@pytest.mark.parametrize(
    ("wanted", "written", "loaded", "status"),
    [
        # Written and not read yet: what runs is what counts.
        ("16MB", "16MB", False, "needs_restart"),
        ("16MB", "16MB", None, "needs_restart"),
        ("-1", "-1", False, "needs_restart"),
        ("-1", "-1", True, "in_force"),
        # The server has read it, and made of it what it takes: four pages at least.
        ("8kB", "8kB", True, "in_force"),
    ],
)
def test_number_chosen_at_the_start_counts_by_a_file_that_was_read(
    wanted: str, written: str, loaded: bool | None, status: str
) -> None:
    setting = {**integer("8kB"), "setting": "4MB", "boot_val": "-1", "context": "postmaster"}
    assert judge("wal_buffers", wanted, setting, [{**ENTRY, "setting": written}], (), loaded)["status"] == status


@pytest.mark.parametrize(("loaded", "status"), [(True, "in_force"), (None, "in_force"), (False, "needs_reload")])
def test_value_that_only_a_file_shows_is_in_force_once_the_file_was_read(loaded: bool | None, status: str) -> None:
    of_the_session = {**BOOLEAN, "name": "jit", "setting": "off", "source": "session", "boot_val": "on"}
    answer = judge("jit", "on", of_the_session, [{**ENTRY, "setting": "on"}], (), loaded)
    assert answer["status"] == status
    if loaded is False:
        assert answer["message"] == (
            "jit is on by a file (/etc/x.conf line 7) that the server has not read since it was written: it takes a reload to come into force."
        )


def test_disabled_command_counts_by_its_file() -> None:
    setting = row(name="archive_command", setting="(disabled)")
    assert judge("archive_command", "cp %p /x", setting, [{**ENTRY, "setting": "cp %p /x"}])["status"] == "in_force"
    assert judge("archive_command", "cp %p /y", setting, [{**ENTRY, "setting": "cp %p /x"}])["status"] == "needs_reload"


def test_setting_of_a_library_that_is_not_loaded() -> None:
    assert judge("pgaudit.log", "ddl", None, [{**ENTRY, "setting": "ddl"}])["status"] == "in_force"
    assert judge("pgaudit.log", "ddl", None)["status"] == "unknown"
    assert judge("work_mex", "1", None)["status"] == "unknown"


AUTO = {**ENTRY, "sourcefile": "/data/postgresql.auto.conf"}


@pytest.mark.parametrize(
    ("entries", "repair"),
    [
        pytest.param([], "SET", id="nowhere"),
        pytest.param([ENTRY], "", id="written but not read"),
        pytest.param([{**ENTRY, "setting": "1MB"}], "SET", id="another value"),
        pytest.param([ENTRY, {**AUTO, "setting": "1MB"}], "RESET", id="hidden by ALTER SYSTEM"),
        pytest.param([{**ENTRY, "setting": "2MB"}, {**AUTO, "setting": "1MB"}], "SET", id="another value in both"),
        pytest.param([{**AUTO, "setting": "1MB"}], "SET", id="another value by ALTER SYSTEM"),
        pytest.param([ENTRY, {**ENTRY, "setting": "1MB"}], "SET", id="a later line of the file"),
        pytest.param([{**ENTRY, "setting": "2MB"}, AUTO], "", id="by ALTER SYSTEM already"),
    ],
)
def test_repair_of_the_files(entries: list[dict[str, Any]], repair: str) -> None:
    setting = {**integer("kB"), "setting": "4MB", "boot_val": "4096"}
    assert judge("some_setting", "8MB", setting, entries)["repair"] == repair
