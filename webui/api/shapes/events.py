"""Something that happened to a job."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.database.models import JobEvent
from core.jobs.event_messages import describe
from core.messages import as_json
from webui.api.shapes.base import JSON, Shape, Timestamp


class EventShape(Shape):
    """An event of a job's history; its id is a position in the history of all jobs."""

    id: int
    job_id: int
    at: Timestamp
    actor: JSON
    kind: str
    attempt: int
    payload: JSON
    code: str
    params: JSON
    text: Annotated[str, Field(description="What happened, in English.")]

    @classmethod
    def of(cls, row: JobEvent) -> EventShape:
        """The shape of an event."""
        description = describe(row)
        return cls(
            **{name: getattr(row, name) for name in _AS_STORED},
            **as_json(description),
            text=description.text,
        )


_AS_STORED = ("id", "job_id", "at", "actor", "kind", "attempt", "payload")
