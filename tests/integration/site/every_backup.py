"""Every backup that an instance calls verified, restored once more with nothing but pgBackRest and a server, and counted."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from instance import Instance, run

DATA = "/var/lib/postgresql/data"
# It recovers to the moment that was compared when the backup was verified, on the timeline of the backup itself, and lives in memory.
SCRIPT = """
pgbackrest --stanza="$1" --set="$2" --type=name --target="$3" --target-timeline=current --target-action=promote \\
  --archive-mode=off --log-level-console=warn restore
exec postgres -c config_file=/etc/postgresql-config/postgresql.conf -c listen_addresses= -c shared_buffers=16MB -c archive_mode=off
"""
# Of each table of a database, all rows.
ROWS = """
SELECT COALESCE(sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM ONLY %s', c.oid::regclass), false, true, '')))[1]::text::int8), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def restore_every(instance: Instance) -> list[str]:
    """Restore each backup that counts as verified, and return their labels."""
    folder = instance.repository / "catalog" / "verified"
    records = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    shown = re.findall(r"([\w-]+) \(\w+\): \S+ h old, \S+ MB, verified", instance.play("status").text)
    assert shown
    assert set(shown) <= {record["label"] for record in records}
    for record in records:
        assert restored_rows(instance, record) == record["rows"], record
    return [record["label"] for record in records]


def restored_rows(instance: Instance, record: dict[str, Any]) -> int:
    """Restore one backup into memory, start a server on it, and count the rows of every database that the record names."""
    server = f"{instance.name}-every"
    places = {
        instance.directory / "postgresql": "/etc/postgresql-config",
        instance.directory / "tls": "/etc/postgresql-tls",
        instance.directory / "pgbackrest": "/etc/pgbackrest",
        instance.repository / "pgbackrest": "/var/lib/pgbackrest",
    }
    run(
        *("docker", "run", "--detach", f"--name={server}", "--user=999:999", "--network=none", "--shm-size=256m"),
        *(f"--mount=type=bind,source={source},target={target},readonly" for source, target in places.items()),
        *(f"--tmpfs={DATA}:uid=999,gid=999,mode=0700", "--tmpfs=/var/run/postgresql:uid=999,gid=999"),
        *("--entrypoint=sh", instance.image, "-ec", SCRIPT, "sh"),
        *(instance.name, record["label"], record["restore_point"]),
    )
    try:
        give_up = time.monotonic() + 120
        while ask(server, "postgres", "SELECT pg_is_in_recovery()") != "f":
            assert time.monotonic() < give_up, run("docker", "logs", server).stderr
            time.sleep(0.2)
        return sum(int(ask(server, database, ROWS)) for database in record["databases"])
    finally:
        run("docker", "rm", "-f", "-v", server)


def ask(server: str, database: str, statement: str) -> str:
    """Ask the restored server; nothing where it does not answer yet."""
    words = ["psql", "-X", "-qAt", "-U", "postgres", "-d", database, "-c", statement]
    return run("docker", "exec", server, *words, check=False).stdout.strip()
