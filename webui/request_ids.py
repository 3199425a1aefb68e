"""What a request is known by: in its answer, in each line that it logs, and on its error page."""

from __future__ import annotations

import re
import secrets

from flask import g, request

HEADER = "X-Request-Id"
_NAMED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id() -> str:
    """The id of the request that is answered; a proxy in front may have given it one already."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _NAMED.fullmatch(given) else secrets.token_hex(8)
    found: str = g.request_id
    return found
