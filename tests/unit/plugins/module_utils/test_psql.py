# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""psql scripts told apart into statements and metacommands, and made fit for a scratch database."""

from __future__ import annotations

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._psql import Command, ScriptError, Statement, parse
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.definition import batches, read_definition
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import SchemaError


def parts(text: str, **variables: str) -> list[str]:
    return [item.sql if isinstance(item, Statement) else f"\\{item.name}" for item in parse(text, variables)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (";;  ;", []),
        ("-- only a comment", []),
        ("/* a /* nested */ ; comment */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' ; SELECT E'\\';' ;", ["SELECT ';'", "SELECT E'\\';'"]),
        ("SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
        ('SELECT ";""";', ['SELECT ";"""']),
        ("DO $$ a; b $$; SELECT 1;", ["DO $$ a; b $$", "SELECT 1"]),
        ("DO $x$ $$ ; $$ $x$;", ["DO $x$ $$ ; $$ $x$"]),
        ("SELECT $1; SELECT 2", ["SELECT $1", "SELECT 2"]),
        ("SELECT a$b$c; SELECT 1", ["SELECT a$b$c", "SELECT 1"]),
        (
            "CREATE RULE r AS ON DELETE TO t DO (a; b); SELECT 1",
            ["CREATE RULE r AS ON DELETE TO t DO (a; b)", "SELECT 1"],
        ),
        ("SELECT 1 -- why;\n;", ["SELECT 1"]),
        ("SELECT 1 /* why */ -- and\n", ["SELECT 1"]),
        ("-- why\nSELECT 1;", ["-- why\nSELECT 1"]),
        ("\\c x\nSELECT 1;", ["\\c", "SELECT 1"]),
        ("SELECT '\\c x';", ["SELECT '\\c x'"]),
        ("SELECT 1\\;SELECT 2;", ["SELECT 1;SELECT 2"]),
        ("\\echo a \\\\ \\c x", ["\\echo", "\\c"]),
        ("SELECT 'Größe;';", ["SELECT 'Größe;'"]),
        ("SELECT x::text, y[1:2], :z;", ["SELECT x::text, y[1:2], :z"]),
    ],
)
def test_statements_end_at_semicolons_outside_quotes(text: str, found: list[str]) -> None:
    assert parts(text) == found


def test_sql_bodies_hold_semicolons() -> None:
    body = "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END"
    assert parts(f"{body}; SELECT 2;") == [body, "SELECT 2"]


def test_variables_are_filled_in_outside_quotes() -> None:
    found = parts("SELECT :a, :'a', :\"a\", ':a', $$:a$$, x::a;", a="o'\"x")
    assert found == ["SELECT o'\"x, 'o''\"x', \"o'\"\"x\", ':a', $$:a$$, x::a"]


def test_lines_and_ends() -> None:
    items = list(parse("\n-- x\n\nSELECT\n1;\n\\connect db\n\nSELECT 2 \\gexec\nSELECT 3;"))
    assert [item.line for item in items] == [2, 6, 8, 9]
    assert isinstance(items[1], Command)
    assert items[1].arguments == ("db",)
    assert isinstance(items[2], Statement)
    assert items[2].ended_by == "gexec"


def test_rows_of_copy() -> None:
    items = list(parse("COPY t (a, b) FROM stdin;\n1;\t'x\n\\.\nSELECT 1;"))
    assert isinstance(items[0], Statement)
    assert items[0].data == "1;\t'x\n"
    assert isinstance(items[1], Statement)
    assert (items[1].sql, items[1].line) == ("SELECT 1", 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;\nDO $$ x", r"^Line 2: the quote \$\$ is never closed\.$"),
        ("/* a", "^Line 1: the comment is never closed"),
        ("COPY t FROM stdin;\n1\n", r"^Line 1: the rows of COPY … FROM stdin are never ended"),
        ("COPY t FROM stdin;", "^Line 1: COPY … FROM stdin has no rows"),
    ],
)
def test_a_script_that_ends_too_early(text: str, said: str) -> None:
    with pytest.raises(ScriptError, match=said):
        list(parse(text))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("BEGIN; CREATE TABLE t (); COMMIT;", ["CREATE TABLE t ()"]),
        ("START TRANSACTION; VACUUM t; ANALYZE; CHECKPOINT;", []),
        ("CREATE INDEX CONCURRENTLY i ON t (a);", ["CREATE INDEX              i ON t (a)"]),
        ('CREATE INDEX "CONCURRENTLY" ON t (a);', ['CREATE INDEX "CONCURRENTLY" ON t (a)']),
        ("GRANT CONNECT ON DATABASE Mine TO x;", ['GRANT CONNECT ON DATABASE "scratch" TO x']),
        ('ALTER DATABASE "mine" SET a = 1;', ['ALTER DATABASE "scratch" SET a = 1']),
        ("COMMENT ON DATABASE mine IS 'x';", ["COMMENT ON DATABASE \"scratch\" IS 'x'"]),
        ("GRANT CONNECT ON DATABASE other TO x;", ["GRANT CONNECT ON DATABASE other TO x"]),
        ("\\restrict abc\nSELECT 1;\n\\unrestrict abc", ["SELECT 1"]),
    ],
)
def test_what_is_sent_to_the_scratch_database(text: str, sent: list[str]) -> None:
    assert [piece.sql for piece in read_definition(text, "mine", "scratch")] == sent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;\n\\i x.sql", r"^definition, line 2: \\i is a command of psql; read the file with the lookup"),
        ("SELECT 1 \\gexec", r"line 1: \\gexec is a command of psql"),
        ("CREATE DATABASE x;", "line 1: the definition is that of one database"),
        ("\nALTER SYSTEM SET a = 1;", "line 2: ALTER SYSTEM changes the server"),
        ("ROLLBACK;", "line 1: a definition cannot take back"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;", "would connect to another server"),
        ("DO $$", "definition: Line 1: the quote"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        read_definition(text, "mine", "scratch")


def test_batches_keep_rows_apart() -> None:
    pieces = read_definition("SELECT 1; SELECT 2; SELECT 3; COPY t FROM stdin;\n\\.\nSELECT 4;", "a", "b")
    assert [len(batch) for batch in batches(pieces, 2)] == [2, 1, 1, 1]
