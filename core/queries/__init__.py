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
from core.queries.jobs import count_by_state, job, jobs
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
)
from core.queries.workers import workers

__all__ = [
    "DEFAULT_LIMIT",
    "LARGEST_LIMIT",
    "MEASURED",
    "METRICS",
    "MOST_POINTS",
    "Curve",
    "Extent",
    "Page",
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
    "workers",
]
