"""My account: the password, the browsers that are logged in, and the tokens of programs."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, render_template, request
from sqlalchemy.orm import Session

from core.accounts import identities, logins, people, second_factor, tokens
from core.database.models import Login
from core.errors import InvalidInput
from core.languages import gettext
from core.roles import SCOPES
from webui import access, actions, openid
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.browser_names import browser_name
from webui.pages.doors import done, provider, to_provider

DAYS = (7, 30, 90, 365)
"""After which a token can end."""


@blueprint.get("/account")
def account() -> str:
    """The page."""
    return _page()


@blueprint.post("/account/password")
def change_password() -> Response:
    """Change the password; the other logins end."""
    typed = request.form
    parts = current()
    try:
        people.change_password(
            parts.database,
            parts.actor,
            typed.get("old_password", ""),
            typed.get("password", ""),
            typed.get("again", ""),
            kept_login=access.login_of_request(),
            address=access.browser().address,
        )
    except InvalidInput as error:
        return _wrong(error)
    return done(
        gettext("The password is changed, and all other logins have ended."), "pages.account"
    )


@blueprint.post("/account/openid")
def link_provider() -> Response:
    """Send somebody who is logged in to the provider, to come in so from now on.

    Whoever has a password is asked for it: who sits in a browser that was left open could come in
    by a login of their own for ever.
    """
    parts = current()
    provider()
    with parts.database.reading() as session:
        has_password = people.named(session, parts.actor.name).password_hash is not None
    if has_password:
        typed = request.form.get("old_password", "")
        try:
            second_factor.prove(
                parts.database,
                parts.actor,
                typed,
                request.form.get("code", ""),
                access.browser().address,
            )
        except InvalidInput as error:
            wrong = {f"link_{each.field}": str(each.reason) for each in error.errors}
            return make_response(_page(errors=wrong), HTTPStatus.UNPROCESSABLE_ENTITY)
    return to_provider(openid.new_way(is_link=True))


@blueprint.post("/account/logins/<int:login_id>/end")
def end_login(login_id: int) -> Response:
    """End one of one's own logins."""
    logins.end(current().database, current().actor, login_id, access.login_of_request())
    return done(gettext("The login was ended."), "pages.account")


@blueprint.post("/account/logins/end")
def end_other_logins() -> Response:
    """End all of one's own logins but this."""
    logins.end_others(current().database, current().actor, access.login_of_request())
    return done(gettext("All other logins were ended."), "pages.account")


@blueprint.post("/account/tokens")
def make_token() -> Response:
    """Make a token, and show it this once."""
    days = request.form.get("days", "")
    asked = {
        "name": request.form.get("name", ""),
        "scope": request.form.get("scope", ""),
        "days": float(days) if days.isascii() and days.isdigit() else None,
    }
    try:
        text, _ = actions.make_token(current(), asked)
    except InvalidInput as error:
        return _wrong(error)
    response = make_response(_page(new_token=text), HTTPStatus.CREATED)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/account/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> Response:
    """Let a token work no more."""
    tokens.revoke(current().database, current().actor, token_id)
    return done(gettext("The token is revoked: it works no more."), "pages.account")


def _page(new_token: str = "", errors: dict[str, str] | None = None) -> str:
    parts, this_login = current(), access.login_of_request()
    with parts.database.reading() as session:
        person = people.named(session, parts.actor.name)
        return render_template(
            "account/account.html",
            person=person,
            logins=_logins(session, this_login),
            is_required=second_factor.is_required(session),
            is_linked=identities.is_anybodys(session, person.id),
            this_login=this_login,
            tokens=tokens.of_person(session, parts.actor),
            new_token=new_token,
            scopes=SCOPES,
            days=DAYS,
            errors=dict.fromkeys(("old_password", "password", "again", "name"), "")
            | (errors or {}),
        )


def _logins(session: Session, this_login: int | None) -> list[tuple[Login, str]]:
    """One's own logins, each with the name of its browser; the one of this browser first."""
    parts = current()
    found = logins.of_person(session, parts.actor, logins.lifetime(parts.settings))
    named = [(each, browser_name(each.agent)) for each in found]
    return sorted(named, key=lambda each: each[0].id != this_login)


def _wrong(error: InvalidInput) -> Response:
    errors = {each.field: str(each.reason) for each in error.errors}
    return make_response(_page(errors=errors), HTTPStatus.UNPROCESSABLE_ENTITY)
