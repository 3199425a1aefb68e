"""What happened to a run: the events of its history."""

from __future__ import annotations

from core.messages.template import Plural, Template

EVENTS: dict[str, Template] = {
    "event.submitted": "Submitted by {name}",
    "event.claimed": "Claimed by {name} as attempt {attempt}",
    "event.started": Plural(
        "threads",
        "Started on {device} in {precision}, {threads} thread",
        "Started on {device} in {precision}, {threads} threads",
    ),
    "event.started_from_snapshot": Plural(
        "threads",
        "Resumed at step {step:number} on {device} in {precision}, {threads} thread",
        "Resumed at step {step:number} on {device} in {precision}, {threads} threads",
    ),
    "event.snapshot": Plural(
        "epoch",
        "Snapshot at step {step:number}, {epoch} epoch done",
        "Snapshot at step {step:number}, {epoch} epochs done",
        "Snapshot at step {step:number}, in epoch 1",
    ),
    "event.snapshots": Plural(
        "epoch",
        "{count:number} snapshots, the last at step {step:number}, {epoch} epoch done",
        "{count:number} snapshots, the last at step {step:number}, {epoch} epochs done",
        "{count:number} snapshots, the last at step {step:number}, in epoch 1",
    ),
    "event.crashed": "Crashed",
    "event.crashed_because": "Crashed: {reason}",
    "event.lost": "Worker lost",
    "event.lost_because": "{reason}",
    "event.drained": "Returned to the queue: {name} was shut down",
    "event.drained_because": "Returned to the queue: {reason}",
    "event.worker_fault": "Returned to the queue: {name} could not run it. {reason}",
    "event.worker_resumed": "{name} let {worker} work again",
    "event.pause_requested": "Pause requested by {name}",
    "event.pause_withdrawn": "Pause withdrawn by {name}",
    "event.paused": "Paused",
    "event.paused_by": "Paused by {name}",
    "event.paused_and_resumed": "Stopped for a pause that was withdrawn meanwhile; queued again",
    "event.resumed": "Resumed by {name}",
    "event.cancel_requested": "Cancellation requested by {name}",
    "event.cancelled": "Cancelled",
    "event.cancelled_by": "Cancelled by {name}",
    "event.retried": "Retried by {name}",
    "event.retried_from_scratch": "Restarted from scratch by {name}",
    "event.finished": "Finished: all epochs completed",
    "event.finished_early": "{reason}",
    "event.failed": "Failed",
    "event.failed_because": "Failed: {reason}",
    "event.deleted": "Deleted by {name}",
    "event.deleted_while_queued": "Taken off the queue and deleted by {name}",
    "event.restored": "Restored by {name}",
    "event.restored_and_queued": "Restored and queued again by {name}",
    "event.cleaned_snapshots": "Snapshots removed by {name} to free space",
    "event.cleaned_artifacts": "Artifacts removed by {name} to free space",
    "event.cleaned_logs": "Log removed by {name} to free space",
}
