"""What postgres_schema has to make of one pair, step by step, checked with the server's own catalogs and with pg_dump."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.testing import patch_module_args
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.mark import CATALOGS as READ
from psycopg2 import sql

from .conftest import Server
from .schema_pairs import Pair

KEYS = {"changed", "in_sync", "drift", "queries", "diff", "fingerprint"}
#: Whatever a statement of DDL writes to; those that all databases share, and that ANALYZE
#: fills, are not among them.
CATALOGS = (*READ, "pg_user_mapping")
STATE_SQL = " UNION ALL ".join(
    f"SELECT '{catalog}', count(*), sum(hashtextextended(concat(ctid, xmin), 0)) FROM pg_catalog.{catalog}"
    for catalog in CATALOGS
)
TABLES_SQL = """
SELECT format('%I.%I', n.nspname, c.relname), array_agg(quote_ident(a.attname) ORDER BY a.attname) FILTER (WHERE a.attname IS NOT NULL)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$'
 GROUP BY 1
"""
OPTIONS = re.compile(r"(?<= WITH \()[^()]+(?=\)$)")
#: Roles are the server's: they are there before any pair is loaded.
ROLES = ("corpus_reader", "corpus_writer", "corpus_owner", 'corpus %s; "x" Ü')


def options(found: re.Match[str]) -> str:
    """Give storage options in one order and one spelling."""
    values = {"on": "true", "off": "false"}
    pairs = (each.partition("=") for each in found[0].replace("'", "").split(", "))
    return ", ".join(sorted(f"{name}={values.get(value, value)}" for name, _sign, value in pairs))


class Database:
    """A database of its own for one pair, and the module called on it without starting a Python for each call."""

    def __init__(self, server: Server, name: str, cache: str) -> None:
        self.server = server
        self.name = name
        self.cache = cache
        self.connection = server.connect(name)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def load(self, script: str) -> None:
        """Run a script; what it SETs does not outlive it, and a label of an enumeration may be used right after it was added."""
        for part in re.split(r"(?<=\w');", script) if "ADD VALUE" in script else [script]:
            if part.strip(" ;\n"):
                self.query(part)
        self.query("RESET ALL")

    def state(self) -> list[tuple[Any, ...]]:
        """Give what changes with any write to a catalog."""
        return self.query(STATE_SQL)

    def tables(self) -> dict[str, list[str]]:
        """Give the columns of each table that has any."""
        return {name: columns for name, columns in self.query(TABLES_SQL) if columns}

    def contents(self, tables: dict[str, list[str]]) -> dict[str, Any]:
        """Give the number of rows of each table and a digest of these columns' values."""
        return {
            table: self.query(
                f"SELECT count(*), md5(string_agg(ROW({', '.join(columns)})::text, ',' ORDER BY ROW({', '.join(columns)})::text)) FROM ONLY {table}"
            )[0]
            for table, columns in tables.items()
        }

    def call(self, definition: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call the module as Ansible does, in this process."""
        from ansible_collections.ai_micro.postgres.plugins.modules.postgres_schema import main

        given = {
            "login_unix_socket": self.server.socket,
            "login_port": self.server.port,
            "login_db": self.name,
            "definition": definition,
            "cache_directory": self.cache,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **arguments,
        }
        printed = io.StringIO()
        with patch_module_args(given), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main()
        result: dict[str, Any] = json.loads(printed.getvalue())
        return result

    def dump(self) -> list[str]:
        """Give pg_dump's lines, sorted: the order of columns is no part of a schema."""
        command = [
            "pg_dump",
            "--schema-only",
            "--username=postgres",
            f"--port={self.server.port}",
            f"--dbname={connection_name(self.name)}",
        ]
        if self.server.container:
            command = ["docker", "exec", self.server.container, *command]
        else:
            command.append(f"--host={self.server.socket}")
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        # What a server of 15.20 notes in each column's options is its own business.
        text = re.sub(r"(, )?\bpg_attver='?\d+'?", "", done.stdout)
        lines = (OPTIONS.sub(options, line.strip().rstrip(",;")) for line in text.splitlines())
        return sorted(line for line in lines if line and not re.match(r"--|\\(un)?restrict |ALTER .* SET \(\)$", line))


def connection_name(name: str) -> str:
    return f"dbname='{name}'"


@contextlib.contextmanager
def database(server: Server, name: str) -> Iterator[Database]:
    """Yield a fresh database that is removed afterwards."""
    server.sql(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with tempfile.TemporaryDirectory(prefix="amt-cache-") as cache:
            made = Database(server, name, cache)
            try:
                yield made
            finally:
                made.connection.close()
    finally:
        server.sql(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def expect(held: bool, words: str, *details: Any) -> None:
    """Fail with the details: what fails in another process is not explained by pytest."""
    if not held:
        shown = [
            detail if isinstance(detail, str) else json.dumps(detail, indent=1, ensure_ascii=False)
            for detail in details
        ]
        raise AssertionError("\n".join([words, *shown]))


def told(result: dict[str, Any]) -> dict[str, Any]:
    """Give what of a result a person reads first."""
    return {key: result.get(key) for key in ("msg", "in_sync", "drift", "queries") if key in result}


def plain(text: str) -> str:
    return text.replace('"', "").replace("public.", "").lower()


def named(drift: list[dict[str, Any]], words: str) -> bool:
    """Whether one entry names all words by kind, object and attribute."""
    texts = [plain(f"{each['kind']} {each['object']} {each.get('attribute') or ''}") for each in drift]
    return any(plain(words) in text or all(word in text for word in plain(words).split()) for text in texts)


def judge(server: Server, pair: Pair, dumped: bool) -> None:
    """Take the module through a pair; raise AssertionError where it does not do as the pair says."""
    name = f"pair_{hashlib.sha256(pair.name.encode()).hexdigest()[:16]}"
    with database(server, name) as made:
        made.load(pair.old)
        made.load(pair.rows)
        if pair.outcome == "equal":
            judge_equal(made, pair)
        else:
            judge_different(made, pair)
        if not dumped or pair.outcome in ("equal", "impossible"):
            return
        repaired = made.dump()
    with database(server, name) as fresh:
        fresh.load(pair.new)
        wanted = fresh.dump()
    missing, extra = (
        [line for line in wanted if line not in repaired],
        [line for line in repaired if line not in wanted],
    )
    expect(not missing and not extra, "pg_dump sees what the module does not:", {"missing": missing, "extra": extra})


def judge_equal(made: Database, pair: Pair) -> None:
    """No difference is seen, and nothing is done."""
    state = made.state()
    for wanted in ("verified", "present"):
        found = made.call(pair.new, state=wanted, **pair.arguments)
        expect(not found.get("failed") and found["in_sync"], "A false alarm:", told(found))
        expect(not found["drift"] and not found["queries"] and not found["changed"], "In sync, and yet:", told(found))
    expect(made.state() == state, "The catalogs were written to.")


def judge_different(made: Database, pair: Pair) -> None:
    """The difference is seen and named, nothing is written before it is allowed, and then all is as declared."""
    state = made.state()
    tables = made.tables()
    contents = made.contents(tables)
    found = made.call(pair.new, state="verified", fail_on_drift=False, **pair.arguments)
    expect(not found.get("failed"), "It fails:", told(found))
    expect(found.keys() >= KEYS, "Keys are missing from the result.", sorted(KEYS - found.keys()))
    expect(
        not found["in_sync"] and not found["changed"] and bool(found["drift"]), "It sees no difference.", told(found)
    )
    expect(named(found["drift"], pair.drift), f"No entry names {pair.drift!r}:", found["drift"])
    expect(made.state() == state, "state=verified wrote to the catalogs.")
    done = attempt(made, pair, state, [])
    if done.get("failed"):
        expect(pair.outcome != "additive", "It refuses what loses nothing:", told(done))
        hazards = {each["hazard"] for each in done.get("drift", []) if each.get("hazard")}
        refused = pair.outcome == "impossible" or any(hazard in done["msg"] for hazard in hazards)
        expect(refused, "The refusal names no hazard.", told(done))
        done = attempt(made, pair, state, ["all"])
        if done.get("failed"):
            expect(pair.outcome == "impossible", "It fails although all is allowed:", told(done))
            return
    else:
        expect(pair.outcome != "hazard", "It did not ask:", told(done))
    again = made.call(pair.new, state="verified", **pair.arguments)
    expect(not again.get("failed") and again["in_sync"], "After the repair it differs still:", told(done), told(again))
    kept = made.tables()
    if pair.outcome == "additive":
        expect(made.contents({table: tables[table] for table in tables}) == contents, "Rows changed.", told(done))
    elif pair.outcome != "impossible":
        counts = {
            table: rows[0]
            for table, rows in made.contents({table: kept[table] for table in tables if table in kept}).items()
        }
        expect(
            counts == {table: contents[table][0] for table in counts}, "Rows are lost.", counts, contents, told(done)
        )


def attempt(made: Database, pair: Pair, state: list[tuple[Any, ...]], allow: list[str]) -> dict[str, Any]:
    """Predict in check mode, then do it; both say the same, and a failure leaves everything as it was."""
    predicted = made.call(pair.new, check=True, state="present", allow=allow, **pair.arguments)
    expect(made.state() == state, "Check mode wrote to the catalogs.", told(predicted))
    done = made.call(pair.new, state="present", allow=allow, **pair.arguments)
    for key in ("failed", "changed", "queries", "drift", "diff"):
        expect(predicted.get(key) == done.get(key), f"Check mode promised another {key}:", told(predicted), told(done))
    if done.get("failed"):
        expect(made.state() == state, "It failed after it had written.", told(done))
        expect("\n" not in done["msg"] and "Traceback" not in done["msg"], "More than one sentence:", done["msg"])
    else:
        expect(done["changed"] and bool(done["queries"]), "Nothing is said to be changed.", told(done))
    return done
