"""The JSON shapes of the API: the contract that other programs rely on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from core.database.models import (
    Artifact,
    Attempt,
    Epoch,
    Evaluation,
    Job,
    LogLine,
    MetricSample,
    Worker,
)
from core.datasets.builtin import Dataset
from core.jobs import snapshots, status
from core.jobs.status import QueueStatus
from core.messages import as_json
from core.queries import Page
from core.spec.presets import Preset
from core.spec.shapes import Summary

JSON = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC, to the microsecond."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def page(rows: Page[Any], shape: Callable[[Any], JSON]) -> JSON:
    """A list, with the cursor of what follows."""
    return {"items": [shape(row) for row in rows.items], "next": rows.next}


def jobs(session: Session, rows: Page[tuple[Job, str | None]]) -> JSON:
    """A list of jobs."""
    waits = status.explain(session, [row for row, _ in rows.items])
    return page(rows, lambda row: job(row[0], row[1], waits.get(row[0].id)))


def whole_job(session: Session, row: Job, worker_name: str | None) -> JSON:
    """A job by itself: it tells besides from where it can go on."""
    points = snapshots.newest_first(session, row.id)
    waits = status.explain(session, [row])
    return job(row, worker_name, waits.get(row.id), points[0] if points else None)


def job(
    row: Job,
    worker_name: str | None,
    waits: QueueStatus | None,
    point: snapshots.SnapshotRef | None = None,
) -> JSON:
    """A job, why it waits, and the place from which it can go on."""
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "desired": row.desired,
        "preset": row.preset,
        "spec": row.spec,
        "priority": row.priority,
        "queue": row.queue,
        "devices": row.devices,
        "attempt": row.attempt,
        "created_at": moment(row.created_at),
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
        "desired_at": moment(row.desired_at),
        "desired_by": row.desired_by,
        "progress": progress(row),
        "train_loss": row.train_loss,
        "validation_loss": row.validation_loss,
        "validation_accuracy": row.validation_accuracy,
        "test_loss": row.test_loss,
        "test_accuracy": row.test_accuracy,
        "stop_reason": row.stop_reason.text if row.stop_reason else None,
        "weights_sha256": row.weights_sha256,
        "error": None
        if row.error_kind is None
        else {
            "kind": row.error_kind,
            "message": row.error_message.text if row.error_message else None,
            "traceback": row.error_traceback,
        },
        "worker": worker_name,
        "queue_status": queue_status(waits) if waits else None,
        "last_heartbeat_at": moment(row.last_heartbeat_at) if row.state == "running" else None,
        "snapshot": snapshot(row, point) if point else None,
    }


def queue_status(waits: QueueStatus) -> JSON:
    """Why a job is not running."""
    return {
        "position": waits.position,
        "reason": waits.with_time.text,
        **as_json(waits.reason),
        "eta_s": waits.eta_s,
        "is_stuck": waits.is_stuck,
    }


def snapshot(row: Job, point: snapshots.SnapshotRef) -> JSON:
    """Where a run can go on from: whole epochs done, batches of the next one, batches in all."""
    batch = point.step - point.epoch * row.batches if row.batches else 0
    return {"epoch": point.epoch, "batch": batch, "step": point.step}


def progress(row: Job) -> JSON:
    """How far a job is: whole batches of the current epoch, and the share of the whole run."""
    fraction = 0.0
    if row.epoch and row.batches and row.epochs:
        done = (row.epoch - 1) * row.batches + row.batch
        fraction = min(1.0, done / (row.batches * row.epochs))
    return {
        "epoch": row.epoch,
        "epochs": row.epochs,
        "batch": row.batch,
        "batches": row.batches,
        "fraction": 1.0 if row.state == "succeeded" else fraction,
        "eta_s": row.eta_s,
        "images_per_s": row.images_per_s,
    }


def epoch(row: Epoch) -> JSON:
    """The measurements of an epoch."""
    return {
        "epoch": row.epoch,
        "train_loss": row.train_loss,
        "validation_loss": row.validation_loss,
        "validation_accuracy": row.validation_accuracy,
        "test_loss": row.test_loss,
        "test_accuracy": row.test_accuracy,
        "learning_rate": row.learning_rate,
        "gradient_norm": row.gradient_norm,
        "memory_bytes": row.memory_bytes,
        "seconds": row.seconds,
        "images_per_s": row.images_per_s,
    }


def point(row: MetricSample) -> JSON:
    """A reading in mid-epoch."""
    return {
        "step": row.step,
        "epoch": row.epoch,
        "batch": row.batch,
        "train_loss": row.train_loss,
        "learning_rate": row.learning_rate,
        "images_per_s": row.images_per_s,
    }


def log_line(row: LogLine) -> JSON:
    """A line of the log."""
    return {
        "attempt": row.attempt,
        "number": row.number,
        "time": moment(row.time),
        "level": row.level,
        "text": row.text,
    }


def checkpoint(row: Artifact) -> JSON:
    """A file to download."""
    return {
        "id": row.id,
        "format": row.format,
        "filename": row.filename,
        "size": row.size,
        "sha256": row.sha256,
        "epoch": row.epoch,
        "created_at": moment(row.created_at),
    }


def attempt(row: tuple[Attempt, str]) -> JSON:
    """One try at a job."""
    tried, worker_name = row
    return {
        "number": tried.number,
        "worker": worker_name,
        "device": tried.device,
        "threads": tried.threads,
        "precision": tried.precision,
        "micro_batch": tried.micro_batch,
        "first_step": tried.first_step,
        "secured_step": tried.secured_step,
        "started_at": moment(tried.started_at),
        "finished_at": moment(tried.finished_at),
        "outcome": tried.outcome,
        "reason": tried.reason.text if tried.reason else None,
    }


def evaluation(row: Evaluation) -> JSON:
    """What the published weights do on the test set."""
    return {"attempt": row.attempt, **row.content}


def network(summary: Summary) -> JSON:
    """The blocks of a network, first to last, and their sums."""
    return {
        "parameters": summary.parameters,
        "multiply_adds": summary.multiply_adds,
        "blocks": [
            {
                "name": block.name,
                "shape": list(block.shape),
                "parameters": block.parameters,
                "multiply_adds": block.multiply_adds,
            }
            for block in summary.blocks
        ],
    }


def preset(row: Preset) -> JSON:
    """A named spec."""
    return {
        "name": row.name,
        "title": row.title,
        "reason": row.reason,
        "result": row.result or None,
        "spec": row.spec.model_dump(mode="json"),
    }


def dataset(row: Dataset) -> JSON:
    """What is known of a dataset."""
    return {
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "channels": row.channels,
        "size": row.size,
        "classes": list(row.classes),
        "train_count": row.train_count,
        "test_count": row.test_count,
        "mean": list(row.mean),
        "std": list(row.std),
        "license": row.license,
        "source": row.source,
    }


def worker(row: tuple[Worker, list[Job], bool]) -> JSON:
    """A worker, and the jobs that it runs."""
    found, running, is_live = row
    return {
        "id": found.id,
        "name": found.name,
        "process_id": found.process_id,
        "version": found.version,
        "queues": found.queues,
        "devices": found.devices,
        "slots": found.slots,
        "is_live": is_live,
        "slots_taken": sum(job.devices for job in running),
        "running": [job.id for job in running],
        "started_at": moment(found.started_at),
        "last_heartbeat_at": moment(found.last_heartbeat_at),
        "stopped_at": moment(found.stopped_at),
    }
