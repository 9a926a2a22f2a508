# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server's certificate, its key and its CA are, for _certificate_judge to say whether they serve.

Works with the cryptography library of Debian 12 (38) and later.
"""

from __future__ import annotations

import datetime
import os
import re
import stat
from typing import Any, Optional

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Unreadable(Exception):
    """A PEM text is not what it should be."""


def load_chain(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates in a PEM text, in its order."""
    try:
        chain = [x509.load_pem_x509_certificate(block) for block in _PEM_CERTIFICATE.findall(pem)]
    except ValueError as error:
        raise Unreadable(f"is not a certificate in PEM form ({error})") from error
    if not chain:
        raise Unreadable("holds no certificate in PEM form")
    return chain


def not_after(certificate: x509.Certificate) -> datetime.datetime:
    """Return the end of a certificate's validity in UTC."""
    aware: Optional[datetime.datetime] = getattr(certificate, "not_valid_after_utc", None)
    return aware or certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)


def not_before(certificate: x509.Certificate) -> datetime.datetime:
    """Return the start of a certificate's validity in UTC."""
    aware: Optional[datetime.datetime] = getattr(certificate, "not_valid_before_utc", None)
    return aware or certificate.not_valid_before.replace(tzinfo=datetime.timezone.utc)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the subject alternative names, DNS names and addresses, as text."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _public_bytes(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether the issuer's key signed the certificate."""
    if certificate.issuer != issuer.subject:
        return False
    key, signature, signed = issuer.public_key(), certificate.signature, certificate.tbs_certificate_bytes
    algorithm = certificate.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, signed, ec.ECDSA(algorithm))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, signed)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def chain_holds(chain: list[x509.Certificate], authorities: list[x509.Certificate]) -> bool:
    """Say whether the first certificate leads, over the others, to one of the authorities."""
    current, intermediates = chain[0], chain[1:]
    for _step in range(len(chain)):
        if any(issued_by(current, authority) or current == authority for authority in authorities):
            return True
        following = next((candidate for candidate in intermediates if issued_by(current, candidate)), None)
        if following is None:
            return False
        current = following
    return False


def _no_facts(now: datetime.datetime) -> dict[str, Any]:
    times = dict.fromkeys(("not_before", "not_after", "ca_not_after"), "")
    return {"now": now.isoformat(), **times, "names": [], "key": None, "problems": []}


def certificate_facts(pems: dict[str, bytes], now: datetime.datetime) -> dict[str, Any]:
    """Describe a certificate so that the rest can be judged without the cryptography library, and elsewhere.

    ``pems`` holds ``certificate`` (leaf first, then intermediates), ``private_key`` and ``ca``. ``problems`` is
    what is wrong whatever is wanted, as dicts of check and message: ``certificate``, ``private_key``, ``ca``
    (unreadable), ``key``, ``chain``. Times are texts, empty where they cannot be read.
    """
    facts = _no_facts(now)
    problems: list[dict[str, str]] = []

    def add(check: str, message: str) -> None:
        problems.append({"check": check, "message": message})

    chains: dict[str, list[x509.Certificate]] = {}
    for part, title in (("certificate", "The certificate"), ("ca", "The CA certificate")):
        try:
            chains[part] = load_chain(pems[part])
        except Unreadable as error:
            add(part, f"{title} {error}.")
    try:
        key: Any = load_pem_private_key(pems["private_key"], password=None)
    except (ValueError, TypeError) as error:
        key = None
        add("private_key", f"The private key is not an unencrypted key in PEM form ({type(error).__name__}).")
    if "certificate" in chains:
        leaf = chains["certificate"][0]
        facts["not_before"], facts["not_after"] = not_before(leaf).isoformat(), not_after(leaf).isoformat()
        facts["names"] = names_of(leaf)
        if key is not None and _public_bytes(key.public_key()) != _public_bytes(leaf.public_key()):
            add("key", "The private key does not belong to the certificate.")
    if "ca" in chains:
        facts["ca_not_after"] = not_after(chains["ca"][0]).isoformat()
        if "certificate" in chains and not chain_holds(chains["certificate"], chains["ca"]):
            add("chain", "The certificate was not issued by the CA certificate.")
    return {**facts, "problems": problems}


def look_at_certificate(paths: dict[str, str]) -> dict[str, Any]:
    """Describe the certificate in the files of a host; ``key`` says whose the key is and who may read it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    missing = [path for path in paths.values() if not os.path.exists(path)]
    if missing:
        return {
            **_no_facts(now),
            "problems": [{"check": "missing", "message": f"{path} does not exist."} for path in missing],
        }
    pems = {}
    try:
        for part, path in paths.items():
            with open(path, "rb") as file:
                pems[part] = file.read()
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}."
        return {**_no_facts(now), "problems": [{"check": "certificate", "message": message}]}
    try:
        facts = certificate_facts(pems, now)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        message = f"The certificate {paths['certificate']} or its key is of a kind that is not known ({error})."
        return {**_no_facts(now), "problems": [{"check": "certificate", "message": message}]}
    info = os.stat(paths["private_key"])
    mode = f"{stat.S_IMODE(info.st_mode):04o}"
    return {**facts, "key": {"path": paths["private_key"], "owner": info.st_uid, "group": info.st_gid, "mode": mode}}
