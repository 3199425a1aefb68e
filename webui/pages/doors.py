"""What the pages of logins share: where a browser goes, and that its session is new."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import (
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)

from core.errors import NotFound
from core.messages import message
from webui import access, openid
from webui.context import current


def to(endpoint: str, part: str | None = None, **values: Any) -> Response:
    """Send a browser to a page, or to a part of one."""
    return _sent(url_for(endpoint, _anchor=part, **values))


def done(words: str, endpoint: str) -> Response:
    """Send a browser to a page, which says at its head that something was done."""
    flash(words, "done")
    return to(endpoint)


def renewed(response: Response) -> Response:
    """Forget what forms were signed with before: nobody can have known it (session fixation)."""
    session.clear()
    return response


def to_provider(way: openid.Way) -> Response:
    """Send a browser to the OpenID provider.

    Raises:
        NotFound: there is none.
        Unavailable: it does not answer.
    """
    found = provider()
    address = found.address(way, back_address())
    response = _sent(address) if request.method == "GET" else _onward(address, found.name)
    response.set_cookie(
        way_cookie(),
        found.packed(way),
        max_age=openid.WAY_S,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",  # it must come along when the provider sends the browser back
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _onward(address: str, name: str) -> Response:
    """A page that leads on to another host by itself.

    A form may be sent to this host alone, and a browser takes a redirect of its answer for a part
    of that: a page that was reached may lead anywhere.
    """
    return make_response(render_template("account/onward.html", address=address, provider=name))


def provider() -> openid.Provider:
    """The OpenID provider that the settings name.

    Raises:
        NotFound: they name none.
    """
    found = current().openid
    if found is None:
        raise NotFound(message("request.unknown_address"))
    return found


def back_address() -> str:
    """Where the provider sends browsers."""
    return url_for("pages.back_from_provider", _external=True)


def way_cookie() -> str:
    """The name of the cookie of a way to the provider and back."""
    return f"{access.cookie_name(current().settings)}_way"


def _sent(address: str) -> Response:
    response = redirect(address, HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return response
