# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SCRAM verifiers against the example of RFC 7677 and RFC 4013's own cases."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils import _scram


def test_verifier_answers_the_exchange_of_rfc_7677() -> None:
    """The RFC prints an exchange for the password "pencil"; its proof and signature must follow from our verifier."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    verifier = _scram.make_verifier("pencil", salt, 4096)
    stored_key, server_key = (base64.b64decode(part) for part in verifier.split("$")[2].split(":"))
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client_signature = hmac.digest(stored_key, message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, client_signature))
    assert hashlib.sha256(client_key).digest() == stored_key
    server_signature = base64.b64encode(hmac.digest(server_key, message, "sha256"))
    assert server_signature == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize(
    ("given", "prepared"),
    [
        pytest.param("user", "user", id="plain"),
        pytest.param("I\u00adX", "IX", id="soft hyphen mapped to nothing"),
        pytest.param("\u00aa", "a", id="compatibility form"),
        pytest.param("\u2168", "IX", id="roman numeral"),
        pytest.param("a\u00a0b", "a b", id="no-break space"),
        pytest.param("\u0007", "\u0007", id="control character, kept raw"),
        pytest.param("\u0627\u0031", "\u0627\u0031", id="broken right-to-left, kept raw"),
        pytest.param("\u00ad", "\u00ad", id="nothing left, kept raw"),
        pytest.param("\u0221", "\u0221", id="unassigned in Unicode 3.2, kept raw"),
    ],
)
def test_saslprep(given: str, prepared: str) -> None:
    assert _scram.saslprep(given) == prepared


@pytest.mark.parametrize(
    ("password", "stored", "same"),
    [
        pytest.param("a", _scram.make_verifier("a"), True, id="same"),
        pytest.param("a", _scram.make_verifier("b"), False, id="other"),
        pytest.param("a", _scram.make_verifier("a", b"salt", 10), True, id="other salt and iterations"),
        pytest.param("a", None, False, id="no password"),
        pytest.param("a", "md5" + hashlib.md5(b"apostgres").hexdigest(), False, id="md5 is replaced"),  # noqa: S324
        pytest.param("a", "SCRAM-SHA-256$10:!$a:b", False, id="damaged"),
        pytest.param(_scram.make_verifier("a", b"1"), _scram.make_verifier("a", b"1"), True, id="verifier given"),
        pytest.param(
            _scram.make_verifier("a", b"1"), _scram.make_verifier("a", b"2"), False, id="other verifier given"
        ),
    ],
)
def test_matches(password: str, stored: str | None, same: bool) -> None:
    assert _scram.matches(password, stored) is same


def test_salts_differ() -> None:
    assert _scram.make_verifier("a") != _scram.make_verifier("a")
