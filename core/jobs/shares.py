"""How everybody stands beside the others: what each has used, uses, waits for, and may use."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.models import Artifact, Job, Lane, OwnerUse, Snapshot
from core.jobs import lanes, limits, sharing
from core.jobs.sharing import Limits, Use
from core.messages import Message


@dataclass(frozen=True, slots=True)
class Share:
    """One person beside the others."""

    owner: str
    use: Use
    """At the moment."""
    share: float
    """Their part of all that was used lately; 0 where nobody has used anything."""
    week_s: float
    """Device-seconds of the last seven days, today among them."""
    queued: int
    stored: int
    """Bytes of the files of their runs."""
    own: Limits
    """Those that were set for them; those of everybody count where there is none."""
    hindrance: Message | None
    """Why no other run of theirs may begin now."""


def shares(session: Session) -> list[Share]:
    """Everybody who has used anything, waits or has a limit; who has used most, first."""
    own, moment = limits.every(session), session.scalars(select(now())).one()
    uses = {row.owner: row for row in session.scalars(select(OwnerUse))}
    queued, stored = _queued(session), _stored(session)
    owners = (uses.keys() | own.keys() | queued.keys()) - {sharing.EVERYBODY}
    standings = [sharing.standing_of(session, owner)[0] for owner in sorted(owners)]
    total = sum(each.use.at(moment).device_seconds for each in standings)
    found = [
        Share(
            each.owner,
            use := each.use.at(moment),
            use.device_seconds / total if total else 0.0,
            use.week_s(moment),
            queued.get(each.owner, 0),
            stored.get(each.owner, 0),
            own.get(each.owner, Limits()),
            each.hindrance(moment),
        )
        for each in standings
    ]
    return sorted(found, key=lambda each: (-each.use.device_seconds, each.owner))


def _queued(session: Session) -> dict[str, int]:
    """How many jobs of each owner are queued, by the index of the claim."""
    queued = select(func.count()).select_from(Job).where(Job.lane_id == Lane.id, lanes.IS_QUEUED)
    of_lanes = select(Lane.owner, queued.correlate(Lane).scalar_subquery().label("length"))
    counts: dict[str, int] = {}
    for row in session.execute(of_lanes):
        counts[row.owner] = counts.get(row.owner, 0) + row.length
    return {owner: count for owner, count in counts.items() if count}


def _stored(session: Session) -> dict[str, int]:
    """The bytes of the files of each owner's runs."""
    found: dict[str, int] = {}
    for table, *more in ((Artifact,), (Snapshot, Snapshot.discarded_at.is_(None))):
        sizes = (
            select(Job.owner, func.sum(table.size))
            .join(Job, Job.id == table.job_id)
            .where(*more)
            .group_by(Job.owner)
        )
        for owner, size in session.execute(sizes):
            found[owner] = found.get(owner, 0) + int(size)
    return found
