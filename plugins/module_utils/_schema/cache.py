# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The declared side changes rarely, so its snapshot is kept in a file that only its owner can read or write.

It is named after the database and keyed by everything that it depends on: the definition, the code that reads and compares,
and what the server says about itself. Beside it stands the mark of the live database as it was when nothing differed: while the
server gives the same mark again, nothing has to be fetched. A file that is not ours, not readable or of another key counts as
none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import Snapshot, Thing
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

# Whatever of the server decides what a definition becomes.
SERVER_SQL = """
SELECT pg_catalog.concat_ws('|', pg_catalog.current_setting('server_version_num'), session_user,
    (SELECT pg_catalog.string_agg(e.name || e.default_version, ',' ORDER BY e.name)
     FROM pg_catalog.pg_available_extensions e),
    (SELECT pg_catalog.string_agg(r.rolname || r.rolsuper, ',' ORDER BY r.rolname) FROM pg_catalog.pg_roles r),
    (SELECT pg_catalog.string_agg(s.name || '=' || s.setting, ',' ORDER BY s.name) FROM pg_catalog.pg_settings s
     WHERE s.name IN ('default_table_access_method', 'default_tablespace', 'default_toast_compression', 'TimeZone',
                      'DateStyle', 'IntervalStyle', 'check_function_bodies', 'standard_conforming_strings',
                      'shared_preload_libraries', 'default_text_search_config')))
"""
SETTINGS_SQL = """
SELECT pg_catalog.unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database()
WHERE s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user)) ORDER BY s.setrole
"""


def code() -> str:
    """The sources of this package: what another release sees, this one may not have seen."""
    package = __name__.rpartition(".")[0] + "."
    modules = sorted(name for name in sys.modules if name.startswith(package))
    return "".join(str(sys.modules[name].__loader__.get_source(name)) for name in modules)  # type: ignore[union-attr]


def key(session: Session, definition: str, likeness: dict[str, Any], settings: list[str], rows: Any) -> str:
    """Hash everything that the declared snapshot and the verdict about a live one depend on."""
    server = session.rows(SERVER_SQL)[1][0][0]
    parts = [code(), server, json.dumps([likeness, rows], sort_keys=True), *settings, definition]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def fingerprint(snapshot: Snapshot, rows: Sequence[Thing] = ()) -> str:
    """Hash what is declared; the same for every definition that makes the same schema."""
    every = sorted([*snapshot.things.values(), *rows], key=lambda thing: thing.key)
    things = [(thing.kind, thing.identity, thing.attributes) for thing in every]
    return "sha256:" + hashlib.sha256(json.dumps(things, sort_keys=True).encode()).hexdigest()


class Cache:
    """One file for one database; without a directory, nothing is kept."""

    def __init__(self, directory: Optional[str], name: str) -> None:
        self.path = (
            os.path.join(directory, hashlib.sha256(name.encode()).hexdigest()[:32] + ".json") if directory else ""
        )
        self._forget()

    def _forget(self) -> None:
        self.fingerprint = ""
        # Of a live database that was found in sync; empty where none was.
        self.mark = ""
        self.alternates: dict[str, list[Any]] = {}
        self.rows: list[Thing] = []
        self._edges: list[list[int]] = []
        self._snapshot = ""

    def read(self, wanted: str) -> bool:
        """Whether something is kept that was made of the same things; the snapshot in it is parsed only when it is asked for."""
        if not self.path:
            return False
        try:
            with open(self.path, encoding="utf-8") as file:
                held = os.fstat(file.fileno())
                if held.st_uid != os.geteuid() or stat.S_IMODE(held.st_mode) & 0o077:
                    return False
                kept = json.loads(file.readline())
                if kept["key"] != wanted:
                    return False
                self.rows = [Thing(kind, tuple(identity), has, facts) for kind, identity, has, facts in kept["rows"]]
                self.fingerprint, self.mark, self.alternates = kept["fingerprint"], kept["mark"], kept["alternates"]
                self._snapshot = file.read()
        except (OSError, ValueError, KeyError, TypeError):
            self._forget()
            return False
        return True

    def snapshot(self) -> Optional[Snapshot]:
        """Give the declared snapshot that was kept, if it is whole."""
        try:
            kept = json.loads(self._snapshot)
            things = [Thing(kind, tuple(identity), has, facts) for kind, identity, has, facts in kept["things"]]
            self._edges = kept["edges"]
            whole = all(max(entry) < len(things) for entry in self._edges)
            found = Snapshot({thing.key: thing for thing in things}, version=kept["version"], user=kept["user"])
        except (ValueError, KeyError, TypeError):
            whole = False
        if whole:
            return found
        self._forget()
        return None

    def read_edges(self, snapshot: Snapshot) -> None:
        """Give a snapshot that was kept what depends on what; only a plan needs it."""
        if not snapshot.edges:
            keys = list(snapshot.things)
            snapshot.edges = {keys[user]: frozenset(keys[place] for place in needed) for user, *needed in self._edges}

    def write(self, wanted: str, snapshot: Snapshot) -> None:
        """Keep it; a directory that cannot be written costs time only."""
        if not self.path:
            return
        places = {key: place for place, key in enumerate(snapshot.things)}
        if snapshot.edges:
            self._edges = [
                [places[user], *sorted(places[key] for key in needed)] for user, needed in snapshot.edges.items()
            ]
        head = {
            "key": wanted,
            "fingerprint": self.fingerprint,
            "mark": self.mark,
            "alternates": self.alternates,
            "rows": [list(thing) for thing in self.rows],
        }
        kept = {
            "version": snapshot.version,
            "user": snapshot.user,
            "edges": self._edges,
            "things": [list(thing) for thing in snapshot.things.values()],
        }
        directory = os.path.dirname(self.path)
        with contextlib.suppress(OSError):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=directory, delete=False, encoding="utf-8") as file:
                file.write(json.dumps(head) + "\n" + json.dumps(kept))
            os.replace(file.name, self.path)
