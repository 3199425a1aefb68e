"""How the devices are shared: whose turn it is, by what each owner has used, and what each may use.

Use is counted in device-seconds, those of running jobs too; what is older counts less. It lies in
one row for each owner, which changes when an attempt begins or ends and is brought up to a moment
in Python, so that a claim adds nothing up. Who owns a job is asked of `owner_of` alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    FromClause,
    Row,
    Select,
    String,
    Update,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased

from core.database.clock import now
from core.database.models import Job, Lane, OwnerLimit, OwnerUse
from core.jobs.events import HELD
from core.messages import Message, message

HALF_LIFE_S = 7 * 86400.0
"""After so long a device-second counts half. (That of Slurm: a week of heavy use is made up for
within the next weeks, and is not held against anybody for ever.)"""

PLEDGE_S = 60.0
"""Each device of a running job counts as used for so much more: of those who begin at the same
moment each gets a turn, though none has used anything yet."""

DAYS = 7
"""Over how many days, today among them, a limit of device-hours is."""

EVERYBODY = ""
"""The owner in whose row the limits of everybody are."""


class LimitReached(Exception):
    """Another job of the owner has begun meanwhile: what the transaction has done must not stay."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the jobs of an owner have used, and use."""

    device_seconds: float = 0.0
    """At `as_of`, what is older counting less."""
    devices: int = 0
    """Those that are in use since `as_of`."""
    runs: int = 0
    as_of: datetime | None = None
    days: Mapping[str, float] = field(default_factory=dict)
    """Device-seconds of each of the last days until `as_of`, by its date in UTC."""

    def at(self, moment: datetime) -> Use:
        """What it has become until a moment, if nothing begins or ends meanwhile."""
        if self.as_of is None:
            return Use(as_of=moment)
        passed_s = (moment - self.as_of).total_seconds()
        if passed_s <= 0:  # somebody has set the clock back
            return self
        kept = 2.0 ** (-passed_s / HALF_LIFE_S)
        # what is used while it fades: the integral of that power over the time that has passed
        grown = self.devices * (1.0 - kept) * HALF_LIFE_S / math.log(2)
        return Use(
            self.device_seconds * kept + grown, self.devices, self.runs, moment, self._days(moment)
        )

    def changed(self, devices: int, runs: int) -> Use:
        """The use once so many devices and runs more, or fewer, are in use from now on."""
        return Use(
            self.device_seconds, self.devices + devices, self.runs + runs, self.as_of, self.days
        )

    def rank(self, moment: datetime) -> float:
        """By what the owners are compared: whoever has less goes first."""
        return self.at(moment).device_seconds + PLEDGE_S * self.devices

    def week_s(self, moment: datetime) -> float:
        """Device-seconds of today and the days before it, undiminished."""
        return sum(self.at(moment).days.values())

    def _days(self, moment: datetime) -> dict[str, float]:
        """The days until a moment, with what is in use now divided among them."""
        assert self.as_of is not None
        first = (moment - timedelta(days=DAYS - 1)).date().isoformat()
        days = {day: seconds for day, seconds in self.days.items() if day >= first}
        start = max(self.as_of, _midnight(date.fromisoformat(first)))
        while self.devices and start < moment:
            end = min(moment, _midnight(start.date() + timedelta(days=1)))
            day = start.date().isoformat()
            days[day] = days.get(day, 0.0) + self.devices * (end - start).total_seconds()
            start = end
        return days


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an owner may use at most; None: as much as there is."""

    most_running: int | None = None
    most_queued: int | None = None
    device_hours_a_week: float | None = None
    storage_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an owner stands beside the others."""

    owner: str
    use: Use = Use()
    limits: Limits = Limits()

    @property
    def has_no_limit(self) -> bool:
        """Whether nothing can hinder this owner, who has begun a job before."""
        own = self.limits
        is_limited = own.most_running is not None or own.device_hours_a_week is not None
        return self.use.as_of is not None and not is_limited

    def hindrance(self, moment: datetime) -> Message | None:
        """Why no other job of this owner may begin now; None: one may."""
        most, hours = self.limits.most_running, self.limits.device_hours_a_week
        if most is not None and self.use.runs >= most:
            return message("queue.limit_running", owner=self.owner, most=most)
        if hours is not None and (used_s := self.use.week_s(moment)) >= 3600 * hours:
            used = round(used_s / 3600, 1)
            return message("queue.limit_hours", owner=self.owner, used=used, most=hours)
        return None


def owner_of(job: Job) -> str:
    """By whom a job counts."""
    return job.owner


_OWN, _ALL = aliased(OwnerLimit), aliased(OwnerLimit)
_LIMITED = ("most_running", "most_queued", "device_hours_a_week", "storage_bytes")

COLUMNS = (
    *(OwnerUse.device_seconds, OwnerUse.devices.label("devices_in_use"), OwnerUse.runs),
    *(OwnerUse.as_of, OwnerUse.days),
    *(func.coalesce(getattr(_OWN, name), getattr(_ALL, name)).label(name) for name in _LIMITED),
)
"""What `standing` reads of a row of `joined`."""


def joined(query: Select[*tuple[Any, ...]], owner: Any) -> Select[*tuple[Any, ...]]:
    """A query with the rows of the owner that it has in a column."""
    return (
        query.outerjoin(OwnerUse, OwnerUse.owner == owner)
        .outerjoin(_OWN, _OWN.owner == owner)
        .outerjoin(_ALL, _ALL.owner == EVERYBODY)
    )


def standing(owner: str, row: Row[Any]) -> Standing:
    """The standing of an owner, from a row with `COLUMNS`."""
    use = Use()
    if row.as_of is not None:
        use = Use(row.device_seconds, row.devices_in_use, row.runs, row.as_of, row.days)
    return Standing(owner, use, Limits(*(getattr(row, name) for name in _LIMITED)))


def _of_owner() -> Select[*tuple[Any, ...]]:
    owner = bindparam("of_owner", type_=String)
    one = select(owner.label("owner"), now().label("moment")).subquery()
    return joined(select(one.c.moment, *COLUMNS).select_from(one), one.c.owner)


def _of_job() -> Select[*tuple[Any, ...]]:
    columns = (Job.owner, Job.devices, now().label("moment"), *COLUMNS)
    of_one = select(*columns).select_from(Job).where(Job.id == bindparam("of_job"))
    return joined(of_one, Job.owner)


def _of_all() -> Select[*tuple[Any, ...]]:
    owners = select(Lane.owner).distinct().subquery()
    always = select(now().label("moment")).subquery()
    columns: tuple[Any, ...] = (always.c.moment, owners.c.owner, *COLUMNS)
    everybody = select(*columns).outerjoin_from(always, owners, true())
    return joined(everybody, owners.c.owner)


# made once: each claim asks by the last, and each attempt is counted by the others
_OF_OWNER = _of_owner()
_OF_JOB = _of_job()
_OF_ALL = _of_all()


def standings(session: Session) -> tuple[dict[str, Standing], datetime]:
    """How everybody stands who has ever waited, and the moment.

    A row is read for each, however many lanes they have; where nobody has, one for nobody.
    """
    rows = session.connection().execute(_OF_ALL).all()
    found = {row.owner: standing(row.owner, row) for row in rows if row.owner is not None}
    return found, rows[0].moment


def standing_of(session: Session, owner: str) -> tuple[Standing, datetime]:
    """How an owner stands now, and the moment."""
    row = session.connection().execute(_OF_OWNER, {"of_owner": owner}).one()
    return standing(owner, row), row.moment


def begin(session: Session, owner: str, devices: int) -> None:
    """Count an attempt that has begun.

    The transaction has appended an event: so it holds the lock of the history, under which these
    rows alone change.

    Raises:
        LimitReached: as many run as may, since the claim looked.
    """
    before, moment = standing_of(session, owner)
    if before.hindrance(moment):
        raise LimitReached
    use = before.use.at(moment).changed(devices, 1)
    values = _values(use)
    if before.use.as_of is None:
        session.execute(insert(OwnerUse).values(owner=owner, **values))
    else:
        _write(session, owner, values)


def begin_of(taken: FromClause) -> Update:
    """A part of the statement for PostgreSQL that takes jobs: it counts them, as `begin` does.

    Whoever changes such a row holds the lock of the history, this too: so the row that is changed
    is the newest, and no older than the moment from which on the lock is held.
    """
    columns = (taken.c.owner, taken.c.devices, HELD.c.at)
    begun = select(*columns).select_from(taken.join(HELD, true())).subquery("begun")
    moment = begun.c.at
    passed_s = func.greatest(func.extract("epoch", moment - OwnerUse.as_of), 0.0)
    kept = func.power(2.0, -passed_s / HALF_LIFE_S)
    grown = OwnerUse.devices * (1.0 - kept) * (HALF_LIFE_S / math.log(2))
    return (
        update(OwnerUse)
        .where(OwnerUse.owner == begun.c.owner)
        .values(
            device_seconds=OwnerUse.device_seconds * kept + grown,
            as_of=func.greatest(moment, OwnerUse.as_of),
            devices=OwnerUse.devices + begun.c.devices,
            runs=OwnerUse.runs + 1,
            days=literal_column(_DAYS_UNTIL_BEGUN, JSON),
        )
        .execution_options(synchronize_session=False)
    )


_DAYS_UNTIL_BEGUN = f"""(
    SELECT coalesce(json_object_agg(day, seconds), '{{}}'::json) FROM (
        SELECT day, sum(seconds) AS seconds FROM (
            SELECT key AS day, value::float8 AS seconds FROM json_each_text(usage.days)
            UNION ALL
            SELECT to_char(midnight, 'YYYY-MM-DD'), usage.devices * extract(epoch FROM
                least(midnight + interval '1 day', begun.at AT TIME ZONE 'UTC')
                - greatest(midnight, usage.as_of AT TIME ZONE 'UTC'))
            FROM generate_series(
                greatest(
                    date_trunc('day', usage.as_of AT TIME ZONE 'UTC'),
                    date_trunc('day', begun.at AT TIME ZONE 'UTC') - interval '{DAYS - 1} days'),
                begun.at AT TIME ZONE 'UTC',
                interval '1 day') AS midnight
            WHERE usage.devices > 0 AND begun.at > usage.as_of
        ) AS parts
        WHERE day >=
            to_char(begun.at AT TIME ZONE 'UTC' - interval '{DAYS - 1} days', 'YYYY-MM-DD')
        GROUP BY day
    ) AS sums
)"""  # noqa: S608
"""`Use._days`, in SQL: the days, with what was in use until now divided among them."""


def end(session: Session, job_id: int) -> None:
    """Count the attempt of a job that has ended; under the lock of the history, as `begin`."""
    row = session.connection().execute(_OF_JOB, {"of_job": job_id}).one()
    if row.as_of is None:
        return
    use = standing(row.owner, row).use.at(row.moment)
    # what an earlier release began was not counted, if it was still at work during the upgrade
    fewer = use.changed(-min(row.devices, use.devices), -min(1, use.runs))
    _write(session, row.owner, _values(fewer))


def _values(use: Use) -> dict[str, Any]:
    return {
        "device_seconds": use.device_seconds,
        "devices": use.devices,
        "runs": use.runs,
        "as_of": use.as_of,
        "days": dict(use.days),
    }


def _write(session: Session, owner: str, values: dict[str, Any]) -> None:
    session.connection().execute(_WRITE, values | {"of_owner": owner})


_WRITE = (
    update(OwnerUse)
    .where(OwnerUse.owner == bindparam("of_owner", type_=String))
    .values({name: bindparam(name) for name in _values(Use())})
)
