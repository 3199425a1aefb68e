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
from webui.pages.doors import done


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
    return done(gettext("The link is withdrawn: it works no more."), "pages.people")


@blueprint.post("/people/<name>/role")
def change_role(name: str) -> Response:
    """Give somebody a role."""
    person = actions.change_person(current(), name, {"role": request.form.get("role", "")})
    about = {"name": person.name, "role": gettext(person.role)}
    return done(gettext("The role of %(name)s is %(role)s now.", **about), "pages.people")


@blueprint.get("/people/<name>/disable")
def ask_to_disable(name: str) -> str:
    """The question whether somebody is to be shut out."""
    return _question(
        name,
        title=gettext("Disable %(name)s?", name=name),
        text=gettext(
            "All their logins end now, their tokens are refused, and links that they have made "
            "work no more. Their runs stay. You can enable them again."
        ),
        words=gettext("Disable"),
        act="pages.disable_person",
    )


@blueprint.post("/people/<name>/disable")
def disable_person(name: str) -> Response:
    """Shut somebody out."""
    person = actions.change_person(current(), name, {"disabled": True})
    return done(gettext("%(name)s is shut out.", name=person.name), "pages.people")


@blueprint.post("/people/<name>/enable")
def enable_person(name: str) -> Response:
    """Let somebody in again."""
    person = actions.change_person(current(), name, {"disabled": False})
    return done(gettext("%(name)s can log in again.", name=person.name), "pages.people")


@blueprint.post("/people/<name>/password")
def invite_to_reset(name: str) -> Response:
    """Make a link by which somebody chooses a new password, and show it this once."""
    secret = invitations.invite_to_reset(current().database, current().actor, name)
    return _with_link(secret, name)


@blueprint.get("/people/<name>/second-factor/reset")
def ask_to_reset_second_factor(name: str) -> str:
    """The question whether the second factor of somebody is to be taken away."""
    return _question(
        name,
        title=gettext("Remove the second factor of %(name)s?", name=name),
        text=gettext(
            "Their password alone lets them in then, their logins end now, and their recovery "
            "codes work no more. Be sure that it is they who ask."
        ),
        words=gettext("Remove second factor"),
        act="pages.reset_second_factor",
    )


@blueprint.post("/people/<name>/second-factor/reset")
def reset_second_factor(name: str) -> Response:
    """Take the second factor from somebody who has lost it."""
    person = second_factor.reset(current().database, current().actor, name)
    return done(
        gettext("The second factor of %(name)s is removed.", name=person.name), "pages.people"
    )


@blueprint.post("/people/second-factor")
def require_second_factor() -> Response:
    """Ask a second factor of everybody with a password, or no more."""
    required = request.form.get("required", "") == "1"
    second_factor.require(current().database, current().actor, required=required)
    words = (
        gettext("Everybody with a password needs a second factor from now on.")
        if required
        else gettext("Everybody decides for themselves about a second factor from now on.")
    )
    return done(words, "pages.people")


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


def _question(name: str, **asked: str) -> str:
    with current().database.reading() as session:
        person = accounts.named(session, name)
    act = url_for(asked.pop("act"), name=person.name)
    return render_template("account/question.html", act=act, **asked)


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
