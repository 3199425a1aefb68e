"""Webhooks, choices and deliveries as other programs see them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.database.models import Delivery, Webhook
from core.notifications import notices
from core.notifications.choices import Choices
from core.notifications.topics import Kind, Topic
from webui.api.shapes.base import JSON, Reason, Shape, Timestamp


class WebhookShape(Shape):
    """A webhook. Its secret is shown when it is made, and by a rotation."""

    id: int
    address: str
    kind: Kind
    events: list[Topic]
    enabled: bool
    disabled_reason: Annotated[
        Reason | None, Field(description="Where it was not its owner who disabled it.")
    ]
    created_at: Timestamp
    former_secret_until: Annotated[
        Timestamp | None, Field(description="Until then the secret before signs too.")
    ]
    secret: Annotated[str | None, Field(description="Null but in the answer that makes it.")]

    @classmethod
    def of(cls, row: Webhook, events: list[Topic], *, shows_secret: bool = False) -> WebhookShape:
        """The shape of a webhook."""
        return cls.model_validate(
            {
                "id": row.id,
                "address": row.address,
                "kind": row.kind,
                "events": events,
                "enabled": row.is_enabled,
                "disabled_reason": row.disabled_reason and Reason.of(row.disabled_reason),
                "created_at": row.created_at,
                "former_secret_until": row.former_until,
                "secret": row.secret if shows_secret else None,
            }
        )


class NotificationsShape(Shape):
    """What somebody wants to be told, by mail and in browsers."""

    choices: Annotated[dict[Topic, list[str]], Field(description="`mail` and `browser`, by topic.")]
    mail: str | None
    language: str
    wait_minutes: float
    metric: str
    bound: float
    is_above: bool

    @classmethod
    def of(cls, chosen: Choices) -> NotificationsShape:
        """The shape of what somebody has chosen."""
        return cls(
            choices={topic: list(ways) for topic, ways in chosen.ways.items()},
            mail=chosen.mail,
            language=chosen.language,
            wait_minutes=chosen.wait_minutes,
            metric=chosen.metric,
            bound=chosen.bound,
            is_above=chosen.is_above,
        )


class DeliveryShape(Shape):
    """Something that is to be told, or was."""

    id: int
    event_id: str
    topic: str
    way: str
    webhook_id: int | None
    job_id: int | None
    type: str
    data: JSON
    message: Reason
    state: str
    tries: int
    status: int | None
    answer: str | None
    created_at: Timestamp
    due_at: Timestamp
    ended_at: Timestamp | None

    @classmethod
    def of(cls, row: Delivery) -> DeliveryShape:
        """The shape of a delivery."""
        names = set(cls.model_fields) - {"type", "data", "message"}
        return cls.model_validate(
            {name: getattr(row, name) for name in names}
            | {"type": row.payload["type"], "data": row.payload["data"]}
            | {"message": Reason.of(notices.sentence(row.payload))}
        )
