"""What is asked of one run. Each tells its worker and its viewers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.database.models import Job
from core.jobs import deletion, editing, lifecycle
from webui.actions.options import NOTHING, ActionOptions, Edit, RetryOptions, checked
from webui.context import Context


def cancel(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Ask that a job be cancelled, and wake its worker and its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
    """
    checked(ActionOptions, values)
    return announced(context, lifecycle.cancel(context.database, job_id, context.actor))


def pause(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Ask that a job be paused, and wake its worker and its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it has ended, or is being cancelled.
    """
    checked(ActionOptions, values)
    return announced(context, lifecycle.pause(context.database, job_id, context.actor))


def resume(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Let a paused job resume, notify the workers, and wake its worker and its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it has ended, or is being cancelled.
    """
    checked(ActionOptions, values)
    return announced(
        context, lifecycle.resume(context.database, job_id, context.actor), notify=True
    )


def retry(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Give a failed job another try, notify the workers, and wake its viewers.

    One that waits for the device that it is pinned to may be started from scratch as well.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it is neither.
    """
    asked = checked(RetryOptions, values)
    job = lifecycle.retry(context.database, job_id, context.actor, from_scratch=asked.from_scratch)
    return announced(context, job, notify=True)


def edit(context: Context, job_id: int, values: Mapping[str, Any]) -> Job:
    """Change a run's name, tags, notes or who sees it, and wake its viewers.

    Raises:
        InvalidInput: naming every wrong field; nothing was changed.
        NotFound: there is no such job.
        Conflict: it was deleted.
    """
    asked = checked(Edit, values)
    job = editing.edit(
        context.database,
        job_id,
        context.actor,
        name=asked.name,
        tags=asked.tags,
        notes=asked.notes,
        private=asked.private,
    )
    return announced(context, job)


def delete(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Delete a run, so that it can be restored for a while, and wake its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it is running.
    """
    checked(ActionOptions, values)
    return delete_one(context, job_id)


def restore(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Undo a delete, notify the workers, and wake the viewers of the run.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it was deleted too long ago.
    """
    checked(ActionOptions, values)
    return restore_one(context, job_id)


def delete_one(context: Context, job_id: int) -> Job:
    """Delete a run, and tell its viewers."""
    undo_s = context.settings.undo_hours * 3600.0
    return announced(context, deletion.delete(context.database, job_id, context.actor, undo_s))


def restore_one(context: Context, job_id: int) -> Job:
    """Restore a run; one that was queued is queued again."""
    job = deletion.restore(context.database, job_id, context.actor)
    return announced(context, job, notify=job.state == "queued")


def announced(context: Context, job: Job, *, notify: bool = False) -> Job:
    """Notify workers and viewers of a change of a job."""
    if notify:
        context.notifier.notify(job.queue)
    context.wakeups.announce("asked", job.id)
    context.wakeups.announce("changed", job.id)
    return job
