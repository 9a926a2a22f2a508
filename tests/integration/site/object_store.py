"""An S3-compatible service on this machine: moto's server, and TLS in front of it as a service off site has it."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from instance import PORT_OFFSET, REPOSITORY, run

HOST = "s3.offsite.example"
REQUIREMENTS = REPOSITORY / "tests" / "integration" / "s3_requirements.txt"
HOME = REPOSITORY / ".cache" / "s3-server"


def server_program() -> str:
    """Have moto in an environment of its own, which nothing else of the tests shares."""
    stamp = HOME / REQUIREMENTS.name
    if not stamp.is_file() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        run(sys.executable, "-m", "venv", "--clear", str(HOME))
        run(str(HOME / "bin/pip"), "install", "-q", "--no-deps", "-r", str(REQUIREMENTS))
        shutil.copyfile(REQUIREMENTS, stamp)
    return str(HOME / "bin" / "moto_server")


@dataclass
class ObjectStore:
    """The service, its certificate's authority and its bucket."""

    folder: Path
    port: int
    bucket: str = "backups"
    process: subprocess.Popen[bytes] | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    front: asyncio.Server | None = None

    def __post_init__(self) -> None:
        self.port += PORT_OFFSET

    @property
    def plain_port(self) -> int:
        """Port of the server without TLS, on the loopback alone."""
        return self.port + 1

    @property
    def certificate(self) -> Path:
        """The certificate, which is its own authority."""
        return self.folder / "s3.crt"

    def start(self) -> None:
        """Start the server with an empty bucket, and TLS in front of it."""
        subject = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2")
        files = ("-keyout", str(self.folder / "s3.key"), "-out", str(self.certificate))
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files)
        log = (self.folder / "moto.log").open("wb")
        words = [server_program(), "-H", "127.0.0.1", "-p", str(self.plain_port)]
        # The host's name is that of the service, whatever it looks like.
        paths = {**os.environ, "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"}
        self.process = subprocess.Popen(words, stdout=log, stderr=log, env=paths)
        give_up = time.monotonic() + 60
        request = urllib.request.Request(f"http://127.0.0.1:{self.plain_port}/{self.bucket}", method="PUT")
        while True:
            try:
                urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
                break
            except OSError:
                assert time.monotonic() < give_up, (self.folder / "moto.log").read_text()
                time.sleep(0.2)
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.open()

    def open(self) -> None:
        """Let it be reached."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.folder / "s3.key")
        made = asyncio.start_server(self._serve, "0.0.0.0", self.port, ssl=context)
        self.front = asyncio.run_coroutine_threadsafe(made, self.loop).result(timeout=30)

    def shut(self) -> None:
        """Let nobody reach it any more."""
        if self.front is not None:
            self.loop.call_soon_threadsafe(self.front.close)
            self.front = None

    def remove(self) -> None:
        """End it, with everything in it."""
        self.shut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the server and back."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.plain_port)
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry one direction until it ends."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        sink.close()
