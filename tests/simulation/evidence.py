"""What must be in the tables when a schedule is over, beside what `tests/faults/checker.py` asks.

What the trainers reported is known here, so each epoch, sample and line can be held against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.models import (
    Artifact,
    Attempt,
    Base,
    Epoch,
    Job,
    JobEvent,
    LogLine,
    MetricSegment,
    Snapshot,
    Worker,
)
from core.metrics.samples import Samples
from tests.simulation import trainer

Lines = Mapping[tuple[int, int], Sequence[tuple[str, datetime]]]
"""The log of each attempt, by job and number: each line, and when it was written."""


def problems(session: Session, reported: Lines, broken: Counter[tuple[int, str]]) -> list[str]:
    """Everything that is not as it was reported.

    Args:
        session: where to look.
        reported: what each trainer wrote into its log.
        broken: how often somebody made each job crash or fail, or it met what its worker could not.
    """
    return [
        *_epochs(session),
        *_samples(session),
        *_lines(session, reported),
        *_causes(session, broken),
        *_blames(session),
    ]


def _epochs(session: Session) -> Iterator[str]:
    batches = {number: spec["seed"] for number, spec in session.execute(select(Job.id, Job.spec))}
    for row in session.scalars(select(Epoch)):
        if row.train_loss != trainer.loss(row.epoch * batches[row.job_id]):
            yield f"job {row.job_id}: nobody reported its epoch {row.epoch} so"


def _samples(session: Session) -> Iterator[str]:
    steps: dict[int, list[float]] = {}
    order = MetricSegment.job_id, MetricSegment.first_step
    for segment in session.scalars(select(MetricSegment).order_by(*order)):
        samples = Samples.unpack(segment.data)
        steps.setdefault(segment.job_id, []).extend(samples.step)
        if list(samples.column("train_loss")) != [trainer.loss(int(n)) for n in samples.step]:
            yield f"job {segment.job_id}: nobody reported the samples from {segment.first_step} so"
    for job_id, of_job in steps.items():
        if of_job != list(range(1, len(of_job) + 1)):
            yield f"job {job_id}: its samples are of the steps {of_job}"


def _lines(session: Session, reported: Lines) -> Iterator[str]:
    """A log may end early, where its worker was killed; what is there is what was reported."""
    written: dict[tuple[int, int], list[str]] = {}
    order = LogLine.job_id, LogLine.attempt, LogLine.number
    for line in session.scalars(select(LogLine).order_by(*order)):
        written.setdefault((line.job_id, line.attempt), []).append(line.text)
    for key, lines in written.items():
        texts = [text for text, _ in reported.get(key, ())]
        if lines != texts[: len(lines)]:
            yield f"job {key[0]}, attempt {key[1]}: nobody reported its log so: {lines}"


def _causes(session: Session, broken: Counter[tuple[int, str]]) -> Iterator[str]:
    """A call that fails costs a run nothing but time: each bad end has another cause."""
    bad = select(Attempt.job_id, Attempt.outcome).where(
        Attempt.outcome.in_(("crashed", "failed", "worker_fault"))
    )
    for (job_id, outcome), count in Counter(map(tuple, session.execute(bad))).items():
        if count > broken[job_id, outcome]:
            yield f"job {job_id} has {outcome} {count} times, and was made to less often"


def _blames(session: Session) -> Iterator[str]:
    """A run that is failed by what its workers could not do was tried on enough of them."""
    failed = select(Job.id, Job.error_message).where(Job.state == "failed")
    for job_id, reason in session.execute(failed):
        retries = select(JobEvent.attempt).where(
            JobEvent.job_id == job_id, JobEvent.kind == "retried"
        )
        last_retry = max(session.scalars(retries), default=0)
        attempts = session.execute(
            select(Attempt.outcome, Worker.name)
            .join(Worker, Worker.id == Attempt.worker_id)
            .where(Attempt.job_id == job_id, Attempt.number > last_retry)
            .order_by(Attempt.number)
        ).all()
        names = [name for outcome, name in attempts if outcome == "worker_fault"]
        is_by_worker = attempts[-1].outcome == "worker_fault"
        is_blamed = reason.code == "run.same_fault"
        if is_by_worker != is_blamed or (is_blamed and len(set(names)) < 3 and len(names) < 5):
            yield f"job {job_id} has failed by {reason}, after faults of {names}"


def of_times(session: Session, reported: Lines) -> Iterator[str]:
    """Each line has the time at which it was written, however much later it came to the table.

    Nobody may have set the database's clock.
    """
    order = LogLine.job_id, LogLine.attempt, LogLine.number
    for line in session.scalars(select(LogLine).order_by(*order)):
        _, moment = reported[line.job_id, line.attempt][line.number - 1]
        if abs((line.time - moment).total_seconds()) > 0.001:
            yield f"job {line.job_id}: {line.text!r} is of {moment}, the log says {line.time}"


def of_files(session: Session, blobs: Collection[str]) -> Iterator[str]:
    """The store has exactly what the rows name."""
    named = {
        sha256 for table in (Artifact, Snapshot) for sha256 in session.scalars(select(table.sha256))
    }
    if named != set(blobs):
        yield f"the rows name {named - set(blobs)}; without a name are {set(blobs) - named}"


def of_purged(session: Session, purged: Collection[int]) -> Iterator[str]:
    """Of a purged job there is no row in any table."""
    for table in Base.metadata.sorted_tables:
        if "job_id" in table.c:
            for job_id in session.scalars(select(table.c.job_id).distinct()):
                if job_id in purged:
                    yield f"job {job_id} is purged, and has rows in {table.name}"
