"""Preemption: a run of a low priority gives way to one of a higher, where its queue allows that.

It is asked to, saves a snapshot and goes back to the queue by itself, to resume exactly from there.
Nothing is taken from a run whose place would not be of use: only what truly makes room on a worker
that could run the waiting one, and that nothing before it in the line would take.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session, aliased

from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.engine import Database
from core.database.models import Attempt, Job, JobEvent, JobProgress, Snapshot, Worker
from core.jobs import events, lanes, policies, rests
from core.jobs.actors import SCHEDULER
from core.jobs.capacity import Capacity, Requirements
from core.jobs.lanes import Head
from core.messages import Message, from_json, message

LOCK = 732
"""The advisory lock of whoever decides this; what sends messages holds 731."""

SETTLED_S = 300.0
"""A run that was preempted runs at least so long before it is again: else one run after the other
of a higher priority could keep it from getting anywhere."""

ENDS_SOON_S = 10.0
"""What has so little before it is waited for."""


@dataclass(frozen=True, slots=True)
class Preemption:
    """One run that is to give way, and to which."""

    job_id: int
    attempt: int
    head: Head


def preempt(database: Database) -> list[int]:
    """Ask runs to give way to those of a higher priority that wait, where that makes room.

    Anybody may do this at any time: one of them acts. The caller wakes those that run them.

    Returns:
        The ids of the jobs that were asked.
    """
    with database.reading() as session:
        if not _chosen(session):
            return []
    with database.writing() as session:
        if not _is_alone(session):
            return []
        return _ask(session, _chosen(session))


def reason_of(session: Session, job_id: int, attempt: int) -> Message | None:
    """Why an attempt was asked to give way, as the history has it."""
    asked = select(JobEvent.payload).where(
        JobEvent.job_id == job_id, JobEvent.attempt == attempt, JobEvent.kind == "pause_requested"
    )
    reasons = [payload["reason"] for payload in session.scalars(asked) if "reason" in payload]
    return from_json(reasons[-1]) if reasons else None


def giving_way(session: Session, jobs: Iterable[Job]) -> dict[int, Message]:
    """For which job each that runs is being paused, and that it resumes; by the id of each.

    One that a person wants paused or cancelled gives way to nobody: what a person wants counts.
    """
    asked = [
        job
        for job in jobs
        if job.state == "running" and job.desired == "run" and job.progress.yields_to is not None
    ]
    found = {job.id: reason_of(session, job.id, job.attempt) for job in asked}
    return {job_id: _as_said_meanwhile(reason) for job_id, reason in found.items() if reason}


def _as_said_meanwhile(reason: Message) -> Message:
    named = "job_id" in reason.params
    code = "queue.giving_way" if named else "queue.giving_way_to_private"
    return message(code, **reason.params)


def _is_alone(session: Session) -> bool:
    if not is_postgresql(session):
        return True  # one writes at a time
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))))


def _ask(session: Session, chosen: Sequence[Preemption]) -> list[int]:
    """Ask those that run still. All rows are changed before the history's lock is taken."""
    found: list[tuple[Job, Message]] = []
    for each in sorted(chosen, key=lambda each: each.job_id):
        locked = (
            select(Job)
            .where(Job.id == each.job_id)
            .with_for_update(of=Job, key_share=True, skip_locked=True)
        )
        job = session.scalar(locked)
        if job is None or (job.state, job.desired, job.attempt) != ("running", "run", each.attempt):
            continue
        asked = session.execute(
            update(JobProgress)
            .where(JobProgress.job_id == job.id, JobProgress.lease_token.is_not(None))
            .values(yields_to=each.head.job_id, revision=JobProgress.revision + 1)
            .returning(JobProgress.job_id)
            .execution_options(synchronize_session=False)
        )
        if asked.first():
            found.append((job, _reason(session.get_one(Job, each.head.job_id), job)))
    for job, reason in found:
        payload = {"reason": reason}
        events.append(session, job.id, SCHEDULER, "pause_requested", job.attempt, payload)
    return [job.id for job, _ in found]


def _reason(waiting: Job, running: Job) -> Message:
    priorities = {"priority": waiting.priority, "own_priority": running.priority}
    if waiting.is_private and waiting.owner != running.owner:
        return message("run.yielded_to_private", **priorities)
    return message("run.yielded", job_id=waiting.id, owner=waiting.owner, **priorities)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that may be asked to give way."""

    job_id: int
    attempt: int
    queue: str
    priority: int
    devices: int
    unsaved_s: float
    """Seconds since it began, or since its last snapshot: what is lost if the next one fails."""


@dataclass(slots=True)
class _Place:
    """A worker, and what can be had of it."""

    worker: Worker
    capacity: Capacity
    free: int
    """Slots that are free, or will be in a moment."""
    runs: list[_Run] = field(default_factory=list)
    """The first is the first to give way."""
    is_spoken_for: bool = False
    """Whether what becomes free here is taken by something that comes before."""

    def can_run(self, head: Head) -> bool:
        """Whether a job would start here if enough were free."""
        is_kept = head.kept_by in (None, self.worker.id)
        return is_kept and head.queue in self.worker.queues and self.capacity.fits(head.needs)

    def yielding(self, head: Head) -> list[_Run]:
        """The runs that would have to give way to a job; none where that would not do."""
        if not self._are_slots_alike(head.needs):
            return []
        found: list[_Run] = []
        missing = head.needs.devices - self.free
        for run in self.runs:
            if missing > 0 and run.queue == head.queue and run.priority < head.priority:
                found.append(run)
                missing -= run.devices
        return found if missing <= 0 else []

    def _are_slots_alike(self, needs: Requirements) -> bool:
        """Whether it does not matter which slots become free: of one GPU a run can have but one."""
        has = self.capacity
        return needs.devices == 1 or not has.has_gpus or has.slots == has.devices

    def take(self, head: Head, gone: Collection[_Run] = ()) -> None:
        """Let a job have its slots, once some runs are gone."""
        self.free += sum(run.devices for run in gone) - head.needs.devices
        self.runs = [run for run in self.runs if run not in gone]


def _chosen(session: Session) -> list[Preemption]:
    """Which runs are to give way now: the line is gone through as the claims will go through it."""
    allowed = policies.preempting(session)
    if not allowed:
        return []
    able = [each for each in rests.live_capacities(session) if each[0].desired != "drain"]
    queues = {queue for worker, _ in able for queue in worker.queues}
    line = lanes.heads(session, sorted(queues), None) if queues & allowed else []
    if not any(head.queue in allowed for head in line):
        return []
    places = _places(session, able)
    found: list[Preemption] = []
    for head in line:
        gone = _make_room(head, places, may_preempt=head.queue in allowed)
        found += [Preemption(run.job_id, run.attempt, head) for run in gone]
    return found


def _make_room(head: Head, places: Iterable[_Place], *, may_preempt: bool) -> Sequence[_Run]:
    """The runs that have to give way to a job, which then has its place."""
    options = [each for each in places if not each.is_spoken_for and each.can_run(head)]
    for place in options:
        if place.free >= head.needs.devices:
            place.take(head)
            return ()
    ways = [(runs, place) for place in options if may_preempt and (runs := place.yielding(head))]
    if not ways:
        for place in options:
            place.is_spoken_for = True
        return ()
    gone, place = min(ways, key=lambda way: _cost(way[0]))
    place.take(head, gone)
    return gone


def _cost(runs: Sequence[_Run]) -> tuple[int, int, float, int]:
    """What is compared: the lowest priority, then the fewest devices, then the least work."""
    devices, unsaved_s = sum(run.devices for run in runs), sum(run.unsaved_s for run in runs)
    return max(run.priority for run in runs), devices, unsaved_s, runs[0].job_id


def _places(session: Session, able: Sequence[tuple[Worker, Capacity]]) -> list[_Place]:
    of_worker: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    rows: Iterable[Row[Any]] = session.execute(_RUNNING)
    for row in rows:
        of_worker[row.worker_id].append(row)
    return [_place(worker, capacity, of_worker[worker.id]) for worker, capacity in able]


def _place(worker: Worker, capacity: Capacity, rows: Sequence[Row[Any]]) -> _Place:
    place = _Place(worker, capacity, worker.slots)
    for row in rows:
        if _is_about_to_end(row):
            continue
        place.free -= row.devices
        ran_s = (row.moment - row.began_at).total_seconds()
        if row.was_preempted and ran_s < SETTLED_S:
            continue
        saved_s = (row.moment - (row.saved_at or row.began_at)).total_seconds()
        about = (row.queue, row.priority, row.devices)
        place.runs.append(_Run(row.id, row.attempt, *about, min(ran_s, saved_s)))
    place.runs.sort(key=lambda run: (run.priority, run.unsaved_s, run.job_id))
    return place


def _is_about_to_end(row: Row[Any]) -> bool:
    """Whether it ends without being asked, or was asked already."""
    is_asked = row.desired != "run" or row.yields_to is not None
    return is_asked or (row.eta_s is not None and row.eta_s <= ENDS_SOON_S)


_Earlier = aliased(Attempt)
_WAS_PREEMPTED = (
    select(_Earlier.number)
    # no other pause has a reason: who asked for it is in the history
    .where(_Earlier.job_id == Job.id, _Earlier.outcome == "paused", _Earlier.reason.is_not(None))
    .exists()
)
_SAVED_AT = select(func.max(Snapshot.created_at)).where(Snapshot.job_id == Job.id).scalar_subquery()
_RUNNING = (
    select(
        *(Job.id, Job.attempt, Job.worker_id, Job.queue, Job.priority, Job.devices, Job.desired),
        *(JobProgress.yields_to, JobProgress.eta_s, Attempt.started_at.label("began_at")),
        _WAS_PREEMPTED.label("was_preempted"),
        _SAVED_AT.label("saved_at"),
        now().label("moment"),
    )
    .join(Job.progress)
    .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt))
    .where(lanes.IS_RUNNING)
)
"""What runs, of which there is never much."""
