"""What past runs took and came to: for whoever chooses what to run next.

Only the newest runs are looked at, so that it costs the same however many there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import InitialWeights, Job, JobProgress, training_began
from core.spec import facts

RECENT = 100
"""Runs of a dataset, or of a preset, among which those that went well are looked for."""

Likeness = Literal["network", "kind", "dataset"]
"""What past runs have in common with another: its network and batches, its kind of network, or its
dataset alone."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What some runs took, and came to."""

    count: int
    seconds: float
    """From the first batch to the end: the median."""
    accuracy: float | None
    """On the test set, from 0 to 1: the median."""


@dataclass(frozen=True, slots=True)
class TypicalEpoch:
    """How long an epoch takes, by past runs: the median."""

    seconds: float
    count: int
    likeness: Likeness
    is_of_queue: bool
    """Whether these runs were in the queue that was asked about."""


def of_preset(session: Session, preset: str, spec: Mapping[str, Any]) -> Experience | None:
    """What finished runs of a preset took that changed nothing of it but the seed.

    Those that began with the weights of another run say nothing of what it comes to.
    """
    learned = select(InitialWeights.job_id).where(InitialWeights.job_id == Job.id)
    ended = _ended_well(session, (Job.preset == preset) & ~learned.exists())
    rows = [row for row in ended if facts.is_same_but_seed(row.spec, spec)]
    if not rows:
        return None
    accuracies = [row.test_accuracy for row in rows if row.test_accuracy is not None]
    return Experience(
        len(rows),
        statistics.median(_seconds(row) for row in rows),
        statistics.median(accuracies) if accuracies else None,
    )


def typical_epochs(
    session: Session, spec: Mapping[str, Any], queues: Iterable[str]
) -> dict[str, TypicalEpoch]:
    """How long an epoch of a spec takes in each queue, by the past runs that are most like it.

    Those of the queue itself come first, whatever they have in common with the spec.
    """
    rows = _ended_well(session, Job.dataset == facts.dataset(spec))
    found = {queue: _typical(rows, spec, queue) for queue in queues}
    return {queue: each for queue, each in found.items() if each is not None}


def _typical(rows: Sequence[Row[Any]], spec: Mapping[str, Any], queue: str) -> TypicalEpoch | None:
    own = [row for row in rows if row.queue == queue]
    for some in filter(None, (own, rows)):
        likeness, alike = _most_alike(some, spec)
        seconds = [_seconds(row) / row.epoch for row in alike]
        return TypicalEpoch(statistics.median(seconds), len(alike), likeness, some is own)
    return None


def _most_alike(
    rows: Sequence[Row[Any]], spec: Mapping[str, Any]
) -> tuple[Likeness, Sequence[Row[Any]]]:
    alike = [row for row in rows if facts.has_same_work(row.spec, spec)]
    if alike:
        return "network", alike
    of_kind = [row for row in rows if row.model == facts.model(spec)]
    return ("kind", of_kind) if of_kind else ("dataset", rows)


def _seconds(row: Row[Any]) -> float:
    return float((row.finished_at - row.began_at).total_seconds())


def _ended_well(session: Session, which: Any) -> Sequence[Row[Any]]:
    """The newest runs of some kind that went well, in one attempt: else pauses count as well."""
    return session.execute(_newest(which)).all()


def _newest(which: Any) -> Select[Any]:
    # the newest are found in an index first: else many that failed would all be walked through
    ids = (
        select(Job.id)
        .where(which, Job.deleted_at.is_(None))
        .order_by(Job.id.desc())
        .limit(RECENT)
        .subquery()
    )
    return (
        select(
            Job.id,
            Job.queue,
            Job.model,
            Job.spec,
            training_began().label("began_at"),
            Job.finished_at,
            Job.test_accuracy,
            JobProgress.epoch,
        )
        .join(ids, ids.c.id == Job.id)
        .join(Job.progress)
        .where(in_passing(Job.state) == "succeeded", Job.attempt == 1, JobProgress.epoch > 0)
    )
