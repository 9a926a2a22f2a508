"""Every backup that is shown as verified, restored once more with nothing but pgBackRest and a server, and counted."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from instance import REPOSITORY, Instance, run

DATA = "/var/lib/postgresql/data"
LOCAL, OFFSITE = "/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest/offsite.conf"
# It recovers to the moment that was compared when the backup was verified, on the timeline of the backup itself, and lives in memory.
SCRIPT = """
pgbackrest --config="$1" --stanza="$2" --set="$3" --type=name --target="$4" --target-timeline=current --target-action=promote \\
  --archive-mode=off --log-level-console=warn restore
exec postgres -c config_file=/etc/postgresql-config/postgresql.conf -c listen_addresses= -c shared_buffers=16MB -c archive_mode=off
"""
# Of each table of a database, all rows.
ROWS = """
SELECT COALESCE(sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM ONLY %s', c.oid::regclass), false, true, '')))[1]::text::int8), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def restore_every(instance: Instance, offsite: bool = False) -> list[str]:
    """Restore each backup of a repository that is shown as verified, from there alone, and return their labels."""
    found = look(instance)
    backups = found["offsite"]["backups"] if offsite else found["backups"]
    shown = [each["label"] for each in backups if each["verified_at"]]
    assert shown, found
    records = instance.repository / "catalog" / ("offsite" if offsite else "") / "verified"
    for label in shown:
        record = json.loads((records / f"{label}.json").read_text())
        assert restored_rows(instance, record, offsite) == record["rows"], record
    return shown


def look(instance: Instance) -> dict[str, Any]:
    """Ask for the backups, as anybody may who knows the module."""
    given = {
        "login_host": "127.0.0.1",
        "login_port": instance.port,
        "login_password": instance.password("postgres"),
        "ssl_mode": "require",
        "container": instance.name,
        "stanza": instance.name,
        "catalog": str(instance.repository / "catalog"),
        **({"offsite_config": OFFSITE} if "postgres_backup_offsite_bucket" in instance.variables else {}),
    }
    program = str(Path(sys.executable).with_name("ansible"))
    module = ("-m", "ai_micro.postgres.postgres_backup_info", "-a", json.dumps(given))
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    said = run(program, "localhost", "-i", "localhost,", "-c", "local", *module, cwd=REPOSITORY, env=environment)
    return dict(json.loads(said.stdout.partition(" => ")[2]))


def restored_rows(instance: Instance, record: dict[str, Any], offsite: bool) -> int:
    """Restore one backup into memory, start a server on it, and count the rows of every database that the record names."""
    server = f"{instance.name}-every"
    places = {
        instance.directory / "postgresql": "/etc/postgresql-config",
        instance.directory / "tls": "/etc/postgresql-tls",
        instance.directory / "pgbackrest": "/etc/pgbackrest",
    }
    if offsite:
        # By the network alone, as from a host whose own repository is lost.
        given = instance.variables
        reach = f"--add-host={given['postgres_backup_offsite_endpoint']}:{given['postgres_backup_offsite_address']}"
    else:
        places[instance.repository / "pgbackrest"] = "/var/lib/pgbackrest"
        reach = "--network=none"
    run(
        *("docker", "run", "--detach", f"--name={server}", "--user=999:999", reach, "--shm-size=256m"),
        *(f"--mount=type=bind,source={source},target={target},readonly" for source, target in places.items()),
        *(f"--tmpfs={DATA}:uid=999,gid=999,mode=0700", "--tmpfs=/var/run/postgresql:uid=999,gid=999"),
        *("--entrypoint=sh", instance.image, "-ec", SCRIPT, "sh"),
        *(OFFSITE if offsite else LOCAL, instance.name, record["label"], record["restore_point"]),
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
