"""Answers are compressed on their way where that is worth it: texts, and WebAssembly.

A file that is sent in parts goes as it is: a published one is resumed by ranges of its bytes, and
an answer that breaks in its middle is cut off where it breaks. A page that is sent while it is made
is compressed so that each of its pieces can be read as soon as it is there. The files that pages
load are read whole, and are compressed once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from http import HTTPStatus

from flask import Flask, Request, Response, g, request
from flask_compress import Compress

from webui.streaming import is_in_pieces

MIMETYPES = (
    "text/html",
    "text/css",
    "text/javascript",
    "text/plain",
    "application/json",
    "application/problem+json",
    "application/wasm",
    "image/svg+xml",
)

LEVEL = 6
GZIP = 16 + zlib.MAX_WBITS
"""The format that zlib is to write, as its documentation has it."""


class Compressed(dict[str, bytes]):
    """The compressed files that pages load, by their address, tag and way of compression."""

    set = dict.__setitem__


def install(app: Flask) -> None:
    """Compress what an application answers."""
    app.config.update(COMPRESS_MIMETYPES=MIMETYPES, COMPRESS_STREAMS=False, COMPRESS_REGISTER=False)
    answers = Compress(app)
    app.config.update(COMPRESS_CACHE_BACKEND=Compressed, COMPRESS_CACHE_KEY=_tag_of_file)
    files = Compress(app)

    def compress(response: Response) -> Response:
        if is_in_pieces():
            return _compress_pieces(response)
        if request.endpoint != "static" or response.status_code != HTTPStatus.OK:
            return answers.after_request(response)
        response.direct_passthrough = False
        response.get_data()
        g.tag_of_file = f"{request.path} {response.get_etag()[0]}"
        return files.after_request(response)

    app.after_request(compress)


def _compress_pieces(response: Response) -> Response:
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip"):
        response.headers["Content-Encoding"] = "gzip"
        response.response = _gzipped(response.iter_encoded())
    return response


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each piece so that it can be read without the next."""
    made = zlib.compressobj(LEVEL, wbits=GZIP)
    for piece in pieces:
        yield made.compress(piece) + made.flush(zlib.Z_SYNC_FLUSH)
    yield made.flush()


def _tag_of_file(_request: Request) -> str:
    tag: str = g.tag_of_file
    return tag
