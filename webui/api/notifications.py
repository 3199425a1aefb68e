"""What somebody wants to be told of their runs, by which ways, and what has been sent."""

from __future__ import annotations

from flask import Response, jsonify

from core import queries
from core.notifications import choices, outbox, webhooks
from core.queries import Page
from webui import actions
from webui.api import shapes
from webui.api.blueprint import blueprint
from webui.api.description import Answer, Body, describe
from webui.api.requests import PAGED, cursor, json_object, limit, options
from webui.context import current

CHOICES = {"choices": {"failed": ["mail", "browser"]}, "mail": "ada@example.org"}
WEBHOOK = {"address": "https://example.org/hook", "events": ["ended", "failed"]}


@blueprint.get("/notifications")
@describe(shapes.NotificationsShape)
def notifications() -> Response:
    """What is told by mail and in browsers."""
    with current().database.reading() as session:
        chosen = choices.of_owner(session, current().actor.name)
    return jsonify(shapes.NotificationsShape.of(chosen).as_json())


@blueprint.put("/notifications")
@describe(shapes.NotificationsShape, body=Body(actions.NotificationOptions, example=CHOICES))
def choose_notifications() -> Response:
    """Choose what is told by mail and in browsers; what is absent is the default."""
    chosen = actions.choose_notifications(current(), json_object())
    return jsonify(shapes.NotificationsShape.of(chosen).as_json())


@blueprint.post("/notifications/news")
@describe(shapes.Listing[shapes.DeliveryShape])
def take_news() -> Response:
    """What a browser is to show now; the next one to ask is not given it again."""
    page = Page(actions.take_news(current()), None)
    return jsonify(shapes.Listing.of(page, shapes.DeliveryShape.of).as_json())


@blueprint.get("/webhooks", endpoint="webhooks")
@describe(shapes.Listing[shapes.WebhookShape])
def list_webhooks() -> Response:
    """The webhooks, oldest first."""
    owner = current().actor.name
    with current().database.reading() as session:
        found, topics = webhooks.of_owner(session, owner), webhooks.topics_of(session, owner)
    items = [shapes.WebhookShape.of(each, topics.get(each.id, [])) for each in found]
    return jsonify(shapes.Listing[shapes.WebhookShape](items=items, next=None).as_json())


@blueprint.post("/webhooks")
@describe(
    Answer((shapes.WebhookShape,), status=201),
    body=Body(actions.WebhookOptions, example=WEBHOOK),
    problems=[409],
)
def add_webhook() -> tuple[Response, int]:
    """Add a webhook; its secret is shown this once."""
    made = actions.add_webhook(current(), json_object())
    return _webhook(made.id, shows_secret=True), 201


@blueprint.patch("/webhooks/<int:webhook_id>")
@describe(
    shapes.WebhookShape,
    body=Body(actions.WebhookChange, is_needed=False, example={"enabled": False}),
)
def change_webhook(webhook_id: int) -> Response:
    """Change its events, disable it or enable it again."""
    return _webhook(actions.change_webhook(current(), webhook_id, options()).id)


@blueprint.delete("/webhooks/<int:webhook_id>")
@describe(Answer(media="", status=204))
def remove_webhook(webhook_id: int) -> Response:
    """Forget a webhook, and what was sent to it."""
    webhooks.remove(current().database, current().actor.name, webhook_id)
    return Response(status=204)


@blueprint.post("/webhooks/<int:webhook_id>/rotate")
@describe(shapes.WebhookShape, problems=[409])
def rotate_webhook(webhook_id: int) -> Response:
    """Make a new secret, shown this once; the former signs too for a day."""
    rotated = webhooks.rotate(current().database, current().actor.name, webhook_id)
    return _webhook(rotated.id, shows_secret=True)


@blueprint.post("/webhooks/<int:webhook_id>/test")
@describe(Answer((shapes.WebhookShape,), status=202), problems=[409])
def test_webhook(webhook_id: int) -> tuple[Response, int]:
    """Send a test; what comes of it is in the deliveries."""
    actions.test_webhook(current(), webhook_id)
    return _webhook(webhook_id), 202


@blueprint.get("/deliveries")
@describe(shapes.Listing[shapes.DeliveryShape], parameters=PAGED)
def deliveries() -> Response:
    """A page of what was told, newest first."""
    with current().database.reading() as session:
        page = queries.deliveries(session, current().actor.name, limit(), cursor())
    return jsonify(shapes.Listing.of(page, shapes.DeliveryShape.of).as_json())


@blueprint.post("/deliveries/<int:delivery_id>/replay")
@describe(Answer((shapes.DeliveryShape,), status=202))
def replay_delivery(delivery_id: int) -> tuple[Response, int]:
    """Send something again, with the same id."""
    found = outbox.replay(current().database, current().actor.name, delivery_id)
    return jsonify(shapes.DeliveryShape.of(found).as_json()), 202


def _webhook(webhook_id: int, *, shows_secret: bool = False) -> Response:
    owner = current().actor.name
    with current().database.reading() as session:
        found = webhooks.one(session, owner, webhook_id)
        events = webhooks.topics_of(session, owner).get(webhook_id, [])
    shape = shapes.WebhookShape.of(found, events, shows_secret=shows_secret)
    return jsonify(shape.as_json())
