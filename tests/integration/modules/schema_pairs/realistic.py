"""The collection's own schemas, statement by statement, and deployed shapes of them."""

from __future__ import annotations

import re
from pathlib import Path

from .pair import Pair, change, same

FILES = Path(__file__).parents[4] / "files" / "schema"
ADMINDB = (FILES / "admindb.sql").read_text(encoding="utf-8")
#: The embedding table of deployed databases.
DEPLOYED = """CREATE TABLE IF NOT EXISTS langchain_pg_embedding (
    uuid          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    collection_id uuid REFERENCES langchain_pg_collection (uuid) ON DELETE CASCADE,
    embedding     vector(768),
    document      text NOT NULL,
    cmetadata     jsonb DEFAULT '{}',
    custom_id     varchar(255),
    document_id   uuid REFERENCES documents (id) ON DELETE CASCADE,
    chunk_index   integer DEFAULT 0,
    created_at    timestamptz DEFAULT now(),
    updated_at    timestamptz DEFAULT now()
)"""
ROWS = """INSERT INTO system_logs (service_name, level, message) VALUES ('a', 'info', 'x');
INSERT INTO documents (filename, original_filename, file_path, mime_type, file_size, user_id) VALUES ('a', 'a', 'a', 'text/plain', 1, gen_random_uuid());
INSERT INTO langchain_pg_embedding (document, embedding) SELECT 'a', array_fill(0.5, ARRAY[768])::vector FROM generate_series(1, 20)"""


def statements(script: str) -> list[str]:
    """Give the statements of a script of ours: none of them holds a semicolon within."""
    bare = re.sub(r"--.*", "", script)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def name_of(statement: str) -> str:
    """Give the name of what a statement makes, or nothing."""
    found = re.match(r'CREATE \w+ IF NOT EXISTS "?([\w-]+)', statement)
    return found[1] if found else ""


def without(script: list[str], number: int) -> list[str]:
    """Leave out a statement and whatever needs what it makes."""
    used = {"uuid-ossp": "uuid_generate_v4", "vector": "vector("}
    gone = {used.get(name_of(script[number]), name_of(script[number]))}
    kept = script[:number]
    for statement in script[number + 1 :]:
        if any(name and name in statement for name in gone):
            gone.add(name_of(statement))
        else:
            kept.append(statement)
    return kept


def removals() -> list[Pair]:
    """Take each statement of admindb.sql away in turn."""
    script = statements(ADMINDB)
    pairs = []
    for number, statement in enumerate(script):
        name = name_of(statement)
        if name:
            pairs += change(
                f"admindb without {name}", ";\n".join(without(script, number)), ADMINDB, name, "additive", back="hazard"
            )
    return pairs


def altered_columns() -> list[Pair]:
    """Take the default, the NOT NULL and the column itself of some columns of admindb away."""
    table = "ALTER TABLE documents"
    return [
        *change(
            "admindb without a column",
            f"{ADMINDB}; {table} DROP editing_status",
            ADMINDB,
            "documents.editing_status",
            "additive",
            back="hazard",
            rows=ROWS,
        ),
        *change(
            "admindb without a NOT NULL",
            f"{ADMINDB}; {table} ALTER mime_type DROP NOT NULL",
            ADMINDB,
            "documents.mime_type",
            "additive",
            rows=ROWS,
        ),
        *change(
            "admindb without a default",
            f"{ADMINDB}; {table} ALTER status DROP DEFAULT",
            ADMINDB,
            "documents.status",
            "additive",
            back="additive",
            rows="",
        ),
        *change(
            "admindb without a check",
            f"{ADMINDB}; {table} DROP CONSTRAINT check_owner",
            ADMINDB,
            "check_owner",
            "additive",
            rows=ROWS,
        ),
        *change(
            "admindb with vectors of another model",
            ADMINDB.replace("vector(768)", "vector(1024)"),
            ADMINDB,
            "langchain_pg_embedding.embedding",
            "hazard",
            back="hazard",
        ),
        *change(
            "admindb with a table of somebody else",
            f"{ADMINDB}; CREATE TABLE notes (id int)",
            ADMINDB,
            "table notes",
            "hazard",
            back=None,
            rows=f"{ROWS}; INSERT INTO notes VALUES (1)",
        ),
        Pair(
            "admindb with a table that is ignored",
            f"{ADMINDB}; CREATE TABLE notes (id int)",
            ADMINDB,
            "equal",
            rows=ROWS,
            arguments={"ignore": ["public.notes"]},
        ),
    ]


SUPERSET = next(statement for statement in statements(ADMINDB) if name_of(statement) == "langchain_pg_embedding")

PAIRS: list[Pair] = [
    *same("admindb and itself", ADMINDB, ADMINDB, rows=ROWS)[:1],
    *same("admindb loaded twice", f"{ADMINDB};\n{ADMINDB}", ADMINDB, rows=ROWS, movable=False),
    *same(
        "authdb loaded twice",
        (FILES / "authdb.sql").read_text(encoding="utf-8") * 2,
        (FILES / "authdb.sql").read_text(encoding="utf-8"),
    ),
    *same(
        "apidb loaded twice",
        (FILES / "apidb.sql").read_text(encoding="utf-8") * 2,
        (FILES / "apidb.sql").read_text(encoding="utf-8"),
    ),
    *removals(),
    *altered_columns(),
    *change(
        "deployed embedding table to the superset, without its migration",
        ";\n".join(
            DEPLOYED if each == SUPERSET else each for each in statements(ADMINDB) if "ix_cmetadata_gin" not in each
        ),
        ADMINDB,
        "langchain_pg_embedding.id",
        "repairable",
        back=None,
        rows=ROWS,
    ),
]
PAIRS = [
    Pair(pair.name, pair.old, pair.new, pair.outcome, pair.drift, pair.rows, pair.arguments, movable=False)
    for pair in PAIRS
]
