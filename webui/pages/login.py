"""The doors: the login, and the links by which people get an account or a new password."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, redirect, render_template, request, session, url_for

from core.accounts import invitations, logins, people
from core.database.models import Person
from core.errors import InvalidInput, TooManyRequests, TrainyardError, Unauthenticated
from core.languages import gettext
from core.roles import Role
from webui import access
from webui.addresses import own
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import done, renewed, to


@blueprint.get("/login")
def login() -> Response:
    """The form; whoever is logged in already is sent onward."""
    if access.login_of_request() is not None:
        return _onward()
    with current().database.reading() as reading:
        is_anybody = people.is_anybody(reading)
    return make_response(_form(is_anybody=is_anybody))


@blueprint.post("/login")
def log_in() -> Response:
    """Begin a login, or say what is wrong, without what was typed as a password."""
    name = request.form.get("name", "")
    try:
        begun = logins.log_in(
            current().database, name, request.form.get("password", ""), access.browser()
        )
    except (Unauthenticated, TooManyRequests) as error:
        return _refused(name, error)
    return _begun(begun, own(request.form.get("next", "")))


@blueprint.post("/logout")
def log_out() -> Response:
    """End this login."""
    parts, login_id = current(), access.login_of_request()
    assert login_id is not None
    logins.end(parts.database, parts.actor, login_id, asked_in=login_id)
    session.clear()  # what forms were signed with before is for nobody who sits here next
    response = access.forget_login(done(gettext("You are logged out."), "pages.login"))
    # drafts of runs and names of runs that are waited for are not for who sits here next
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


@blueprint.get("/invitations/<secret>")
def invitation(secret: str) -> str:
    """The form of a link: a name and a password, or the password alone."""
    return _invited(secret, "", {})


@blueprint.post("/invitations/<secret>")
def accept_invitation(secret: str) -> Response:
    """Make the account, or set the password, and begin a login."""
    name, password = request.form.get("name", ""), request.form.get("password", "")
    parts = current()
    try:
        again = request.form.get("again", "")
        person = invitations.accept(parts.database, secret, name, password, again)
    except InvalidInput as error:
        errors = {each.field: str(each.reason) for each in error.errors}
        return make_response(_invited(secret, name, errors), HTTPStatus.UNPROCESSABLE_ENTITY)
    with parts.database.writing() as writing:
        begun = logins.begin_by_password(
            writing, people.named(writing, person.name), access.browser()
        )
    return _begun(begun)


def _form(name: str = "", refusal: str = "", *, is_anybody: bool = True) -> str:
    return render_template(
        "account/login.html",
        name=name,
        refusal=refusal,
        next=own(request.values.get("next", "")) or "",
        is_anybody=is_anybody,
        was_ended=not refusal and access.shows_ended_login(),
    )


def _refused(name: str, error: TrainyardError) -> Response:
    status = HTTPStatus.UNAUTHORIZED
    headers = {}
    if isinstance(error, TooManyRequests):
        status = HTTPStatus.TOO_MANY_REQUESTS
        headers = {"Retry-After": str(int(error.retry_after_s) + 1)}
    return make_response(_form(name, str(error)), status, headers)


def _invited(secret: str, name: str, errors: dict[str, str]) -> str:
    with current().database.reading() as reading:
        found = invitations.find(reading, secret)
        role: Role = found.role
        person = reading.get_one(Person, found.person_id).name if found.person_id else ""
    return render_template(
        "account/invitation.html",
        secret=secret,
        name=name,
        role=role,
        person=person,
        errors={"name": "", "password": "", "again": ""} | errors,
    )


def _begun(begun: logins.Begun, onward: str | None = None) -> Response:
    """Where somebody goes who has shown the password: onward, or to the second factor."""
    if not begun.lacks:
        return access.keep_login(renewed(_onward()), begun.secret)
    page = "pages.ask_for_code" if begun.lacks == "code" else "pages.ask_for_setup"
    return access.keep_half_login(renewed(to(page, next=onward)), begun.secret)


def _onward() -> Response:
    """To the page that was asked for before the login."""
    address = own(request.values.get("next", "")) or url_for("pages.jobs")
    response = redirect(address, HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return response
