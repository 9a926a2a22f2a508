"""What the server shows on the wire: protocol, ciphers, names, and another certificate while clients are connected."""

from __future__ import annotations

import datetime
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from instance import NETWORK, Instance, run

STRONG = r"TLS_(AES|CHACHA20)\w+|ECDHE-ECDSA-(AES(128|256)-GCM|CHACHA20)\S*"


def target(instance: Instance, **more: Any) -> dict[str, Any]:
    """Give a verified connection from the host as a service would make it."""
    role = "auth_service"
    return {
        "host": "localhost",
        "port": instance.port,
        "user": role,
        "password": instance.password(role),
        "dbname": "authdb",
        "sslmode": "verify-full",
        "sslrootcert": str(instance.directory / "tls" / "ca.crt"),
        **more,
    }


def shown(instance: Instance) -> bytes:
    """Give the certificate that a new client is shown, verified for the name that services use."""
    context = ssl.create_default_context(cafile=str(instance.directory / "tls" / "ca.crt"))
    with socket.create_connection(("127.0.0.1", instance.port), timeout=10) as plain:
        # SSLRequest of the protocol: length and code.
        plain.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname="host.docker.internal") as wrapped:
            certificate = wrapped.getpeercert(binary_form=True)
            assert certificate
            return certificate


def handshake(instance: Instance, *options: str) -> str:
    """Give what OpenSSL's client says of a handshake; the client itself refuses nothing."""
    command = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{instance.port}", *options]
    done = run(*command, check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def test_only_strong_protocols_and_ciphers(guarded: Instance) -> None:
    """By what the server says of itself and by what it does."""
    assert guarded.sql("SHOW ssl") == "on"
    assert guarded.sql("SHOW ssl_min_protocol_version") == "TLSv1.2"
    for protocol in ("-tls1", "-tls1_1"):
        said = handshake(guarded, protocol, "-cipher", "ALL:@SECLEVEL=0")
        assert "alert protocol version" in said, said
    for protocol in ("-tls1_2", "-tls1_3"):
        said = handshake(guarded, protocol)
        cipher = re.search(r"Cipher is (\S+)", said)
        assert cipher, said
        assert re.fullmatch(STRONG, cipher.group(1)), said
    for weak in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8"):
        said = handshake(guarded, "-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0")
        assert "alert handshake failure" in said, said


def test_every_name_is_verified(guarded: Instance) -> None:
    """Each name and address of the certificate, among them those that services use; another name is refused."""
    certificate = run(
        "openssl", "x509", "-in", str(guarded.directory / "tls" / "server.crt"), "-noout", "-ext", "subjectAltName"
    )
    names = re.findall(r"(?:DNS|IP Address):([^,\s]+)", certificate.stdout)
    assert {"localhost", "host.docker.internal", guarded.name} <= set(names)
    published = [place["HostIp"] for place in guarded.inspect()["NetworkSettings"]["Ports"]["5432/tcp"]]
    (gateway,) = [address for address in published if address != "127.0.0.1"]
    assert gateway in names
    for name in names:
        with (
            psycopg2.connect(**target(guarded, host=name, hostaddr=gateway)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert cursor.fetchone() in [("TLSv1.3",), ("TLSv1.2",)]
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        psycopg2.connect(**target(guarded, host="db.example.com", hostaddr=gateway))
    # By the names themselves, as a service resolves them.
    file = (guarded.directory / "services" / "ai-micro-api-auth.env").read_text("utf-8")
    url = file.split("=", 1)[1].strip()
    ca = f"{guarded.directory}/tls/ca.crt"
    for option, place in (
        ("--add-host=host.docker.internal:host-gateway", url),
        (f"--network={NETWORK}", url.replace(f"host.docker.internal:{guarded.port}", f"{guarded.name}:5432")),
    ):
        command = [
            "docker",
            "run",
            "--rm",
            "--user=0:0",
            option,
            "-v",
            f"{ca}:{ca}:ro",
            "--entrypoint=psql",
            guarded.image,
        ]
        assert run(*command, "-XqAt", place, "-c", "SELECT current_user").stdout.strip() == "auth_service"


def test_files_have_owner_and_mode(guarded: Instance) -> None:
    """The server's group reads its key, nobody else does; nobody but root reads the CA's."""
    found = {}
    for path in ("tls/server.crt", "tls/ca.crt", "tls/private", "tls/private/server.key", "ca", "ca/ca.key"):
        info = (guarded.directory / path).stat()
        found[path] = (info.st_uid, info.st_gid, oct(info.st_mode & 0o7777))
    assert found == {
        "tls/server.crt": (0, 0, "0o644"),
        "tls/ca.crt": (0, 0, "0o644"),
        "tls/private": (0, 999, "0o750"),
        "tls/private/server.key": (0, 999, "0o640"),
        "ca": (0, 0, "0o700"),
        "ca/ca.key": (0, 0, "0o600"),
    }


@dataclass
class Load:
    """Clients that stay and clients that come, without a pause and without a retry."""

    instance: Instance
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)
    backends: list[int] = field(default_factory=list)
    opened: int = 0

    def stay(self) -> None:
        """Ask again and again in one session."""
        try:
            connection = psycopg2.connect(**target(self.instance))
            with connection, connection.cursor() as cursor:
                while not self.stop.wait(0.05):
                    cursor.execute("SELECT pg_backend_pid()")
                    (backend,) = cursor.fetchone() or (0,)
                    if backend not in self.backends:
                        self.backends.append(backend)
            connection.close()
        except psycopg2.Error as error:
            self.errors.append(f"stay: {error}")

    def come(self) -> None:
        """Open one session after the other."""
        while not self.stop.is_set():
            try:
                psycopg2.connect(**target(self.instance)).close()
            except psycopg2.Error as error:
                self.errors.append(f"come: {error}")
                return
            self.opened += 1
            self.stop.wait(0.02)


@contextmanager
def load(instance: Instance) -> Iterator[Load]:
    """Keep an instance busy; at the end nothing must have failed."""
    made = Load(instance)
    threads = [threading.Thread(target=made.stay), threading.Thread(target=made.come)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stop.set()
        for thread in threads:
            thread.join(timeout=30)
    assert made.errors == []
    assert len(made.backends) == 1, "the session that stays was another one later"
    assert made.opened > 20


def issue(instance: Instance, folder: Path) -> dict[str, str]:
    """Have the instance's CA issue another key and certificate, as an operator would bring them."""
    ca, key, request = instance.directory / "ca" / "ca.key", folder / "given.key", folder / "given.csr"
    made, names = folder / "given.crt", folder / "names"
    names.write_text("subjectAltName=DNS:host.docker.internal,DNS:localhost\n", encoding="utf-8")
    run(
        "openssl",
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=given",
        "-keyout",
        str(key),
        "-out",
        str(request),
    )
    run(
        "openssl",
        "x509",
        "-req",
        "-in",
        str(request),
        "-CA",
        str(instance.directory / "tls" / "ca.crt"),
        "-CAkey",
        str(ca),
        "-CAserial",
        str(folder / "serial"),
        "-CAcreateserial",
        "-days",
        "90",
        "-extfile",
        str(names),
        "-out",
        str(made),
    )
    authority = folder / "ca.crt"
    authority.write_bytes((instance.directory / "tls" / "ca.crt").read_bytes())
    return {
        "postgres_tls_source": "given",
        "postgres_tls_certificate": str(made),
        "postgres_tls_private_key": str(key),
        "postgres_tls_ca": str(authority),
    }


def test_renewed_and_replaced_under_load(guarded: Instance, tmp_path: Path) -> None:
    """Sessions live on, new ones get the new certificate, and the container is the same since its start."""
    started = guarded.inspect()["State"]["StartedAt"]
    first = shown(guarded)
    with load(guarded):
        assert guarded.site("--tags", "tls", postgres_tls_renew_days=900).count("changed") > 0
        renewed = shown(guarded)
        assert renewed != first
        assert guarded.site("--tags", "tls", **issue(guarded, tmp_path)).count("changed") > 0
        replaced = shown(guarded)
        assert replaced not in (first, renewed)
        assert guarded.site("--tags", "tls").count("changed") > 0
        assert shown(guarded) not in (first, renewed, replaced)
    assert guarded.inspect()["State"]["StartedAt"] == started
    assert guarded.site("--tags", "tls").count("changed") == 0


def test_a_certificate_that_was_not_loaded_is_loaded_by_the_next_run(guarded: Instance, tmp_path: Path) -> None:
    """A run that was killed between writing and reloading leaves the old one in force; the next run sees that."""
    given = issue(guarded, tmp_path)
    before = shown(guarded)
    saved = {name: (guarded.directory / "tls" / name).read_bytes() for name in ("server.crt", "private/server.key")}
    for name, key in (("server.crt", "postgres_tls_certificate"), ("private/server.key", "postgres_tls_private_key")):
        (guarded.directory / "tls" / name).write_bytes(Path(given[key]).read_bytes())
    assert shown(guarded) == before
    failed = guarded.play("verify", "--tags", "instance")
    assert failed.code != 0
    assert "the files are newer than the last reload" in failed.text
    guarded.site("--tags", "instance")
    assert shown(guarded) != before
    # PostgreSQL tells when a file was written in whole seconds: what is written within the second of a reload passes for read by it.
    time.sleep(1 - time.time() % 1)
    for name, content in saved.items():
        (guarded.directory / "tls" / name).write_bytes(content)
    guarded.site("--tags", "tls,instance")
    assert shown(guarded) == before


def test_client_certificates(guarded: Instance) -> None:
    """A role that asks for one is refused without it, with another's, and comes in by its connection file."""
    databases = [
        {"name": "authdb", "service": "ai-micro-api-auth", "role": "auth_service", "extensions": ["uuid-ossp"]},
        {
            "name": "apidb",
            "service": "ai-micro-api-user",
            "role": "user_api_service",
            "extensions": ["uuid-ossp"],
            "client_certificate": True,
        },
        {
            "name": "admindb",
            "service": "ai-micro-api-admin",
            "role": "admin_api_service",
            "extensions": ["uuid-ossp", "vector"],
        },
    ]
    started = guarded.inspect()["State"]["StartedAt"]
    wanted = {"postgres_databases": databases}
    tags = ("--tags", "tls,instance,access")
    guarded.site(*tags, **wanted)
    clients = guarded.directory / "clients"
    modes = {path.name: (path.stat().st_uid, oct(path.stat().st_mode & 0o777)) for path in clients.iterdir()}
    assert modes == {
        "user_api_service.crt": (0, "0o644"),
        "user_api_service.key": (0, "0o640"),
        "user_api_service_2.crt": (0, "0o644"),
        "user_api_service_2.key": (0, "0o640"),
    }
    url = (guarded.directory / "services" / "ai-micro-api-user.env").read_text("utf-8").split("=", 1)[1].strip()
    login = url.split("//")[1].split(":")[0]
    other_login = {"user_api_service": "user_api_service_2", "user_api_service_2": "user_api_service"}[login]
    command = ["docker", "run", "--rm", "--user=0:0", "--add-host=host.docker.internal:host-gateway"]
    command += ["-v", f"{guarded.directory}:{guarded.directory}:ro", "--entrypoint=psql", guarded.image, "-XqAt", "-c"]
    query = "SELECT current_user, session_user"
    assert run(*command, query, url).stdout.strip() == f"user_api_service|{login}"
    without = run(*command, query, url.split("&sslcert")[0], check=False)
    assert "connection requires a valid client certificate" in without.stderr
    other = run(*command, query, url.replace(f"clients/{login}.", f"clients/{other_login}."), check=False)
    assert "password authentication failed" in other.stderr
    logs = run("docker", "logs", "--tail=50", guarded.name)
    assert (
        f'certificate validation (clientcert=verify-full) failed for user "{login}": CN mismatch'
        in logs.stdout + logs.stderr
    )
    # Other roles come in as before, and a second run changes nothing.
    psycopg2.connect(**target(guarded)).close()
    assert guarded.site(*tags, **wanted).count("changed") == 0
    # verify.yml comes in with it too, and fails for the certificate of either login that has expired.
    assert f"{login}, " in guarded.play("verify", "--tags", "access", **wanted).text
    held = with_another_end(clients / f"{other_login}.crt", guarded.directory / "ca" / "ca.key", -1)
    expired = guarded.play("verify", "--tags", "tls", **wanted)
    (clients / f"{other_login}.crt").write_bytes(held)
    assert expired.code != 0
    assert f"{other_login}: The certificate expired on " in expired.text
    assert f"The client certificates of {other_login} do not serve (see above)." in expired.text
    by_certificate = [
        {"database": ["apidb"], "role": ["user_api_service", "user_api_service_2"], "method": "cert"},
        {"database": ["apidb", "authdb", "admindb"], "role": ["readonly_user"]},
        {"database": ["authdb"], "role": ["auth_service", "auth_service_2"]},
        {"database": ["admindb"], "role": ["admin_api_service", "admin_api_service_2"]},
    ]
    guarded.site(*tags, postgres_instance_hba=by_certificate, **wanted)
    no_password = re.sub(r"//[^@]*@", f"//{login}@", url)
    assert run(*command, query, no_password).stdout.startswith("user_api_service|")
    refused = run(*command, query, no_password.replace(f"{login}@", "postgres@"), check=False)
    assert "pg_hba.conf rejects" in refused.stderr
    assert guarded.site(*tags).count("changed") > 0
    assert "clientcert" not in guarded.sql("SELECT options::text FROM pg_hba_file_rules")
    assert guarded.sql("SHOW ssl_ca_file") == ""
    assert guarded.inspect()["State"]["StartedAt"] == started


def with_another_end(path: Path, authority: Path, days: float) -> bytes:
    """Sign a certificate again over its own key, to end in so many days; return what the file held."""
    held = path.read_bytes()
    old = x509.load_pem_x509_certificate(held)
    key = load_pem_private_key(authority.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=400))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return held


@pytest.mark.parametrize("name", ["server.crt", "ca.crt"])
def test_verify_fails_for_what_has_expired_and_says_what_is_due(guarded: Instance, name: str) -> None:
    """Of the server's certificate and its CA's, by the files that the host has."""
    path, authority = guarded.directory / "tls" / name, guarded.directory / "ca" / "ca.key"
    title = "The CA certificate" if name == "ca.crt" else "The certificate"
    held = with_another_end(path, authority, 8.5)
    try:
        due = guarded.play("verify", "--tags", "tls")
        with_another_end(path, authority, -1)
        expired = guarded.play("verify", "--tags", "tls")
    finally:
        path.write_bytes(held)
    assert due.code == 0, due.output
    assert re.search(rf"{title} expires on [0-9-]+(, in 8 days)?[.] site.yml --tags tls issues it anew", due.text)
    assert expired.code != 0
    assert re.search(rf"{title} expired on [0-9-]+[.] site.yml --tags tls issues it anew", expired.text)
    assert due.count("changed") + expired.count("changed") == 0
    # Not loaded by anybody, and as new as the last reload again.
    guarded.sql("SELECT pg_reload_conf()")
    good = guarded.play("verify", "--tags", "tls")
    assert good.code == 0, good.output
    assert "issues it anew" not in good.text
