# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that serve and certificates that do not, made here with RSA, elliptic curves and Ed25519."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._certificate import (
    certificate_facts,
    load_chain,
    look_at_certificate,
    names_of,
    not_after,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._certificate_judge import covers, judge_certificate
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._given_certificate import problems_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
NAMES = ["localhost", "host.docker.internal", "127.0.0.1"]


def make_key(kind: str = "ec") -> Any:
    """Make a private key of one kind."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


@dataclass
class Party:
    """A certificate with its key."""

    name: str
    issuer: Party | None = None
    names: list[str] = field(default_factory=list)
    key: Any = field(default_factory=make_key)
    begins: int = -10
    days: int = 365

    def __post_init__(self) -> None:
        """Sign the certificate."""
        signer = self.issuer or self

        def subject(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(self.name))
            .issuer_name(subject(signer.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + datetime.timedelta(days=self.begins))
            .not_valid_after(NOW + datetime.timedelta(days=self.days))
        )
        if self.names:
            general = [_general_name(name) for name in self.names]
            builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
        algorithm = None if isinstance(signer.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.certificate = builder.sign(signer.key, algorithm)

    @property
    def pem(self) -> bytes:
        """Give the certificate as text."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """Give the key as text."""
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


CA = Party("CA", days=3650)
LEAF = Party("server", CA, NAMES)


def check(wanted: list[str] | None = None, **changed: bytes) -> dict[str, str]:
    """Judge the good files, some of them replaced."""
    pems = {"certificate": LEAF.pem, "private_key": LEAF.key_pem, "ca": CA.pem, **changed}
    # As it comes from a host.
    facts = json.loads(json.dumps(certificate_facts(pems, NOW)))
    problems = judge_certificate(facts, NAMES if wanted is None else wanted, 30)
    assert all(problem["message"].endswith(".") for problem in problems)
    return {problem["check"]: problem["message"] for problem in problems}


def test_a_good_certificate() -> None:
    assert check() == {}


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
def test_every_kind_of_key(kind: str) -> None:
    authority = Party("CA", key=make_key(kind), days=3650)
    leaf = Party("server", authority, NAMES, key=make_key(kind))
    assert check(certificate=leaf.pem, private_key=leaf.key_pem, ca=authority.pem) == {}


@pytest.mark.parametrize(
    ("begins", "days", "problem", "message"),
    [
        (-10, 29, "renew", "The certificate expires on 2026-12-23, in 29 days."),
        (-10, 30, "", ""),
        (-10, 0, "expired", "The certificate expired on 2026-11-24."),
        (-400, -3, "expired", "The certificate expired on 2026-11-21."),
        (2, 300, "expired", "The certificate is not valid before 2026-11-26 12:00 UTC."),
    ],
)
def test_its_time(begins: int, days: int, problem: str, message: str) -> None:
    leaf = Party("server", CA, NAMES, begins=begins, days=days)
    found = check(certificate=leaf.pem, private_key=leaf.key_pem)
    assert found == ({problem: message} if problem else {})


@pytest.mark.parametrize(
    ("days", "problem", "message"),
    [
        (10, "ca_renew", "The CA certificate expires on 2026-12-04."),
        (0, "ca_expired", "The CA certificate expired on 2026-11-24."),
        (-3, "ca_expired", "The CA certificate expired on 2026-11-21."),
    ],
)
def test_a_ca_near_its_end(days: int, problem: str, message: str) -> None:
    authority = Party("CA", begins=-400, days=days)
    leaf = Party("server", authority, NAMES)
    assert check(certificate=leaf.pem, private_key=leaf.key_pem, ca=authority.pem) == {problem: message}


def test_anothers_key() -> None:
    assert check(private_key=make_key_pem()) == {"key": "The private key does not belong to the certificate."}
    assert set(check(private_key=make_key_pem("rsa"))) == {"key"}


def make_key_pem(kind: str = "ec") -> bytes:
    """Make a key that belongs to nothing."""
    return bytes(make_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_another_ca_of_the_same_name() -> None:
    assert check(ca=Party("CA").pem) == {"chain": "The certificate was not issued by the CA certificate."}


def test_another_ca_of_another_kind() -> None:
    assert set(check(ca=Party("CA", key=make_key("rsa")).pem)) == {"chain"}
    assert set(check(ca=Party("Other").pem)) == {"chain"}


def test_a_chain_over_intermediates_in_any_order() -> None:
    upper = Party("upper", CA)
    lower = Party("lower", upper)
    leaf = Party("server", lower, NAMES)
    for chain in (leaf.pem + lower.pem + upper.pem, leaf.pem + upper.pem + lower.pem):
        assert check(certificate=chain, private_key=leaf.key_pem) == {}
    assert set(check(certificate=leaf.pem + upper.pem, private_key=leaf.key_pem)) == {"chain"}
    assert set(check(certificate=leaf.pem, private_key=leaf.key_pem)) == {"chain"}


def test_one_of_several_authorities() -> None:
    assert check(ca=Party("Old CA").pem + CA.pem) == {}


def test_a_certificate_that_is_its_own_authority() -> None:
    alone = Party("alone", names=NAMES)
    assert check(certificate=alone.pem, private_key=alone.key_pem, ca=alone.pem) == {}


def test_missing_names() -> None:
    assert check([*NAMES, "db.example", "10.0.0.1"]) == {
        "names": "The certificate lacks the names db.example, 10.0.0.1."
    }


def test_a_certificate_without_names() -> None:
    leaf = Party("localhost", CA)
    assert set(check(["localhost"], certificate=leaf.pem, private_key=leaf.key_pem)) == {"names"}


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("db.example.org", True),
        ("a.db.example.org", False),
        ("example.org", False),
        ("10.1.2.3", True),
        ("10.1.2.4", False),
        ("fd00::1", True),
        ("fd00:0:0::1", True),
    ],
)
def test_covers(name: str, covered: bool) -> None:
    assert covers(["LOCALHOST", "*.example.org", "10.1.2.3", "fd00:0::1"], name) is covered


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("certificate", b"", "The certificate holds no certificate in PEM form."),
        ("ca", b"nothing", "The CA certificate holds no certificate in PEM form."),
        ("private_key", b"", "The private key is not an unencrypted key in PEM form"),
        (
            "certificate",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "The certificate is not a certificate in PEM form",
        ),
        (
            "private_key",
            bytes(LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))),
            "The private key is not an unencrypted key in PEM form",
        ),
    ],
    ids=["no certificate", "no ca", "no key", "broken", "encrypted"],
)
def test_what_cannot_be_read(part: str, text: bytes, message: str) -> None:
    found = check(None, **{part: text})
    assert set(found) == {part}
    assert found[part].startswith(message)


def test_names_and_end_of_a_certificate() -> None:
    (leaf,) = load_chain(b"what stands around it\n" + LEAF.pem)
    assert names_of(leaf) == NAMES
    assert not_after(leaf) == NOW + datetime.timedelta(days=365)


def test_the_filter_judges_texts_and_leaves_renewal_to_the_owner_of_the_files() -> None:
    end = (datetime.datetime.now(datetime.timezone.utc) - NOW).days + 5
    leaf = Party("server", CA, NAMES, begins=-400, days=end)
    texts = {"certificate": leaf.pem.decode(), "private_key": leaf.key_pem.decode(), "ca": CA.pem.decode()}
    assert problems_of(texts, NAMES) == []
    assert problems_of(texts, ["other"]) == ["The certificate lacks the names other."]


def test_days_that_an_inventory_gives_as_text() -> None:
    leaf = Party("server", CA, NAMES, days=20)
    pems = {"certificate": leaf.pem, "private_key": leaf.key_pem, "ca": CA.pem}
    facts = certificate_facts(pems, NOW)
    assert [problem["check"] for problem in judge_certificate(facts, NAMES, "30")] == ["renew"]
    assert judge_certificate(facts, NAMES, "10") == []


def test_a_host_without_the_library() -> None:
    (problem,) = judge_certificate(None, NAMES, 30, 999)
    assert problem["check"] == "unknown"
    assert "python3-cryptography" in problem["message"]


def test_a_directory_in_the_place_of_a_file_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    paths = {part: str(tmp_path / part) for part in ("certificate", "private_key", "ca")}
    for path in paths.values():
        Path(path).mkdir()
    (problem,) = judge_certificate(look_at_certificate(paths), NAMES, 30, 999)
    assert problem == {"check": "certificate", "message": f"{paths['certificate']} cannot be read: Is a directory."}


def test_files_of_a_host(tmp_path: Path) -> None:
    paths = {part: str(tmp_path / part) for part in ("certificate", "private_key", "ca")}
    nothing = look_at_certificate(paths)
    assert judge_certificate(nothing, NAMES, 30, 0) == [
        {"check": "missing", "message": f"{path} does not exist."} for path in paths.values()
    ]
    now = datetime.datetime.now(datetime.timezone.utc)
    leaf = Party("server", CA, NAMES, days=(now - NOW).days + 300)
    for part, content in (("certificate", leaf.pem), ("private_key", leaf.key_pem), ("ca", CA.pem)):
        Path(paths[part]).write_bytes(content)
    os.chmod(paths["private_key"], 0o640)
    seen = look_at_certificate(paths)
    group = os.stat(paths["private_key"]).st_gid
    assert judge_certificate({**seen, "key": {**seen["key"], "owner": 0}}, NAMES, 30, group) == []
    assert seen["names"] == NAMES
    (problem,) = judge_certificate(seen, NAMES, 30, group + 1)
    assert problem["check"] == "mode"
    assert f"0:{group + 1} 0640 is wanted" in problem["message"]
    assert judge_certificate(seen, NAMES, 30) == []
