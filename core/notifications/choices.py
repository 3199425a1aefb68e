"""What somebody wants to be told, by which ways, and in which language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database.engine import Database
from core.database.models import NotificationChoice, NotificationSettings
from core.errors import InvalidInput
from core.languages import ENGLISH
from core.messages import message
from core.notifications.mail import is_address
from core.notifications.topics import PERSONAL, TOPICS, Topic, Way

WAIT_MINUTES = 30.0
BOUND = 0.95
METRIC = "test_accuracy"
"""Each run has it; without a validation split none of validation."""


@dataclass(frozen=True, slots=True)
class Choices:
    """All of it."""

    ways: Mapping[Topic, Sequence[Way]] = field(default_factory=dict)
    """Mail or browser, by topic; webhooks have topics of their own."""
    mail: str | None = None
    language: str = ENGLISH
    wait_minutes: float = WAIT_MINUTES
    metric: str = METRIC
    bound: float = BOUND
    is_above: bool = True


def of_owner(session: Session, owner: str) -> Choices:
    """What somebody has chosen; nothing yet: the defaults, and no way."""
    kept = session.get(NotificationSettings, owner)
    rows = session.execute(
        select(NotificationChoice.topic, NotificationChoice.way).where(
            NotificationChoice.owner == owner, NotificationChoice.way.in_(PERSONAL)
        )
    ).all()
    chosen = {(topic, way) for topic, way in rows}
    ways = {topic: [way for way in PERSONAL if (topic, way) in chosen] for topic in TOPICS}
    if kept is None:
        return Choices(ways)
    return Choices(
        ways,
        kept.mail,
        kept.language,
        kept.wait_minutes,
        kept.metric,
        kept.bound,
        kept.is_above,
    )


def keep_defaults(session: Session, owner: str) -> None:
    """Let somebody have the default bounds, who has set none: their webhooks may ask for them."""
    if session.get(NotificationSettings, owner) is None:
        session.add(_settings(owner, Choices()))


def _settings(owner: str, chosen: Choices) -> NotificationSettings:
    return NotificationSettings(
        owner=owner,
        mail=chosen.mail or None,
        language=chosen.language,
        wait_minutes=chosen.wait_minutes,
        metric=chosen.metric,
        bound=chosen.bound,
        is_above=chosen.is_above,
    )


def choose(database: Database, owner: str, chosen: Choices) -> None:
    """Keep what somebody wants, instead of what they wanted before.

    Raises:
        InvalidInput: no mail can be sent to the address.
    """
    if chosen.mail and not is_address(chosen.mail):
        raise InvalidInput.one("mail", message("input.mail"))
    wants_mail = any("mail" in ways for ways in chosen.ways.values())
    if wants_mail and not chosen.mail:
        raise InvalidInput.one("mail", message("input.required"))
    with database.writing() as session:
        session.merge(_settings(owner, chosen))
        session.execute(
            delete(NotificationChoice).where(
                NotificationChoice.owner == owner, NotificationChoice.way.in_(PERSONAL)
            )
        )
        for topic, ways in chosen.ways.items():
            for way in dict.fromkeys(ways):
                session.add(NotificationChoice(owner=owner, topic=topic, way=way, webhook_id=0))
