"""The way in by an OpenID provider: there, and back."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, redirect, request, url_for

from core.accounts import identities, logins, people
from core.accounts.identities import Claimed
from core.errors import Forbidden
from core.languages import gettext
from core.messages import message
from webui import access, openid
from webui.addresses import own
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import back_address, done, provider, renewed, to, to_provider, way_cookie


@blueprint.get("/login/openid")
def go_to_provider() -> Response:
    """Send a browser to the provider, where somebody here has asked for it.

    Otherwise any page could begin a login in the browsers of those whom the provider still knows.
    """
    onward = own(request.args.get("next", "")) or ""
    if request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site"):
        return to("pages.login", next=onward or None)
    return to_provider(openid.new_way(onward))


@blueprint.post("/login/openid")
def join_by_provider() -> Response:
    """Send a browser to the provider, with the link of an invitation."""
    return to_provider(openid.new_way(invitation=request.form.get("invitation", "")))


@blueprint.get("/login/openid/back")
def back_from_provider() -> Response:
    """Begin a login of whoever the provider says it is, or link the two."""
    found = provider()
    way = found.unpacked(request.cookies.get(way_cookie(), ""))
    claimed = found.claimed(way, request.args, back_address())
    response = _linked(claimed) if way.is_link else _logged_in(claimed, way)
    response.delete_cookie(way_cookie(), secure=request.is_secure, httponly=True, samesite="Lax")
    return response


def _linked(claimed: Claimed) -> Response:
    parts = current()
    if access.login_of_request() is None:  # it ended meanwhile
        raise Forbidden(message("login.required"))
    identities.link(parts.database, parts.actor, claimed)
    return done(gettext("The two are linked."), "pages.account")


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
        former = access.login_of_request()
        if former is not None:
            logins.replace(session, person, former)
    response = redirect(own(way.onward) or url_for("pages.jobs"), HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return access.keep_login(renewed(response), secret)
