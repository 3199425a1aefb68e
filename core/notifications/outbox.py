"""The outbox: what is to be told is a row, written in the transaction of what it tells of."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import (
    Integer,
    RowMapping,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import (
    LARGEST_KEY,
    MEASURED,
    Delivery,
    Epoch,
    Job,
    NotificationChoice,
    NotificationSettings,
    Person,
    Webhook,
)
from core.errors import NotFound
from core.messages import Message, as_json, message
from core.notifications import notices

KEPT_DAYS = 30.0
"""That the log of what was sent reaches back."""
SEEN_WITHIN_S = 3600.0
"""A browser shows what is not older: news of yesterday's runs are on the pages."""
MOST_NEWS = 20

_TOPICS = {
    "finished": ("ended", "measured"),
    "failed": ("ended", "failed", "measured"),
    "cancelled": ("ended", "measured"),
}
"""Which topics the end of a run is of, by its event."""

# made once: the end of each run asks it. Where nobody wants anything, this is all that it costs
_CHOSEN = (
    select(NotificationChoice.topic, NotificationChoice.way, NotificationChoice.webhook_id)
    .join(Job, Job.owner == NotificationChoice.owner)
    .where(
        Job.id == bindparam("of_job", type_=Integer),
        NotificationChoice.topic.in_(bindparam("topics", expanding=True)),
    )
)


# written out, so that SQLite knows by which index it can look
WAITS = Delivery.state == literal_column("'waiting'")
FOR_BROWSERS = Delivery.way == literal_column("'browser'")
TO_SEND = (WAITS, Delivery.way != literal_column("'browser'"))
_IS_RUNNING = Job.state == literal_column("'running'")


def note_end(session: Session, job_id: int, event_kind: str) -> None:
    """Put into the outbox that a run has ended, for whoever wants to be told.

    Args:
        session: of the transaction in which it ends.
        job_id: the run.
        event_kind: of the event; all that end no run are of no interest.
    """
    topics = _TOPICS.get(event_kind)
    if topics is None:
        return
    asked = {"of_job": job_id, "topics": topics}
    chosen = session.connection().execute(_CHOSEN, asked).all()
    if not chosen:
        return
    job = session.connection().execute(select(*notices.COLUMNS).where(Job.id == job_id)).mappings()
    run = job.one()
    # somebody who chose both topics of a failure is told once
    of_end = {(way, hook): topic for topic, way, hook in sorted(chosen) if topic != "measured"}
    _put_all(session, run, of_end, notices.of_run(run["state"], run))
    if any(topic == "measured" for topic, _, _ in chosen):
        note_measured(session, run["owner"], job_id)


def note_waiting(session: Session, owner: str, job: RowMapping, minutes: float) -> None:
    """Put into the outbox that a run has waited for so long, unless it is there already."""
    if not _has_been(session, job["id"], "waited"):
        payload = notices.of_run("waited", job, minutes=minutes)
        _put_all(session, job, _chosen(session, owner, "waited"), payload)


def note_measured(session: Session, owner: str, job_id: int | None = None) -> None:
    """Put into the outbox which runs of an owner have passed the bound that their owner has set.

    Args:
        session: of the transaction.
        owner: whose runs.
        job_id: the one that ends; None: all that run.
    """
    asked = select(
        NotificationSettings.metric, NotificationSettings.bound, NotificationSettings.is_above
    ).where(NotificationSettings.owner == owner)
    # locked: whoever looks at the same time tells of a run once
    wanted = session.connection().execute(asked.with_for_update()).first()
    if wanted is None or wanted.metric not in MEASURED:
        return
    which = [Job.id == job_id] if job_id else [_IS_RUNNING, Job.owner == owner]
    before = exists().where(Delivery.job_id == Job.id, Delivery.topic == "measured")
    column = getattr(Epoch, wanted.metric)
    passed = column >= wanted.bound if wanted.is_above else column <= wanted.bound
    best = (
        select(column)
        .where(Epoch.job_id == Job.id, passed)
        .order_by(Epoch.epoch)
        .limit(1)
        .scalar_subquery()
    )
    query = select(*notices.COLUMNS, best.label("passed")).where(*which, ~before)
    for job in session.connection().execute(query).mappings().all():
        if job["passed"] is not None:
            about = {"metric": wanted.metric, "value": job["passed"], "bound": wanted.bound}
            payload = notices.of_run("measured", job, is_above=wanted.is_above, **about)
            _put_all(session, job, _chosen(session, owner, "measured"), payload)


def put(
    session: Session,
    owner: str,
    topic: str,
    way: str,
    payload: Mapping[str, Any],
    *,
    webhook_id: int | None = None,
    job_id: int | None = None,
    event_id: str = "",
) -> None:
    """Put one message for one receiver into the outbox."""
    session.connection().execute(
        insert(Delivery).values(
            event_id=event_id or _new_id(),
            owner=owner,
            topic=topic,
            way=way,
            webhook_id=webhook_id or None,
            job_id=job_id,
            payload=dict(payload),
            state="waiting",
            tries=0,
            created_at=now(),
            due_at=now(),
        )
    )


def replay(database: Database, owner: str, delivery_id: int) -> Delivery:
    """Send something again, with all its tries before it. Its id stays, so receivers know it.

    Raises:
        NotFound: this owner has sent no such thing, or it went to no webhook and no mail.
    """
    with database.writing() as session:
        found = session.get(Delivery, delivery_id) if delivery_id <= LARGEST_KEY else None
        if found is None or found.owner != owner or found.way == "browser":
            raise NotFound(message("delivery.unknown", delivery_id=delivery_id))
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(state="waiting", tries=0, due_at=now(), leased_until=None, ended_at=None)
        )
        session.refresh(found)
    return found


def take_news(database: Database, owner: str) -> list[Delivery]:
    """What a browser of somebody's is to show now; it is shown once."""
    unseen = (Delivery.owner == owner, WAITS, FOR_BROWSERS)
    with database.reading() as session:
        if session.scalar(select(Delivery.id).where(*unseen).limit(1)) is None:
            return []
    with database.writing() as session:
        found = session.scalars(
            select(Delivery).where(*unseen).order_by(Delivery.id).limit(MOST_NEWS).with_for_update()
        ).all()
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_([each.id for each in found]))
            .values(state="delivered", ended_at=now(), tries=1)
            .execution_options(synchronize_session=False)
        )
        recent = session.scalars(
            select(Delivery.id).where(
                Delivery.id.in_([each.id for each in found]),
                Delivery.created_at >= now(-SEEN_WITHIN_S),
            )
        ).all()
    return [each for each in found if each.id in recent]


def disable(session: Session, webhook_id: int, reason: Message, host: str) -> None:
    """Send nothing more to a webhook that does not work, and tell its owner in other ways."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or not webhook.is_enabled:
        return
    session.execute(
        update(Webhook)
        .where(Webhook.id == webhook_id)
        .values(is_enabled=False, disabled_reason=reason)
    )
    give_up(session, webhook_id)
    payload = {"type": "webhook.disabled", "data": {"host": host, "reason": as_json(reason)}}
    put(session, webhook.owner, "webhook", "browser", payload)
    if session.scalar(
        select(NotificationSettings.mail).where(NotificationSettings.owner == webhook.owner)
    ):
        put(session, webhook.owner, "webhook", "mail", payload)


def give_up(session: Session, webhook_id: int) -> None:
    """Try nothing more of what waits for a webhook; by hand it can be sent later."""
    session.execute(
        update(Delivery)
        .where(Delivery.webhook_id == webhook_id, Delivery.state == "waiting")
        .values(state="failed", ended_at=now(), leased_until=None)
        .execution_options(synchronize_session=False)
    )


def forget_old(database: Database) -> None:
    """Remove from the log what is old, whether it arrived or not."""
    with database.writing() as session:
        old = select(Delivery.id).where(Delivery.created_at < now(-KEPT_DAYS * 86_400.0))
        session.execute(
            delete(Delivery)
            .where(Delivery.id.in_(old.limit(1000)))
            .execution_options(synchronize_session=False)
        )


def _new_id() -> str:
    return f"msg_{secrets.token_hex(16)}"


def _chosen(session: Session, owner: str, topic: str) -> dict[tuple[str, int], str]:
    """The ways by which somebody wants to be told of a topic."""
    rows = session.connection().execute(
        select(NotificationChoice.way, NotificationChoice.webhook_id).where(
            NotificationChoice.owner == owner, NotificationChoice.topic == topic
        )
    )
    return dict.fromkeys(rows, topic)


def _put_all(
    session: Session,
    job: RowMapping,
    ways: Mapping[tuple[str, int], str],
    payload: Mapping[str, Any],
) -> None:
    """Put a message into the outbox for each way, where the way is there."""
    if _is_shut_out(session, job["owner"]):
        return
    event_id = _new_id()
    hooks = _enabled(session, (hook for _, hook in ways))
    for (way, hook), topic in ways.items():
        if way != "webhook" or hook in hooks:
            put(
                session,
                job["owner"],
                topic,
                way,
                payload,
                webhook_id=hook,
                job_id=job["id"],
                event_id=event_id,
            )


def _enabled(session: Session, hooks: Iterable[int]) -> set[int]:
    query = select(Webhook.id).where(Webhook.id.in_(list(hooks)), Webhook.is_enabled)
    return set(session.connection().execute(query).scalars())


def _has_been(session: Session, job_id: int, topic: str) -> bool:
    found = exists().where(Delivery.job_id == job_id, Delivery.topic == topic)
    return bool(session.connection().execute(select(found)).scalar())


def _is_shut_out(session: Session, owner: str) -> bool:
    out = exists().where(Person.name == owner, Person.disabled_at.is_not(None))
    return bool(session.connection().execute(select(out)).scalar())
