"""The language of the work that is being done: a request's, else English."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ENGLISH = "en"

LANGUAGES = {ENGLISH: "English", "zh": "中文"}
"""Those that there are, by their tag, with their own names for themselves."""

_chosen: ContextVar[str] = ContextVar("language", default=ENGLISH)


def chosen() -> str:
    """The tag of the language that people are answered in here."""
    return _chosen.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Answer in a language, one of `LANGUAGES`, until this is left."""
    token = _chosen.set(language)
    try:
        yield
    finally:
        _chosen.reset(token)
