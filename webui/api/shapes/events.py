"""Something that happened to a job."""

from __future__ import annotations

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
