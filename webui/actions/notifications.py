"""How people want to be told of their runs, as it is sent and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from core.database.models import (
    MAIL_LENGTH,
    MEASURED,
    NAME_LENGTH,
    WEBHOOK_LENGTH,
    Delivery,
    Webhook,
)
from core.errors import Conflict
from core.languages import LANGUAGES
from core.messages import message
from core.notifications import choices, notices, outbox, webhooks
from core.notifications.choices import BOUND, METRIC, WAIT_MINUTES, Choices
from core.notifications.topics import TOPICS, Kind, Topic
from core.spec.validation import WrongValue
from webui.actions.options import checked
from webui.context import Context

LARGEST_WAIT = 525_600.0
Events = Annotated[list[Topic], Field(max_length=len(TOPICS))]


class WebhookOptions(BaseModel):
    """A webhook that somebody wants."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WEBHOOK_LENGTH)
    ]
    kind: Kind = "standard"
    events: Events = ["ended"]
    secret: Annotated[
        str | None, StringConstraints(strip_whitespace=True, max_length=NAME_LENGTH)
    ] = None


class WebhookChange(BaseModel):
    """What is to be changed of a webhook; what is absent stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    events: Events | None = None
    enabled: bool | None = None


class NotificationOptions(BaseModel):
    """All that somebody wants to be told; what is absent is the default."""

    model_config = ConfigDict(extra="forbid", strict=True)

    choices: dict[Topic, Annotated[list[Literal["mail", "browser"]], Field(max_length=2)]] = {}
    mail: Annotated[
        str | None, StringConstraints(strip_whitespace=True, max_length=MAIL_LENGTH)
    ] = None
    language: str = "en"
    wait_minutes: Annotated[float, Field(gt=0, le=LARGEST_WAIT)] = WAIT_MINUTES
    metric: str = METRIC
    bound: Annotated[float, Field(allow_inf_nan=False)] = BOUND
    is_above: bool = True

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        return _one_of(value, list(LANGUAGES))

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        return _one_of(value, list(MEASURED))


def _one_of(value: str, known: list[str]) -> str:
    if value not in known:
        raise WrongValue(message("input.one_of", choices=known))
    return value


def choose_notifications(context: Context, values: Mapping[str, Any]) -> Choices:
    """Keep what somebody wants to be told, instead of what they wanted before.

    Raises:
        InvalidInput: naming every wrong field.
    """
    asked = checked(NotificationOptions, values)
    about = asked.model_dump(exclude={"choices"}) | {"mail": asked.mail or None}
    chosen = Choices(ways=dict(asked.choices), **about)
    choices.choose(context.database, context.actor.name, chosen)
    return replace(chosen, ways={topic: asked.choices.get(topic, []) for topic in TOPICS})


def add_webhook(context: Context, values: Mapping[str, Any]) -> Webhook:
    """Tell another program of somebody's runs from now on.

    Raises:
        InvalidInput: naming every wrong field.
        Conflict: there are as many as one can have.
    """
    asked = checked(WebhookOptions, values)
    settings = context.settings
    return webhooks.add(
        context.database,
        context.actor.name,
        asked.address,
        asked.kind,
        asked.events,
        asked.secret,
        allowed=settings.webhook_hosts,
        only=settings.webhook_hosts_only,
    )


def change_webhook(context: Context, webhook_id: int, values: Mapping[str, Any]) -> Webhook:
    """Change of what a webhook is told, or whether it is.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such webhook.
    """
    asked = checked(WebhookChange, values)
    return webhooks.change(
        context.database,
        context.actor.name,
        webhook_id,
        topics=asked.events,
        is_enabled=asked.enabled,
    )


def test_webhook(context: Context, webhook_id: int) -> None:
    """Send a test to a webhook: it is in the outbox from then on.

    Raises:
        NotFound: there is no such webhook.
        Conflict: it is disabled.
    """
    owner = context.actor.name
    with context.database.writing() as session:
        found = webhooks.one(session, owner, webhook_id)
        if not found.is_enabled:
            raise Conflict(message("delivery.disabled"))
        outbox.put(session, owner, "test", "webhook", notices.TEST, webhook_id=webhook_id)


def test_mail(context: Context) -> None:
    """Send a test by mail: it is in the outbox from then on.

    Raises:
        Conflict: no mail can be sent.
    """
    owner = context.actor.name
    with context.database.writing() as session:
        if context.settings.smtp_url is None or not choices.of_owner(session, owner).mail:
            raise Conflict(message("delivery.no_mail"))
        outbox.put(session, owner, "test", "mail", notices.TEST)


def take_news(context: Context) -> list[Delivery]:
    """What a browser of somebody's is to show now, once."""
    return outbox.take_news(context.database, context.actor.name)
