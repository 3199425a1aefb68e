"""Asks once more who somebody is, before something that lets others in, or shuts the owner out.

A browser that was left open is somebody's login for days. What makes a token or an invitation,
gives a role or ends logins (`access.OPENS_DOORS`) needs a password that was typed in the last
minutes. Where it was longer ago, the answer is a page that asks for it and carries what was posted
along: whoever types it is done.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request
from sqlalchemy.orm import Session

from core.accounts import logins, people
from core.database.models import Person
from core.errors import Forbidden, InvalidInput, TooManyRequests
from core.logs import get_logger
from core.messages import message
from webui import access
from webui.addresses import came_from, own
from webui.context import current
from webui.problems import wants_json

PASSWORD, CODE = "proof_password", "proof_code"
"""The fields of the page, beside those of the form that it carries along."""
_OWN = (PASSWORD, CODE, "csrf_token")

log = get_logger(__name__)


def install(app: Flask) -> None:
    """Ask before such a request is served; after the forms are checked to be ours."""
    app.before_request(_ask_if_stale)


def _ask_if_stale() -> Response | None:
    if request.endpoint not in access.OPENS_DOORS or access.is_fresh():
        return None
    if wants_json():
        raise Forbidden(message("login.prove_again", minutes=round(logins.FRESH_S / 60)))
    return _checked() if PASSWORD in request.form else _page()


def _checked() -> Response | None:
    """None where the proof holds; else the page once more."""
    parts, login_id = current(), access.login_of_request()
    assert login_id is not None
    typed = request.form[PASSWORD], request.form.get(CODE, "")
    try:
        logins.prove(parts.database, parts.actor, login_id, *typed, access.browser().address)
    except InvalidInput as error:
        log.warning("proof_refused", address=request.remote_addr, who=parts.actor.name)
        errors = {each.field: str(each.reason) for each in error.errors}
        return _page(errors, HTTPStatus.UNPROCESSABLE_ENTITY)
    except TooManyRequests as error:
        response = _page({"old_password": str(error)}, HTTPStatus.TOO_MANY_REQUESTS)
        response.headers["Retry-After"] = str(int(error.retry_after_s) + 1)
        return response
    return None


def _page(
    errors: dict[str, str] | None = None, status: HTTPStatus = HTTPStatus.FORBIDDEN
) -> Response:
    with current().database.reading() as session:
        page = _rendered(session, errors or {})
    return make_response(page, status)


def _rendered(session: Session, errors: dict[str, str]) -> str:
    person: Person = people.named(session, current().actor.name)
    carried = [each for each in request.form.items(multi=True) if each[0] not in _OWN]
    return render_template(
        "account/proof.html",
        person=person,
        carried=carried,
        errors=errors,
        back=own(came_from().geturl()) or "/",
        minutes=round(logins.FRESH_S / 60),
    )
