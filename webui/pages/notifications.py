"""Notifications: what somebody is told of their runs, by which ways, and what has been sent."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, render_template, request

from core import queries
from core.database.models import MEASURED, Webhook
from core.errors import InvalidInput
from core.languages import LANGUAGES, gettext
from core.messages import message
from core.notifications import choices, notices, outbox, webhooks
from core.notifications.topics import KINDS, TOPICS
from webui import actions
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.doors import done, to

SHOWN = 25
"""Deliveries on a page."""


@blueprint.get("/account/notifications")
def notifications() -> str:
    """The page."""
    return _page()


@blueprint.post("/account/notifications")
def choose_notifications() -> Response:
    """Keep what was chosen."""
    try:
        actions.choose_notifications(current(), _typed(request.form))
    except InvalidInput as error:
        return _wrong(error, "choice-")
    return done(gettext("What you are told is saved."), "pages.notifications")


@blueprint.post("/account/notifications/mail/test")
def test_mail() -> Response:
    """Send a test by mail."""
    actions.test_mail(current())
    return to("pages.notifications", part="log")


@blueprint.post("/account/webhooks")
def add_webhook() -> Response:
    """Add a webhook, and show its secret this once."""
    typed = request.form
    asked = {
        "address": typed.get("address", ""),
        "kind": typed.get("kind", ""),
        "events": typed.getlist("event"),
        "secret": typed.get("secret") or None,
    }
    try:
        made = actions.add_webhook(current(), asked)
    except InvalidInput as error:
        return _wrong(error, "hook-")
    if made.kind == "standard":
        return _with_secret(made)
    return done(gettext("The webhook is added."), "pages.notifications")


@blueprint.post("/account/webhooks/<int:webhook_id>")
def change_webhook(webhook_id: int) -> Response:
    """Change of what a webhook is told, or whether it is."""
    typed = request.form
    asked: dict[str, Any] = {}
    if "enabled" in typed:
        asked["enabled"] = typed["enabled"] == "1"
    else:
        asked["events"] = typed.getlist("event")
    webhook = actions.change_webhook(current(), webhook_id, asked)
    about = {"address": webhook.address}
    if not webhook.is_enabled:
        words = gettext("The webhook to %(address)s is disabled.", **about)
    elif "enabled" in asked:
        words = gettext("The webhook to %(address)s is enabled.", **about)
    else:
        words = gettext("What the webhook to %(address)s is told is saved.", **about)
    return done(words, "pages.notifications")


@blueprint.post("/account/webhooks/<int:webhook_id>/remove")
def remove_webhook(webhook_id: int) -> Response:
    """Forget a webhook."""
    webhooks.remove(current().database, current().actor.name, webhook_id)
    return done(gettext("The webhook is removed."), "pages.notifications")


@blueprint.post("/account/webhooks/<int:webhook_id>/rotate")
def rotate_webhook(webhook_id: int) -> Response:
    """Make a new secret, and show it this once."""
    return _with_secret(webhooks.rotate(current().database, current().actor.name, webhook_id))


@blueprint.post("/account/webhooks/<int:webhook_id>/test")
def test_webhook(webhook_id: int) -> Response:
    """Send a test."""
    actions.test_webhook(current(), webhook_id)
    return to("pages.notifications", part="log")


@blueprint.post("/account/deliveries/<int:delivery_id>/replay")
def replay_delivery(delivery_id: int) -> Response:
    """Send something again."""
    outbox.replay(current().database, current().actor.name, delivery_id)
    return to("pages.notifications", part="log")


def _kind_titles() -> dict[str, str]:
    return {
        "standard": gettext("Standard Webhooks"),
        "slack": "Slack",
        "discord": "Discord",
        "feishu": gettext("Feishu"),
        "dingtalk": gettext("DingTalk"),
    }


def _typed(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form asks for."""
    chosen = {
        topic: [way for way in ("mail", "browser") if f"{topic}-{way}" in form] for topic in TOPICS
    }
    texts = {name: form.get(name, "") for name in ("mail", "language", "metric")}
    return {
        **texts,
        "choices": chosen,
        "wait_minutes": _number("wait_minutes", form),
        "bound": _number("bound", form),
        "is_above": form.get("side") != "below",
    }


def _number(name: str, form: Mapping[str, str]) -> float:
    try:
        return float(form.get(name, ""))
    except ValueError:
        raise InvalidInput.one(name, message("input.number")) from None


def _with_secret(webhook: Webhook) -> Response:
    response = make_response(_page(secret_of=webhook), HTTPStatus.CREATED)
    response.headers["Cache-Control"] = "no-store"
    return response


def _wrong(error: InvalidInput, prefix: str) -> Response:
    errors = {f"{prefix}{each.field}": str(each.reason) for each in error.errors}
    return make_response(_page(errors=errors), HTTPStatus.UNPROCESSABLE_ENTITY)


def _page(secret_of: Webhook | None = None, errors: Mapping[str, str] | None = None) -> str:
    parts = current()
    owner = parts.actor.name
    with parts.database.reading() as session:
        page = queries.deliveries(session, owner, SHOWN, request.args.get("cursor", ""))
        hooks = webhooks.of_owner(session, owner)
        return render_template(
            "account/notifications.html",
            chosen=choices.of_owner(session, owner),
            webhooks=hooks,
            addresses={each.id: each.address for each in hooks},
            events=webhooks.topics_of(session, owner),
            deliveries=[(each, notices.sentence(each.payload)) for each in page.items],
            older=page.next,
            topics=TOPICS,
            kinds=KINDS,
            kind_titles=_kind_titles(),
            metrics={name: message(f"metric.{name}") for name in MEASURED},
            languages=LANGUAGES,
            sends_mail=parts.settings.smtp_url is not None,
            secret_of=secret_of,
            errors=errors or {},
            typed=request.form if errors else {},
        )
