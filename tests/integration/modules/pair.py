"""Two servers, one that serves and one that stands for a copy recovered from a backup."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .conftest import Server, running_server

STAMP = "20261125t140000"


@dataclass(frozen=True)
class Pair:
    """The live server and the copy of it."""

    live: Server
    copy: Server

    def both(self, statement: str, db: str = "postgres") -> None:
        """Run a statement on both: what was there before the accident."""
        for server in (self.live, self.copy):
            server.sql(statement, db=db)

    def call(self, module: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call a module that reads the copy."""
        source = {"source_socket": self.copy.socket, "source_container": self.copy.container}
        return self.live.call(module, check, container=self.live.container, **source, **arguments)


@contextmanager
def pair_of(live: Server) -> Iterator[Pair]:
    """Start the copy, whose socket has the name of the live one's port too, as containers of the role have."""
    with running_server() as copy:
        name = f"{copy.socket}/.s.PGSQL."
        os.symlink(f"{name}{copy.port}", f"{name}{live.port}")
        yield Pair(live, copy)
