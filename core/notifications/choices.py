"""What somebody wants to be told, by which ways, and in which language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database.engine import Database
from core.database.models import NotificationChoice, NotificationSettings
from core.errors import InvalidInput
from core.languages import ENGLISH, chosen
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
    picked = {(topic, way) for topic, way in rows}
    ways = {topic: [way for way in PERSONAL if (topic, way) in picked] for topic in TOPICS}
    if kept is None:
        return Choices(ways, language=chosen())
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
        session.add(_settings(owner, Choices(language=chosen())))


def _settings(owner: str, wanted: Choices) -> NotificationSettings:
    return NotificationSettings(
        owner=owner,
        mail=wanted.mail or None,
        language=wanted.language,
        wait_minutes=wanted.wait_minutes,
        metric=wanted.metric,
        bound=wanted.bound,
        is_above=wanted.is_above,
    )


def choose(database: Database, owner: str, wanted: Choices) -> None:
    """Keep what somebody wants, instead of what they wanted before.

    Raises:
        InvalidInput: no mail can be sent to the address.
    """
    if wanted.mail and not is_address(wanted.mail):
        raise InvalidInput.one("mail", message("input.mail"))
    wants_mail = any("mail" in ways for ways in wanted.ways.values())
    if wants_mail and not wanted.mail:
        raise InvalidInput.one("mail", message("input.required"))
    with database.writing() as session:
        session.merge(_settings(owner, wanted))
        session.execute(
            delete(NotificationChoice).where(
                NotificationChoice.owner == owner, NotificationChoice.way.in_(PERSONAL)
            )
        )
        for topic, ways in wanted.ways.items():
            for way in dict.fromkeys(ways):
                session.add(NotificationChoice(owner=owner, topic=topic, way=way, webhook_id=0))
