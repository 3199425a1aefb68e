"""Who is told what about runs, by which ways, and what has been sent: the outbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import KIND_LENGTH, NAME_LENGTH, Base, BigKey
from core.messages import Message

WEBHOOK_LENGTH = 1000
MAIL_LENGTH = 254
ANSWER_LENGTH = 300
EVENT_LENGTH = 40


class Webhook(Base):
    """An address of another program, which is told of an owner's runs."""

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    owner: Mapped[str] = mapped_column(String(NAME_LENGTH), index=True)
    address: Mapped[str] = mapped_column(String(WEBHOOK_LENGTH))
    kind: Mapped[str] = mapped_column(String(20))
    """Which bodies it takes: `core.notifications.bodies.Kind`."""
    secret: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """What its messages are signed with, and so kept as it is."""
    former_secret: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """They are signed with this too for a while, so that receivers can change over."""
    former_until: Mapped[datetime | None]
    is_enabled: Mapped[bool]
    disabled_reason: Mapped[Message | None]
    """Why, where it was not its owner who disabled it."""
    created_at: Mapped[datetime]

    __table_args__ = ({"sqlite_autoincrement": True},)


class NotificationChoice(Base):
    """That somebody wants to be told of one topic by one way.

    The end of every run looks here, by the first two columns of the key.
    """

    __tablename__ = "notification_choices"

    owner: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    topic: Mapped[str] = mapped_column(String(20), primary_key=True)
    """One of `core.notifications.topics.TOPICS`."""
    way: Mapped[str] = mapped_column(String(20), primary_key=True)
    webhook_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    """0: no webhook, but another way."""


class NotificationSettings(Base):
    """How somebody is told. Owners without accounts are told too, so this is no part of people."""

    __tablename__ = "notification_settings"

    owner: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    mail: Mapped[str | None] = mapped_column(String(MAIL_LENGTH))
    language: Mapped[str] = mapped_column(String(10))
    wait_minutes: Mapped[float]
    """After how many a run that waits is told of."""
    waited_until: Mapped[datetime | None]
    """Runs that have waited since before this moment have been looked at. None: none have."""
    metric: Mapped[str] = mapped_column(String(KIND_LENGTH))
    bound: Mapped[float]
    """A run is told of when its metric has passed this."""
    is_above: Mapped[bool]
    """Whether it passes upward."""


class Delivery(Base):
    """Something to be told to somebody by one way: the outbox, and the log of what was sent.

    It is written in the transaction of what it tells of, so nothing is told that did not happen,
    and nothing that happened is forgotten.
    """

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(EVENT_LENGTH))
    """The same over all tries: whoever gets a message twice knows it by this."""
    owner: Mapped[str] = mapped_column(String(NAME_LENGTH))
    topic: Mapped[str] = mapped_column(String(20))
    way: Mapped[str] = mapped_column(String(20))
    webhook_id: Mapped[int | None] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), index=True
    )
    job_id: Mapped[int | None] = mapped_column(BigKey)
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20))
    """waiting, delivered or failed."""
    tries: Mapped[int]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When it is tried next; while it is tried, when another process may."""
    leased_until: Mapped[datetime | None]
    """While it is tried: nothing else of its owner is meanwhile."""
    ended_at: Mapped[datetime | None]
    status: Mapped[int | None]
    """Of the last answer."""
    answer: Mapped[str | None] = mapped_column(String(ANSWER_LENGTH))
    """The beginning of it, or why there was none."""

    __table_args__ = (
        Index(
            "ix_deliveries_due",
            "due_at",
            sqlite_where=text("state = 'waiting' AND way <> 'browser'"),
            postgresql_where=text("state = 'waiting' AND way <> 'browser'"),
        ),
        Index(
            "ix_deliveries_unseen",
            "owner",
            "id",
            sqlite_where=text("state = 'waiting' AND way = 'browser'"),
            postgresql_where=text("state = 'waiting' AND way = 'browser'"),
        ),
        Index("ix_deliveries_owner_id", "owner", "id"),
        Index("ix_deliveries_owner_leased", "owner", "leased_until"),
        Index("ix_deliveries_job_topic", "job_id", "topic"),
        Index("ix_deliveries_created_at", "created_at"),
        {"sqlite_autoincrement": True},
    )
