"""Extensions and types: enumerations, domains, composite and range types."""

from __future__ import annotations

from .pair import Outcome, Pair, change, step


def mood(*labels: str) -> str:
    return "CREATE TYPE mood AS ENUM ({})".format(", ".join("'" + label.replace("'", "''") + "'" for label in labels))


USED = "CREATE TABLE person (id int PRIMARY KEY, mood mood DEFAULT 'ok', moods mood[])"
PEOPLE = "INSERT INTO person VALUES (1, 'ok', '{ok}'), (2, NULL, NULL)"
DOMAIN = "CREATE DOMAIN price AS numeric(10,2)"
PRICED = "CREATE TABLE item (id int PRIMARY KEY, price price)"
PRICES = "INSERT INTO item VALUES (1, 5), (2, NULL)"
POINT = "CREATE TYPE place AS (x int, y int)"
PLACED = "CREATE TABLE item (id int PRIMARY KEY, place place, places place[])"
PLACES = "INSERT INTO item (id) VALUES (1), (2)"


def labelled(name: str, old: tuple[str, ...], new: tuple[str, ...], outcome: Outcome) -> list[Pair]:
    """Pair two enumerations, unused and then used by a table with rows."""
    return [
        *change(f"enumeration: {name}", mood(*old), mood(*new), "mood", outcome, back=None),
        *change(
            f"enumeration: {name}, in use",
            f"{mood(*old)}; {USED}",
            f"{mood(*new)}; {USED}",
            "mood",
            outcome,
            back=None,
            rows=PEOPLE,
        ),
    ]


def limited(
    name: str,
    old: str,
    new: str,
    outcome: Outcome = "repairable",
    back: Outcome | None = "repairable",
    rows: str = PRICES,
) -> list[Pair]:
    """Pair two domains over the same table."""
    return change(
        f"domain: {name}",
        f"{DOMAIN}{old}; {PRICED}",
        f"{DOMAIN}{new}; {PRICED}",
        "price",
        outcome,
        back=back,
        rows=rows,
    )


PAIRS: list[Pair] = [
    *step(
        "extension", "CREATE TABLE item (id int)", 'CREATE EXTENSION "uuid-ossp"', "extension uuid-ossp", movable=False
    ),
    *step(
        "extension and what uses it",
        "CREATE TABLE item (id int)",
        "CREATE EXTENSION vector; ALTER TABLE item ADD embedding vector(3)",
        "extension vector",
        rows="INSERT INTO item VALUES (1)",
        movable=False,
    ),
    *step(
        "extension in a schema of its own",
        "CREATE SCHEMA extra",
        "CREATE EXTENSION hstore SCHEMA extra",
        "extension hstore",
        movable=False,
    ),
    *change(
        "extension in another schema",
        "CREATE SCHEMA extra; CREATE EXTENSION hstore",
        "CREATE SCHEMA extra; CREATE EXTENSION hstore SCHEMA extra",
        "extension hstore",
        movable=False,
    ),
    *change(
        "extension of another version",
        "CREATE EXTENSION hstore VERSION '1.6'",
        "CREATE EXTENSION hstore VERSION '1.8'",
        "extension hstore",
        back=None,
        movable=False,
    ),
    *change(
        "extension of an older version",
        "CREATE EXTENSION hstore VERSION '1.8'",
        "CREATE EXTENSION hstore VERSION '1.6'",
        "extension hstore",
        "impossible",
        back=None,
        movable=False,
    ),
    *step(
        "extensions that need each other",
        "",
        "CREATE EXTENSION cube; CREATE EXTENSION earthdistance",
        "extension earthdistance",
        movable=False,
    ),
    *step("enumeration", "", mood("sad", "ok"), "mood"),
    *step("enumeration without labels", "", "CREATE TYPE mood AS ENUM ()", "mood"),
    *step("enumeration with hostile labels", "", mood("a'b", "100%", "%(x)s", '"', "Ü", " ", "\\n"), "mood"),
    *labelled("label last", ("sad", "ok"), ("sad", "ok", "happy"), "additive"),
    *labelled("label first", ("sad", "ok"), ("mad", "sad", "ok"), "additive"),
    *labelled("label between", ("sad", "ok"), ("sad", "meh", "ok"), "additive"),
    *labelled("several labels everywhere", ("b", "ok", "f"), ("a", "b", "c", "ok", "d", "e", "f", "g"), "additive"),
    *labelled("label removed", ("sad", "ok", "happy"), ("sad", "ok"), "hazard"),
    *labelled("label renamed", ("sad", "ok", "happy"), ("sad", "ok", "glad"), "hazard"),
    *labelled("order", ("sad", "ok"), ("ok", "sad"), "hazard"),
    *change(
        "enumeration: new label as a default, in a check, an index and a view",
        f"{mood('sad', 'ok')}; {USED}",
        f"{mood('sad', 'ok', 'happy')}; {USED.replace(chr(39) + 'ok' + chr(39), chr(39) + 'happy' + chr(39))}; ALTER TABLE person ADD CONSTRAINT bright CHECK (mood <> 'happy' OR id > 0); CREATE INDEX glad ON person (id) WHERE mood = 'happy'; CREATE VIEW merry AS SELECT id FROM person WHERE mood = 'happy'",
        "mood",
        "additive",
        back="hazard",
        rows=PEOPLE,
    ),
    *change(
        "enumeration: label removed, with an index, a view, a function and an array over it",
        f"{mood('sad', 'ok', 'happy')}; {USED}; CREATE INDEX by_mood ON person (mood); CREATE VIEW merry AS SELECT id, mood FROM person WHERE mood = 'ok'; CREATE FUNCTION cheer(mood) RETURNS mood LANGUAGE sql AS $$SELECT $1$$",
        f"{mood('sad', 'ok')}; {USED}; CREATE INDEX by_mood ON person (mood); CREATE VIEW merry AS SELECT id, mood FROM person WHERE mood = 'ok'; CREATE FUNCTION cheer(mood) RETURNS mood LANGUAGE sql AS $$SELECT $1$$",
        "mood",
        "hazard",
        back="additive",
        rows=PEOPLE,
    ),
    *step("domain", "", f"{DOMAIN} NOT NULL DEFAULT 5 CONSTRAINT positive CHECK (VALUE > 0); {PRICED}", "price"),
    *step("domain over a domain", DOMAIN, "CREATE DOMAIN fee AS price CHECK (VALUE < 100)", "fee"),
    *step(
        "domain over an array with a collation",
        "",
        """CREATE DOMAIN word AS text COLLATE "C" CHECK (VALUE ~ '^\\w+%$')""",
        "word",
    ),
    *limited("default", "", " DEFAULT 5", "additive", "additive"),
    *limited("another default", " DEFAULT 5", " DEFAULT 6", "additive", "additive"),
    *limited("NOT NULL over NULLs", "", " NOT NULL", "impossible", None),
    *limited("NOT NULL", "", " NOT NULL", rows="INSERT INTO item VALUES (1, 5)"),
    *limited("check", "", " CONSTRAINT positive CHECK (VALUE > 0)", "additive"),
    *limited("check over values that break it", "", " CONSTRAINT large CHECK (VALUE > 100)", "impossible", None),
    *limited("another check", " CONSTRAINT positive CHECK (VALUE > 0)", " CONSTRAINT positive CHECK (VALUE >= 0)"),
    *limited("check of another name", " CONSTRAINT one CHECK (VALUE > 0)", " CONSTRAINT two CHECK (VALUE > 0)"),
    *change(
        "domain: check, where an array of it is in use",
        f"{DOMAIN}; CREATE TABLE item (id int, prices price[])",
        f"{DOMAIN} CONSTRAINT positive CHECK (VALUE > 0); CREATE TABLE item (id int, prices price[])",
        "price",
        "impossible",
        rows="INSERT INTO item VALUES (1, '{1,2}')",
    ),
    *change(
        "domain: base type",
        f"{DOMAIN}; {PRICED}",
        f"{DOMAIN.replace('numeric(10,2)', 'bigint')}; {PRICED}",
        "price",
        "hazard",
        back="hazard",
        rows=PRICES,
    ),
    *step(
        "domain: check NOT VALID",
        f"{DOMAIN}; {PRICED}",
        "ALTER DOMAIN price ADD CONSTRAINT large CHECK (VALUE > 100) NOT VALID",
        "price",
        rows=PRICES,
        undo=None,
    ),
    *step("composite type", "", POINT, "place"),
    *step("composite type without attributes", "", "CREATE TYPE void AS ()", "void"),
    *step(
        "composite type of composite types",
        POINT,
        "CREATE TYPE line AS (start place, stop place, names text[])",
        "line",
    ),
    *step(
        "attribute",
        f"{POINT}; {PLACED}",
        "ALTER TYPE place ADD ATTRIBUTE z text",
        "place",
        rows=PLACES,
        outcome="repairable",
    ),
    *change("type of an attribute", POINT, POINT.replace("y int", "y bigint"), "place"),
    *change(
        "type of an attribute, in use",
        f"{POINT}; {PLACED}",
        f"{POINT.replace('y int', 'y bigint')}; {PLACED}",
        "place",
        "impossible",
        back="impossible",
        rows=PLACES,
    ),
    *step("range type", "", "CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi)", "span"),
    *step(
        "range type and a table that uses it and its multirange",
        "",
        "CREATE TYPE span AS RANGE (subtype = float8); CREATE TABLE item (id int, s span, m span_multirange)",
        "table item",
    ),
    *change(
        "subtype of a range type",
        "CREATE TYPE span AS RANGE (subtype = float8)",
        "CREATE TYPE span AS RANGE (subtype = numeric)",
        "span",
        "hazard",
        back="hazard",
    ),
    *change(
        "difference function of a range type",
        "CREATE TYPE span AS RANGE (subtype = float8)",
        "CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi)",
        "span",
        "hazard",
        back="hazard",
    ),
    *change(
        "name of a multirange type",
        "CREATE TYPE span AS RANGE (subtype = float8)",
        "CREATE TYPE span AS RANGE (subtype = float8, multirange_type_name = spans)",
        "span",
        "hazard",
        back="hazard",
    ),
    *change("enumeration to domain", mood("sad", "ok"), "CREATE DOMAIN mood AS text", "mood", "hazard", back="hazard"),
    *step("collation", "", "CREATE COLLATION plain (provider = libc, locale = 'C')", "plain"),
]
