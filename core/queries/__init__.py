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
from core.queries.jobs import (
    EVERYTHING,
    SORTS,
    Selection,
    count_by_state,
    job,
    jobs,
    jobs_by_id,
    revisions,
)
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
from core.queries.usage import RunUsage, Usage, by_kind, largest_runs
from core.queries.workers import workers

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
    "RunUsage",
    "Selection",
    "Usage",
    "artifact",
    "artifacts",
    "attempts",
    "by_kind",
    "count_by_state",
    "epochs",
    "epochs_curve",
    "evaluated_attempt",
    "evaluation",
    "events",
    "job",
    "jobs",
    "jobs_by_id",
    "largest_runs",
    "logs",
    "metrics",
    "metrics_curve",
    "milestones",
    "newest_keys",
    "revisions",
    "workers",
]
