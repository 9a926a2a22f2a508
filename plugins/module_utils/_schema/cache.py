# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The declared side changes rarely, so its snapshot is kept in a file that only its owner can read or write.

It is named after the database and keyed by everything that it depends on: the definition, the queries that read it, and
what the server says about itself. A file that is not ours, not readable or of another key counts as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import Snapshot, Thing
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.registry import KINDS
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import Session

# Raised when what is made of the queries' rows changes.
FORMAT = 4

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


def key(session: Session, definition: str, likeness: dict[str, Any], settings: list[str], rows: Any) -> str:
    """Hash everything that the declared snapshot depends on."""
    queries = "".join(kind.sql(session.version) for kind in KINDS.values())
    server = session.rows(SERVER_SQL)[1][0][0]
    parts = [str(FORMAT), queries, server, json.dumps([likeness, rows], sort_keys=True), *settings, definition]
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
        self.alternates: dict[str, list[Any]] = {}
        self.rows: list[Thing] = []
        self._edges: list[list[int]] = []

    def read(self, wanted: str) -> Optional[tuple[Snapshot, str]]:
        """Give the snapshot and its fingerprint, if it was made of the same things."""
        if not self.path:
            return None
        try:
            with open(self.path, encoding="utf-8") as file:
                held = os.fstat(file.fileno())
                if held.st_uid != os.geteuid() or stat.S_IMODE(held.st_mode) & 0o077:
                    return None
                kept = json.load(file)
            if kept["key"] != wanted:
                return None
            things = [Thing(kind, tuple(identity), has, facts) for kind, identity, has, facts in kept["things"]]
            self.alternates = kept["alternates"]
            self.rows = [Thing(kind, tuple(identity), has, facts) for kind, identity, has, facts in kept["rows"]]
            self._edges = kept["edges"]
            if any(max(entry) >= len(things) for entry in self._edges):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        snapshot = Snapshot({thing.key: thing for thing in things}, version=kept["version"], user=kept["user"])
        return snapshot, kept["fingerprint"]

    def read_edges(self, snapshot: Snapshot) -> None:
        """Give a snapshot that was kept what depends on what; only a plan needs it."""
        if not snapshot.edges:
            keys = list(snapshot.things)
            snapshot.edges = {keys[user]: frozenset(keys[place] for place in needed) for user, *needed in self._edges}

    def write(self, wanted: str, snapshot: Snapshot, mark: str) -> None:
        """Keep it; a directory that cannot be written costs time only."""
        if not self.path:
            return
        places = {key: place for place, key in enumerate(snapshot.things)}
        if snapshot.edges:
            self._edges = [
                [places[user], *sorted(places[key] for key in needed)] for user, needed in snapshot.edges.items()
            ]
        kept = {
            "key": wanted,
            "fingerprint": mark,
            "version": snapshot.version,
            "user": snapshot.user,
            "alternates": self.alternates,
            "rows": [list(thing) for thing in self.rows],
            "edges": self._edges,
            "things": [list(thing) for thing in snapshot.things.values()],
        }
        directory = os.path.dirname(self.path)
        with contextlib.suppress(OSError):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=directory, delete=False, encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(file.name, self.path)
