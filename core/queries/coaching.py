"""A run as the coach is given it: its curves, its evaluation, and the runs most like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import coach
from core.database.models import Evaluation, Job, JobValue
from core.metrics import curves
from core.queries.clauses import is_seen
from core.queries.curves import Extent, epochs_curve
from core.queries.groups import WITHOUT_SEED
from core.queries.jobs import job, jobs
from core.queries.runs import evaluations
from core.queries.selection import Selection
from core.spec import facts

ADVISED = ("running", "succeeded", "failed")
"""The states in which a run may be advised something."""
POINTS = 400
"""Of a longer run buckets of several epochs are looked at."""
SAMPLES = 120
RECENT = 50
"""Runs on the same dataset with the same network that are looked at."""

_EPOCHS = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "learning_rate",
)


def coached(session: Session, job_id: int, seen_by: str | None) -> coach.Run:
    """A run with all that the coach looks at.

    Args:
        session: where to look.
        job_id: the run.
        seen_by: who is advised, to whom private runs of others are not there; None: all are.

    Raises:
        NotFound: there is no such run.
    """
    row, _ = job(session, job_id)
    own = session.get(Evaluation, job_id) if row.state == "succeeded" else None
    earlier = _earlier(session, row, seen_by) if row.state in ADVISED else []
    return coach.Run(
        job_id=row.id,
        state=row.state,
        stored_spec=row.spec,
        error_kind=row.error_kind,
        is_cut_short=row.stop_reason is not None,
        batches=row.batches,
        epochs=_epochs(session, job_id),
        samples=_samples(session, job_id),
        published_epoch=row.published_epoch,
        evaluation=own.content if own else None,
        repeats=_repeats(session, row, seen_by) if own else 0,
        siblings=_siblings(session, row, earlier) if own else (),
        earlier=[
            coach.Earlier(each.id, each.spec, each.test_accuracy)
            for each in earlier
            if each.test_accuracy is not None
        ],
    )


def _repeats(session: Session, row: Job, seen_by: str | None) -> int:
    """Other seeds with which runs that are the same but for it have succeeded."""
    key = select(JobValue.text).where(JobValue.job_id == row.id, JobValue.name == WITHOUT_SEED)
    same = select(JobValue.job_id).where(
        JobValue.name == WITHOUT_SEED, JobValue.number == 0, JobValue.text == key.scalar_subquery()
    )
    seeds = (
        select(JobValue.number)
        .join(Job, Job.id == JobValue.job_id)
        .where(JobValue.name == facts.SEED, Job.id.in_(same), *is_seen(seen_by))
        .where(Job.state == "succeeded", Job.deleted_at.is_(None))
        .where(JobValue.number != facts.seed(row.spec))
    )
    return session.scalar(select(func.count()).select_from(seeds.distinct().subquery())) or 0


def _epochs(session: Session, job_id: int) -> coach.Epochs:
    curve = epochs_curve(session, job_id, Extent(POINTS), _EPOCHS)
    columns: dict[str, Any] = {name: list(curve.values[name]["last"]) for name in _EPOCHS}
    return coach.Epochs(epoch=list(curve.at), **columns)


def _samples(session: Session, job_id: int) -> coach.Samples:
    found = curves.curve(session, job_id, SAMPLES, values=["train_loss"])
    return coach.Samples(list(found.step), list(found.column("train_loss", "mean")))


def _earlier(session: Session, row: Job, seen_by: str | None) -> list[Job]:
    """The newest of the earlier runs that succeeded on the same dataset with the same network."""
    selection = Selection(
        states=("succeeded",), dataset=row.dataset, model=row.model, seen_by=seen_by
    )
    return [found for found, _ in jobs(session, selection, RECENT, str(row.id)).items]


def _siblings(session: Session, row: Job, earlier: Sequence[Job]) -> Sequence[coach.Sibling]:
    """The earlier run that is most like this one, where one is like it."""
    specs = {each.id: each.spec for each in earlier}
    nearest = coach.most_alike(row.spec, specs)
    found = evaluations(session, nearest)
    return [
        coach.Sibling(each, specs[each], found[each].content) for each in nearest if each in found
    ]
