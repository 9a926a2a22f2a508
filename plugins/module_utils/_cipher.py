# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stream encrypted as ``openssl enc -aes-256-cbc -pbkdf2 -iter 600000`` does it, so that a dump can be read with nothing but openssl.

The passphrase stays in this process: no argument, no environment, no file.
"""

from __future__ import annotations

import hashlib
import os
from typing import IO, Any

try:
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

MAGIC = b"Salted__"
ITERATIONS = 600000
CHUNK = 1 << 20
DECRYPTION = f"openssl enc -d -aes-256-cbc -pbkdf2 -iter {ITERATIONS}"


class CipherError(Exception):
    """The stream cannot be read; the text says why in one clause."""


def encrypt(source: IO[bytes], target: IO[bytes], passphrase: str) -> tuple[int, str]:
    """Encrypt all of C(source) into C(target); return how many bytes were written, and their SHA-256."""
    salt = os.urandom(8)
    writer, padder = _cipher(passphrase, salt).encryptor(), padding.PKCS7(128).padder()
    digest, size = hashlib.sha256(), 0

    def put(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)
        target.write(data)

    put(MAGIC + salt)
    for chunk in iter(lambda: source.read(CHUNK), b""):
        put(writer.update(padder.update(chunk)))
    put(writer.update(padder.finalize()) + writer.finalize())
    return size, digest.hexdigest()


def decrypt(source: IO[bytes], target: IO[bytes], passphrase: str) -> str:
    """Decrypt all of C(source) into C(target); return the SHA-256 of what was read."""
    head = source.read(len(MAGIC) + 8)
    if not head.startswith(MAGIC) or len(head) != len(MAGIC) + 8:
        raise CipherError("it does not begin as an encrypted file does")
    digest = hashlib.sha256(head)
    reader, unpadder = _cipher(passphrase, head[len(MAGIC) :]).decryptor(), padding.PKCS7(128).unpadder()
    for chunk in iter(lambda: source.read(CHUNK), b""):
        digest.update(chunk)
        target.write(unpadder.update(reader.update(chunk)))
    try:
        target.write(unpadder.update(reader.finalize()) + unpadder.finalize())
    except ValueError as error:
        raise CipherError("it is cut short or damaged, or was encrypted with another passphrase") from error
    return digest.hexdigest()


def _cipher(passphrase: str, salt: bytes) -> Any:
    derived = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ITERATIONS, 48)
    # A backend is asked for by cryptography 3.0 and older.
    return Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[32:]), backend=default_backend())
