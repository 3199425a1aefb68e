"""What is asked of several runs at once. One that is refused keeps no other from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import queries
from core.database.models import Job
from core.errors import Conflict, Forbidden, InvalidInput, NotFound, TrainyardError
from core.jobs import editing
from core.messages import message
from core.states import FINAL
from webui.actions.options import ManyOptions, TagOptions, checked
from webui.actions.runs import announced, cancel, delete_one, restore_one, retry
from webui.context import Context


@dataclass(frozen=True, slots=True)
class Many:
    """What became of a request that is about several runs."""

    done: Sequence[int]
    refused: Sequence[tuple[int, TrainyardError]]
    pending: Sequence[int] = ()
    """Those of `done` that still run: it takes effect when their processes have ended."""


def delete_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Delete several runs; one that cannot be deleted keeps no other from it.

    Raises:
        InvalidInput: naming every wrong field; nothing was deleted.
    """
    return _each(context, values, delete_one)


def restore_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Restore several runs; one that cannot be restored keeps no other from it.

    Raises:
        InvalidInput: naming every wrong field; nothing was restored.
    """
    return _each(context, values, restore_one)


def cancel_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Ask that several runs be cancelled; those that had ended already are named as refused.

    Raises:
        InvalidInput: naming every wrong field; nothing was cancelled.
    """
    return _each(context, values, _cancelled)


def retry_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Give several failed runs another try; one that has not failed keeps no other from it.

    Raises:
        InvalidInput: naming every wrong field; nothing was retried.
    """
    return _each(context, values, retry)


def tag_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Give several runs some tags, and take others away.

    Raises:
        InvalidInput: naming every wrong field; nothing was changed.
    """
    asked = checked(TagOptions, values)
    if not (asked.add or asked.remove):
        raise InvalidInput.one("add", message("input.no_tag"))

    def tag(context: Context, job_id: int) -> Job:
        tags = {"add": asked.add, "remove": asked.remove}
        return announced(context, editing.retag(context.database, job_id, context.actor, **tags))

    return _each(context, {"ids": asked.ids}, tag)


def _cancelled(context: Context, job_id: int) -> Job:
    with context.database.reading() as session:
        before, _ = queries.job(session, job_id)
    job = cancel(context, job_id)
    if before.state in FINAL or job.state in FINAL - {"cancelled"}:
        raise Conflict(message("run.had_ended", job_id=job_id, state=job.state))
    return job


def _each(
    context: Context, values: Mapping[str, Any], action: Callable[[Context, int], Job]
) -> Many:
    done: list[int] = []
    pending: list[int] = []
    refused: list[tuple[int, TrainyardError]] = []
    for job_id in dict.fromkeys(checked(ManyOptions, values).ids):
        try:
            job = action(context, job_id)
            done.append(job.id)
            pending += [job.id] if job.state == "running" else []
        except (NotFound, Conflict, Forbidden) as error:
            refused.append((job_id, error))
    return Many(done, refused, pending)
