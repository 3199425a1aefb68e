"""Pages that are sent while they are made: a browser reads what stands first meanwhile.

A template says with `{{ flush() }}` where what it has written so far is worth sending. What is
refused must be refused before: with the first piece the status has left. What fails after it is
told on the page itself, which ends there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from flask import Response, request, stream_template, stream_with_context
from flask_wtf.csrf import generate_csrf

from webui.problems import broken

ENVIRON = "trainyard.in_pieces"
"""Where a request's environment says that each piece of its answer is sent as it comes."""


class Pieces:
    """What a template writes, in the pieces in which it is sent."""

    def __init__(self) -> None:
        self._is_due = False

    def flush(self) -> str:
        """Have what was written so far sent; nothing is written for it."""
        self._is_due = True
        return ""

    def of(self, texts: Iterator[str]) -> Iterator[str]:
        """The pieces of what a template writes."""
        gathered: list[str] = []
        for text in texts:
            gathered.append(text)
            if self._is_due:
                self._is_due = False
                yield "".join(gathered)
                gathered.clear()
        yield "".join(gathered)


def _telling(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces; where one fails, what is said of it, and the answer is cut off."""
    try:
        yield from pieces
    except Exception as error:
        yield broken(error)
        raise


def stream(template: str, **values: Any) -> Response:
    """A page in pieces, of which the first is made at once."""
    generate_csrf()  # its cookie leaves with the head, whichever piece has a form
    pieces = Pieces()
    texts = pieces.of(stream_template(template, flush=pieces.flush, **values))
    first = next(texts)
    rest: Any = stream_with_context(_telling(texts))
    request.environ[ENVIRON] = True
    response = Response(chain([first], rest), mimetype="text/html")
    response.call_on_close(rest.close)  # whoever leaves early, or asks for the head alone
    response.headers["X-Accel-Buffering"] = "no"  # nginx in front passes each piece on
    return response


def is_in_pieces() -> bool:
    """Whether the answer to this request is sent in pieces."""
    return ENVIRON in request.environ
