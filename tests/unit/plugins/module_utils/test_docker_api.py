# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from an Engine's socket, against a real one that misbehaves in each way."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._docker_api import DockerReader, DockerUnavailable

ANSWERS: dict[str, tuple[int, bytes]] = {
    "/containers/pg/json": (200, b'{"Name": "/pg"}'),
    "/images/a%3Ab/json": (200, b'{"Id": "sha256:1"}'),
    "/containers/json?all=1&filters=%7B%7D": (200, b"[]"),
    "/null": (200, b"null"),
    "/broken": (500, b'{"message": "boom"}'),
}


class Handler(BaseHTTPRequestHandler):
    """Answers from the table, 404 for everything else, and nothing at all to /hang."""

    released = threading.Event()

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/hang":
            self.released.wait(10)
            return
        if self.path == "/garbage":
            self.wfile.write(b"this is no HTTP\r\n\r\n")
            return
        status, body = ANSWERS.get(self.path, (404, b'{"message": "no such thing"}'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """Give a name: a client of a Unix socket has none."""
        return "local"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One thread per request."""

    daemon_threads = True


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    """Yield the path of a socket that answers."""
    path = str(tmp_path / "s")
    Handler.released.clear()
    server = Server(path, Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield path
    Handler.released.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_an_object(engine: str) -> None:
    assert DockerReader(engine).get("/containers/pg/json") == {"Name": "/pg"}


def test_a_name_is_quoted(engine: str) -> None:
    assert DockerReader(engine).get("/images/a:b/json") == {"Id": "sha256:1"}


def test_a_query(engine: str) -> None:
    assert DockerReader(engine).get("/containers/json", all=1, filters="{}") == []


def test_no_such_object(engine: str) -> None:
    assert DockerReader(engine).get("/containers/gone/json") is None


def test_an_error_of_the_engine(engine: str) -> None:
    with pytest.raises(DockerUnavailable, match=r"^the Engine answered 500 to /broken$"):
        DockerReader(engine).get("/broken")


def test_an_engine_that_hangs(engine: str) -> None:
    with pytest.raises(DockerUnavailable, match=r"accepts connections but did not answer within 0\.2 s$"):
        DockerReader(engine, timeout=0.2).get("/hang")


def test_something_else_behind_the_socket(engine: str) -> None:
    with pytest.raises(DockerUnavailable, match="does not answer"):
        DockerReader(engine).get("/garbage")


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DockerUnavailable, match=r"^the socket /.*/none does not exist$"):
        DockerReader(str(tmp_path / "none")).get("/version")


def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
    with pytest.raises(DockerUnavailable, match=r"does not answer .*refused"):
        DockerReader(path).get("/version")
