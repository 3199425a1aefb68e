"""What a person does with a job: submit, cancel, pause, resume, retry.

Each move is a conditional UPDATE in one transaction with its event. After the commit the caller
notifies workers or watchers; neither message carries anything that can go stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import String, bindparam, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from core.database.clock import now
from core.database.engine import Database
from core.database.models import MEASURED, Job, JobTag, Lane
from core.errors import Conflict, FieldError, Forbidden, InvalidInput
from core.jobs import events, initial, insertion, lanes, limits, sharing, snapshots
from core.jobs import values as listed
from core.jobs.actors import Actor, may, refuse_unless_allowed, sees
from core.jobs.capacity import Requirements, requirements
from core.jobs.initial import Initial
from core.jobs.insertion import New
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
    weights_from: int | None = None,
) -> Job:
    """Put a job into the queue. The caller notifies the queue's workers afterwards.

    The token is what this submit is known by, however often it is sent: where a job was submitted
    with the same one, that job is returned as it is, and nothing is queued. `cloned_from` is the
    job that it began as a copy of; where that is not there for the actor, it began as none. Where
    `private` is None the job is private where the one that it is a copy of is. It begins with the
    published weights of the run `weights_from`, where that is not None.

    Raises:
        InvalidInput: there are no such weights for the actor, or they do not fit its network.
        Forbidden: the actor may not.
        Conflict: it would be more than the actor may have waiting, or what theirs have left takes
            as much room as it may.
    """
    _refuse_unless_submitter(actor)
    wanted = Wanted(name, spec, preset, priority, queue, tags, cloned_from, private, weights_from)
    new = _new(actor, wanted, submission_token)
    job = _inserted_at_once(database, actor, new)
    if job is None:
        [job] = _inserted(database, actor, [new])
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
    weights_from: int | None = None


def submit_many(
    database: Database,
    actor: Actor,
    wanted: Sequence[Wanted],
    submission_token: str | None = None,
) -> list[Job]:
    """Put several jobs into the queue, all or none of them, in the order in which they are given.

    The token works as that of `submit`, and so do `cloned_from`, `private` and `weights_from` of
    each.

    Raises:
        InvalidInput: as for `submit`.
        Forbidden: the actor may not.
        Conflict: as for `submit`.
    """
    _refuse_unless_submitter(actor)
    new = [
        _new(actor, each, _token_of(submission_token, number)) for number, each in enumerate(wanted)
    ]
    return _inserted(database, actor, new, are_listed=True)


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
    weights_from: int | None = None,
) -> list[Job]:
    """Put a job for each of some seeds into the queue, all or none of them, under a common tag.

    The tag is named by the number of the first of them. The token, `cloned_from`, `private` and
    `weights_from` work as those of `submit`.

    Raises:
        InvalidInput: as for `submit`.
        Forbidden: the actor may not.
        Conflict: as for `submit`.
    """
    _refuse_unless_submitter(actor)
    wanted = Wanted(name, spec, preset, priority, queue, tags, cloned_from, private, weights_from)
    new = []
    for number, seed in enumerate(seeds):
        own_spec = spec.model_copy(update={"seed": seed})
        of_seed = replace(wanted, name=name_for_seed(name, seed), spec=own_spec)
        new.append(_new(actor, of_seed, _token_of(submission_token, number)))
    return _inserted(database, actor, new, are_together=True)


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


def _new(actor: Actor, wanted: Wanted, token: str | None) -> New:
    return insertion.new(
        wanted.name,
        wanted.spec,
        owner=actor.name,
        preset=wanted.preset,
        priority=wanted.priority,
        queue=wanted.queue,
        tags=wanted.tags,
        token=token,
        parent_id=wanted.cloned_from,
        private=wanted.private,
        weights_from=wanted.weights_from,
    )


def _inserted_at_once(database: Database, actor: Actor, new: New) -> Job | None:
    """Insert a job by one statement where that is enough; None: nothing was inserted.

    It is where one look finds its lane, no job by its token, and no limit to be counted against. So
    PostgreSQL holds the lock of the history for the insert alone, and no process that is held up
    keeps it. SQLite has one writer at a time anyway.
    """
    is_plain = new.parent_id is None and new.weights_from is None
    if not (is_plain and database.is_postgresql):
        return None
    try:
        with database.reading() as session:
            new.columns["lane_id"] = _lane_where_nothing_hinders(session, new)
        if new.columns["lane_id"] is None:
            return None
        with database.writing_at_once() as session:
            return insertion.insert_and_tell(session, actor, new)
    except IntegrityError:  # the same submit came a moment earlier
        return None


def _inserted(
    database: Database,
    actor: Actor,
    new: Sequence[New],
    *,
    are_together: bool = False,
    are_listed: bool = False,
) -> list[Job]:
    """Insert jobs in one transaction, or return those of an earlier submit by the same tokens.

    Those that are together get a common tag; of those that are listed, what is wrong with one is
    told with its place.
    """
    tokens = [token for each in new if (token := each.columns["submission_token"]) is not None]
    if tokens:  # of a longer submit by the same key all are found, or it would pass for this one
        tokens.append(_token_of(tokens[0], len(tokens)) or "")
    try:
        with database.writing() as session:
            known = _of_submission(session, tokens)
            if known:
                return known
            limits.refuse_more(session, actor.name, len(new))
            jobs = _add(session, actor, new, _initials(session, actor, new, are_listed))
            if are_together:
                _tag_all(session, jobs, tag_of_seeds(jobs[0]))
            payloads = {job.id: insertion.payload_of(job) for job in jobs}
            events.append_of_many(session, actor, "submitted", payloads)  # its lock is taken last
            return jobs
    except IntegrityError:  # on PostgreSQL: the same submit came a moment earlier
        with database.reading() as session:
            known = _of_submission(session, tokens)
        if not known:
            raise
        return known


def _lane_where_nothing_hinders(session: Session, new: New) -> int | None:
    """The lane of a job that is to be inserted without another look; None: there is more to it."""
    columns = new.columns
    asked = lanes.key_of(columns["queue"], new.needs, columns["owner"])
    found = session.connection().execute(
        _LANE_WHERE_NOTHING_HINDERS, asked | {"token": columns["submission_token"]}
    )
    lane_id: int | None = found.scalar()
    return lane_id


_LANE_WHERE_NOTHING_HINDERS = select(Lane.id).where(
    *(getattr(Lane, name) == bindparam(name) for name in lanes.KEY),
    ~exists().where(Job.submission_token == bindparam("token", type_=String)),
    ~limits.of_more(bindparam("owner", type_=String)),
)
"""Made once. It is answered by a row, or by none."""


def _of_submission(session: Session, tokens: Sequence[str]) -> list[Job]:
    """The jobs that are known by some tokens, in their order."""
    if not tokens:
        return []
    found = session.scalars(select(Job).where(Job.submission_token.in_(tokens)))
    return sorted(found, key=lambda job: job.id)


def _add(
    session: Session, actor: Actor, new: Sequence[New], begin_with: Sequence[Initial | None]
) -> list[Job]:
    """Insert jobs with all of their rows, in a few statements however many they are."""
    parents = _parents(session, actor, {each.parent_id for each in new} - {None})
    known: dict[tuple[str, Requirements], int] = {}
    for each in new:
        each.give_privacy(parents)
        key = each.columns["queue"], each.needs
        if key not in known:
            known[key] = lanes.find(session, *key, each.columns["owner"])
        each.columns["lane_id"] = known[key]
    jobs = insertion.insert_all(session, new, parents)
    found = zip(jobs, begin_with, strict=True)
    initial.add(session, {job.id: each for job, each in found if each is not None})
    return jobs


def _initials(
    session: Session, actor: Actor, new: Sequence[New], are_listed: bool
) -> list[Initial | None]:
    """The weights of other runs that jobs are to begin with, where they are; each is found once."""
    known: dict[tuple[int, str, str], Initial] = {}
    found: list[Initial | None] = []
    errors: list[FieldError] = []
    for place, job in enumerate(new):
        if job.weights_from is None:
            found.append(None)
            continue
        key = job.weights_from, job.spec.dataset, job.spec.model.model_dump_json()
        try:
            if key not in known:
                known[key] = initial.find(session, actor, job.weights_from, job.spec, stays=True)
        except InvalidInput as error:
            before = f"jobs.{place}." if are_listed else ""
            errors += [FieldError(f"{before}{each.field}", each.reason) for each in error.errors]
            if not are_listed:
                break  # all of them have the same
        else:
            found.append(known[key])
    if errors:
        raise InvalidInput(errors)
    return found


def _tag_all(session: Session, jobs: Sequence[Job], tag: str) -> None:
    """Give jobs that were inserted a moment ago a tag that names one of them."""
    others = [job for job in jobs if tag not in job.tags]
    if not others:
        return
    tags = [*others[0].tags, tag]  # whatever else they have, all have alike
    ids = [job.id for job in others]
    session.execute(
        update(Job)
        .where(Job.id.in_(ids))
        .values(tags=tags)
        .execution_options(synchronize_session=False)
    )
    session.execute(insert(JobTag), [{"job_id": job_id, "tag": tag} for job_id in ids])
    for job in others:
        set_committed_value(job, "tags", tags)


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
