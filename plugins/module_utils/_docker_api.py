# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from the Docker Engine's API over its socket with the standard library alone.

A fresh host has no Docker SDK and no requests yet, and one connection answers in milliseconds what
takes a module of its own a second; so what only looks goes this way, and what changes something goes
through community.docker.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any, Optional
from urllib.parse import quote, urlencode


class DockerUnavailable(Exception):
    """The Engine cannot be asked; the text says why in one clause."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class DockerReader:
    """Asks one Engine by its socket's path; nothing here changes anything."""

    def __init__(self, path: str = "/var/run/docker.sock", timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout

    def get(self, resource: str, **query: Any) -> Optional[Any]:
        """Return the decoded answer, or None where the Engine says that there is no such object."""
        if not os.path.exists(self._path):
            raise DockerUnavailable(f"the socket {self._path} does not exist")
        target = quote(resource) + ("?" + urlencode(query) if query else "")
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
        except socket.timeout as error:
            raise DockerUnavailable(
                f"the socket {self._path} accepts connections but did not answer within {self._timeout:g} s"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise DockerUnavailable(f"the socket {self._path} does not answer ({error})") from error
        finally:
            connection.close()
        if response.status == 404:
            return None
        if response.status != 200:
            raise DockerUnavailable(f"the Engine answered {response.status} to {resource}")
        return json.loads(body)
