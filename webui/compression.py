"""Answers are compressed on their way where that is worth it: texts, and WebAssembly.

What is sent in pieces goes as it is: a published file is resumed by ranges of its bytes, and an
answer that breaks in its middle is cut off where it breaks. The files that pages load are read
whole, and are compressed once.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Request, Response, g, request
from flask_compress import Compress

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
        if request.endpoint != "static" or response.status_code != HTTPStatus.OK:
            return answers.after_request(response)
        response.direct_passthrough = False
        response.get_data()
        g.tag_of_file = f"{request.path} {response.get_etag()[0]}"
        return files.after_request(response)

    app.after_request(compress)


def _tag_of_file(_request: Request) -> str:
    tag: str = g.tag_of_file
    return tag
