"""A job as other programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from core import queries
from core.database.models import Attempt, Clone, Epoch, InitialWeights, Job
from core.jobs import preemption, snapshots, status
from core.jobs.snapshots import SnapshotRef
from core.jobs.status import QueueStatus
from core.messages import Message, as_json, plain, stored
from core.queries import Page
from webui.api.shapes.base import JSON, Listing, Reason, Shape, Timestamp


class Progress(Shape):
    """How far a job is."""

    epoch: int
    epochs: int
    batch: Annotated[int, Field(description="Whole batches done of the current epoch.")]
    batches: Annotated[int, Field(description="Batches in an epoch; 0 until training has begun.")]
    fraction: Annotated[float, Field(description="Share of the whole run, 0 to 1.")]
    eta_s: float | None
    images_per_s: float | None

    @classmethod
    def of(cls, row: Job) -> Progress:
        """The progress of a job."""
        return cls(
            epoch=row.progress.epoch,
            epochs=row.epochs,
            batch=row.progress.batch,
            batches=row.batches,
            fraction=_fraction(row),
            eta_s=row.progress.eta_s,
            images_per_s=row.progress.images_per_s,
        )


def _fraction(row: Job) -> float:
    if row.state == "succeeded":
        return 1.0
    now = row.progress
    if not (now.epoch and row.batches and row.epochs):
        return 0.0
    done = (now.epoch - 1) * row.batches + now.batch
    return min(1.0, done / (row.batches * row.epochs))


class QueueStatusShape(Shape):
    """Why a job that is queued or paused is not running."""

    position: int | None
    code: str
    params: JSON
    reason: Annotated[str, Field(description="The reason in English, with about how long.")]
    eta_s: float | None
    is_stuck: Annotated[bool, Field(description="Whether no live worker can ever run it.")]
    key: Annotated[str, Field(description="Changes with the reason, but not with time alone.")]

    @classmethod
    def of(cls, waits: QueueStatus) -> QueueStatusShape:
        """The shape of a status."""
        return cls(
            position=waits.position,
            **as_json(waits.reason),
            reason=waits.with_time.text,
            eta_s=waits.eta_s,
            is_stuck=waits.is_stuck,
            key=stored(waits.reason.timeless()),
        )


class SnapshotShape(Shape):
    """Where a run can resume: whole epochs done, batches of the next one, batches in all."""

    epoch: int
    batch: int
    step: int

    @classmethod
    def of(cls, row: Job, newest: SnapshotRef) -> SnapshotShape:
        """The shape of a job's snapshot."""
        batch = newest.step - newest.epoch * row.batches if row.batches else 0
        return cls(epoch=newest.epoch, batch=batch, step=newest.step)


class LastEpoch(Shape):
    """The measurements of a run's last epoch, where those of the run are of another."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float
    test_accuracy: float


class Error(Shape):
    """Why a run failed."""

    kind: str
    code: str
    params: JSON
    message: str
    traceback: str | None

    @classmethod
    def of(cls, row: Job) -> Error | None:
        """The error of a job; None where it has none."""
        if row.error_kind is None:
            return None
        why = row.error_message or plain("")
        return cls(
            kind=row.error_kind,
            **as_json(why),
            message=why.text,
            traceback=row.error_traceback,
        )


class JobShape(Shape):
    """A job."""

    id: int
    name: str
    state: str
    desired: str
    preset: str | None
    spec: JSON
    priority: int
    queue: str
    owner: Annotated[str, Field(description="Who submitted it.")]
    tags: list[str]
    notes: str
    private: Annotated[
        bool, Field(description="Whether its owner and administrators alone see it.")
    ]
    cloned_from: Annotated[
        int | None, Field(description="The run that it began as a copy of; null in lists.")
    ]
    weights_from: Annotated[
        int | None,
        Field(description="The run with whose published weights it begins; null in lists."),
    ]
    devices: int
    attempt: int
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    desired_at: Timestamp | None
    desired_by: str | None
    deleted_at: Timestamp | None
    purge_at: Annotated[
        Timestamp | None, Field(description="Until when a deleted run can be restored.")
    ]
    progress: Progress
    train_loss: float | None
    train_loss_over: Annotated[
        Literal["epoch", "batches"] | None,
        Field(
            description="What `train_loss` is the mean of: a whole epoch, or its newest batches."
        ),
    ]
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    published_epoch: Annotated[
        int | None,
        Field(description="Whose weights are published; the measurements are those of it."),
    ]
    last_epoch: Annotated[
        LastEpoch | None,
        Field(description="Its measurements, where the published epoch is another."),
    ]
    stop: Annotated[Reason | None, Field(description="Why it ended before its last epoch.")]
    stop_reason: Annotated[str | None, Field(description="`stop` as an English sentence.")]
    weights_sha256: str | None
    error: Error | None
    worker: str | None
    queue_status: QueueStatusShape | None
    gives_way: Annotated[
        Reason | None,
        Field(description="Why it is being paused for another run, after which it resumes."),
    ]
    last_heartbeat_at: Timestamp | None
    last_heard_at: Annotated[
        Timestamp | None, Field(deprecated=True, description="Use `last_heartbeat_at`.")
    ]
    micro_batch: Annotated[
        int | None,
        Field(description="Images in each part of a batch that is too large for the device."),
    ]
    snapshot: SnapshotShape | None
    resume_point: Annotated[
        SnapshotShape | None, Field(deprecated=True, description="Use `snapshot`.")
    ]

    @classmethod
    def of(
        cls,
        row: Job,
        worker_name: str | None,
        waits: QueueStatus | None = None,
        gives_way: Message | None = None,
        newest: SnapshotRef | None = None,
        micro_batch: int | None = None,
        last: Epoch | None = None,
        cloned_from: int | None = None,
        weights_from: int | None = None,
    ) -> JobShape:
        """The shape of a job, with its worker's name, why it waits, and where it can resume."""
        stop = Reason.of(row.stop_reason) if row.stop_reason else None
        snapshot = SnapshotShape.of(row, newest) if newest else None
        heartbeat = row.progress.last_heartbeat_at if row.state == "running" else None
        return cls(
            **{name: getattr(row, name) for name in _AS_STORED},
            private=row.is_private,
            cloned_from=cloned_from,
            weights_from=weights_from,
            progress=Progress.of(row),
            train_loss=_train_loss(row),
            train_loss_over=_train_loss_over(row),
            last_epoch=LastEpoch.model_validate(last) if last else None,
            stop=stop,
            stop_reason=stop.text if stop else None,
            error=Error.of(row),
            worker=worker_name,
            queue_status=QueueStatusShape.of(waits) if waits else None,
            gives_way=Reason.of(gives_way) if gives_way else None,
            last_heartbeat_at=heartbeat,
            last_heard_at=heartbeat,
            micro_batch=micro_batch,
            snapshot=snapshot,
            resume_point=snapshot,
        )


class QueuedShape(Shape):
    """The runs of a bulk submit."""

    ids: Annotated[list[int], Field(description="Their numbers, in the order of the submit.")]


def _train_loss(row: Job) -> float | None:
    """The newest; of a run that has published weights, that of their epoch."""
    is_published = row.published_epoch is not None and row.train_loss is not None
    return row.train_loss if is_published else row.progress.train_loss


def _train_loss_over(row: Job) -> Literal["epoch", "batches"] | None:
    loss = _train_loss(row)
    if loss is None:
        return None
    # the end of an epoch sets both to the same number
    return "epoch" if loss == row.train_loss else "batches"


_MADE = {
    "private",
    "cloned_from",
    "weights_from",
    "progress",
    "train_loss",
    "train_loss_over",
    "last_epoch",
    "stop",
    "stop_reason",
    "error",
    "worker",
    "queue_status",
    "gives_way",
    "last_heartbeat_at",
    "last_heard_at",
    "micro_batch",
    "snapshot",
    "resume_point",
}
_AS_STORED = [name for name in JobShape.model_fields if name not in _MADE]


EVERYBODY = ""
"""The name of nobody: what is told to it may be told to everybody."""


def list_of_jobs(session: Session, page: Page[tuple[Job, str | None]]) -> Listing[JobShape]:
    """A list of jobs."""
    rows = [row for row, _ in page.items]
    waits, ways = status.explain(session, rows), preemption.giving_way(session, rows)

    def shape(found: tuple[Job, str | None]) -> JobShape:
        return JobShape.of(*found, waits.get(found[0].id), ways.get(found[0].id))

    return Listing[JobShape].of(page, shape)


def waiting_keys(session: Session, job_ids: Sequence[int]) -> dict[int, str]:
    """The key of why each of some jobs waits, asked for all of them at once."""
    explained = status.explain(session, queries.jobs_by_id(session, job_ids))
    return {job_id: QueueStatusShape.of(waits).key for job_id, waits in explained.items()}


def whole_job(
    session: Session,
    row: Job,
    worker_name: str | None,
    *,
    has_relatives: bool = True,
    seen_by: str | None = EVERYBODY,
) -> JobShape:
    """A job by itself: besides, where it can resume, how it computes, and its last epoch.

    Args:
        session: where to look.
        row: the job.
        worker_name: of the worker that runs it.
        has_relatives: whether it may have begun as a copy of another, or with its weights.
        seen_by: who is not to be told of private runs of others; None: who sees every run.
    """
    waits = status.explain(session, [row]).get(row.id)
    has_begun = row.attempt > 0  # one that was submitted a moment ago has nothing of an attempt
    newest = next(iter(snapshots.newest_first(session, row.id)), None) if has_begun else None
    attempt = session.get(Attempt, (row.id, row.attempt)) if has_begun else None
    micro_batch = attempt.micro_batch if attempt else None
    parent = session.get(Clone, row.id) if has_relatives else None
    begun_with = session.get(InitialWeights, row.id) if has_relatives else None
    return JobShape.of(
        row,
        worker_name,
        waits,
        preemption.giving_way(session, [row]).get(row.id),
        newest,
        micro_batch,
        _last_epoch(session, row),
        _told(session, parent.parent_id if parent else None, seen_by),
        _told(session, begun_with.source_id if begun_with else None, seen_by),
    )


def _told(session: Session, job_id: int | None, seen_by: str | None) -> int | None:
    """The number of a run, unless it is private to others; one that was purged is not any more."""
    if job_id is None or seen_by is None:
        return job_id
    return None if queries.is_hidden(session, job_id, seen_by) else job_id


def _last_epoch(session: Session, row: Job) -> Epoch | None:
    """The last epoch of a run that has published the weights of another."""
    last = row.progress.epoch
    is_another = row.published_epoch is not None and row.published_epoch != last
    return session.get(Epoch, (row.id, last)) if is_another else None
