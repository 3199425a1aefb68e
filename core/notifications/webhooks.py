"""The webhooks of an owner: where they lead, what signs their messages, whether they are used."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, NAME_LENGTH, NotificationChoice, Webhook
from core.errors import Conflict, InvalidInput, NotFound
from core.messages import message
from core.notifications import choices, signing
from core.notifications.addresses import Refused, parsed, refuse_number
from core.notifications.topics import TOPICS, Kind, Topic

MOST = 20
"""Of one owner."""
FORMER_FOR_S = 86_400.0
"""After a rotation, messages are signed by the former secret too for so long."""
LEAST_SECRET_BYTES = 24
MOST_SECRET_BYTES = 64


def of_owner(session: Session, owner: str) -> Sequence[Webhook]:
    """The webhooks of somebody, oldest first."""
    return session.scalars(select(Webhook).where(Webhook.owner == owner).order_by(Webhook.id)).all()


def topics_of(session: Session, owner: str) -> dict[int, list[Topic]]:
    """Of what each webhook of somebody is told, in the order of `TOPICS`."""
    rows = session.execute(
        select(NotificationChoice.webhook_id, NotificationChoice.topic).where(
            NotificationChoice.owner == owner, NotificationChoice.way == "webhook"
        )
    ).all()
    of_hooks: dict[int, list[Topic]] = {}
    for topic in TOPICS:
        for hook, chosen in rows:
            if chosen == topic:
                of_hooks.setdefault(hook, []).append(topic)
    return of_hooks


def add(
    database: Database,
    owner: str,
    address: str,
    kind: Kind,
    topics: Sequence[Topic],
    secret: str | None = None,
    *,
    allowed: Sequence[str] = (),
    only: bool = False,
) -> Webhook:
    """Tell a program of somebody's runs from now on.

    Args:
        database: where it is kept.
        owner: whose runs.
        address: where messages go.
        kind: how they are written.
        topics: of what they tell.
        secret: what they are signed with. None: Standard Webhooks gets one that is made now, and
            chats are sent unsigned messages.
        allowed: names and networks that may be reached though they are private.
        only: whether no others may be.

    Raises:
        InvalidInput: the address or the secret is none, or no message may go to that address.
        Conflict: there are as many as one can have.
    """
    try:
        refuse_number(parsed(address).hostname or "", allowed, only=only)
    except Refused as error:
        raise InvalidInput.one("address", error.reason) from None
    if kind == "standard":
        secret = _checked(secret) if secret else signing.new_secret()
    with database.writing() as session:
        count = session.scalar(select(func.count()).where(Webhook.owner == owner)) or 0
        if count >= MOST:
            raise Conflict(message("webhook.too_many", most=MOST))
        made = Webhook(
            owner=owner,
            address=address,
            kind=kind,
            secret=secret or None,
            is_enabled=True,
            created_at=now(),
        )
        session.add(made)
        session.flush()
        _choose(session, made, topics)
        session.refresh(made)
    return made


def change(
    database: Database,
    owner: str,
    webhook_id: int,
    *,
    topics: Sequence[Topic] | None = None,
    is_enabled: bool | None = None,
) -> Webhook:
    """Change of what a webhook is told, or whether it is; what is None stays.

    Raises:
        NotFound: this owner has no such webhook.
    """
    with database.writing() as session:
        found = one(session, owner, webhook_id)
        if topics is not None:
            _choose(session, found, topics)
        if is_enabled is not None:
            found.is_enabled, found.disabled_reason = is_enabled, None
        session.flush()
        session.refresh(found)
    return found


def rotate(database: Database, owner: str, webhook_id: int) -> Webhook:
    """Give a webhook of Standard Webhooks a new secret; the former signs too for a day.

    Raises:
        NotFound: this owner has no such webhook.
        Conflict: its secret is given by the chat that it leads to.
    """
    with database.writing() as session:
        found = one(session, owner, webhook_id)
        if found.kind != "standard":
            raise Conflict(message("webhook.secret_of_chat"))
        found.former_secret, found.secret = found.secret, signing.new_secret()
        found.former_until = now(FORMER_FOR_S)
        session.flush()
        session.refresh(found)
    return found


def remove(database: Database, owner: str, webhook_id: int) -> Webhook:
    """Forget a webhook, and what was sent to it.

    Raises:
        NotFound: this owner has no such webhook.
    """
    with database.writing() as session:
        found = one(session, owner, webhook_id)
        _choose(session, found, ())
        session.flush()
        session.delete(found)
    return found


def one(session: Session, owner: str, webhook_id: int) -> Webhook:
    """A webhook of somebody.

    Raises:
        NotFound: this owner has no such webhook.
    """
    found = session.get(Webhook, webhook_id) if webhook_id <= LARGEST_KEY else None
    if found is None or found.owner != owner:
        raise NotFound(message("webhook.unknown", webhook_id=webhook_id))
    return found


def _choose(session: Session, webhook: Webhook, topics: Sequence[Topic]) -> None:
    for kept in session.scalars(
        select(NotificationChoice).where(
            NotificationChoice.owner == webhook.owner,
            NotificationChoice.way == "webhook",
            NotificationChoice.webhook_id == webhook.id,
        )
    ):
        session.delete(kept)
    session.flush()
    choices.keep_defaults(session, webhook.owner)
    for topic in dict.fromkeys(topics):
        session.add(
            NotificationChoice(
                owner=webhook.owner, topic=topic, way="webhook", webhook_id=webhook.id
            )
        )


def _checked(secret: str) -> str:
    """A secret as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64."""
    try:
        key = base64.b64decode(secret.removeprefix(signing.PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    is_short = len(secret) <= NAME_LENGTH and LEAST_SECRET_BYTES <= len(key) <= MOST_SECRET_BYTES
    if not (secret.startswith(signing.PREFIX) and is_short):
        raise InvalidInput.one("secret", message("webhook.secret"))
    return secret
