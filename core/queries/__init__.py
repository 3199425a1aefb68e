"""Questions for the pages, the API and the live streams. Nothing here writes."""

from core.queries.curves import (
    MEASURED,
    METRICS,
    MOST_POINTS,
    Curve,
    Extent,
    epochs_curve,
    metrics_curve,
)
from core.queries.jobs import EVERYTHING, SORTS, Selection, count_by_state, job, jobs, revisions
from core.queries.pages import DEFAULT_LIMIT, LARGEST_LIMIT, Page
from core.queries.runs import (
    artifact,
    artifacts,
    attempts,
    epochs,
    evaluated_attempt,
    evaluation,
    events,
    logs,
    metrics,
    milestones,
    newest_keys,
)
from core.queries.workers import worker, workers

__all__ = [
    "DEFAULT_LIMIT",
    "EVERYTHING",
    "LARGEST_LIMIT",
    "MEASURED",
    "METRICS",
    "MOST_POINTS",
    "SORTS",
    "Curve",
    "Extent",
    "Page",
    "Selection",
    "artifact",
    "artifacts",
    "attempts",
    "count_by_state",
    "epochs",
    "epochs_curve",
    "evaluated_attempt",
    "evaluation",
    "events",
    "job",
    "jobs",
    "logs",
    "metrics",
    "metrics_curve",
    "milestones",
    "newest_keys",
    "revisions",
    "worker",
    "workers",
]
