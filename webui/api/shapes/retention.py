"""What became of several runs at once, what is kept no longer, and what takes how much space."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.errors import TrainyardError
from core.messages import as_json
from core.queries import RunUsage, Usage
from core.retention.cleaning import KINDS, Piece
from webui.api.shapes.base import JSON, Shape, Timestamp


class RefusedShape(Shape):
    """A run with which nothing was done, and why."""

    id: int
    code: str
    params: JSON
    message: str

    @classmethod
    def of(cls, job_id: int, error: TrainyardError) -> RefusedShape:
        """The shape of a refusal."""
        return cls(id=job_id, **as_json(error.reason), message=str(error))


class ManyShape(Shape):
    """What became of a request that is about several runs."""

    done: Annotated[list[int], Field(description="The runs with which it was done.")]
    refused: list[RefusedShape]


class AmountShape(Shape):
    """How much of one kind is removed."""

    kind: str
    runs: Annotated[int, Field(description="Runs of which something is removed.")]
    count: Annotated[int, Field(description="Files, lines or rows.")]
    bytes: int


class CleanShape(Shape):
    """What was removed, or would be."""

    dry_run: bool
    items: list[AmountShape]
    next: Annotated[int | None, Field(description="Send it as `position` to continue.")]

    @classmethod
    def of(cls, piece: Piece, *, dry_run: bool) -> CleanShape:
        """The shape of a piece."""
        items = [
            AmountShape(kind=kind, runs=found.runs, count=found.count, bytes=found.size)
            for kind in KINDS
            if (found := piece.amounts.get(kind)) is not None
        ]
        return cls(dry_run=dry_run, items=items, next=piece.next)


class UsageShape(Shape):
    """What one kind of thing takes."""

    kind: str
    count: int | None
    bytes: int

    @classmethod
    def of(cls, usage: Usage) -> UsageShape:
        """The shape of a kind's usage."""
        return cls(kind=usage.kind, count=usage.count, bytes=usage.size)


class RunUsageShape(Shape):
    """What one run takes."""

    id: int
    name: str
    state: str
    deleted_at: Timestamp | None
    files: Annotated[int, Field(description="Bytes of its artifacts and snapshots.")]
    rows: Annotated[int, Field(description="Bytes of its log and metric samples, about.")]

    @classmethod
    def of(cls, usage: RunUsage) -> RunUsageShape:
        """The shape of a run's usage."""
        job = usage.job
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,
            deleted_at=job.deleted_at,
            files=usage.files,
            rows=usage.rows,
        )


class StorageShape(Shape):
    """What takes how much space."""

    kinds: list[UsageShape]
    largest: list[RunUsageShape]
