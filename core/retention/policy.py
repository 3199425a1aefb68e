"""How long what runs leave behind is kept."""

from __future__ import annotations

from dataclasses import dataclass

from core import previews
from core.settings import Settings

DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What is removed after how many seconds; None: it is kept for ever."""

    snapshots_s: float | None = None
    """Of runs that are failed or paused, since then; others have rules of their own."""

    artifacts_s: float | None = None
    """Since the run has ended."""

    logs_s: float | None = None
    """Since the run has ended."""

    workers_s: float | None = None
    """The rows of workers that no run names, since they stopped or were lost."""

    previews_s: float | None = None
    """Since they were asked for."""

    keep_tag: str = ""
    """Runs with this tag keep everything; empty: no tag protects."""

    unnamed_s: float = DAY_S
    """A file of the store that no row names, since it was found."""


def of(settings: Settings) -> Policy:
    """The policy of an installation."""
    return Policy(
        snapshots_s=_days(settings.keep_snapshots_days),
        artifacts_s=_days(settings.keep_artifacts_days),
        logs_s=_days(settings.keep_logs_days),
        workers_s=_days(settings.keep_workers_days),
        previews_s=previews.KEPT_FOR_S,
        keep_tag=settings.keep_tag,
        unnamed_s=settings.unnamed_hours * 3600.0,
    )


def _days(days: float) -> float | None:
    return days * DAY_S if days else None
