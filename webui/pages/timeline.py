"""The timeline of a run's page: what happened, attempt by attempt, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.database.models import JobEvent
from core.jobs.event_messages import describe, describe_snapshots
from webui.api.shapes import JSON, timestamp

MOST_EVENTS = 1000

Milestone = tuple[JobEvent, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened."""

    id: int
    at: str
    kind: str
    text: str

    @classmethod
    def of(cls, milestone: Milestone) -> Entry:
        """The entry of an event, or of several snapshots."""
        event, count = milestone
        description = (
            describe_snapshots(event, count) if event.kind == "snapshot" else describe(event)
        )
        return cls(event.id, timestamp(event.at), event.kind, description.text)


@dataclass(frozen=True, slots=True)
class Chapter:
    """What happened from the beginning of an attempt to that of the next."""

    number: int
    """Of the attempt; 0: before the first."""
    attempt: JSON | None
    entries: Sequence[Entry]

    @property
    def has_beginning(self) -> bool:
        """Whether the entries say who ran it on what; those of earlier releases have none."""
        return any(entry.kind == "claimed" for entry in self.entries)


def timeline(milestones: Sequence[Milestone], attempts: Sequence[JSON]) -> list[Chapter]:
    """The chapters of a run, newest first, as are their entries.

    Args:
        milestones: events of its history, with how many each stands for.
        attempts: the attempts, as the API gives them; one of an earlier release has no events.
    """
    by_number = {attempt["number"]: attempt for attempt in attempts}
    entries: dict[int, list[Entry]] = {number: [] for number in by_number}
    for event, count in reversed(milestones):
        entries.setdefault(event.attempt, []).append(Entry.of((event, count)))
    return [
        Chapter(number, by_number.get(number), entries[number])
        for number in sorted(entries, reverse=True)
    ]
