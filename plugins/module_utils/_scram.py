# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677) as PostgreSQL stores them in pg_authid.rolpassword.

Computed here, the clear password never reaches the server: not its log, not pg_stat_activity, not a statistics view.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata

ITERATIONS = 4096
SALT_BYTES = 16
VERIFIER = re.compile(r"^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$")

# What RFC 4013 forbids in a password.
PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(password: str) -> str:
    """Normalise a password as RFC 4013 says; like PostgreSQL, use it as it is where the profile forbids it."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(is_bad(char) for char in prepared for is_bad in PROHIBITED):
        return password
    if any(stringprep.in_table_a1(char) for char in prepared):
        return password
    if any(stringprep.in_table_d1(char) for char in prepared):
        # A right-to-left string must be so from end to end.
        at_both_ends = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if not at_both_ends or any(stringprep.in_table_d2(char) for char in prepared):
            return password
    return prepared


def is_verifier(text: str | None) -> bool:
    """Whether a text is a verifier already: PostgreSQL stores such a text as it is."""
    return VERIFIER.match(text or "") is not None


def make_verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """The text that goes into ALTER ROLE … PASSWORD."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode("utf-8"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode("ascii") for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def matches(password: str, stored: str | None) -> bool:
    """Whether the stored verifier is this password's (or is this very verifier)."""
    found = VERIFIER.match(stored or "")
    if found is None:
        # No password, or an md5 hash, which is replaced even where it is the same password's.
        return False
    if is_verifier(password):
        return hmac.compare_digest(password, stored or "")
    try:
        salt = base64.b64decode(found.group(2), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(make_verifier(password, salt, int(found.group(1))), stored or "")
