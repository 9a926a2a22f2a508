"""Views and materialised views, alone and in chains."""

from __future__ import annotations

from .pair import Pair, change, step, two

ITEM = "CREATE TABLE item (id int PRIMARY KEY, name text, size int, gone text)"
ROWS = "INSERT INTO item VALUES (1, 'a', 5, 'x'), (2, 'b', 6, NULL)"
CHAIN = """CREATE VIEW a_top AS SELECT {0} FROM item;
CREATE VIEW b_middle AS SELECT * FROM a_top WHERE id > 0;
CREATE VIEW c_bottom AS SELECT id, count(*) AS many FROM b_middle GROUP BY id"""


def chain(columns: str, base: str = ITEM) -> str:
    return f"{base}; {CHAIN.format(columns)}"


def viewed(name: str, old: str, new: str, kind: str = "VIEW") -> list[Pair]:
    return change(
        f"{kind.lower()}: {name}",
        *two(f"{ITEM}; CREATE {kind} shown {text}" for text in (old, new)),
        "shown",
        rows=ROWS,
    )


PAIRS: list[Pair] = [
    *step("view", ITEM, "CREATE VIEW shown AS SELECT id, name FROM item WHERE size > 3", "view shown", rows=ROWS),
    *step(
        "view with everything",
        ITEM,
        "CREATE VIEW shown (a, b) WITH (security_barrier, security_invoker = true) AS SELECT id, name FROM item WHERE size > 3 WITH CASCADED CHECK OPTION",
        "view shown",
        rows=ROWS,
    ),
    *step(
        "recursive view",
        ITEM,
        "CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 5",
        "view counted",
        rows=ROWS,
    ),
    *step(
        "view of a view of a view, the last name first",
        ITEM,
        "CREATE VIEW z AS SELECT * FROM item; CREATE VIEW y AS SELECT * FROM z; CREATE VIEW x AS SELECT * FROM y",
        "view z",
        rows=ROWS,
    ),
    *step(
        "view with hostile text",
        ITEM,
        "CREATE VIEW shown AS SELECT '100% %s %(x)s :y it''s {0} $1' AS \"a \"\"b\"\" %\", E'\\\\' AS back FROM item WHERE name LIKE 'x%' AND size % 2 = 0",
        "view shown",
        rows=ROWS,
    ),
    *viewed("condition", "AS SELECT id FROM item", "AS SELECT id FROM item WHERE size > 3"),
    *viewed("column added last", "AS SELECT id FROM item", "AS SELECT id, name FROM item"),
    *viewed("column added first", "AS SELECT id FROM item", "AS SELECT name, id FROM item"),
    *viewed("type of a column", "AS SELECT id FROM item", "AS SELECT id::bigint FROM item"),
    *viewed("name of a column", "AS SELECT id FROM item", "AS SELECT id AS number FROM item"),
    *viewed("options", "AS SELECT id FROM item", "WITH (security_barrier) AS SELECT id FROM item"),
    *viewed(
        "check option",
        "AS SELECT id FROM item WITH LOCAL CHECK OPTION",
        "AS SELECT id FROM item WITH CASCADED CHECK OPTION",
    ),
    *step(
        "default of a view's column",
        f"{ITEM}; CREATE VIEW shown AS SELECT id, name FROM item",
        "ALTER VIEW shown ALTER name SET DEFAULT 'new'",
        "shown",
        rows=ROWS,
        undo="repairable",
    ),
    *step("materialised view", ITEM, "CREATE MATERIALIZED VIEW kept AS SELECT id, name FROM item", "kept", rows=ROWS),
    *step(
        "materialised view WITH NO DATA",
        ITEM,
        "CREATE MATERIALIZED VIEW kept AS SELECT id FROM item WITH NO DATA",
        "kept",
        rows=ROWS,
    ),
    *viewed("query", "AS SELECT id FROM item", "AS SELECT id FROM item WHERE size > 3", "MATERIALIZED VIEW"),
    *viewed("column", "AS SELECT id FROM item", "AS SELECT id, name FROM item", "MATERIALIZED VIEW"),
    *viewed(
        "fillfactor", "AS SELECT id FROM item", "WITH (fillfactor = 70) AS SELECT id FROM item", "MATERIALIZED VIEW"
    ),
    *change(
        "query of a materialised view that has indexes, a comment and a view over it",
        *two(
            f"""{ITEM}; CREATE MATERIALIZED VIEW kept AS SELECT {columns} FROM item; CREATE UNIQUE INDEX kept_id ON kept (id); CREATE INDEX kept_name ON kept (name);
            COMMENT ON MATERIALIZED VIEW kept IS 'copy'; CREATE VIEW shown AS SELECT name FROM kept"""
            for columns in ("id, name", "id, name, size")
        ),
        "kept",
        rows=f"{ROWS}",
    ),
    *step("chain of views", ITEM, CHAIN.format("id, name"), "view b_middle", rows=ROWS),
    *change("condition at the top of a chain", chain("id, name"), chain("id, upper(name) AS name"), "a_top", rows=ROWS),
    *change("type at the top of a chain", chain("id, name"), chain("id::bigint AS id, name"), "a_top", rows=ROWS),
    *change("column at the top of a chain", chain("id, name"), chain("id, name, size"), "a_top", rows=ROWS),
    *change(
        "column of the table at the top of a chain",
        chain("id, name"),
        chain("id, name, fresh", f"{ITEM}; ALTER TABLE item ADD fresh int"),
        "item.fresh",
        rows=ROWS,
    ),
    *change(
        "type of the table's column at the top of a chain",
        chain("id, size"),
        chain("id, size", ITEM.replace("size int", "size bigint")),
        "column item.size",
        "hazard",
        back="hazard",
        rows=ROWS,
    ),
    *change(
        "column of the table under a view, dropped",
        chain("id, gone"),
        chain("id", ITEM.replace(", gone text", "")),
        "item.gone",
        "hazard",
        back=None,
        rows=ROWS,
    ),
    *change(
        "name of the table under a view",
        f"{ITEM}; CREATE VIEW shown AS SELECT id FROM item",
        "CREATE TABLE article (id int PRIMARY KEY, name text, size int, gone text); CREATE VIEW shown AS SELECT id FROM article",
        "article",
        "hazard",
        back=None,
        rows=ROWS,
    ),
    *change(
        "two views whose names are exchanged",
        f"{ITEM}; CREATE VIEW one AS SELECT id FROM item; CREATE VIEW two AS SELECT name FROM item",
        f"{ITEM}; CREATE VIEW two AS SELECT id FROM item; CREATE VIEW one AS SELECT name FROM item",
        "one",
        rows=ROWS,
    ),
    *change(
        "two views that build on each other, the other way round",
        f"{ITEM}; CREATE VIEW one AS SELECT id FROM item; CREATE VIEW two AS SELECT id FROM one",
        f"{ITEM}; CREATE VIEW two AS SELECT id FROM item; CREATE VIEW one AS SELECT id FROM two",
        "one",
        rows=ROWS,
    ),
    *change(
        "view with a trigger, a rule and a grant, made anew",
        *two(
            f"""{ITEM}; CREATE VIEW shown AS SELECT {columns} FROM item; CREATE FUNCTION store() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER stored INSTEAD OF INSERT ON shown FOR EACH ROW EXECUTE FUNCTION store(); CREATE RULE ignored AS ON DELETE TO shown DO INSTEAD NOTHING;
        COMMENT ON COLUMN shown.id IS 'number'; GRANT SELECT ON shown TO corpus_reader; ALTER VIEW shown ALTER id SET DEFAULT 4"""
            for columns in ("name, id", "id, name")
        ),
        "shown",
        rows=ROWS,
    ),
]
