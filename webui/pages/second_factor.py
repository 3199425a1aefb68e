"""The second factor of whoever is logged in: set it up, new recovery codes, turn it off."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, render_template, request, url_for

from core.accounts import people, second_factor
from core.errors import InvalidInput
from core.languages import gettext
from webui import access
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import done
from webui.pages.qr import qr_code


@blueprint.get("/account/second-factor", endpoint="second_factor")
def show() -> Response:
    """Whether there is one, and what can be done about it."""
    return _page()


@blueprint.post("/account/second-factor")
def begin_second_factor() -> Response:
    """Show the seed, this once, to whoever knows the password."""
    parts = current()
    try:
        people.prove(parts.database, parts.actor, _typed("old_password"), _address())
    except InvalidInput as error:
        return _page(error)
    with people.changing(parts.database) as session:
        seed = second_factor.begin(session, people.named(session, parts.actor.name))
    return _to_confirm(seed)


@blueprint.post("/account/second-factor/confirm")
def confirm_second_factor() -> Response:
    """Turn it on by a first code; the recovery codes are shown this once."""
    parts = current()
    try:
        with people.changing(parts.database) as session:
            person = people.named(session, parts.actor.name)
            codes = second_factor.confirm(session, person, _typed("code"))
            people.end_logins(session, person, access.login_of_request())
    except InvalidInput as error:
        return _to_confirm(error=error)
    return _codes(codes)


@blueprint.post("/account/second-factor/codes")
def renew_recovery_codes() -> Response:
    """New recovery codes, shown this once, for whoever has a code."""
    parts = current()
    try:
        codes = second_factor.renew_codes(parts.database, parts.actor, _typed("code"), _address())
    except InvalidInput as error:
        return _page(error, of="renew")
    return _codes(codes)


@blueprint.post("/account/second-factor/off")
def turn_off_second_factor() -> Response:
    """Need none any more."""
    parts = current()
    try:
        second_factor.turn_off(
            parts.database,
            parts.actor,
            _typed("old_password"),
            _typed("code"),
            _address(),
            access.login_of_request(),
        )
    except InvalidInput as error:
        return _page(error, of="off")
    return done(
        gettext("The second factor is off, and all other logins have ended."),
        "pages.second_factor",
    )


def _typed(name: str) -> str:
    return request.form.get(name, "")


def _address() -> str:
    return access.browser().address


def _page(error: InvalidInput | None = None, of: str = "begin") -> Response:
    """The page, with what is wrong in one of its forms."""
    parts = current()
    with parts.database.reading() as session:
        person = people.named(session, parts.actor.name)
        page = render_template(
            "account/second_factor.html",
            person=person,
            left=second_factor.codes_left(session, person.id),
            is_required=second_factor.is_required(session),
            errors={of: _errors(error)},
        )
    return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK)


def _errors(error: InvalidInput | None) -> dict[str, str]:
    return {each.field: str(each.reason) for each in error.errors} if error else {}


def _to_confirm(seed: str = "", error: InvalidInput | None = None) -> Response:
    """The form for a first code, with the picture where the seed was made just now."""
    address = second_factor.address_of(seed, current().actor.name) if seed else ""
    page = render_template(
        "account/setup.html",
        seed=seed,
        picture=qr_code(address, gettext("Picture for the app")) if seed else "",
        action=url_for("pages.confirm_second_factor"),
        again=url_for("pages.second_factor"),
        error=_errors(error).get("code", ""),
    )
    return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.CREATED)


def _codes(codes: list[str]) -> Response:
    page = render_template(
        "account/recovery_codes.html", codes=codes, onward=url_for("pages.account")
    )
    return make_response(page, HTTPStatus.CREATED)
