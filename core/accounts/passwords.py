"""Passwords: which are good enough, and how they are kept (argon2id, RFC 9106).

One costs 64 MiB and some 50 ms to check. Only a few are checked at once, so that a flood of logins
takes neither the memory nor the cores from everything else.
"""

from __future__ import annotations

import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from core.errors import InvalidInput
from core.messages import message

LEAST_LENGTH = 8
MOST_LENGTH = 256
_AT_ONCE = 2
OUR_WORDS = frozenset(
    {"trainyard", "train", "trains", "training", "worker", "queue", "run", "runs"}
    | {"owner", "viewer", "member", "administrator", "admin", "password", "passwort", "secret"}
)
"""Words of this place, which are tried first here: no password is one of them, with digits and
signs around it (docs/security.md lists them)."""

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_turn = threading.BoundedSemaphore(_AT_ONCE)


def refuse_weak(password: str, *known: str) -> None:
    """Raise `InvalidInput` for a password that is too short, too long, or easily guessed.

    Args:
        password: as it was typed.
        known: what others know, such as the person's name.
    """
    text = _normalized(password)
    if len(text) < LEAST_LENGTH:
        raise InvalidInput.one("password", message("password.too_short", least=LEAST_LENGTH))
    if len(text) > MOST_LENGTH:
        raise InvalidInput.one("password", message("input.characters", most=MOST_LENGTH))
    folded = text.casefold()
    if folded in _common() or folded in {each.casefold() for each in known}:
        raise InvalidInput.one("password", message("password.common"))
    if _core(folded) in (OUR_WORDS | {_core(each) for each in known}) - {""}:
        raise InvalidInput.one("password", message("password.common"))
    if len(set(folded)) <= 2:
        raise InvalidInput.one("password", message("password.common"))


def refuse_different(password: str, again: str | None) -> None:
    """Raise `InvalidInput` where a password was typed twice, and not the same."""
    if again is not None and again != password:
        raise InvalidInput.one("again", message("password.differs"))


def hashed(password: str) -> str:
    """What is kept of a password."""
    with _turn:
        return _hasher.hash(_normalized(password))


def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one that was kept; of nobody it takes as long to say no."""
    with _turn:
        try:
            return _hasher.verify(kept or _nobodys(), _normalized(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether a password is kept in a way that is weaker than today's."""
    return _hasher.check_needs_rehash(kept)


def _core(text: str) -> str:
    """A text without the digits and signs that people put around a word."""
    return "".join(each for each in text.casefold() if each.isalpha())


def _normalized(password: str) -> str:
    """One password, whichever way a keyboard composes its letters."""
    return unicodedata.normalize("NFC", password)


@cache
def _nobodys() -> str:
    """A hash to check against where there is no such person."""
    return _hasher.hash("nobody has this password")


@cache
def _common() -> frozenset[str]:
    """The 30,000 passwords that are found most often in what was stolen elsewhere."""
    # a long list, for a page that is seldom sent
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    return frozenset(FREQUENCY_LISTS["passwords"])
