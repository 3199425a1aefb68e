"""The queues as other programs see them: what waits, what is idle, and how the last day was."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.jobs.overview import Overview, Waiting
from core.queries import LastDay
from webui.api.shapes.base import Reason, Shape, Timestamp


class LineShape(Shape):
    """Runs that wait in one queue and need the same."""

    queue: str
    device: str
    devices: int
    dataset: str
    count: int
    first_id: Annotated[int, Field(description="The run that is first among them.")]
    reason: Annotated[Reason, Field(description="Why that one waits.")]
    is_stuck: Annotated[bool, Field(description="Whether no live worker can ever run it.")]

    @classmethod
    def of(cls, each: Waiting) -> LineShape:
        """The shape of a part of a queue."""
        return cls(
            queue=each.queue,
            device=each.device,
            devices=each.devices,
            dataset=each.dataset,
            count=each.count,
            first_id=each.first_id,
            reason=Reason.of(each.first.with_time),
            is_stuck=each.first.is_stuck,
        )


class HourShape(Shape):
    """The runs that ended in an hour."""

    begins_at: Timestamp
    succeeded: int
    failed: int


class QueueShape(Shape):
    """All queues."""

    waiting: list[LineShape]
    gpus: Annotated[int, Field(description="GPUs of live workers that are not drained.")]
    idle_gpus: int
    since: Annotated[Timestamp, Field(description="From when on the numbers below are.")]
    started: int
    median_wait_s: float | None
    tail_wait_s: Annotated[
        float | None, Field(description="95% of the runs started after no longer a wait.")
    ]
    ended_per_hour: float
    hours: list[HourShape]

    @classmethod
    def of(cls, now: Overview, day: LastDay) -> QueueShape:
        """The shape of an overview and of the last day."""
        return cls(
            waiting=[LineShape.of(each) for each in now.waiting],
            gpus=now.gpus,
            idle_gpus=now.idle_gpus,
            since=day.since,
            started=day.started,
            median_wait_s=day.median_wait_s,
            tail_wait_s=day.tail_wait_s,
            ended_per_hour=day.ended_per_hour,
            hours=[HourShape.model_validate(hour) for hour in day.hours],
        )
