"""Random secrets that people and programs show: made here, and known to the database as digests.

A secret has 256 random bits, so that a quick hash is enough to keep it (ASVS 6.5.2 asks slow ones
of secrets below 112 bits). One of an API token says what it is, and has a checksum: what was
mistyped is told from what was revoked without a look at the database, and scanners find it in code.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib

PREFIX = "ty_"
_BYTES = 32
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look like others."""
_CHECKSUM_LENGTH = 8


def new_secret() -> str:
    """256 random bits, for a cookie or a link."""
    return secrets.token_urlsafe(_BYTES)


def new_token() -> str:
    """256 random bits for a program to show: `ty_`, 64 hexadecimal digits, and their checksum."""
    bits = secrets.token_hex(_BYTES)
    return f"{PREFIX}{bits}{_checksum(bits)}"


def is_token(text: str) -> bool:
    """Whether a text can be a token: its length and its checksum are right."""
    bits, checksum = text[len(PREFIX) : -_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    is_long_enough = len(text) == len(PREFIX) + 2 * _BYTES + _CHECKSUM_LENGTH
    return text.startswith(PREFIX) and is_long_enough and _checksum(bits) == checksum


def new_recovery_code() -> str:
    """A code for whoever has lost the app of the second factor, to be written down: 118 bits."""
    parts = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(6))
    return "-".join(parts)


def plain_recovery_code(typed: str) -> str:
    """A recovery code as it is kept, however it was typed."""
    return "".join(each for each in typed.casefold() if each.isalnum())


def digest(secret: str) -> str:
    """What the database keeps of a secret: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(bits: str) -> str:
    return f"{zlib.crc32(bits.encode()):08x}"
