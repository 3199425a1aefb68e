"""Why a job is not running, its place in line, and for how long about, as codes.

Nothing here writes. One call answers for all the jobs of a page: how many statements it takes does
not depend on how many they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.models import Attempt, Job, Worker
from core.database.parts import parts
from core.jobs import rests, sharing
from core.jobs.capacity import Capacity, Requirements, capacity_of, requirements
from core.jobs.endings import CRASH_BUDGET, LOSS_BUDGET
from core.jobs.eta import Forecast, forecast
from core.messages import Message, message
from core.states import Outcome
from core.workers import starting

MOST_NAMED = 4
"""Drained workers that a reason names, each with who drained it."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Why a job that is queued or paused is not running."""

    position: int | None
    """Place among the due jobs of its queue, from 1; None where it has none, or a far one."""

    reason: Message
    """Why; in English a sentence without its capital letter and its full stop."""

    eta_s: float | None
    """Seconds until it starts, about; None where there is nothing to go by."""

    is_stuck: bool = False
    """Whether no live worker can run it, however long it waits."""

    @property
    def with_time(self) -> Message:
        """The reason with about how long it is still true for."""
        if not self.eta_s or self.position is None:
            return self.reason
        return message("queue.with_time", reason=self.reason, eta_s=self.eta_s)


def explain(session: Session, jobs: Sequence[Job]) -> dict[int, QueueStatus]:
    """Say of each job that is queued or paused why it is not running; by its id."""
    paused = {job.id: _paused(job) for job in jobs if job.state == "paused"}
    queued = [job for job in jobs if job.state == "queued"]
    return paused | (_explain_queued(session, queued) if queued else {})


def _paused(job: Job) -> QueueStatus:
    if job.desired_by:
        return QueueStatus(None, message("queue.paused_by", name=job.desired_by), None)
    return QueueStatus(None, message("queue.paused"), None)


def _explain_queued(session: Session, jobs: Sequence[Job]) -> dict[int, QueueStatus]:
    # whoever was due with the submit is: only for others the moment need be asked for
    may_be_held = any(job.available_at > job.created_at for job in jobs)
    moment = _moment(session) if may_be_held else None
    held = {job.id for job in jobs if moment and job.available_at > moment}
    line = forecast(session, [job for job in jobs if job.id not in held])
    fleet = _Fleet(line, session)
    tried = [job for job in jobs if job.attempt]
    ends = _last_ends(session, tried) if tried else {}

    def status(job: Job) -> QueueStatus:
        stuck = _why_stuck(job, fleet)
        if stuck and fleet.is_coming(job):
            return QueueStatus(line.places.get(job.id), message("queue.worker_starting"), None)
        if stuck:
            return QueueStatus(line.places.get(job.id), stuck, None, is_stuck=True)
        if not fleet.fitting(job):
            return _resting(job, fleet, moment or _moment(session))
        if moment and job.id in held:
            return _held(job, *ends.get(job.id, (None, None)), moment)
        if sharing.owner_of(job) in line.held_up:
            return QueueStatus(None, line.held_up[sharing.owner_of(job)], None)
        if job.id in line.places:
            return _after_preemption(_in_line(job, line, fleet), *ends.get(job.id, (None, None)))
        if line.is_far(job):
            return QueueStatus(None, message("queue.far", count=line.lengths[job.queue]), None)
        return QueueStatus(None, message("queue.starting"), 0.0)  # claimed while we looked

    return {job.id: status(job) for job in jobs}


def _moment(session: Session) -> datetime:
    moment: datetime = session.connection().execute(_NOW).scalar_one()
    return moment


_NOW = select(now())


def _last_ends(
    session: Session, jobs: Sequence[Job]
) -> dict[int, tuple[Outcome | None, Message | None]]:
    """How the last attempt of each job ended, and why."""
    asked = select(Job.id, Attempt.outcome, Attempt.reason).outerjoin(
        Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt)
    )
    return {
        job_id: (outcome, reason)
        for part in parts([job.id for job in jobs])
        for job_id, outcome, reason in session.execute(asked.where(Job.id.in_(part)))
    }


class _Fleet:
    """The live workers, and which of them may run a job: for many jobs that need the same."""

    def __init__(self, line: Forecast, session: Session) -> None:
        self._session = session
        self._coming: Sequence[Worker] | None = None
        self.workers = [(worker, line.capacities[worker.id]) for worker in line.workers]
        self._drained = line.drained
        self._fitting: dict[tuple[str, Requirements], list[Worker]] = {}

    def serving(self, queue: str) -> list[Capacity]:
        """What those can give that serve a queue."""
        return [capacity for worker, capacity in self.workers if queue in worker.queues]

    def fitting(self, job: Job) -> list[Worker]:
        """Those that may run a job now; every host has a CPU."""
        kind = (job.queue, requirements(job))
        if kind not in self._fitting:
            self._fitting[kind] = [
                worker
                for worker, capacity in self.workers
                if job.queue in worker.queues and capacity.fits(kind[1])
            ]
        return self._fitting[kind]

    def able(self, job: Job) -> list[tuple[Worker, Capacity]]:
        """Those that may run a job when they do not rest."""
        needs = requirements(job)
        return [
            (worker, capacity)
            for worker, capacity in self.workers
            if job.queue in worker.queues and replace(capacity, rests=frozenset()).fits(needs)
        ]

    def is_coming(self, job: Job) -> bool:
        """Whether a worker starts that serves its queue; what it can run is not known yet."""
        if self._coming is None:  # asked once, and only where a job is stuck
            self._coming = starting(self._session)
        return any(job.queue in worker.queues for worker in self._coming)

    def drained(self, job: Job) -> list[Worker]:
        """Those that might run a job if nobody had drained them."""
        needs = requirements(job)
        return [
            worker
            for worker in self._drained
            if job.queue in worker.queues and capacity_of(worker).fits(needs)
        ]


def _why_stuck(job: Job, fleet: _Fleet) -> Message | None:
    if fleet.fitting(job) or fleet.able(job):
        return None
    drained = fleet.drained(job)
    if drained:
        return _why_drained(drained)
    if not fleet.workers:
        return message("queue.no_workers")
    serving = fleet.serving(job.queue)
    if not serving:
        return message("queue.not_served", queue=job.queue)
    has_devices = any(each.largest(job.device) >= job.devices for each in serving)
    if has_devices and (job.pinned_precision or job.pinned_threads):
        return message("queue.pinned_elsewhere", pin=_pin(job), queue=job.queue)
    return message("queue.nothing_fits", queue=job.queue, needs=_needs(job))


def _why_drained(drained: Sequence[Worker]) -> Message:
    """Who drained the workers that could run a job; of many only the first are named."""
    first = drained[0]
    if len(drained) == 1:
        return message("queue.drained", count=1, name=first.name, by=first.desired_by)
    drains: list[Message | str] = [
        message("queue.drained_by", name=each.name, by=each.desired_by)
        for each in drained[:MOST_NAMED]
    ]
    if len(drained) > MOST_NAMED:
        drains.append("…")
    return message("queue.all_drained", count=len(drained), drains=drains)


def _resting(job: Job, fleet: _Fleet, moment: datetime) -> QueueStatus:
    """All that could run it rest from such work: why, and until when."""
    needs = requirements(job)
    able = fleet.able(job)
    waits = [
        (max(each.until for each in rests.parse(worker.rests) if each.work in kinds), worker, kinds)
        for worker, kinds in ((worker, has.work(needs) & has.rests) for worker, has in able)
    ]
    until, first, kinds = min(waits, key=lambda each: (each[0], each[1].id))
    why = next(each.reason for each in rests.parse(first.rests) if each.work in kinds)
    wait_s = max(0.0, (until - moment).total_seconds())
    params = {"name": first.name, "why": why, "wait_s": wait_s}
    if len(able) == 1:
        return QueueStatus(None, message("queue.worker_rests", **params), wait_s)
    return QueueStatus(None, message("queue.workers_rest", count=len(able), **params), wait_s)


def _pin(job: Job) -> Message:
    """What a run that has a snapshot is bound to."""
    if job.device == "cpu":
        return message("pin.cpu", threads=job.pinned_threads or 1)
    return message("pin.cuda", precision=job.pinned_precision)


def _needs(job: Job) -> Message:
    if job.devices == 1:
        return message("needs.gpu")
    code = {"cuda": "needs.gpus", "cpu": "needs.cpu_slots"}.get(job.device, "needs.devices")
    return message(code, count=job.devices)


def _held(job: Job, outcome: Outcome | None, why: Message | None, moment: datetime) -> QueueStatus:
    """It waits for its next try."""
    wait_s = (job.available_at - moment).total_seconds()
    tries = {
        "crashed": ("queue.retry_after_crash", job.crashes + 1, CRASH_BUDGET),
        "lost": ("queue.retry_after_loss", job.losses + 1, LOSS_BUDGET),
    }
    if outcome == "worker_fault":
        reason = message("queue.retry_after_fault", why=why, wait_s=wait_s)
        return QueueStatus(None, reason, wait_s)
    if outcome not in tries:
        return QueueStatus(None, message("queue.delayed", wait_s=wait_s), wait_s)
    code, attempt, budget = tries[outcome]
    reason = message(code, why=why, attempt=attempt, budget=budget, wait_s=wait_s)
    return QueueStatus(None, reason, wait_s)


def _in_line(job: Job, line: Forecast, fleet: _Fleet) -> QueueStatus:
    """It waits for its turn, or does no longer."""
    position, start_s = line.places[job.id], line.starts[job.id]
    if start_s == 0:
        return QueueStatus(position, message("queue.starting"), 0.0)
    fitting = fleet.fitting(job)
    slots = _slots(job, fitting)
    ahead, devices = position - 1, job.devices
    if devices == 1:
        reason = (
            message("queue.behind", ahead=ahead, slots=slots)
            if ahead
            else message("queue.next", slots=slots)
        )
    elif ahead:
        reason = message("queue.behind_for_several", ahead=ahead, slots=slots, devices=devices)
    else:
        free = max(line.free.get(worker.id, 0) for worker in fitting)
        reason = message("queue.next_of_several", slots=slots, devices=devices, free=free)
    kept = next((each for each in line.workers if each.id == line.kept.get(job.id)), None)
    if kept is not None and devices > 1:
        reason = message("queue.kept", reason=reason, name=kept.name)
    if yielding := line.yielding.get(job.id):
        code = "queue.preempts_private" if yielding.is_private else "queue.preempts"
        known = {} if yielding.is_private else {"job_id": yielding.job_id}
        reason = message(code, reason=reason, **known)
    if job.id in line.passed:
        reason = message("queue.in_turn", reason=reason)
    return QueueStatus(position, reason, start_s if math.isfinite(start_s) else None)


def _after_preemption(
    found: QueueStatus, outcome: Outcome | None, why: Message | None
) -> QueueStatus:
    """What is said of a run that was paused for another, and resumes when its turn comes."""
    if outcome != "paused" or why is None:
        return found
    code = "queue.yielded" if "job_id" in why.params else "queue.yielded_to_private"
    known = {name: why.params[name] for name in ("job_id", "priority") if name in why.params}
    return replace(found, reason=message(code, reason=found.reason, **known))


def _slots(job: Job, workers: Sequence[Worker]) -> Message:
    """The slots of some workers: `2 GPU slots`."""
    have_gpus = {capacity_of(worker).has_gpus for worker in workers}
    code = "queue.slots"
    if job.device == "cpu" or have_gpus == {False}:
        code = "queue.cpu_slots"
    elif have_gpus == {True}:
        code = "queue.gpu_slots"
    return message(code, count=sum(worker.slots for worker in workers))
