"""The tables. Everything that Trainyard knows about a run is in these rows.

Times are stored in UTC and always set by the database's own clock (`core.database.clock.now`).
"""

from core.database.models.files import Artifact, Snapshot, artifact_kind
from core.database.models.jobs import Attempt, Job, JobEvent
from core.database.models.measurements import (
    Epoch,
    Evaluation,
    LogLine,
    MetricBuckets,
    MetricSegment,
)
from core.database.models.previews import Preview
from core.database.models.workers import Worker
from core.database.types import KIND_LENGTH, LARGEST_KEY, NAME_LENGTH, QUEUE_LENGTH, Base

__all__ = [
    "KIND_LENGTH",
    "LARGEST_KEY",
    "NAME_LENGTH",
    "QUEUE_LENGTH",
    "Artifact",
    "Attempt",
    "Base",
    "Epoch",
    "Evaluation",
    "Job",
    "JobEvent",
    "LogLine",
    "MetricBuckets",
    "MetricSegment",
    "Preview",
    "Snapshot",
    "Worker",
    "artifact_kind",
]
