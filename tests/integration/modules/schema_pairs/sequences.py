"""Sequences: every parameter, and who owns them. Where a sequence stands is no part of the schema."""

from __future__ import annotations

from .pair import Pair, change, step

PLAIN = "CREATE SEQUENCE counter"
ITEM = "CREATE TABLE item (id int PRIMARY KEY, name text)"
ROWS = "SELECT nextval('counter') FROM generate_series(1, 5)"


def changed(parameter: str, base: str = PLAIN) -> list[Pair]:
    return change(f"sequence: {parameter}", base, f"{base} {parameter}", "sequence counter", rows=ROWS)


PAIRS: list[Pair] = [
    *step("sequence", ITEM, PLAIN, "sequence counter"),
    *step(
        "sequence with everything",
        ITEM,
        f"{PLAIN} AS smallint INCREMENT BY -2 MINVALUE -99 MAXVALUE 99 START WITH 9 CACHE 5 CYCLE",
        "sequence counter",
    ),
    *step("unlogged sequence", ITEM, "CREATE UNLOGGED SEQUENCE counter", "sequence counter"),
    *changed("INCREMENT BY 3"),
    *changed("START WITH 100"),
    *changed("MINVALUE -5 START WITH 1"),
    *changed("MAXVALUE 500"),
    *changed("CACHE 30"),
    *changed("CYCLE"),
    *changed("AS integer"),
    *changed("INCREMENT BY 2 MAXVALUE 500 CYCLE", f"{PLAIN} AS integer"),
    *change(
        "sequence to unlogged sequence",
        PLAIN,
        PLAIN.replace("SEQUENCE", "UNLOGGED SEQUENCE"),
        "sequence counter",
        rows=ROWS,
    ),
    *step(
        "default from a sequence",
        f"{ITEM}; {PLAIN}",
        "ALTER TABLE item ALTER id SET DEFAULT nextval('counter')",
        "column item.id",
        rows=ROWS,
        undo="additive",
    ),
    *step(
        "owner of a sequence",
        f"{ITEM}; {PLAIN}",
        "ALTER SEQUENCE counter OWNED BY item.id",
        "sequence counter",
        rows=ROWS,
        undo="repairable",
    ),
    *change(
        "another column owns a sequence",
        f"{ITEM}; {PLAIN} OWNED BY item.id",
        f"{ITEM}; {PLAIN} OWNED BY item.name",
        "sequence counter",
        rows=ROWS,
    ),
    *change(
        "smallserial to serial",
        "CREATE TABLE item (id smallserial, name text)",
        "CREATE TABLE item (id serial, name text)",
        "id",
        "hazard",
        back="hazard",
        rows="INSERT INTO item (name) VALUES ('a')",
    ),
]
