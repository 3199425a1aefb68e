"""The people of an installation, for administrators: invite, give roles, shut out; the audit."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, render_template, request, url_for

from core.accounts import history, invitations, second_factor
from core.accounts import people as accounts
from core.database.models import AccountEvent
from core.languages import gettext
from core.messages import Message
from core.queries import DEFAULT_LIMIT
from core.roles import ROLES
from webui import actions
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import to


@blueprint.get("/people")
def people() -> str:
    """Everybody, and the invitations that are open."""
    return _page()


@blueprint.post("/people/invitations")
def invite() -> Response:
    """Make an invitation, and show its link this once."""
    return _with_link(actions.invite(current(), {"role": request.form.get("role", "member")}))


@blueprint.post("/people/invitations/<int:invitation_id>/withdraw")
def withdraw_invitation(invitation_id: int) -> Response:
    """Let a link work no more."""
    invitations.withdraw(current().database, current().actor, invitation_id)
    return to("pages.people")


@blueprint.post("/people/<name>/role")
def change_role(name: str) -> Response:
    """Give somebody a role."""
    actions.change_person(current(), name, {"role": request.form.get("role", "")})
    return to("pages.people")


@blueprint.post("/people/<name>/disable")
def disable_person(name: str) -> Response:
    """Shut somebody out."""
    actions.change_person(current(), name, {"disabled": True})
    return to("pages.people")


@blueprint.post("/people/<name>/enable")
def enable_person(name: str) -> Response:
    """Let somebody in again."""
    actions.change_person(current(), name, {"disabled": False})
    return to("pages.people")


@blueprint.post("/people/<name>/password")
def invite_to_reset(name: str) -> Response:
    """Make a link by which somebody chooses a new password, and show it this once."""
    secret = invitations.invite_to_reset(current().database, current().actor, name)
    return _with_link(secret, name)


@blueprint.post("/people/<name>/second-factor/reset")
def reset_second_factor(name: str) -> Response:
    """Take the second factor from somebody who has lost it."""
    second_factor.reset(current().database, current().actor, name)
    return to("pages.people")


@blueprint.post("/people/second-factor")
def require_second_factor() -> Response:
    """Ask a second factor of everybody with a password, or no more."""
    required = request.form.get("required", "") == "1"
    second_factor.require(current().database, current().actor, required=required)
    return to("pages.people", part="rules")


@blueprint.get("/people/audit")
def audit() -> str:
    """Who came in, and what was decided, newest first; of one person, or of all."""
    person = request.args.get("person", "")
    with current().database.reading() as session:
        page = history.page(session, DEFAULT_LIMIT, request.args.get("cursor", ""), person)
        events = [(event, _sentence(event)) for event in page.items]
        names = [each.name for each in accounts.everybody(session)]
    older = page.next and url_for("pages.audit", cursor=page.next, person=person or None)
    return render_template(
        "account/audit.html", events=events, older=older, person=person, names=names
    )


def _sentence(event: AccountEvent) -> str:
    """What an event says; whoever has a shell on the server has a name in each language."""
    described = history.describe(event)
    console = accounts.CONSOLE.name
    params = {
        name: gettext(console) if value == console else value
        for name, value in described.params.items()
    }
    return str(Message(described.code, params))


def _with_link(secret: str, name: str = "") -> Response:
    address = url_for("pages.invitation", secret=secret, _external=True)
    response = make_response(_page(address, name), HTTPStatus.CREATED)
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(link: str = "", link_for: str = "") -> str:
    with current().database.reading() as session:
        return render_template(
            "account/people.html",
            people=accounts.everybody(session),
            invitations=invitations.open_ones(session),
            roles=ROLES,
            link=link,
            link_for=link_for,
            hours=invitations.HOURS,
            is_required=second_factor.is_required(session),
        )
