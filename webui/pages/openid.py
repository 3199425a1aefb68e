"""The way in by an OpenID provider: there, and back."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, redirect, request, url_for

from core.accounts import identities, logins, people
from core.accounts.identities import Claimed
from core.errors import Forbidden, NotFound
from core.messages import message
from webui import access, openid
from webui.addresses import own
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import renewed, to


@blueprint.get("/login/openid")
def go_to_provider() -> Response:
    """Send a browser to the provider."""
    return _sent(openid.new_way(own(request.args.get("next", "")) or ""))


@blueprint.post("/login/openid")
def join_by_provider() -> Response:
    """Send a browser to the provider, with the link of an invitation."""
    return _sent(openid.new_way(invitation=request.form.get("invitation", "")))


@blueprint.post("/account/openid")
def link_provider() -> Response:
    """Send somebody who is logged in to the provider, to come in so from now on."""
    return _sent(openid.new_way(is_link=True))


@blueprint.get("/login/openid/back")
def back_from_provider() -> Response:
    """Begin a login of whoever the provider says it is, or link the two."""
    provider = _provider()
    way = provider.unpacked(request.cookies.get(_cookie_name(), ""))
    claimed = provider.claimed(way, request.args, _back())
    response = _linked(claimed) if way.is_link else _logged_in(claimed, way)
    response.delete_cookie(_cookie_name(), secure=request.is_secure, httponly=True, samesite="Lax")
    return response


def _linked(claimed: Claimed) -> Response:
    parts = current()
    if access.login_of_request() is None:  # it ended meanwhile
        raise Forbidden(message("login.required"))
    identities.link(parts.database, parts.actor, claimed)
    return to("pages.account")


def _logged_in(claimed: Claimed, way: openid.Way) -> Response:
    parts = current()
    with parts.database.reading() as session:
        person = identities.person_of(session, claimed)
    if person is None:
        role = parts.settings.openid_role
        person = identities.join(
            parts.database, claimed, invitation=way.invitation, role=role or None
        )
    if person.disabled_at is not None:
        raise Forbidden(message("login.disabled", name=person.name))
    with people.changing(parts.database) as session:
        secret = logins.begin(session, person, access.browser())
    response = redirect(own(way.onward) or url_for("pages.jobs"), HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return access.keep_login(renewed(response), secret)


def _sent(way: openid.Way) -> Response:
    provider = _provider()
    response = redirect(provider.address(way, _back()), HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    response.set_cookie(
        _cookie_name(),
        provider.packed(way),
        max_age=openid.WAY_S,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",  # it must come along when the provider sends the browser back
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _provider() -> openid.Provider:
    found = current().openid
    if found is None:
        raise NotFound(message("request.unknown_address"))
    return found


def _back() -> str:
    return url_for("pages.back_from_provider", _external=True)


def _cookie_name() -> str:
    return f"{access.cookie_name(current().settings)}_way"
