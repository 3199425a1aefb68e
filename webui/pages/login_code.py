"""The second step of the login: a code, or setting up a second factor where all need one."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, redirect, render_template, request, url_for

from core.accounts import logins, second_factor
from core.errors import InvalidInput, TooManyRequests, Unauthenticated
from core.languages import gettext
from webui import access
from webui.addresses import own
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import renewed
from webui.pages.qr import qr_code


@blueprint.get("/login/code")
def ask_for_code() -> Response:
    """The form for a code; whoever is logged in already is sent onward."""
    return _sent_onward() or _form()


@blueprint.post("/login/code")
def check_code() -> Response:
    """Make the login whole, or say that the code does not hold."""
    half, code = access.half_login_of_request(), request.form.get("code", "")
    try:
        secret = logins.finish(current().database, half, code, access.browser())
    except Unauthenticated as error:
        return _form(str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    except TooManyRequests as error:
        response = _form(str(error), HTTPStatus.TOO_MANY_REQUESTS)
        response.headers["Retry-After"] = str(int(error.retry_after_s) + 1)
        return response
    return _come_in(_to_onward(), secret)


@blueprint.get("/login/second-factor")
def ask_for_setup() -> Response:
    """Say that a second factor is needed here; whoever is logged in already is sent onward."""
    page = _sent_onward() or render_template("account/setup_needed.html", next=_next())
    return make_response(page)


@blueprint.post("/login/second-factor")
def begin_setup() -> Response:
    """Show the seed, this once."""
    seed, name = logins.begin_setup(current().database, access.half_login_of_request())
    return _to_confirm(seed, name)


@blueprint.post("/login/second-factor/confirm")
def finish_setup() -> Response:
    """Turn it on by a first code and begin the login; the recovery codes are shown this once."""
    half, code = access.half_login_of_request(), request.form.get("code", "")
    try:
        secret, codes = logins.finish_setup(current().database, half, code, access.browser())
    except InvalidInput as error:
        return _to_confirm(error=str(error.errors[0].reason))
    page = render_template("account/recovery_codes.html", codes=codes, onward=_onward())
    return _come_in(make_response(page, HTTPStatus.CREATED), secret)


def _sent_onward() -> Response | None:
    """Where whoever is logged in goes; None: they have shown the password alone.

    Raises:
        Gone: they have not even shown that, or too long ago.
    """
    if access.login_of_request() is not None:
        return _to_onward()
    with current().database.reading() as session:
        logins.half(session, access.half_login_of_request())
    return None


def _to_onward() -> Response:
    response = redirect(_onward(), HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return response


def _come_in(response: Response, secret: str) -> Response:
    return access.keep_login(access.forget_half_login(renewed(response)), secret)


def _next() -> str:
    return own(request.values.get("next", "")) or ""


def _onward() -> str:
    return _next() or url_for("pages.jobs")


def _form(refusal: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    page = render_template("account/code.html", refusal=refusal, next=_next())
    return make_response(page, status)


def _to_confirm(seed: str = "", name: str = "", error: str = "") -> Response:
    address = second_factor.address_of(seed, name) if seed else ""
    page = render_template(
        "account/setup.html",
        seed=seed,
        picture=qr_code(address, gettext("Picture for the app")) if seed else "",
        action=url_for("pages.finish_setup"),
        again=url_for("pages.ask_for_setup", next=_next() or None),
        error=error,
        next=_next(),
    )
    return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.CREATED)
