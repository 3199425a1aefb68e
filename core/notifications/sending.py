"""One try to deliver one message: it is taken, sent, and what came of it is written down.

Whoever takes a message has it for the time of a lease. A process that is killed meanwhile leaves
it to another after that, so a message may arrive twice, with the same id, and is never lost.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, aliased

from core import logs
from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.engine import Database, storable
from core.database.models import ANSWER_LENGTH, Delivery, NotificationSettings, Webhook
from core.languages import ENGLISH, LANGUAGES
from core.messages import Message, message
from core.notifications import bodies, mail, outbox, posting
from core.notifications.addresses import Refused, parsed
from core.notifications.bodies import Letter
from core.settings import Settings

LOCK = 731
"""The advisory lock of who takes a message; the accounts hold 730."""
LEASE_S = 60.0
"""Longer than any try takes."""
SCHEDULE_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failed try, until the next; the first is made at once. After the last it is over."""
JITTER = 0.1
"""So that what failed together is not tried together."""
LONGEST_PAUSE_S = 86_400.0
"""That a receiver can ask for."""
GONE = 410

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that this process has, and what it takes to send it."""

    delivery: Delivery
    webhook: Webhook | None
    mail: str | None
    language: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try."""

    is_good: bool
    status: int | None = None
    words: str = ""
    retry_after_s: float = 0.0
    is_final: bool = False
    """Whether no other try can do better."""


def is_any_due(session: Session) -> bool:
    """Whether there may be something to send."""
    return session.scalar(select(Delivery.id).where(*_DUE).limit(1)) is not None


_DUE = (*outbox.TO_SEND, Delivery.due_at <= now())


def take(database: Database) -> Taken | None:
    """Take the message that is due first, of an owner who has none on its way."""
    other = aliased(Delivery)
    on_its_way = exists().where(other.owner == Delivery.owner, other.leased_until > now())
    first = (
        select(Delivery.id)
        .where(*_DUE, ~on_its_way)
        .order_by(Delivery.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with database.writing() as session:
        if is_postgresql(session):
            # two that take at once would not see each other's, and take two of one owner
            session.connection().execute(select(func.pg_advisory_xact_lock(LOCK)))
        found = session.scalar(first)
        if found is None:
            return None
        session.execute(
            update(Delivery)
            .where(Delivery.id == found, Delivery.state == "waiting")
            .values(leased_until=now(LEASE_S), due_at=now(LEASE_S), tries=Delivery.tries + 1)
        )
        return _with_receiver(session, session.get_one(Delivery, found, populate_existing=True))


def _with_receiver(session: Session, delivery: Delivery) -> Taken:
    webhook = session.get(Webhook, delivery.webhook_id) if delivery.webhook_id else None
    chosen = session.get(NotificationSettings, delivery.owner)
    moment: datetime = session.execute(select(now())).scalar_one()
    mail_of = chosen.mail if chosen else None
    language = chosen.language if chosen and chosen.language in LANGUAGES else ENGLISH
    return Taken(delivery, webhook, mail_of, language, moment)


def send(taken: Taken, settings: Settings) -> Outcome:
    """Try to deliver a message. Never fails: what came of it is the outcome."""
    delivery = taken.delivery
    try:
        if delivery.way == "mail":
            return _send_mail(taken, settings)
        webhook = taken.webhook
        if webhook is None or not webhook.is_enabled:
            return Outcome(False, words=message("delivery.disabled").english, is_final=True)
        return _post(webhook, _letter(taken, settings), settings)
    except Refused as error:
        return Outcome(False, words=error.reason.english)
    except Exception:  # a fault of one message must not end the others
        log.exception("delivery_failed", delivery_id=delivery.id)
        return Outcome(False, words=message("delivery.fault").english)


def _post(webhook: Webhook, letter: Letter, settings: Settings) -> Outcome:
    request = bodies.request_for(webhook.kind, letter)
    address = webhook.address
    if request.query:
        address += ("&" if "?" in address else "?") + request.query
    answer = posting.post(
        address,
        request.body,
        request.headers,
        settings.webhook_hosts,
        only=settings.webhook_hosts_only,
    )
    wrong = bodies.complaint(webhook.kind, answer)
    return Outcome(
        answer.is_good and not wrong,
        answer.status,
        answer.excerpt,
        answer.retry_after_s,
        is_final=answer.status == GONE,
    )


def _send_mail(taken: Taken, settings: Settings) -> Outcome:
    if settings.smtp_url is None or taken.mail is None:
        return Outcome(False, words=message("delivery.no_mail").english, is_final=True)
    letter = _letter(taken, settings)
    text = bodies.text_of(letter)
    body = f"{text}\n\n{letter.address}\n" if letter.address else f"{text}\n"
    letter_id = f"{letter.event_id}.{taken.delivery.id}"
    made = mail.letter(settings.mail_from, taken.mail, text, body, letter_id)
    mail.send(settings.smtp_url.get_secret_value(), made)
    return Outcome(True)


def _letter(taken: Taken, settings: Settings) -> Letter:
    delivery, webhook = taken.delivery, taken.webhook
    secrets: list[str] = []
    if webhook and webhook.secret:
        secrets.append(webhook.secret)
        is_kept = webhook.former_until is not None and webhook.former_until > taken.moment
        if webhook.former_secret and is_kept:
            secrets.append(webhook.former_secret)
    job_id = delivery.job_id
    return Letter(
        event_id=delivery.event_id,
        payload=delivery.payload,
        created_at=delivery.created_at,
        address=f"{settings.own_address}/jobs/{job_id}" if job_id else "",
        language=taken.language,
        at=int(taken.moment.timestamp()),
        secrets=tuple(secrets),
    )


def write_down(database: Database, taken: Taken, outcome: Outcome) -> None:
    """Keep what came of a try, unless another process has taken the message meanwhile."""
    delivery = taken.delivery
    is_over = outcome.is_good or outcome.is_final or delivery.tries > len(SCHEDULE_S)
    values = {
        "leased_until": None,
        "status": outcome.status,
        "answer": storable(outcome.words)[:ANSWER_LENGTH],
        "state": "delivered" if outcome.is_good else "failed" if is_over else "waiting",
        "ended_at": now() if is_over else None,
    }
    if not is_over:
        values["due_at"] = now(pause_s(delivery.tries, outcome.retry_after_s))
    with database.writing() as session:
        mine = (Delivery.id == delivery.id, Delivery.tries == delivery.tries)
        changed = session.execute(
            update(Delivery)
            .where(*mine, Delivery.state == "waiting")
            .values(values)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        ).all()
        webhook = taken.webhook
        if changed and is_over and not outcome.is_good and webhook and webhook.is_enabled:
            outbox.disable(
                session, webhook.id, _why(outcome), parsed(webhook.address).hostname or ""
            )
    log.info("delivered" if outcome.is_good else "not_delivered", **_facts(taken, outcome))


def _why(outcome: Outcome) -> Message:
    if outcome.status == GONE:
        return message("webhook.gone")
    return message("webhook.never_answered", answer=outcome.words or str(outcome.status or ""))


def _facts(taken: Taken, outcome: Outcome) -> dict[str, object]:
    """What a log line says: no address, for those of chats are secrets."""
    delivery = taken.delivery
    return {
        "delivery_id": delivery.id,
        "way": delivery.way,
        "tries": delivery.tries,
        "status": outcome.status,
    }


def pause_s(tries: int, retry_after_s: float = 0.0) -> float:
    """Seconds until the next try, after so many; at least what the receiver asked for."""
    planned = SCHEDULE_S[min(tries, len(SCHEDULE_S)) - 1]
    jittered = planned * random.uniform(1.0 - JITTER, 1.0 + JITTER)
    return max(jittered, min(retry_after_s, LONGEST_PAUSE_S))
