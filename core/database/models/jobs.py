"""The jobs, their attempts, and the history of both."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    false,
    func,
    select,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.database.types import (
    KIND_LENGTH,
    NAME_LENGTH,
    QUEUE_LENGTH,
    TAG_LENGTH,
    TOKEN_LENGTH,
    VALUE_LENGTH,
    Base,
    BigKey,
    one_of,
)
from core.messages import Message
from core.states import DESIRED, EVENT_KINDS, OUTCOMES, STATES, Desired, EventKind, Outcome, State

MEASURED = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)
"""The measurements of a run by which a list can be sorted."""

_LISTED = (
    *("state", "dataset", "model", "preset", "owner", "folded_name"),
    *("deleted_at", "is_private"),
)
"""By what a list can be filtered. SQLite reads an index alone only where it has every column of the
question, so `deleted_at` is there too, though it is empty in these indexes."""
_LISTED_BESIDES_NAME = tuple(each for each in _LISTED if each != "folded_name")


def _of_listed(name: str | None, *columns: str, also: str = "") -> Index:
    """An index of the jobs that lists have: those that were not deleted."""
    where = text(f"{also}deleted_at IS NULL")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


def _of_measured(measured: str) -> Index:
    """An index of the jobs that have a measurement: one that waits for its first epoch has none."""
    columns = (measured, "id", *_LISTED)
    return _of_listed(f"ix_jobs_by_{measured}", *columns, also=f"{measured} IS NOT NULL AND ")


def _of_deleted(name: str, *columns: str) -> Index:
    """An index of the jobs that were deleted, which are few."""
    where = text("deleted_at IS NOT NULL")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


def _of_state(state: State, name: str, *columns: Any) -> Index:
    """An index of the jobs in one state alone: its size does not grow with what is over."""
    where = text(f"state = '{state}'")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class Job(Base):
    """A run that somebody asked for. This row is the queue entry and the state.

    The measurements of its last epoch, and once it has succeeded those of the epoch whose weights
    it publishes, are kept here again, so that a page of the list reads them with it. What changes
    while it runs is in its row of `progress`.
    """

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    folded_name: Mapped[str] = mapped_column(String(3 * NAME_LENGTH))
    """The name without capital letters (`str.casefold`), in which lists look for a text."""
    preset: Mapped[str | None] = mapped_column(String(60))
    spec: Mapped[dict[str, Any]]
    priority: Mapped[int]
    queue: Mapped[str] = mapped_column(String(QUEUE_LENGTH))
    device: Mapped[str] = mapped_column(String(10))
    """The spec's device again, or, once the run has a snapshot, the kind of device that it began
    on: the claim matches it against what a worker has."""
    devices: Mapped[int]
    """Slots of one worker that the run takes at once."""
    pinned_precision: Mapped[str | None] = mapped_column(String(10))
    """The precision that it began with, once it has a snapshot: it resumes with the same."""
    pinned_threads: Mapped[int | None]
    """The threads that it began with on a CPU, once it has a snapshot."""
    lane_id: Mapped[int] = mapped_column(ForeignKey("lanes.id"))
    """Where it waits, by its queue and the columns above as they were when it was queued."""

    dataset: Mapped[str] = mapped_column(String(KIND_LENGTH))
    model: Mapped[str] = mapped_column(String(KIND_LENGTH))
    """The spec's dataset and the kind of its network again: for lists, and for what is typical."""
    owner: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """The name of the actor who submitted it."""
    is_private: Mapped[bool] = mapped_column(server_default=false())
    """Whether it is there for its owner and administrators alone."""
    tags: Mapped[list[Any]]
    """Its rows of `job_tags` again, in the order in which they were given."""
    notes: Mapped[str] = mapped_column(Text, server_default="")
    """What people wrote about it, as they typed it."""
    submission_token: Mapped[str | None] = mapped_column(String(TOKEN_LENGTH))
    """What its submit was known by, where that may come twice: the second time finds this row."""

    state: Mapped[State]
    desired: Mapped[Desired]
    attempt: Mapped[int]
    own_revision: Mapped[int] = mapped_column("revision")
    """Goes up with every change of this row."""

    resets: Mapped[int]
    """Goes up when measurements are taken back because training begins again before them: a live
    page must then forget what it shows."""

    created_at: Mapped[datetime]
    available_at: Mapped[datetime]
    """Not claimed before this moment: a retry backs off."""
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    desired_at: Mapped[datetime | None]
    """When somebody last asked for something: a pause, a cancel, to resume."""

    desired_by: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """The name of the actor who asked."""

    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id"))
    crashes: Mapped[int]
    losses: Mapped[int]
    secured_step: Mapped[int] = mapped_column(BigInteger)
    """Batches that a snapshot has secured at most: more of them is new progress, which gives
    the run its whole budget of crashes and losses back."""

    epochs: Mapped[int]
    batches: Mapped[int]
    train_loss: Mapped[float | None]
    validation_loss: Mapped[float | None]
    validation_accuracy: Mapped[float | None]
    test_loss: Mapped[float | None]
    test_accuracy: Mapped[float | None]
    published_epoch: Mapped[int | None]
    """The epoch whose weights are published: the best, or the last. None before there are any."""
    stop_reason: Mapped[Message | None]
    """Why it ended before its last epoch, where it did."""
    weights_sha256: Mapped[str | None] = mapped_column(String(64))

    error_kind: Mapped[str | None] = mapped_column(String(KIND_LENGTH))
    error_message: Mapped[Message | None]
    error_traceback: Mapped[str | None] = mapped_column(Text)

    deleted_at: Mapped[datetime | None]
    """When somebody deleted it: no list, count or forecast has it any more."""
    purge_at: Mapped[datetime | None]
    """Until then it can be restored; from then on its rows and blobs are removed for good."""

    progress: Mapped[JobProgress] = relationship(
        lazy="joined", innerjoin=True, cascade="all", passive_deletes=True
    )

    @hybrid_property
    def revision(self) -> int:
        """Goes up with every change of either row: live pages ask for jobs they have not seen."""
        return self.own_revision + self.progress.revision

    @revision.inplace.expression
    @classmethod
    def _revision(cls) -> ColumnElement[int]:
        of_progress = select(JobProgress.revision).where(JobProgress.job_id == cls.id)
        return cls.own_revision + of_progress.scalar_subquery()

    __table_args__ = (
        CheckConstraint(one_of("state", STATES), name="state_is_known"),
        CheckConstraint(one_of("desired", DESIRED), name="desired_is_known"),
        CheckConstraint(
            "state <> 'running' OR (worker_id IS NOT NULL AND attempt > 0)",
            name="a_running_job_has_a_worker",
        ),
        CheckConstraint(
            "(state <> 'queued' OR desired = 'run') AND (state <> 'paused' OR desired = 'pause') "
            "AND (state <> 'cancelled' OR desired = 'cancel')",
            name="a_state_agrees_with_desired",
        ),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="an_ended_job_has_an_end",
        ),
        # so whatever claims, reaps or forecasts need not ask
        CheckConstraint(
            "(deleted_at IS NULL) = (purge_at IS NULL) "
            "AND (deleted_at IS NULL OR state NOT IN ('queued', 'running'))",
            name="a_deleted_job_is_at_rest",
        ),
        _of_state(
            "queued",
            "ix_jobs_claim",
            "lane_id",
            text("priority DESC"),
            "id",
            # what a forecast reads, so that it reads no rows
            *("available_at", "dataset", "epochs", "batches", "secured_step", "state"),
        ),
        _of_state("queued", "ix_jobs_due", "lane_id", "available_at"),
        Index(
            "uq_jobs_submission_token",
            "submission_token",
            unique=True,
            sqlite_where=text("submission_token IS NOT NULL"),
            postgresql_where=text("submission_token IS NOT NULL"),
        ),
        # by its state the few that run are found too: a page skips the deleted ones in the index
        Index("ix_jobs_state_id", "state", "id", "deleted_at", "owner", "is_private"),
        # pages of the list, newest first
        *(
            _of_listed(f"ix_jobs_{column}_id", column, "id")
            for column in ("dataset", "model", "preset", "owner")
        ),
        # any other page is found by walking along one of these, without a look at the wide rows
        _of_listed("ix_jobs_list", "id", *_LISTED),
        *(_of_measured(measured) for measured in (*MEASURED, "finished_at")),
        _of_listed("ix_jobs_by_name", "folded_name", "id", *_LISTED_BESIDES_NAME),
        # few have notes: whoever looks for a text in them reads those alone
        Index(
            "ix_jobs_noted",
            "id",
            sqlite_where=text("notes <> ''"),
            postgresql_where=text("notes <> ''"),
        ),
        _of_deleted("ix_jobs_deleted", "id"),
        _of_deleted("ix_jobs_purge", "purge_at", "id"),
        # for the removal of workers that no run names. Few run, and all others have a worker too:
        # whoever looks for what a worker runs looks at its worker in passing
        Index(
            "ix_jobs_worker_id",
            "worker_id",
            sqlite_where=text("worker_id IS NOT NULL"),
            postgresql_where=text("worker_id IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},  # else the number of a purged run would be given again
    )


class JobProgress(Base):
    """What changes while a job runs: its lease, and how far it is. Each job has one row.

    It is written several times a second and a run, so it is narrow, and no column of it has an
    index: PostgreSQL then writes a new version beside the old one, and nothing else.
    """

    __tablename__ = "progress"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int]
    """Goes up with every change of this row."""
    attempt: Mapped[int]
    """The attempt that this is of."""
    lease_token: Mapped[str | None] = mapped_column(String(32))
    """Of a running job, and of no other: all that it writes names it."""
    lease_expires_at: Mapped[datetime | None]
    last_heartbeat_at: Mapped[datetime | None]
    """When the worker that runs it last wrote: a renewal, a measurement."""
    yields_to: Mapped[int | None] = mapped_column(BigInteger)
    """The job of a higher priority to which this attempt is to give way; NULL: to none."""

    epoch: Mapped[int]
    batch: Mapped[int]
    images_per_s: Mapped[float | None]
    eta_s: Mapped[float | None]
    train_loss: Mapped[float | None]
    """The newest; that of the last whole epoch is in `jobs`."""

    __table_args__ = (
        CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)", name="a_lease_expires"
        ),
        CheckConstraint(
            "yields_to IS NULL OR lease_token IS NOT NULL", name="only_a_leased_job_yields"
        ),
        {"postgresql_with": {"fillfactor": 50}},
    )


class Attempt(Base):
    """One try at a job by one worker: who, where, when, and why it ended."""

    __tablename__ = "attempts"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id"), index=True)
    device: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    threads: Mapped[int | None]
    precision: Mapped[str | None] = mapped_column(String(10))
    micro_batch: Mapped[int | None]
    """Images in each part of a batch, once the device's memory was too small for what was asked."""
    first_step: Mapped[int | None] = mapped_column(BigInteger)
    """Batches that were done when its training began; 0: it began from scratch."""
    secured_step: Mapped[int | None] = mapped_column(BigInteger)
    """Batches in the newest snapshot that it has secured."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    reason: Mapped[Message | None]

    __table_args__ = (
        CheckConstraint(f"outcome IS NULL OR {one_of('outcome', OUTCOMES)}", name="outcome_known"),
        CheckConstraint(
            "(outcome IS NULL) = (finished_at IS NULL)", name="an_ended_attempt_has_an_end"
        ),
        # two attempts of one job never run at once
        Index(
            "uq_attempts_one_open_a_job",
            "job_id",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )


class Clone(Base):
    """That a job began as a copy of another. It goes with either, when that is purged."""

    __tablename__ = "clones"

    job_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    parent_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))

    __table_args__ = (Index(None, "parent_id", "job_id"),)


class JobTag(Base):
    """A word by which whoever submitted a job wants to find it again."""

    __tablename__ = "job_tags"

    tag: Mapped[str] = mapped_column(String(TAG_LENGTH), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (Index(None, "job_id"),)


class JobValue(Base):
    """A value of a job that a list can be sorted by: a hyperparameter, or how its end was.

    The spec has the hyperparameters too, in JSON. Here each has a row, so that an index has the
    jobs in the order of any of them. Rows come with the submit and with the end, and do not change.
    """

    __tablename__ = "job_values"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(KIND_LENGTH), primary_key=True)
    """The dotted path of a hyperparameter, or another name of `core.jobs.values`."""
    number: Mapped[float]
    """0 for a text; 1 is true."""
    text: Mapped[str] = mapped_column(
        # the same order on both databases, whatever the language of the server
        String(VALUE_LENGTH).with_variant(String(VALUE_LENGTH, collation="C"), "postgresql")
    )
    """Empty for a number."""

    __table_args__ = (Index("ix_job_values_sorted", "name", "number", "text", "job_id"),)


class JobEvent(Base):
    """Something that happened to a job. A row comes with the move that it tells of, and stays.

    One table feeds the timeline of a run, the lists that follow live, and whoever must know later.
    """

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    """A position in the history of all jobs."""
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    actor: Mapped[dict[str, Any]]
    """`kind`, `id` and `name` of a `core.jobs.actors.Actor`."""
    kind: Mapped[EventKind]
    attempt: Mapped[int]
    """The attempt that was the newest then; 0: there was none yet."""
    payload: Mapped[dict[str, Any]]
    """`state`, where the job moved; `reason`, a message; and what else belongs to the kind."""

    __table_args__ = (
        CheckConstraint(one_of("kind", EVENT_KINDS), name="kind_is_known"),
        Index(None, "job_id", "id"),
        {"sqlite_autoincrement": True},  # a position is never given again, whatever was purged
    )


def training_began() -> ColumnElement[datetime]:
    """When a job first began to train, within a question about jobs.

    What lies before is the start of its attempt, in which a dataset may be downloaded, once.
    """
    began = select(func.min(JobEvent.at)).where(
        JobEvent.job_id == Job.id, JobEvent.kind == "started"
    )
    return func.coalesce(began.correlate(Job).scalar_subquery(), Job.started_at)
