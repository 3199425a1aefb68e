"""The rests of a worker: kinds of work that it cannot do now, why, and when it tries again.

A fault of a worker (no such data, a GPU that torch cannot use, a full disk) is not the fault of the
run that met it. The run goes back to the queue, and the worker leaves such work to others for a
while, each time for longer. When a rest is over, one run tries the work again. What it shows ends
the rest, or makes it longer. They are kept in the worker's own row: a worker that is started again
has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import BindParameter, ScalarSelect, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, Job, Lane, Worker
from core.errors import Forbidden, NotFound
from core.jobs import events
from core.jobs.actors import Actor, may
from core.jobs.capacity import EVERYTHING, GPUS, Capacity, capacity_of, of_dataset
from core.messages import Message, as_json, from_json, message
from core.workers import is_live

FIRST_S = 30.0
LONGEST_S = 1800.0


class TrialUnderWay(Exception):
    """Another run tries already whether the worker can do this work again."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A kind of work that a worker cannot do now."""

    work: str
    """`everything`, `device:cuda`, or `dataset:` and its name."""
    kind: str
    """The kind of the error, such as `data_unavailable`."""
    reason: Message
    tries: int
    """How often it was tried in vain, one after the other."""
    since: datetime
    until: datetime
    """It is tried again after this moment, by the database's clock."""
    job_id: int
    """The run that met it last."""

    def as_json(self) -> dict[str, Any]:
        """The rest as the worker's row keeps it."""
        return {
            "work": self.work,
            "kind": self.kind,
            "reason": as_json(self.reason),
            "tries": self.tries,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "job_id": self.job_id,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The rest that `as_json` wrote."""
        times = {name: datetime.fromisoformat(value[name]) for name in ("since", "until")}
        return cls(**value | times | {"reason": from_json(value["reason"])})


def work_message(work: str) -> Message:
    """A kind of work in words: what a worker rests from."""
    if work == EVERYTHING:
        return message("work.everything")
    if work == GPUS:
        return message("work.gpus")
    return message("work.dataset", dataset=work.removeprefix(of_dataset("")))


def pause_s(tries: int) -> float:
    """Seconds that a worker rests after so many tries in vain: doubling, up to half an hour."""
    return min(LONGEST_S, FIRST_S * 2.0 ** min(tries - 1, 30))


def parse(stored: Iterable[dict[str, Any]]) -> list[Rest]:
    """The rests of a worker's row."""
    return [Rest.from_json(each) for each in stored]


def divide(
    stored: Iterable[dict[str, Any]], moment: datetime
) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of work that a worker rests from at a moment, and those that it is to try again."""
    found = parse(stored)
    resting = frozenset(rest.work for rest in found if rest.until > moment)
    return resting, frozenset(rest.work for rest in found) - resting


def of_worker(worker_id: BindParameter[int]) -> ScalarSelect[Any]:
    """The stored rests of a worker, within another statement; NULL where there is no such one."""
    return select(Worker.rests).where(Worker.id == worker_id).scalar_subquery()


def live_capacities(session: Session) -> list[tuple[Worker, Capacity]]:
    """The live workers, and what one run can have of each now, when it is idle."""
    rows = session.execute(select(Worker, now()).where(is_live()).order_by(Worker.id))
    return [
        (worker, replace(capacity_of(worker), rests=divide(worker.rests, moment)[0]))
        for worker, moment in rows
    ]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a worker could not do, and that is not known to be the run's own fault."""

    work: str
    kind: str
    reason: Message
    job_id: int


def begin(session: Session, worker_id: int, fault: Fault, *, is_tried_at_once: bool) -> float:
    """Let a worker rest from a kind of work, longer where it has tried that already.

    Args:
        session: a transaction; it holds the worker's row until its end.
        worker_id: the worker.
        fault: what it could not do.
        is_tried_at_once: whether the next run may try it now, because the last one is to blame.

    Returns:
        Seconds that it rests.
    """
    rests, moment = _locked(session, worker_id)
    before = next((rest for rest in rests if rest.work == fault.work), None)
    tries = before.tries + 1 if before else 1
    rest_s = 0.0 if is_tried_at_once else pause_s(tries)
    _keep_for_nothing(session, worker_id)
    rest = Rest(
        work=fault.work,
        kind=fault.kind,
        reason=fault.reason,
        tries=tries,
        since=before.since if before else moment,
        until=moment + timedelta(seconds=rest_s),
        job_id=fault.job_id,
    )
    _write(session, worker_id, [each for each in rests if each.work != fault.work] + [rest])
    return rest_s


def _keep_for_nothing(session: Session, worker_id: int) -> None:
    """Let large jobs for which a worker was kept find another."""
    session.execute(
        update(Lane)
        .where(Lane.kept_worker_id == worker_id)
        .values(kept_worker_id=None, kept_job_id=None)
        .execution_options(synchronize_session=False)
    )


def begin_trial(session: Session, worker_id: int, work: frozenset[str]) -> None:
    """Let the run that was claimed alone try what a worker rested from, for as long as it rested.

    Raises:
        TrialUnderWay: another run does; what the transaction has done must not stay.
    """
    rests, moment = _locked(session, worker_id)
    if any(rest.work in work and rest.until > moment for rest in rests):
        raise TrialUnderWay
    _write(
        session,
        worker_id,
        [
            replace(rest, until=moment + timedelta(seconds=pause_s(rest.tries)))
            if rest.work in work
            else rest
            for rest in rests
        ],
    )


def end(database: Database, worker_id: int, work: frozenset[str]) -> None:
    """End the rests from some kinds of work, which the worker was seen to do."""
    with database.writing() as session:
        rests, _ = _locked(session, worker_id)
        _write(session, worker_id, [rest for rest in rests if rest.work not in work])


def resume(database: Database, worker_id: int, actor: Actor) -> Sequence[str]:
    """End every rest of a worker, because a person says that it can work again.

    The runs that it could not do have that in their histories. The caller notifies the worker.

    Returns:
        The queues that it serves.

    Raises:
        NotFound: there is no such worker.
        Forbidden: the actor may not.
    """
    if not may(actor, "resume_worker"):
        raise Forbidden(message("actor.may_not_resume_worker", name=actor.name))
    if worker_id > LARGEST_KEY:
        raise NotFound(message("worker.unknown", worker_id=worker_id))
    with database.writing() as session:
        rests, _ = _locked(session, worker_id)
        _write(session, worker_id, [])
        worker = session.get_one(Worker, worker_id)
        for job_id, attempt in _newest_attempts(session, {rest.job_id for rest in rests}):
            events.append(
                session, job_id, actor, "worker_resumed", attempt, {"worker": worker.name}
            )
        return worker.queues


def _newest_attempts(session: Session, job_ids: Iterable[int]) -> list[tuple[int, int]]:
    """The newest attempt of each of some jobs that are there, and stay so meanwhile."""
    rows = session.execute(
        select(Job.id, Job.attempt)
        .where(Job.id.in_(job_ids))
        .order_by(Job.id)
        .with_for_update(read=True, key_share=True)
    )
    return [(row.id, row.attempt) for row in rows]


def _locked(session: Session, worker_id: int) -> tuple[list[Rest], datetime]:
    """The rests of a worker whose row no one else can change, and the moment.

    Rows that refer to the worker can still be written.
    """
    row = session.execute(
        select(Worker.rests, now().label("moment"))
        .where(Worker.id == worker_id)
        .with_for_update(key_share=True)
    ).first()
    if row is None:
        raise NotFound(message("worker.unknown", worker_id=worker_id))
    return parse(row.rests), row.moment


def _write(session: Session, worker_id: int, rests: Sequence[Rest]) -> None:
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id)
        .values(rests=[rest.as_json() for rest in rests])
        .execution_options(synchronize_session=False)
    )
