"""What nobody tells of by itself: runs that wait for long, and metrics that pass a bound.

The housekeeping looks now and then. Each look at the line reads only the runs that have come to
wait for long since the last one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import literal_column, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job, Lane, NotificationChoice, NotificationSettings
from core.notifications import notices, outbox

MOST_AT_ONCE = 100
"""Runs of one owner that a look tells of: whoever submits a sweep is not flooded at once."""


def look(database: Database) -> None:
    """Put into the outbox what is to be told of since the last look."""
    with database.reading() as session:
        wanted = session.execute(
            select(NotificationChoice.owner, NotificationChoice.topic)
            .where(NotificationChoice.topic.in_(("waited", "measured")))
            .distinct()
        ).all()
    for owner, topic in wanted:
        with database.writing() as session:
            if topic == "waited":
                _look_at_line(session, owner)
            else:
                outbox.note_measured(session, owner)


def _look_at_line(session: Session, owner: str) -> None:
    chosen = session.scalar(
        select(NotificationSettings).where(NotificationSettings.owner == owner).with_for_update()
    )
    if chosen is None:
        return
    moment: datetime = session.execute(select(now())).scalar_one()
    until = moment - timedelta(minutes=chosen.wait_minutes)
    since = chosen.waited_until
    if since is not None and since < until:
        until = _tell(session, chosen, since, until)
    # what has waited for longer than that when it is first chosen is told of no more
    session.execute(
        update(NotificationSettings)
        .where(NotificationSettings.owner == owner)
        .values(waited_until=until)
    )


def _tell(
    session: Session, chosen: NotificationSettings, since: datetime, until: datetime
) -> datetime:
    """Tell of the runs that began to wait between two moments; the moment that this reached."""
    query = (
        select(*notices.COLUMNS, Job.available_at)
        .select_from(Lane)
        .join(Job, Job.lane_id == Lane.id)
        .where(
            Job.state == literal_column("'queued'"),
            Job.available_at > since,
            Job.available_at <= until,
            Job.owner == chosen.owner,
        )
        .order_by(Job.available_at)
        .limit(MOST_AT_ONCE)
    )
    found = session.execute(query).mappings().all()
    for job in found:
        outbox.note_waiting(session, chosen.owner, job, chosen.wait_minutes)
    reached: datetime = found[-1]["available_at"] if len(found) == MOST_AT_ONCE else until
    return reached
