"""A worker as other programs see it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from core import workers
from core.database.models import Job, Worker
from core.jobs.rests import Rest, parse, work_message
from core.workers import Status
from webui.api.shapes.base import JSON, Reason, Shape, Timestamp


class RestShape(Shape):
    """A kind of work that a worker cannot do now."""

    work: Annotated[str, Field(description="`everything`, `device:cuda` or `dataset:` and a name.")]
    text: Annotated[str, Field(description="The work in English, such as `runs on mnist`.")]
    kind: Annotated[str, Field(description="As `error.kind` of a run.")]
    reason: Reason
    tries: Annotated[int, Field(description="How often it was tried in vain, in a row.")]
    since: Timestamp
    until: Annotated[Timestamp, Field(description="The next run may try it after this moment.")]
    job_id: Annotated[int, Field(description="The run that met it last; it may be deleted by now.")]

    @classmethod
    def of(cls, rest: Rest) -> RestShape:
        """The shape of a rest."""
        return cls(
            work=rest.work,
            text=work_message(rest.work).text,
            kind=rest.kind,
            reason=Reason.of(rest.reason),
            tries=rest.tries,
            since=rest.since,
            until=rest.until,
            job_id=rest.job_id,
        )


class WorkerShape(Shape):
    """A worker, and the jobs that it runs."""

    id: int
    name: str
    process_id: int
    version: str
    queues: list[str]
    devices: list[Any]
    slots: int
    status: Annotated[
        Status,
        Field(description="`lost`: it has not stopped, and is not live; by the database's clock."),
    ]
    is_live: Annotated[bool, Field(description="Whether it is up, by the database's clock.")]
    slots_taken: int
    running: list[int]
    started_at: Timestamp
    last_heartbeat_at: Timestamp
    seen_at: Annotated[Timestamp, Field(deprecated=True, description="Use `last_heartbeat_at`.")]
    stopped_at: Timestamp | None
    lost_at: Annotated[
        Timestamp | None, Field(description="When it was found to be lost; null: not yet.")
    ]
    rests: Annotated[list[RestShape], Field(description="What it cannot do now, and why.")]
    desired: Annotated[
        Literal["run", "drain"],
        Field(description="`drain`: it claims nothing new, and finishes what it runs."),
    ]
    desired_at: Timestamp | None
    desired_by: str | None
    versions: Annotated[JSON, Field(description="Of `python`, `torch`, `cuda`, `driver`.")]
    gauges: Annotated[
        JSON, Field(description="How busy its host and devices are, as far as it can tell.")
    ]

    @classmethod
    def of(cls, row: tuple[Worker, list[Job], bool]) -> WorkerShape:
        """The shape of a worker with its jobs."""
        worker, running, is_live = row
        return cls(
            id=worker.id,
            name=worker.name,
            process_id=worker.process_id,
            version=worker.version,
            queues=worker.queues,
            devices=worker.devices,
            slots=worker.slots,
            status=workers.status(worker, is_live=is_live),
            is_live=is_live,
            slots_taken=sum(job.devices for job in running),
            running=[job.id for job in running],
            started_at=worker.started_at,
            last_heartbeat_at=worker.last_heartbeat_at,
            seen_at=worker.last_heartbeat_at,
            stopped_at=worker.stopped_at,
            lost_at=worker.lost_at,
            rests=[RestShape.of(rest) for rest in parse(worker.rests)],
            desired="drain" if worker.desired == "drain" else "run",
            desired_at=worker.desired_at,
            desired_by=worker.desired_by,
            versions=worker.versions,
            gauges=worker.gauges if is_live else {},
        )
