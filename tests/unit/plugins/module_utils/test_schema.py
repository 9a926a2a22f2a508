# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Comparison and planning of postgres_schema: tables of cases over plain data, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.apply import segments
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.compare import (
    compare,
    ignoring,
    reported,
    sentence,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.column import constant
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.index import listed
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import default_privileges, grants
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    OWNER,
    Data,
    Key,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.options import normal_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.plan import ordered, plan
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    ident,
    literal,
    options_clause,
    shown,
    words,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.types import type_hazard

TABLE = {
    "persistence": "permanent", "partition_key": None, "partition_of": None, "bound": None, "inherits": [],
    "of_type": None, "options": [], "access_method": "heap", "tablespace": None, "row_security": False,
    "force_row_security": False, "replica_identity": "default", "owner": "postgres", "privileges": default_privileges("r", 15), "comment": None,
}  # fmt: skip
COLUMN: dict[str, Any] = {
    "generated": None, "type": "text", "collation": None, "default": None, "not_null": False, "identity": None,
    "storage": "extended", "compression": None, "statistics": None, "options": [],
    "privileges": [], "comment": None,
}  # fmt: skip
INDEX = {
    "table": "public.t", "method": "btree", "unique": False, "nulls_not_distinct": False, "columns": ["a"],
    "include": None, "predicate": None, "valid": True, "options": [], "tablespace": None, "clustered": False,
    "statistics": None, "attached_to": None, "comment": None,
}  # fmt: skip
VIEW = {"definition": "SELECT t.a FROM public.t", "columns": ["a text"], "options": [], "owner": "postgres",
        "privileges": default_privileges("r", 15), "comment": None}  # fmt: skip


def table(name: str = "t", **changed: Any) -> Thing:
    return Thing("table", ("public", name), {**TABLE, **changed}, {"oid": 1, "name": f"public.{name}"})


def column(name: str, place: int = 1, of: str = "t", **changed: Any) -> Thing:
    facts = {"oid": 1, "sub": place, "relation": "table", "inherited": False, "type_storage": "extended"}
    return Thing("column", ("public", of, name), {**COLUMN, **changed}, facts)


def index(name: str, **changed: Any) -> Thing:
    facts = {"oid": 2, "relation": "table", "table_path": ["public", "t"], "partitioned": False}
    return Thing("index", ("public", name), {**INDEX, **changed}, facts)


def view(name: str, **changed: Any) -> Thing:
    return Thing("view", ("public", name), {**VIEW, **changed}, {"oid": 3})


def enum(*values: str) -> Thing:
    attributes = {
        "values": list(values),
        "owner": "postgres",
        "privileges": default_privileges("T", 15),
        "comment": None,
    }
    return Thing("enum", ("public", "mood"), attributes, {"oid": 4})


def snapshot(*things: Thing, edges: dict[Key, set[Key]] | None = None) -> Snapshot:
    found = {key: frozenset(needed) for key, needed in (edges or {}).items()}
    for thing in things:
        parent = KINDS[thing.kind].parent(thing)
        if parent is not None:
            found[thing.key] = found.get(thing.key, frozenset()) | {parent}
    return Snapshot({thing.key: thing for thing in things}, found, user="postgres")


def planned(expected: Snapshot, actual: Snapshot, data: Data | None = None) -> list[Step]:
    return plan(compare(expected, actual), expected, actual, data or Data())


def texts(steps: list[Step]) -> list[str]:
    return [" ".join(step.sql.replace('"', "").split()) for step in steps]


FILLED = Data(filled=frozenset({("public", "t")}))
BASE = (table(), column("a"))


@pytest.mark.parametrize(
    ("expected", "actual", "said"),
    [
        pytest.param(BASE, BASE, [], id="nothing"),
        pytest.param((*BASE, column("b", 2)), BASE, ["t.b: column missing"], id="missing"),
        pytest.param(BASE, (*BASE, column("b", 2)), ["t.b: column extra"], id="extra"),
        pytest.param((table(), column("a", 1), column("b", 2)), (table(), column("b", 1), column("a", 2)), [], id="order"),
        pytest.param(BASE, (), ["t: table missing"], id="parts of what is missing go without saying"),
        pytest.param(
            BASE, (table(), column("a", type="integer", not_null=True)),
            ["t.a: column not_null is true, declared false", "t.a: column type is integer, declared text"], id="different",
        ),
        pytest.param(
            (enum("a", "b"),), (enum("a", "c"),), ["mood: enum values lacks (b) and has (c) too much"], id="a list",
        ),
        pytest.param(
            (enum("a", "b"),), (enum("b", "a"),), ["mood: enum values are in the order (b, a), declared (a, b)"], id="order of a list",
        ),
        pytest.param((*BASE, index("i")), (*BASE, index("i", valid=False)), ["i: index valid is false, declared true"], id="invalid"),
    ],
)  # fmt: skip
def test_differences_in_words(expected: tuple[Thing, ...], actual: tuple[Thing, ...], said: list[str]) -> None:
    one, other = snapshot(*expected), snapshot(*actual)
    assert [sentence(item) for item in reported(compare(one, other), one, other)] == said


def test_owner_and_privileges_can_be_left_out() -> None:
    one, other = snapshot(table()), snapshot(table(owner="x", privileges=["SELECT TO y"]))
    assert {item.attribute for item in compare(one, other)} == {"owner", "privileges"}
    assert compare(one, other, privileges=False) == []


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("t", True), ("public.t", True), ("t.a", True), ("column:t.a", True), ("column:*", True), ("table:t", True),
        ("schema:public", True), ("public", True), ("other.*", False), ("index:t.a", False), ("T", False), ("t.b", False),
    ],
)  # fmt: skip
def test_what_is_ignored(pattern: str, ignored: bool) -> None:
    assert ignoring([pattern])(column("a")) is ignored


@pytest.mark.parametrize(
    ("expected", "actual", "data", "statements", "hazards"),
    [
        pytest.param(BASE, (), Data(), ["CREATE TABLE public.t ( a text ) USING heap"], [], id="a table"),
        pytest.param((*BASE, column("b", 2)), BASE, FILLED, ["ALTER TABLE public.t ADD COLUMN b text"], [], id="a column"),
        pytest.param(
            (*BASE, column("b", 2, default="gen_random_uuid()", not_null=True)), BASE, Data(),
            ["ALTER TABLE public.t ADD COLUMN b text DEFAULT gen_random_uuid() NOT NULL"], [], id="a column without rows",
        ),
        pytest.param(
            (*BASE, column("b", 2, default="gen_random_uuid()")), BASE, FILLED,
            ["ALTER TABLE public.t ADD COLUMN b text",
             "ALTER TABLE ONLY public.t ALTER COLUMN b SET DEFAULT gen_random_uuid()",
             "UPDATE public.t SET b = DEFAULT WHERE b IS NULL"], [], id="rows are filled in without a rewrite",
        ),
        pytest.param(
            (*BASE, column("b", 2, default="now()", not_null=True)), BASE, FILLED,
            ["ALTER TABLE public.t ADD COLUMN b text DEFAULT now() NOT NULL"], [], id="a constant for all rows",
        ),
        pytest.param(
            (*BASE, column("b", 2, not_null=True)), BASE, FILLED,
            ["ALTER TABLE public.t ADD COLUMN b text", "ALTER TABLE public.t ALTER COLUMN b SET NOT NULL"],
            ["set_not_null_over_nulls"], id="no value for the rows",
        ),
        pytest.param(
            (table(), column("a", not_null=True)), BASE, FILLED,
            ["ALTER TABLE public.t DROP CONSTRAINT IF EXISTS ai_micro_not_null",
             "ALTER TABLE public.t ADD CONSTRAINT ai_micro_not_null CHECK (a IS NOT NULL) NOT VALID",
             "ALTER TABLE public.t VALIDATE CONSTRAINT ai_micro_not_null",
             "ALTER TABLE public.t ALTER COLUMN a SET NOT NULL",
             "ALTER TABLE public.t DROP CONSTRAINT ai_micro_not_null"], [], id="NOT NULL through a check",
        ),
        pytest.param((table(), column("a", not_null=True)), BASE, Data(), ["ALTER TABLE public.t ALTER COLUMN a SET NOT NULL"], [], id="NOT NULL without rows"),
        pytest.param(BASE, (*BASE, column("b", 2)), Data(), ["ALTER TABLE public.t DROP COLUMN b"], ["drop_column"], id="an extra column"),
        pytest.param(BASE, (*BASE, table("u"), column("x", of="u")), Data(), ["DROP TABLE public.u"], ["drop_table"], id="an extra table"),
        pytest.param(
            (table(), column("a", type="character varying(5)")), BASE, Data(),
            ["ALTER TABLE public.t ALTER COLUMN a TYPE character varying(5) USING a::character varying(5)"], ["narrow_type"], id="a narrower type",
        ),
        pytest.param((*BASE, index("i")), BASE, FILLED, ["CREATE INDEX CONCURRENTLY i ON public.t USING btree (a)"], [], id="an index"),
        pytest.param((*BASE, index("i")), (), Data(),
                     ["CREATE TABLE public.t ( a text ) USING heap", "CREATE INDEX i ON public.t USING btree (a)"], [], id="an index of a new table"),
        pytest.param(
            (*BASE, index("i")), (*BASE, index("i", valid=False)), Data(),
            ["DROP INDEX CONCURRENTLY public.i", "CREATE INDEX CONCURRENTLY i ON public.t USING btree (a)"], [], id="an invalid index",
        ),
        pytest.param(
            (*BASE, index("i", method="hash")), (*BASE, index("i")), Data(),
            ["DROP INDEX CONCURRENTLY public.i", "CREATE INDEX CONCURRENTLY i ON public.t USING hash (a)"],
            ["rebuild_index"], id="another index",
        ),
        pytest.param((*BASE, index("i")), (*BASE, index("j")), Data(), ["ALTER INDEX public.j RENAME TO i"], [], id="a name"),
        pytest.param((enum("a", "b", "c"),), (enum("b"),), Data(),
                     ["ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'a' BEFORE 'b'",
                      "ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'c' AFTER 'b'"], [], id="values"),
        pytest.param((enum("a"),), (enum("a", "b"),), Data(),
                     ["ALTER TYPE public.mood RENAME TO ai_micro_old_mood", "CREATE TYPE public.mood AS ENUM ('a')", "DROP TYPE public.ai_micro_old_mood"],
                     ["remove_enum_value"], id="a value less"),
        pytest.param((*BASE, view("v")), (*BASE, view("v", definition="SELECT 1")), Data(),
                     ["CREATE OR REPLACE VIEW public.v AS SELECT t.a FROM public.t"], [], id="another query"),
        pytest.param((*BASE, view("v")), (*BASE, view("v", columns=["b text"])), Data(),
                     ["DROP VIEW public.v", "CREATE VIEW public.v AS SELECT t.a FROM public.t"], [], id="other columns"),
        pytest.param((table(comment="it's"), column("a")), BASE, Data(), ["COMMENT ON TABLE public.t IS 'it''s'"], [], id="a comment"),
        pytest.param((table(options=["fillfactor=70"]), column("a")),
                     (table(options=["fillfactor=80", "user_catalog_table=true"]), column("a")), Data(),
                     ["ALTER TABLE public.t RESET (user_catalog_table)", "ALTER TABLE public.t SET (fillfactor = '70')"], [], id="options"),
    ],
)  # fmt: skip
def test_plans(
    expected: tuple[Thing, ...], actual: tuple[Thing, ...], data: Data, statements: list[str], hazards: list[str]
) -> None:
    steps = planned(snapshot(*expected), snapshot(*actual), data)
    assert texts(steps) == statements
    assert [step.hazard for step in steps if step.hazard] == hazards


def test_what_uses_a_column_makes_way_for_its_new_type() -> None:
    uses: dict[Key, set[Key]] = {("view", ("public", "v")): {("column", ("public", "t", "a"))}}
    expected = snapshot(table(), column("a", type="bigint"), view("v"), edges=uses)
    actual = snapshot(table(), column("a", type="integer"), view("v"), edges=uses)
    assert texts(planned(expected, actual)) == [
        "DROP VIEW public.v",
        "ALTER TABLE public.t ALTER COLUMN a TYPE bigint USING a::bigint",
        "CREATE VIEW public.v AS SELECT t.a FROM public.t",
    ]


def test_a_name_that_another_kind_takes_is_freed_first() -> None:
    assert texts(planned(snapshot(view("t")), snapshot(*BASE))) == [
        "DROP TABLE public.t",
        "CREATE VIEW public.t AS SELECT t.a FROM public.t",
    ]


def test_rows_of_a_table_that_is_made_anew_come_along() -> None:
    expected = snapshot(table(partition_key="RANGE (a)", access_method=None), column("a"), column("b", 2))
    steps = planned(expected, snapshot(*BASE), FILLED)
    assert texts(steps) == [
        "CREATE SCHEMA IF NOT EXISTS ai_micro_old",
        "ALTER TABLE public.t SET SCHEMA ai_micro_old",
        "CREATE TABLE public.t ( a text, b text ) PARTITION BY RANGE (a)",
        "SET LOCAL session_replication_role = replica",
        "INSERT INTO public.t (a) OVERRIDING SYSTEM VALUE SELECT a FROM ai_micro_old.t",
        "SET LOCAL session_replication_role = DEFAULT",
        "DROP TABLE ai_micro_old.t CASCADE",
        "DROP SCHEMA ai_micro_old",
    ]
    assert {step.hazard for step in steps if step.hazard} == {"rewrite_table"}
    assert len(list(segments(steps))) == 1, "all of it is one transaction"


def test_order_follows_needs_and_survives_circles() -> None:
    one, two, three = (("function", ("public", name, "")) for name in "abc")
    assert ordered([one, two, three], {one: frozenset({three}), three: frozenset({two})}) == [two, three, one]
    assert ordered([one, two], {one: frozenset({two}), two: frozenset({one})}) == [one, two]


@pytest.mark.parametrize(
    ("old", "new", "hazard"),
    [
        ("character varying(5)", "character varying(9)", ""), ("character varying(9)", "character varying(5)", "narrow_type"),
        ("character varying(5)", "text", ""), ("text", "character varying(5)", "narrow_type"), ("text", "character varying", ""),
        ("character varying", "text", ""), ("character(5)", "character(9)", "rewrite_table"), ("integer", "bigint", "rewrite_table"),
        ("bigint", "integer", "change_type"), ("numeric(10,2)", "numeric(12,2)", ""), ("numeric(10,2)", "numeric(12,4)", "rewrite_table"),
        ("numeric(10,2)", "numeric(10,4)", "narrow_type"), ("numeric(10,2)", "numeric", ""), ("numeric", "numeric(10,2)", "narrow_type"),
        ("timestamp(3) without time zone", "timestamp without time zone", ""),
        ("timestamp without time zone", "timestamp(3) without time zone", "narrow_type"),
        ("public.vector(3)", "public.vector(4)", "narrow_type"), ("public.vector(3)", "public.vector", ""),
        ("public.vector", "public.vector(3)", "narrow_type"),
        ("text", "integer", "change_type"), ("text", "text[]", "change_type"), ("character varying(5)[]", "text[]", ""),
        ("json", "jsonb", "rewrite_table"), ("uuid", "text", "rewrite_table"),
    ],
)  # fmt: skip
def test_hazards_of_types(old: str, new: str, hazard: str) -> None:
    assert type_hazard(old, new) == hazard


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0", True), ("'x'::text", True), ("'a(b'::text", True), ("now()", True), ("CURRENT_TIMESTAMP", True), ("'{}'::jsonb", True),
        ("gen_random_uuid()", False), ("nextval('s'::regclass)", False), ("public.uuid_generate_v4()", False), ("clock_timestamp()", False),
        ("(gen_random_uuid())::text", False), ("(now() AT TIME ZONE 'utc'::text)", False),
    ],
)  # fmt: skip
def test_which_defaults_are_worked_out_once(expression: str, expected: bool) -> None:
    assert constant(expression) is expected


@pytest.mark.parametrize(
    ("old", "new", "statements"),
    [
        ([], ["SELECT TO a"], ["GRANT SELECT ON x TO a"]),
        (["SELECT TO a"], [], ["REVOKE SELECT ON x FROM a CASCADE"]),
        (["SELECT TO a"], ["SELECT TO a WITH GRANT OPTION"], ["GRANT SELECT ON x TO a WITH GRANT OPTION"]),
        (["SELECT TO a WITH GRANT OPTION"], ["SELECT TO a"], ["REVOKE GRANT OPTION FOR SELECT ON x FROM a CASCADE"]),
        ([], ["INSERT TO a", "SELECT TO PUBLIC", "SELECT TO a"], ["GRANT SELECT ON x TO PUBLIC", "GRANT INSERT, SELECT ON x TO a"]),
        ([f"SELECT TO {OWNER}"], [], ["REVOKE SELECT ON x FROM me CASCADE"]),
        (["SELECT TO a"], ["SELECT TO a"], []),
    ],
)  # fmt: skip
def test_grants(old: list[str], new: list[str], statements: list[str]) -> None:
    assert grants(old, new, "x", "me") == statements


@pytest.mark.parametrize(
    ("options", "method", "normal"),
    [
        (None, "btree", []), (["fillfactor=90"], "btree", []), (["fillfactor=80"], "btree", ["fillfactor=80"]),
        (["m=16", "ef_construction=64"], "hnsw", []), (["m=8"], "hnsw", ["m=8"]), (["lists=100"], "ivfflat", []),
        (["fastupdate=on"], "gin", []), (["fastupdate=off"], "gin", ["fastupdate=false"]), (["security_barrier=1"], "view", ["security_barrier=true"]),
        (["toast.autovacuum_enabled=off", "fillfactor=100"], "table", ["toast.autovacuum_enabled=false"]),
        (["autovacuum_vacuum_threshold=-1"], "table", []),
    ],
)  # fmt: skip
def test_storage_parameters(options: list[str] | None, method: str, normal: list[str]) -> None:
    assert normal_options(options, method) == normal


@pytest.mark.parametrize(
    ("definition", "columns"),
    [
        ("CREATE INDEX i ON s.t USING btree (a)", ["a"]),
        ("CREATE INDEX i ON s.t USING btree (a DESC, lower(b), ((c || ','::text)))", ["a DESC", "lower(b)", "((c || ','::text))"]),
        ('CREATE INDEX " USING (" ON ONLY "s t".t USING gin ("a,b" x.ops (n=\'3\'))', ['"a,b" x.ops (n=\'3\')']),
    ],
)  # fmt: skip
def test_keys_of_an_index(definition: str, columns: list[str]) -> None:
    assert listed(definition, " USING ")[0] == columns


def test_names_and_values_as_text() -> None:
    assert ident('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"
    assert literal(None) == "NULL"
    assert shown(("public", "t", "c")) == "t.c"
    assert shown(("s", "a.b")) == 's."a.b"'
    assert options_clause(["toast.x=1", "y=a'b"]) == "\"toast\".\"x\" = '1', \"y\" = 'a''b'"
    assert words(None) == "nothing"
    assert words([True, "a\n b"]) == "(true, a b)"
    assert len(words("x" * 500)) == 120


def test_every_kind_says_how_it_is_read() -> None:
    for name, kind in KINDS.items():
        assert kind.name == name
        for version in (15, 17):
            for attribute in kind.attributes:
                assert attribute in kind.sql(version) or kind.refine is not None, (name, attribute)
