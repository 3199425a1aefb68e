"""What a person does with a job: submit, cancel, pause, resume, retry.

Each move is a conditional UPDATE in one transaction with its event. After the commit the caller
notifies workers or watchers; neither message carries anything that can go stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import MEASURED, Clone, Job, JobProgress, JobTag
from core.errors import Conflict, Forbidden
from core.jobs import events, lanes, limits, sharing, snapshots
from core.jobs import values as listed
from core.jobs.actors import Actor, may, refuse_unless_allowed, sees
from core.jobs.capacity import Requirements, requirements
from core.jobs.moves import NOTHING_DONE, UNPINNED, asked, change, ended, locked
from core.messages import message
from core.spec import facts
from core.spec.spec import TrainingSpec
from core.states import FINAL


def submit(
    database: Database,
    actor: Actor,
    *,
    name: str,
    spec: TrainingSpec,
    preset: str | None = None,
    priority: int = 0,
    queue: str = "default",
    tags: Sequence[str] = (),
    submission_token: str | None = None,
    cloned_from: int | None = None,
    private: bool | None = None,
) -> Job:
    """Put a job into the queue. The caller notifies the queue's workers afterwards.

    The token is what this submit is known by, however often it is sent: where a job was submitted
    with the same one, that job is returned as it is, and nothing is queued. `cloned_from` is the
    job that it began as a copy of; where that is not there for the actor, it began as none. Where
    `private` is None the job is private where the one that it is a copy of is.

    Raises:
        Forbidden: the actor may not.
        Conflict: it would be more than the actor may have waiting, or what theirs have left takes
            as much room as it may.
    """
    _refuse_unless_submitter(actor)
    about = _About(actor.name, preset, priority, queue, tags)
    made = [_Made(_made(name, spec, about, submission_token), cloned_from, private)]
    [job] = _inserted(database, actor, made)
    return job


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that is to be queued with others."""

    name: str
    spec: TrainingSpec
    preset: str | None = None
    priority: int = 0
    queue: str = "default"
    tags: Sequence[str] = ()
    cloned_from: int | None = None
    private: bool | None = None


def submit_many(
    database: Database,
    actor: Actor,
    wanted: Sequence[Wanted],
    submission_token: str | None = None,
) -> list[Job]:
    """Put several jobs into the queue, all or none of them, in the order in which they are given.

    The token works as that of `submit`, and so do `cloned_from` and `private` of each.

    Raises:
        Forbidden: the actor may not.
        Conflict: as for `submit`.
    """
    _refuse_unless_submitter(actor)
    made = []
    for number, each in enumerate(wanted):
        about = _About(actor.name, each.preset, each.priority, each.queue, each.tags)
        job = _made(each.name, each.spec, about, _token_of(submission_token, number))
        made.append(_Made(job, each.cloned_from, each.private))
    return _inserted(database, actor, made)


def submit_for_seeds(
    database: Database,
    actor: Actor,
    *,
    name: str,
    spec: TrainingSpec,
    seeds: Sequence[int],
    preset: str | None = None,
    priority: int = 0,
    queue: str = "default",
    tags: Sequence[str] = (),
    submission_token: str | None = None,
    cloned_from: int | None = None,
    private: bool | None = None,
) -> list[Job]:
    """Put a job for each of some seeds into the queue, all or none of them, under a common tag.

    The tag is named by the number of the first of them. The token, `cloned_from` and `private` work
    as those of `submit`.

    Raises:
        Forbidden: the actor may not.
        Conflict: as for `submit`.
    """
    _refuse_unless_submitter(actor)
    about = _About(actor.name, preset, priority, queue, tags)
    jobs = [
        _made(
            name_for_seed(name, seed),
            spec.model_copy(update={"seed": seed}),
            about,
            _token_of(submission_token, number),
        )
        for number, seed in enumerate(seeds)
    ]
    made = [_Made(job, cloned_from, private) for job in jobs]
    return _inserted(database, actor, made, are_together=True)


def name_for_seed(name: str, seed: int) -> str:
    """What one of several runs is called that differ by their seeds."""
    return f"{name} (seed {seed})"


def tag_of_seeds(first: Job) -> str:
    """The tag of runs that were submitted together, by the first of them."""
    return f"seeds-{first.id}"


def _token_of(token: str | None, number: int) -> str | None:
    """The token of one of several jobs of a submit: that of the first is the submit's own."""
    if token is None or number == 0:
        return token
    return hashlib.sha256(f"{token} {number}".encode()).hexdigest()


def _refuse_unless_submitter(actor: Actor) -> None:
    if not may(actor, "submit"):
        raise Forbidden(message("actor.may_not_submit", name=actor.name))


@dataclass(frozen=True, slots=True)
class _About:
    """What the jobs of a submit have in common besides their spec."""

    owner: str
    preset: str | None
    priority: int
    queue: str
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Made:
    """A job that has no number yet, and the job that it began as a copy of."""

    job: Job
    parent_id: int | None
    private: bool | None
    """None: where the one that it is a copy of is."""

    def is_private(self, parents: Mapping[int, Job]) -> bool:
        """Whether only its owner and administrators are to see it."""
        if self.private is not None or self.parent_id is None:
            return bool(self.private)
        return self.parent_id in parents and parents[self.parent_id].is_private


def _made(name: str, spec: TrainingSpec, about: _About, token: str | None) -> Job:
    stored = spec.model_dump(mode="json")
    return Job(
        name=name,
        folded_name=name.casefold(),
        preset=about.preset,
        spec=stored,
        dataset=facts.dataset(stored),
        model=facts.model(stored),
        owner=about.owner,
        tags=list(dict.fromkeys(about.tags)),
        submission_token=token,
        priority=about.priority,
        queue=about.queue,
        device=spec.device,
        devices=spec.devices,
        state="queued",
        desired="run",
        attempt=0,
        own_revision=1,
        resets=0,
        created_at=now(),
        available_at=now(),
        crashes=0,
        losses=0,
        secured_step=0,
        epochs=spec.epochs,
        batches=0,
        progress=JobProgress(revision=0, attempt=0, epoch=0, batch=0),
    )


def _inserted(
    database: Database, actor: Actor, made: Sequence[_Made], *, are_together: bool = False
) -> list[Job]:
    """Insert jobs in one transaction, or return those of an earlier submit by the same tokens."""
    jobs = [each.job for each in made]
    tokens = [job.submission_token for job in jobs if job.submission_token is not None]
    if tokens:  # of a longer submit by the same key all are found, or it would pass for this one
        tokens.append(_token_of(tokens[0], len(tokens)) or "")
    try:
        with database.writing() as session:
            known = _of_submission(session, tokens)
            if known:
                return known
            limits.refuse_more(session, sharing.owner_of(jobs[0]), len(jobs))
            _add(session, actor, made)
            if are_together:
                tag = tag_of_seeds(jobs[0])
                for job in jobs:
                    _tag(session, job, tag)
            _tell(session, actor, jobs)  # the history's lock is taken last
            return jobs
    except IntegrityError:  # on PostgreSQL: the same submit came a moment earlier
        with database.reading() as session:
            known = _of_submission(session, tokens)
        if not known:
            raise
        return known


def _of_submission(session: Session, tokens: Sequence[str]) -> list[Job]:
    """The jobs that are known by some tokens, in their order."""
    if not tokens:
        return []
    found = session.scalars(select(Job).where(Job.submission_token.in_(tokens)))
    return sorted(found, key=lambda job: job.id)


def _add(session: Session, actor: Actor, made: Sequence[_Made]) -> None:
    """Insert jobs with all of their rows, in a few statements however many they are."""
    jobs = [each.job for each in made]
    parents = _parents(session, actor, {each.parent_id for each in made} - {None})
    for each in made:
        each.job.is_private = each.is_private(parents)
    _give_lanes(session, jobs)
    if len(jobs) > 1:  # rows with an expression in them would be inserted one by one
        moment = session.scalar(select(now()))
        for job in jobs:
            job.created_at = job.available_at = moment
    session.add_all(jobs)
    session.flush()
    _read_again(session, jobs)
    session.add_all(
        Clone(job_id=each.job.id, parent_id=each.parent_id)
        for each in made
        if each.parent_id in parents
    )
    session.add_all(JobTag(job_id=job.id, tag=tag) for job in jobs for tag in job.tags)
    listed.write_of_specs(session, {job.id: job.spec for job in jobs})


def _give_lanes(session: Session, jobs: Sequence[Job]) -> None:
    known: dict[tuple[str, Requirements, str], int] = {}
    for job in jobs:
        key = job.queue, requirements(job), sharing.owner_of(job)
        if key not in known:
            known[key] = lanes.find(session, *key)
        job.lane_id = known[key]


def _read_again(session: Session, jobs: Sequence[Job]) -> None:
    """Read what the database has made of some jobs."""
    query = select(Job).where(Job.id.in_([job.id for job in jobs]))
    session.scalars(query.execution_options(populate_existing=True)).all()


def _tell(session: Session, actor: Actor, jobs: Sequence[Job]) -> None:
    names = ("state", "name", "queue", "priority", "preset")
    payloads = {job.id: {name: getattr(job, name) for name in names} for job in jobs}
    events.append_of_many(session, actor, "submitted", payloads)


def _tag(session: Session, job: Job, tag: str) -> None:
    if tag not in job.tags:
        job.tags = [*job.tags, tag]
        session.add(JobTag(job_id=job.id, tag=tag))


def _parents(session: Session, actor: Actor, numbers: Collection[int | None]) -> dict[int, Job]:
    """Which of some jobs are there for an actor, by their numbers.

    On PostgreSQL they stay until the transaction is over.
    """
    if not numbers:
        return {}
    query = select(Job).where(Job.id.in_(numbers)).order_by(Job.id)
    found = session.scalars(query.with_for_update(read=True, key_share=True, of=Job))
    return {job.id: job for job in found if sees(actor, job)}


def cancel(database: Database, job_id: int, actor: Actor) -> Job:
    """Ask that a job be cancelled. Asking again, or too late, changes nothing.

    A waiting job is cancelled here; a running one by its worker, when its process is gone.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
    """
    with locked(database, job_id) as (session, job):
        refuse_unless_allowed(actor, "cancel", job)
        if job.state in ("queued", "paused"):
            change(session, job, ended("cancelled") | asked("cancel", actor))
            listed.write_of_end(session, job.id)
            snapshots.discard(session, job.id)
            events.append(session, job.id, actor, "cancelled", job.attempt, {"state": "cancelled"})
        elif job.state == "running" and job.desired != "cancel":
            change(session, job, asked("cancel", actor))
            events.append(session, job.id, actor, "cancel_requested", job.attempt)
    return job


def pause(database: Database, job_id: int, actor: Actor) -> Job:
    """Ask that a job be paused. Asking again changes nothing.

    A queued job is paused here; a running one by its worker, which keeps a snapshot of it.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it has ended, or is being cancelled.
    """
    with locked(database, job_id) as (session, job):
        refuse_unless_allowed(actor, "pause", job)
        if job.state in FINAL:
            raise Conflict(message("run.not_pausable", job_id=job.id, state=job.state))
        if job.desired == "cancel":
            raise Conflict(message("run.being_cancelled", job_id=job.id))
        if job.state == "queued":
            change(session, job, {"state": "paused"} | asked("pause", actor))
            events.append(session, job.id, actor, "paused", job.attempt, {"state": "paused"})
        elif job.desired != "pause":
            change(session, job, asked("pause", actor))
            events.append(session, job.id, actor, "pause_requested", job.attempt)
    return job


def resume(database: Database, job_id: int, actor: Actor) -> Job:
    """Queue a paused job again. The caller notifies the queue's workers afterwards.

    A pause that has not taken effect yet is withdrawn; where none was asked for, nothing changes.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it has ended, is being cancelled, or its owner may have no more waiting.
    """
    with locked(database, job_id) as (session, job):
        refuse_unless_allowed(actor, "resume", job)
        if job.state in FINAL:
            code = "run.retry_instead" if job.state == "failed" else "run.not_resumable"
            raise Conflict(message(code, job_id=job.id, state=job.state))
        if job.desired == "cancel":
            raise Conflict(message("run.being_cancelled", job_id=job.id))
        if job.state == "paused":
            limits.refuse_more(session, sharing.owner_of(job), 1)
            due = {"state": "queued", "available_at": now()}
            change(session, job, due | asked("run", actor))
            events.append(session, job.id, actor, "resumed", job.attempt, {"state": "queued"})
        elif job.desired == "pause":
            change(session, job, asked("run", actor))
            events.append(session, job.id, actor, "pause_withdrawn", job.attempt)
    return job


def retry(database: Database, job_id: int, actor: Actor, *, from_scratch: bool = False) -> Job:
    """Give a failed job another try, with its whole budget. The caller notifies its workers.

    It resumes from its last snapshot, or starts over where `from_scratch`, bound to no device.
    A queued job that is pinned to what it began with may be started over as well.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it has not failed, and is not a pinned one that is to start over; or its owner may
            have no more waiting.
    """
    with locked(database, job_id) as (session, job):
        refuse_unless_allowed(actor, "retry", job)
        device = facts.device(job.spec)
        is_pinned = job.device != device or any(getattr(job, column) for column in UNPINNED)
        is_freed = from_scratch and job.state == "queued" and is_pinned
        if job.state != "failed" and not is_freed:
            raise Conflict(message("run.not_retryable", job_id=job.id, state=job.state))
        values = asked("run", actor) | {
            "available_at": now(),
            "crashes": 0,
            "losses": 0,
        }
        if job.state == "failed":
            limits.refuse_more(session, sharing.owner_of(job), 1)
            cleared = ("finished_at", "error_kind", "error_message", "error_traceback")
            values |= {"state": "queued", **dict.fromkeys(cleared)}
            listed.forget_end(session, job.id)
        needs = requirements(job)
        starts_over = from_scratch or not snapshots.newest_first(session, job.id)
        if from_scratch:
            snapshots.discard(session, job.id)
            values |= {"secured_step": 0, "device": device, **UNPINNED}
            needs = Requirements(device, job.devices, dataset=job.dataset)
        values["lane_id"] = lanes.find(session, job.queue, needs, sharing.owner_of(job))
        if starts_over:  # what it has measured is that of no run that there will be
            values |= dict.fromkeys(MEASURED)
        change(session, job, values, NOTHING_DONE if starts_over else None)
        payload = {"from_scratch": from_scratch} | ({} if is_freed else {"state": "queued"})
        events.append(session, job.id, actor, "retried", job.attempt, payload)
    return job
