"""Initial weights: those that a run has published, and another begins with instead of random ones.

Nothing but the weights comes along, so the network has to be the same: each field of it in the
spec, and the channels and the size of the images. Where there are more or fewer classes, the last
layer begins as it always does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.database.models import LARGEST_KEY, Artifact, InitialWeights, Job
from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.jobs.actors import Actor, sees
from core.messages import message
from core.spec import facts
from core.spec.spec import TrainingSpec
from core.storage.blobs import Blob

FIELD = "weights_from"
"""What whoever submits calls the run."""


@dataclass(frozen=True, slots=True)
class Initial:
    """The weights that a job is to begin with."""

    source_id: int
    epoch: int
    blob: Blob


def find(
    session: Session, actor: Actor, source_id: int, spec: TrainingSpec, *, stays: bool = False
) -> Initial:
    """The published weights of a run, for a job that begins with them.

    Args:
        session: where to look.
        actor: who submits the job.
        source_id: the run.
        spec: of the job.
        stays: whether nobody may take them away until the transaction is over.

    Raises:
        InvalidInput: there is no such run for the actor, it has none, or they do not fit.
    """
    query = (
        select(Job, Artifact)
        .join(Artifact, Artifact.job_id == Job.id)
        .where(
            Job.id == min(source_id, LARGEST_KEY),
            Job.deleted_at.is_(None),
            Artifact.format == "pt",
        )
        .order_by(Artifact.id.desc())
        .limit(1)
    )
    if stays:
        query = query.with_for_update(read=True, key_share=True, of=Artifact)
    row = session.execute(query).one_or_none()
    if row is None or not sees(actor, row.Job):
        raise InvalidInput.one(FIELD, message("weights.none", job_id=source_id))
    _refuse_misfit(row.Job, spec)
    artifact: Artifact = row.Artifact
    return Initial(source_id, artifact.epoch, Blob(artifact.sha256, artifact.size))


def add(session: Session, found: Mapping[int, Initial]) -> None:
    """Write down what jobs begin with, by their numbers."""
    rows = [
        {
            "job_id": job_id,
            "source_id": each.source_id,
            "epoch": each.epoch,
            "sha256": each.blob.sha256,
            "size": each.blob.size,
        }
        for job_id, each in found.items()
    ]
    if rows:
        session.execute(insert(InitialWeights), rows)


def of(session: Session, job_id: int) -> Initial | None:
    """What a job begins with; None: random weights."""
    row = session.get(InitialWeights, job_id)
    if row is None:
        return None
    return Initial(row.source_id, row.epoch, Blob(row.sha256, row.size))


def sources(session: Session, job_ids: Collection[int]) -> dict[int, int]:
    """The runs whose weights some jobs begin with, by the jobs that begin with any."""
    query = select(InitialWeights.job_id, InitialWeights.source_id)
    rows = session.execute(query.where(InitialWeights.job_id.in_(job_ids)))
    return {row.job_id: row.source_id for row in rows}


def _refuse_misfit(source: Job, spec: TrainingSpec) -> None:
    differing = [*_of_network(source, spec), *_of_images(source, spec)]
    if differing:
        reason = message("weights.misfit", job_id=source.id, fields=differing)
        raise InvalidInput.one(FIELD, reason)


def _of_network(source: Job, spec: TrainingSpec) -> Iterator[str]:
    """The fields of the network in which it differs from that of a run."""
    theirs = TrainingSpec.model_validate(source.spec).model.model_dump(mode="json")
    ours = spec.model.model_dump(mode="json")
    for name in sorted(theirs.keys() | ours.keys()):
        if theirs.get(name) != ours.get(name):
            yield f"model.{name}"


def _of_images(source: Job, spec: TrainingSpec) -> Iterator[str]:
    theirs, ours = DATASETS[facts.dataset(source.spec)], DATASETS[spec.dataset]
    if (theirs.channels, theirs.size) != (ours.channels, ours.size):
        yield "dataset"
