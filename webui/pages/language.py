"""The language that a reader chooses, which a cookie remembers."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, redirect, request, url_for

from core.errors import NotFound
from core.languages import LANGUAGES
from core.messages import message
from webui.languages import COOKIE
from webui.pages.blueprint import blueprint

REMEMBERED_S = 365 * 86_400


@blueprint.get("/language/<tag>")
def choose_language(tag: str) -> Response:
    """Remember a language, and lead back to the page on which it was chosen."""
    if tag not in LANGUAGES:
        raise NotFound(message("request.unknown_address"))
    response = redirect(_page(request.args.get("page", "")), 303)
    assert isinstance(response, Response)
    response.set_cookie(COOKIE, tag, max_age=REMEMBERED_S, samesite="Lax", httponly=True)
    return response


def _page(address: str) -> str:
    """The path and query of an address of ours; the list of runs for any other."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and address.startswith("/")
    return address if is_ours and "\\" not in address else url_for("pages.jobs")
