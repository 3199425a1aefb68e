"""Whoever asks; and for administrators the people, their invitations, and their history."""

from __future__ import annotations

from flask import Response, jsonify, request, url_for

from core.accounts import history, invitations, people
from core.queries import Page
from webui import actions
from webui.api import shapes
from webui.api.blueprint import blueprint
from webui.api.description import Answer, Body, Parameter, describe
from webui.api.requests import PAGED, cursor, json_object, limit, options
from webui.context import current

PERSON = Parameter("person", {"type": "string"}, "Whom it is about; else everybody.")


@blueprint.get("/me")
@describe(shapes.MeShape)
def me() -> Response:
    """Who asks, and what they may."""
    parts = current()
    found = shapes.MeShape.of(parts.actor, has_accounts=parts.settings.has_accounts)
    return jsonify(found.as_json())


@blueprint.get("/people", endpoint="people")
@describe(shapes.Listing[shapes.PersonShape])
def everybody() -> Response:
    """All people, by their names."""
    with current().database.reading() as session:
        page = Page(people.everybody(session), None)
    return jsonify(shapes.Listing.of(page, shapes.PersonShape.of).as_json())


@blueprint.patch("/people/<name>")
@describe(shapes.PersonShape, body=Body(actions.PersonOptions), problems=[409])
def change_person(name: str) -> Response:
    """Give somebody a role, shut them out (`disabled`), or let them in again."""
    person = actions.change_person(current(), name, json_object())
    return jsonify(shapes.PersonShape.of(person).as_json())


@blueprint.get("/invitations", endpoint="invitations")
@describe(shapes.Listing[shapes.InvitationShape])
def open_invitations() -> Response:
    """The invitations that can still be used, newest first."""
    with current().database.reading() as session:
        page = Page(invitations.open_ones(session), None)
    return jsonify(shapes.Listing.of(page, shapes.InvitationShape.of).as_json())


@blueprint.post("/invitations")
@describe(
    Answer((shapes.NewInvitationShape,), status=201),
    body=Body(actions.InvitationOptions, is_needed=False),
)
def invite() -> tuple[Response, int]:
    """Make a link by which somebody gets an account; it is shown this once."""
    secret = actions.invite(current(), options())
    address = url_for("pages.invitation", secret=secret, _external=True)
    return jsonify(shapes.NewInvitationShape(address=address).as_json()), 201


@blueprint.delete("/invitations/<int:invitation_id>")
@describe(Answer(media="", status=204))
def withdraw_invitation(invitation_id: int) -> Response:
    """Let a link work no more."""
    invitations.withdraw(current().database, current().actor, invitation_id)
    return Response(status=204)


@blueprint.get("/audit")
@describe(shapes.Listing[shapes.AccountEventShape], parameters=[*PAGED, PERSON])
def audit() -> Response:
    """A page of what happened to accounts, newest first; `person` chooses whom it is about."""
    with current().database.reading() as session:
        page = history.page(session, limit(), cursor(), request.args.get("person", ""))
    return jsonify(shapes.Listing.of(page, shapes.AccountEventShape.of).as_json())
