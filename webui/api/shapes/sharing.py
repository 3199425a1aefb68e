"""How everybody stands beside the others, and what each may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.database.models import QueuePolicy
from core.jobs.shares import Share
from core.jobs.sharing import Limits
from webui.api.shapes.base import Reason, Shape, Timestamp


class LimitsShape(Shape):
    """What a person may use; null: as everybody may, and for everybody: as much as there is."""

    most_running: Annotated[int | None, Field(description="Runs that run at once.")]
    most_queued: Annotated[int | None, Field(description="Runs that wait.")]
    device_hours_a_week: Annotated[
        float | None, Field(description="Over today and the six days before, in UTC.")
    ]
    storage_bytes: Annotated[int | None, Field(description="Bytes of artifacts and snapshots.")]


class ShareShape(Shape):
    """One person beside the others."""

    owner: str
    running: int
    devices: Annotated[int, Field(description="Slots that their runs hold now.")]
    queued: int
    used_s: Annotated[
        float,
        Field(description="Device-seconds, what is older counting less: half after seven days."),
    ]
    share: Annotated[float, Field(description="Their part of what all have used so, up to 1.")]
    week_s: Annotated[float, Field(description="Device-seconds of the last seven days, all of it.")]
    stored_bytes: int
    limits: Annotated[LimitsShape, Field(description="Those that were set for them.")]
    held_up: Annotated[
        Reason | None, Field(description="Why no other run of theirs may begin now.")
    ]

    @classmethod
    def of(cls, share: Share) -> ShareShape:
        """The shape of a person's standing."""
        return cls(
            owner=share.owner,
            running=share.use.runs,
            devices=share.use.devices,
            queued=share.queued,
            used_s=share.use.device_seconds,
            share=share.share,
            week_s=share.week_s,
            stored_bytes=share.stored,
            limits=LimitsShape.model_validate(share.own),
            held_up=Reason.of(share.hindrance) if share.hindrance else None,
        )


class QueuePolicyShape(Shape):
    """What holds for a queue."""

    queue: str
    preempts: Annotated[
        bool,
        Field(description="Whether its runs of a higher priority may preempt those of a lower."),
    ]
    changed_at: Timestamp | None
    changed_by: Annotated[str | None, Field(description="Who said so last; null: nobody has.")]

    @classmethod
    def of(cls, row: QueuePolicy) -> QueuePolicyShape:
        """The shape of a queue's policy."""
        return cls(
            queue=row.queue,
            preempts=row.preempts,
            changed_at=row.changed_at,
            changed_by=row.changed_by,
        )


class SharingShape(Shape):
    """How the devices are shared."""

    everybody: Annotated[LimitsShape, Field(description="For whoever has no limit of their own.")]
    people: Annotated[list[ShareShape], Field(description="Who has used most lately, first.")]
    queues: Annotated[list[QueuePolicyShape], Field(description="Those that are used or served.")]

    @classmethod
    def of(cls, everybody: Limits, people: list[Share], queues: list[QueuePolicy]) -> SharingShape:
        """The shape of all standings."""
        return cls(
            everybody=LimitsShape.model_validate(everybody),
            people=[ShareShape.of(each) for each in people],
            queues=[QueuePolicyShape.of(each) for each in queues],
        )
