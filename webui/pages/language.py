"""The language that a reader chooses, which a cookie remembers."""

from __future__ import annotations

from flask import Response, redirect, request, url_for

from core.errors import NotFound
from core.languages import LANGUAGES
from core.messages import message
from webui.addresses import host_only, own
from webui.languages import COOKIE
from webui.pages.blueprint import blueprint

REMEMBERED_S = 365 * 86_400


@blueprint.get("/language/<tag>")
def choose_language(tag: str) -> Response:
    """Remember a language, and lead back to the page on which it was chosen."""
    if tag not in LANGUAGES:
        raise NotFound(message("request.unknown_address"))
    response = redirect(own(request.args.get("page", "")) or url_for("pages.jobs"), 303)
    assert isinstance(response, Response)
    response.set_cookie(
        host_only(COOKIE),
        tag,
        max_age=REMEMBERED_S,
        secure=request.is_secure,
        samesite="Lax",
        httponly=True,
    )
    return response
