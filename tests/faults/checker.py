"""An independent checker of what a run has left behind: it reads the database and the blobs alone.

It knows nothing of workers, supervisors or trainers, and asks only whether the rows can be true.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import (
    Artifact,
    Attempt,
    DerivedFile,
    Epoch,
    Job,
    JobEvent,
    LogLine,
    MetricBuckets,
    MetricSegment,
    Snapshot,
    UnnamedBlob,
    Worker,
)
from core.errors import NotFound
from core.jobs import snapshots, unnamed
from core.jobs.rests import FIRST_S
from core.metrics.buckets import SIZES, Buckets, groups
from core.metrics.samples import MetricSample, Samples
from core.states import FINAL, OUTCOMES, State, state_after
from core.storage.blobs import Blob, Storage
from core.storage.folder import Folder

EpochRow = tuple[int, float, float, float, float]
"""Epoch, train loss, test loss, test accuracy, learning rate: what cannot differ between two runs
of one spec."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a run ends with that nobody disturbed."""

    weights_sha256: str
    epochs: tuple[EpochRow, ...]


def problems(
    database: Database,
    storage: Storage,
    reference: Callable[[dict[str, Any]], Reference] | None = None,
) -> list[str]:
    """Everything that is wrong with the runs in a database; nothing, where all is well.

    Args:
        database: where to look.
        storage: where the files of succeeded runs must lie.
        reference: gives what an undisturbed run of a spec ends with; None: do not compare.
    """
    # what is compared below may train for longer than a transaction may stand still
    of_jobs = [
        f"job {each.job.id}: {problem}"
        for each in _evidence(database)
        for problem in _problems(each, storage, reference)
    ]
    return of_jobs + broken_rests(database)


def problems_of_rows(database: Database, *, are_times_told: bool = True) -> list[str]:
    """What is wrong with the rows alone: no file is opened, and no weights are compared.

    Args:
        database: where to look.
        are_times_told: whether the order of times says something: nobody has set the database's
            clock back.
    """
    checks = (*_OF_ROWS, *_OF_TIMES) if are_times_told else _OF_ROWS
    of_jobs = [
        f"job {each.job.id}: {problem}"
        for each in _evidence(database)
        for check in checks
        for problem in check(each)
    ]
    return of_jobs + (broken_rests(database) if are_times_told else [])


def broken_rests(database: Database) -> list[str]:
    """Attempts by which a worker took work that it could not do, when it was to rest from that.

    Where a person has ended its rests meanwhile, it may.
    """
    with database.reading() as session:
        attempts = session.execute(
            select(Attempt, Worker.name, Job.dataset)
            .join(Worker, Worker.id == Attempt.worker_id)
            .join(Job, Job.id == Attempt.job_id)
            .order_by(Attempt.worker_id, Attempt.started_at)
        ).all()
        resumed = [
            (event.payload["worker"], event.at)
            for event in session.scalars(select(JobEvent).where(JobEvent.kind == "worker_resumed"))
        ]
    by_worker: dict[int | None, list[Any]] = {}
    for row in attempts:
        by_worker.setdefault(row.Attempt.worker_id, []).append(row)
    return [
        f"job {later.Attempt.job_id}: {later.name} took it, and rested after {fault.Attempt.reason}"
        for of_one in by_worker.values()
        for fault, later in itertools.product(filter(_rests, of_one), of_one)
        if _is_within_rest(fault, later)
        and not any(
            name == later.name and fault.Attempt.finished_at <= at <= later.Attempt.started_at
            for name, at in resumed
        )
    ]


def _rests(row: Any) -> bool:
    """Whether a worker rests after an attempt, from what these rows can tell of a later one.

    They do not tell on which device it ran. Where the run was to blame, nobody rests.
    """
    attempt: Attempt = row.Attempt
    if attempt.outcome != "worker_fault" or attempt.reason is None:
        return False
    return attempt.reason.code not in ("run.same_fault", "worker.gpu_unusable")


def _is_within_rest(fault: Any, later: Any) -> bool:
    # a rest begins a little before the end of the attempt is written
    between: timedelta = later.Attempt.started_at - fault.Attempt.finished_at
    is_of_data: bool = fault.Attempt.reason.code.startswith("data.")
    is_same_work: bool = not is_of_data or fault.dataset == later.dataset
    return is_same_work and timedelta(0) < between < timedelta(seconds=FIRST_S / 2)


def _evidence(database: Database) -> list[_Evidence]:
    with database.reading() as session:
        jobs = session.scalars(select(Job).order_by(Job.id)).all()
        return [_Evidence(session, job) for job in jobs]


def _problems(
    evidence: _Evidence,
    storage: Storage,
    reference: Callable[[dict[str, Any]], Reference] | None,
) -> Iterator[str]:
    for check in (*_OF_ROWS, *_OF_TIMES):
        yield from check(evidence)
    yield from _files(evidence, storage)
    job = evidence.job
    if reference is not None and job.state == "succeeded":
        yield from _sameness(evidence, reference(job.spec))


class _Evidence:
    """The rows of one job."""

    def __init__(self, session: Session, job: Job) -> None:
        def rows(table: Any, *order: Any) -> Sequence[Any]:
            query = select(table).where(table.job_id == job.id).order_by(*order)
            return session.scalars(query).all()

        self.job = job
        self.attempts: Sequence[Attempt] = rows(Attempt, Attempt.number)
        self.epochs: Sequence[Epoch] = rows(Epoch, Epoch.epoch)
        segments: Sequence[MetricSegment] = rows(MetricSegment, MetricSegment.first_step)
        self.samples = sum((Samples.unpack(each.data) for each in segments), Samples())
        self.points: Sequence[MetricSample] = [
            row for each in segments for row in Samples.unpack(each.data).rows(each.attempt)
        ]
        self.buckets: Sequence[MetricBuckets] = rows(
            MetricBuckets, MetricBuckets.size, MetricBuckets.start
        )
        self.lines: Sequence[LogLine] = rows(LogLine, LogLine.attempt, LogLine.number)
        self.checkpoints: Sequence[Artifact] = rows(Artifact, Artifact.id)
        self.events: Sequence[JobEvent] = rows(JobEvent, JobEvent.id)


def left_behind(database: Database, store: Folder) -> list[str]:
    """What lies in a blob store, or in the rows of snapshots, and should not; or the reverse.

    To be asked when no worker runs any more. What was discarded is swept first, and so, where there
    was one, is what an attempt may leave that lost its job between storing and writing down, or
    whose worker was killed there, or could not store all of its files. Any other attempt may leave
    nothing that must be found.
    """
    while snapshots.sweep(database, store):
        pass
    if _may_leave_blobs(database):
        sweep_unnamed(database, store)
    found: list[str] = []
    with database.reading() as session:
        files = set(session.scalars(select(Artifact.sha256)))
        files |= set(session.scalars(select(DerivedFile.sha256)))  # they can be computed again
        rows = session.scalars(select(Snapshot)).all()
        ended = set(
            session.scalars(select(Job.id).where(Job.state.in_(("succeeded", "cancelled"))))
        )
    blobs = {path.name for path in store.folder.rglob("*") if path.is_file()}
    points = {row.sha256 for row in rows}
    kept = Counter(row.job_id for row in rows)
    found += [f"job {job_id} has ended, and keeps snapshots" for job_id in kept.keys() & ended]
    found += [f"job {job_id} keeps {n} snapshots" for job_id, n in kept.items() if n > 2]
    found += [f"the snapshot {sha256} has no blob" for sha256 in points - blobs]
    found += [f"nobody names the blob {name}" for name in blobs - files - points]
    return found


def _may_leave_blobs(database: Database) -> bool:
    is_cut_off = Attempt.outcome.in_(("lost", "worker_fault")) | Attempt.outcome.is_(None)
    with database.reading() as session:
        return session.scalars(select(Attempt.number).where(is_cut_off)).first() is not None


def sweep_unnamed(database: Database, store: Storage) -> None:
    """Find and delete what no row names, without the time that it is left alone for."""
    position = unnamed.walk(database, store, "", 0.0)
    while position:
        position = unnamed.walk(database, store, position, 0.0)
    for _ in range(2):  # what was not looked at yet waits again after the first look
        with database.writing() as session:
            session.execute(update(UnnamedBlob).values(due_at=now()))
        while snapshots.sweep(database, store):
            pass


def _history(seen: _Evidence) -> Iterator[str]:
    """Whether the recorded history is a path of the table of moves, and leads to the state."""
    state: State | None = None
    for event in seen.events:
        try:
            state = state_after(state, event.kind, event.payload.get("state"))
        except ValueError as error:
            yield f"event {event.id}: {error}"
            return
    if state != seen.job.state:
        yield f"{seen.job.state}, with a history that leads to {state}"
    claims = [event.attempt for event in seen.events if event.kind == "claimed"]
    if claims != [attempt.number for attempt in seen.attempts]:
        yield f"claimed as attempts {claims}, which are not those there are"


def _states(seen: _Evidence) -> Iterator[str]:
    job = seen.job
    if job.state in FINAL and not job.finished_at:
        yield f"{job.state} without an end"
    if (job.state == "running") != (job.progress.lease_token is not None):
        yield f"{job.state}, and its lease says otherwise"
    if job.state == "failed" and not job.error_message:
        yield "failed without a reason"
    if job.state != "failed" and job.error_message:
        yield f"{job.state} with the error {job.error_message}"
    if seen.attempts and job.state in FINAL:
        last = seen.attempts[-1].outcome
        right: dict[str, set[str]] = {
            "succeeded": {"succeeded"},
            "failed": {"failed", "crashed", "lost", "worker_fault"},
            # cancelled while it ran, or while it waited after an earlier attempt
            "cancelled": {each for each in OUTCOMES if each != "succeeded"},
        }
        if last not in right[job.state]:
            yield f"{job.state}, but its last attempt was {last}"


def _attempts(seen: _Evidence) -> Iterator[str]:
    numbers = [attempt.number for attempt in seen.attempts]
    if numbers != list(range(1, seen.job.attempt + 1)):
        yield f"its attempts are {numbers}, its row says {seen.job.attempt}"
    open_ones = [attempt.number for attempt in seen.attempts if attempt.finished_at is None]
    if open_ones != ([seen.job.attempt] if seen.job.state == "running" else []):
        yield f"{seen.job.state}, with open attempts {open_ones}"
    successes = [attempt.number for attempt in seen.attempts if attempt.outcome == "succeeded"]
    if len(successes) != (seen.job.state == "succeeded"):
        yield f"{seen.job.state}, with successes {successes}"


def _measurements(seen: _Evidence) -> Iterator[str]:
    """No epoch and no batch is missing, doubled, or out of order."""
    job = seen.job
    epochs = [row.epoch for row in seen.epochs]
    if epochs != list(range(1, len(epochs) + 1)):
        yield f"its epochs are {epochs}"
    if job.state == "succeeded" and job.stop_reason is None and len(epochs) != job.epochs:
        yield f"succeeded with {len(epochs)} of {job.epochs} epochs"
    published = {file.epoch for file in seen.checkpoints}
    if published - {job.published_epoch}:
        yield f"its files are of the epochs {published}, its row says {job.published_epoch}"
    for row in seen.epochs:
        if row.epoch == job.published_epoch and row.test_accuracy != job.test_accuracy:
            yield f"its accuracy is {job.test_accuracy}, it published {row.test_accuracy}"
    for rows, what in ((seen.epochs, "epochs"), (seen.points, "points")):
        by = [row.attempt for row in rows]
        if by != sorted(by):
            yield f"its {what} go back to an earlier attempt: {by}"
    ends = {row.epoch: row.step for row in seen.points if row.batch == job.batches}
    for epoch, step in ends.items():
        if step != epoch * job.batches:
            yield f"epoch {epoch} ends at step {step}, and has {job.batches} batches"
    missing = set(epochs) - set(ends)
    if missing:
        yield f"epochs {sorted(missing)} have no last point"


def _curves(seen: _Evidence) -> Iterator[str]:
    """The buckets say of the samples what can be worked out from them again."""
    expected = Buckets.of(seen.samples)
    for smaller, size in itertools.pairwise((1, *SIZES)):
        stored = [Buckets.unpack(each.data) for each in seen.buckets if each.size == size]
        factor = size // smaller
        whole = len(expected) // factor * factor
        expected = expected[:whole].merged(groups(whole, factor))
        if sum(stored, Buckets.none()) != expected:
            yield f"its buckets of {size} samples are not those of its samples"


def _times(seen: _Evidence) -> Iterator[str]:
    """An attempt has effect between its start and its end, and at no other time."""
    for earlier, later in itertools.pairwise(seen.attempts):
        if earlier.finished_at is None or later.started_at < earlier.finished_at:
            yield f"attempt {later.number} began before attempt {earlier.number} ended"
    by_number = {attempt.number: attempt for attempt in seen.attempts}
    for line in seen.lines:
        attempt = by_number[line.attempt]
        if line.time < attempt.started_at or (
            attempt.finished_at is not None and line.time > attempt.finished_at
        ):
            yield f"attempt {line.attempt} wrote {line.text!r} when it did not hold the job"


def _effects(seen: _Evidence) -> Iterator[str]:
    """Only an attempt that succeeded publishes, and each has a whole log."""
    by_number = {attempt.number: attempt for attempt in seen.attempts}
    for checkpoint in seen.checkpoints:
        if by_number[checkpoint.attempt].outcome != "succeeded":
            yield f"attempt {checkpoint.attempt} published a file and did not succeed"
    for attempt in seen.attempts:
        numbers = [line.number for line in seen.lines if line.attempt == attempt.number]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the log lines of attempt {attempt.number} are numbered {numbers}"


def _resumption(seen: _Evidence) -> Iterator[str]:
    """Every attempt begins at the newest snapshot before it, unless one was damaged.

    Where a person started the run over, there is none before it.
    """
    secured = 0
    restarted_after = {
        event.attempt
        for event in seen.events
        if event.kind == "retried" and event.payload.get("from_scratch")
    }
    for attempt in seen.attempts:
        if attempt.number - 1 in restarted_after:
            secured = 0
        if attempt.first_step is not None:
            skipped = any(
                line.level == "warning" and f"after {secured} batches" in line.text
                for line in seen.lines
                if line.attempt == attempt.number and "skipped" in line.text
            )
            if attempt.first_step > secured:
                yield f"attempt {attempt.number} began at {attempt.first_step}, {secured} was safe"
            if attempt.first_step < secured and not skipped:
                yield f"attempt {attempt.number} began at {attempt.first_step}, not at {secured}"
            secured = attempt.first_step
        secured = max(secured, attempt.secured_step or 0)


_OF_ROWS = (_states, _attempts, _history, _measurements, _curves, _effects, _resumption)
_OF_TIMES = (_times,)


def _files(seen: _Evidence, storage: Storage) -> Iterator[str]:
    # torch takes seconds to import, and whoever looks at rows alone needs none
    import torch  # noqa: PLC0415

    from worker.training.model.network import digest  # noqa: PLC0415

    if bool(seen.checkpoints) != (seen.job.state == "succeeded"):
        yield f"{seen.job.state}, with {len(seen.checkpoints)} files"
    formats = [row.format for row in seen.checkpoints]
    if len(set(formats)) != len(formats) or ("pt" not in formats and formats):
        yield f"its files are {formats}"
    for row in seen.checkpoints:
        try:
            with storage.open(Blob(row.sha256, row.size)) as file:
                content = file.read()
        except NotFound:
            yield f"its file {row.filename} is missing"
            continue
        if (hashlib.sha256(content).hexdigest(), len(content)) != (row.sha256, row.size):
            yield f"its file {row.filename} is damaged"
            continue
        if row.format != "pt":
            continue
        published = torch.load(io.BytesIO(content), weights_only=True)
        if digest(published["state_dict"]) != seen.job.weights_sha256:
            yield f"the weights in {row.filename} are not those that its row names"


def _sameness(seen: _Evidence, reference: Reference) -> Iterator[str]:
    """A disturbed run ends as an undisturbed one: to the last bit, to the last digit."""
    if seen.job.weights_sha256 != reference.weights_sha256:
        yield f"its weights are not those of an undisturbed run of {json.dumps(seen.job.spec)}"
    rows = tuple(
        (row.epoch, row.train_loss, row.test_loss, row.test_accuracy, row.learning_rate)
        for row in seen.epochs
    )
    if rows != reference.epochs:
        yield "its epochs are not those of an undisturbed run"
