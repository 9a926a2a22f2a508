"""Triggers, rules, policies, extended statistics, event triggers, publications and foreign data."""

from __future__ import annotations

from .pair import Outcome, Pair, change, step, two

ITEM = "CREATE TABLE item (id int PRIMARY KEY, name text, size int)"
ROWS = "INSERT INTO item VALUES (1, 'a', 5), (2, 'b', 6)"
TOUCH = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"
BASE = f"{ITEM}; {TOUCH}"
PLAIN = "BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch()"
ALLOWED = "FOR SELECT TO corpus_reader USING (id > 0)"
LOG = """CREATE TABLE log (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE log_2025 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"""


def trigger(name: str, definition: str, base: str = BASE, kind: str = "TRIGGER") -> list[Pair]:
    return step(
        f"trigger: {name}", base, f"CREATE {kind} touched {definition}", "trigger touched", rows=ROWS, undo="repairable"
    )


def retriggered(name: str, definition: str, one: str = PLAIN) -> list[Pair]:
    return change(
        f"trigger: {name}",
        *two(f"{BASE}; CREATE TRIGGER touched {each}" for each in (one, definition)),
        "trigger touched",
        rows=ROWS,
    )


def enabled(state: str) -> list[Pair]:
    return step(
        f"trigger: {state}",
        f"{BASE}; CREATE TRIGGER touched {PLAIN}",
        f"ALTER TABLE item {state} TRIGGER touched",
        "trigger touched",
        rows=ROWS,
        outcome="repairable",
        undo="repairable",
    )


def policed(name: str, one: str, other: str) -> list[Pair]:
    return change(
        f"policy: {name}",
        *two(f"{ITEM}; CREATE POLICY seen ON item {each}" for each in (one, other)),
        "policy seen",
        rows=ROWS,
    )


def ruled(name: str, definition: str, outcome: Outcome = "additive") -> list[Pair]:
    return step(
        f"rule: {name}",
        BASE,
        f"CREATE RULE ruled AS {definition}",
        "rule ruled",
        rows=ROWS,
        outcome=outcome,
        undo="repairable",
    )


PAIRS: list[Pair] = [
    *trigger("before each row", PLAIN),
    *trigger(
        "after each statement with transition tables",
        "AFTER UPDATE ON item REFERENCING OLD TABLE AS was NEW TABLE AS now_is FOR EACH STATEMENT EXECUTE FUNCTION touch()",
    ),
    *trigger(
        "of columns, with a condition and arguments",
        "BEFORE INSERT OR UPDATE OF name, size OR DELETE ON item FOR EACH ROW WHEN (pg_trigger_depth() < 5) EXECUTE FUNCTION touch('a''b', '100%', 'ü\\')",
    ),
    *trigger(
        "condition on rows",
        "AFTER UPDATE ON item FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch()",
    ),
    *trigger("of truncation", "AFTER TRUNCATE ON item FOR EACH STATEMENT EXECUTE FUNCTION touch()"),
    *trigger(
        "of constraint, deferred",
        "AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch()",
        kind="CONSTRAINT TRIGGER",
    ),
    *trigger(
        "on a view",
        "INSTEAD OF INSERT ON shown FOR EACH ROW EXECUTE FUNCTION touch()",
        f"{BASE}; CREATE VIEW shown AS SELECT id FROM item",
    ),
    *step(
        "trigger: on a partitioned table",
        f"{LOG}; {TOUCH}",
        "CREATE TRIGGER touched AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION touch()",
        "trigger touched",
        rows="INSERT INTO log VALUES (1, '2025-05-05')",
        undo="repairable",
    ),
    *step(
        "trigger: of a partition alone",
        f"{LOG}; {TOUCH}",
        "CREATE TRIGGER touched AFTER INSERT ON log_2025 FOR EACH ROW EXECUTE FUNCTION touch()",
        "trigger touched",
        rows="INSERT INTO log VALUES (1, '2025-05-05')",
        undo="repairable",
    ),
    *step(
        "trigger: disabled on one partition",
        f"{LOG}; {TOUCH}; CREATE TRIGGER touched AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION touch()",
        "ALTER TABLE log_2025 DISABLE TRIGGER touched",
        "touched",
        rows="INSERT INTO log VALUES (1, '2025-05-05')",
        outcome="repairable",
        undo="repairable",
    ),
    *enabled("DISABLE"),
    *enabled("ENABLE REPLICA"),
    *enabled("ENABLE ALWAYS"),
    Pair(
        "trigger: missing and disabled",
        BASE,
        f"{BASE}; CREATE TRIGGER touched {PLAIN}; ALTER TABLE item DISABLE TRIGGER touched",
        "additive",
        "trigger touched",
        ROWS,
    ),
    *retriggered("function", PLAIN.replace("touch()", "other()")),
    *retriggered("time", PLAIN.replace("BEFORE", "AFTER")),
    *retriggered("event", PLAIN.replace("UPDATE", "INSERT OR UPDATE")),
    *retriggered("level", PLAIN.replace("ROW", "STATEMENT")),
    *retriggered("columns", PLAIN.replace("UPDATE", "UPDATE OF name")),
    *retriggered("condition", PLAIN.replace("EXECUTE", "WHEN (NEW.id > 0) EXECUTE")),
    *retriggered("arguments", PLAIN.replace("touch()", "touch('x')")),
    *change(
        "trigger: to constraint trigger",
        f"{BASE}; CREATE TRIGGER touched AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION touch()",
        f"{BASE}; CREATE CONSTRAINT TRIGGER touched AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION touch()",
        "trigger touched",
        rows=ROWS,
    ),
    *step(
        "foreign key's triggers, disabled",
        "CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE part (item int REFERENCES item)",
        "ALTER TABLE part DISABLE TRIGGER ALL",
        "part",
        outcome="repairable",
        undo="repairable",
    ),
    *change(
        "trigger: its function with another body",
        f"{BASE}; CREATE TRIGGER touched {PLAIN}",
        f"{BASE.replace('RETURN NEW', 'NEW.size := 1; RETURN NEW')}; CREATE TRIGGER touched {PLAIN}",
        "touch",
        rows=ROWS,
    ),
    *ruled("instead nothing", "ON DELETE TO item DO INSTEAD NOTHING"),
    *ruled(
        "also",
        "ON UPDATE TO item WHERE NEW.name <> OLD.name DO ALSO INSERT INTO item (id, name) VALUES (NEW.id + 1000, 'was ' || OLD.name)",
    ),
    *ruled(
        "several actions", 'ON INSERT TO item DO ALSO (UPDATE item SET size = 1 WHERE id = NEW.id; NOTIFY "item %")'
    ),
    *change(
        "rule: another condition",
        *two(f"{ITEM}; CREATE RULE ruled AS ON DELETE TO item WHERE OLD.id > {n} DO INSTEAD NOTHING" for n in (1, 2)),
        "rule ruled",
        rows=ROWS,
    ),
    *step(
        "rule: disabled",
        f"{ITEM}; CREATE RULE ruled AS ON DELETE TO item DO INSTEAD NOTHING",
        "ALTER TABLE item DISABLE RULE ruled",
        "rule ruled",
        rows=ROWS,
        outcome="repairable",
        undo="repairable",
    ),
    *step(
        "policy",
        ITEM,
        "CREATE POLICY seen ON item AS RESTRICTIVE FOR UPDATE TO corpus_reader, corpus_writer USING (name = current_user) WITH CHECK (size % 2 = 0)",
        "policy seen",
        rows=ROWS,
        outcome="repairable",
        undo="repairable",
    ),
    *step(
        "policy over another table",
        f"{ITEM}; CREATE TABLE owner (id int, who name)",
        "CREATE POLICY seen ON item USING (EXISTS (SELECT FROM owner o WHERE o.id = item.id AND o.who = current_user))",
        "policy seen",
        rows=ROWS,
        outcome="repairable",
        undo="repairable",
    ),
    *policed("condition", ALLOWED, "FOR SELECT TO corpus_reader USING (id > 1)"),
    *policed("roles", ALLOWED, "FOR SELECT USING (id > 0)"),
    *policed("command", ALLOWED, "FOR DELETE TO corpus_reader USING (id > 0)"),
    *policed("restrictive", ALLOWED, f"AS RESTRICTIVE {ALLOWED}"),
    *policed("check", "USING (id > 0)", "USING (id > 0) WITH CHECK (id > 1)"),
    *policed("condition taken away", "USING (id > 0) WITH CHECK (id > 1)", "WITH CHECK (id > 1)"),
    *step(
        "extended statistics",
        ITEM,
        "CREATE STATISTICS related (dependencies, mcv) ON name, size FROM item",
        "related",
        rows=ROWS,
        undo="repairable",
    ),
    *step(
        "extended statistics on an expression",
        ITEM,
        "CREATE STATISTICS related ON (lower(name)) FROM item",
        "related",
        rows=ROWS,
        undo="repairable",
    ),
    *change(
        "extended statistics: kinds",
        f"{ITEM}; CREATE STATISTICS related (mcv) ON name, size FROM item",
        f"{ITEM}; CREATE STATISTICS related (ndistinct, mcv) ON name, size FROM item",
        "related",
        rows=ROWS,
    ),
    *change(
        "extended statistics: columns",
        f"{ITEM}; CREATE STATISTICS related ON name, size FROM item",
        f"{ITEM}; CREATE STATISTICS related ON id, size FROM item",
        "related",
        rows=ROWS,
    ),
    *step(
        "extended statistics: target",
        f"{ITEM}; CREATE STATISTICS related ON name, size FROM item",
        "ALTER STATISTICS related SET STATISTICS 300",
        "related",
        rows=ROWS,
        undo="repairable",
    ),
    *step(
        "event trigger",
        "CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE EVENT TRIGGER watcher ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP VIEW') EXECUTE FUNCTION told()",
        "watcher",
        undo="repairable",
        movable=False,
    ),
    *step(
        "event trigger: disabled",
        "CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION told()",
        "ALTER EVENT TRIGGER watcher DISABLE",
        "watcher",
        outcome="repairable",
        undo="repairable",
        movable=False,
    ),
    *change(
        "event trigger: event",
        *two(
            f"CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watcher ON {event} EXECUTE FUNCTION told()"
            for event in ("ddl_command_start", "ddl_command_end")
        ),
        "watcher",
        movable=False,
    ),
]
