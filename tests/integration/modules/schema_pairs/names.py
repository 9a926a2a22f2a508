"""Names that break careless statements: as schema, table, column, constraint, index, view, function, trigger, type…"""

from __future__ import annotations

from .pair import Pair, step

NAMES = {
    "quotes": "it's \"quoted\" ''twice''",
    "injection": 'x"; DROP TABLE item; --',
    "percent signs": "100% %s %(x)s %%",
    "colons and dollars": ":x $1 $$ $q$",
    "braces": "{0} {{ x }} {% y %}",
    "backslashes": "a\\b\\n\\",
    "white space": " a\tb\n c ",
    "dots": "public.item.id",
    "reserved": "select",
    "another reserved": "user",
    "mixed case": "CamelCase",
    "unicode": "Größe 🐘 ́e",
    "63 bytes": "n" * 62 + "z",
    "63 bytes of unicode": "ü" * 31 + "x",
    "a digit first": "1st",
    "one dash": "a-b",
    "parentheses and commas": "f(int, text)",
    "comment": "a /* b */ -- c",
}
#: What gets the name N, and its number: several objects may have one name, where their kinds differ.
OBJECTS = """CREATE SCHEMA {n};
CREATE TABLE {n}.{n} ({n} int CONSTRAINT {n} CHECK ({n} > 0), other text DEFAULT {t} COLLATE "C", id serial);
ALTER TABLE {n}.{n} ADD PRIMARY KEY (id);
CREATE TABLE child ({n} int REFERENCES {n}.{n} (id) ON DELETE CASCADE);
CREATE INDEX {n} ON child ({n}) WHERE {n} > 0;
CREATE TYPE {n} AS ENUM ({t}, 'x');
CREATE VIEW shown AS SELECT {n}, other AS {n}_ FROM {n}.{n} WHERE other <> {t};
CREATE FUNCTION {n}({n} int DEFAULT 1) RETURNS {n} LANGUAGE sql AS {b};
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER {n} BEFORE UPDATE OF {n} ON {n}.{n} FOR EACH ROW EXECUTE FUNCTION touch({t});
CREATE POLICY {n} ON {n}.{n} USING ({n} > 0);
CREATE RULE {n} AS ON DELETE TO child DO INSTEAD NOTHING;
CREATE SEQUENCE {n}.seq OWNED BY {n}.{n}.{n};
CREATE STATISTICS {n} ON {n}, other FROM {n}.{n};
CREATE DOMAIN {n}.{n}_ AS text DEFAULT {t} CONSTRAINT {n} CHECK (VALUE <> {t});
GRANT SELECT ({n}) ON {n}.{n} TO corpus_reader;
COMMENT ON COLUMN {n}.{n}.{n} IS {t};
COMMENT ON CONSTRAINT {n} ON {n}.{n} IS {t}"""


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def objects(name: str) -> str:
    """Give the statements for one name; where a suffix would be cut off, a name made shorter has it."""
    shorter = name.encode()[:60].decode(errors="ignore") + "_"
    made = OBJECTS.replace("{n}_", identifier(shorter).replace("{", "\0"))
    made = made.replace("{n}", identifier(name).replace("{", "\0")).replace("{t}", literal(name).replace("{", "\0"))
    return made.replace("{b}", literal(f"SELECT {literal('x')}::public.{identifier(name)}")).replace("\0", "{")


ITEM = "CREATE TABLE item (id int PRIMARY KEY)"

PAIRS: list[Pair] = [
    pair
    for title, name in NAMES.items()
    for pair in [
        *step(f"names: {title}", ITEM, objects(name), name, rows="INSERT INTO item VALUES (1)", movable=False),
        *step(
            f"names: column of {title}",
            f"CREATE TABLE {identifier(name)} (id int, was text)",
            f"ALTER TABLE {identifier(name)} ADD {identifier(name)} text DEFAULT {literal(name)}; ALTER TABLE {identifier(name)} ALTER id SET NOT NULL, ALTER was SET DEFAULT {literal(name)}",
            name,
            rows=f"INSERT INTO {identifier(name)} VALUES (1, 'x')",
        ),
    ]
]
