"""What each person may use, and what holds for a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.accounts import history
from core.jobs import limits, policies
from core.jobs.sharing import Limits
from webui.actions.options import LimitOptions, Owner, QueueName, QueueOptions, checked
from webui.context import Context


def put_limits(context: Context, owner: str, values: Mapping[str, Any]) -> Limits:
    """Say what a person may use, all of it; of nobody by name: who has no limit of their own.

    Raises:
        InvalidInput: naming every wrong field; nothing was changed.
    """
    if owner:
        owner = checked(Owner, {"owner": owner}).owner
    asked = Limits(**checked(LimitOptions, values).model_dump())
    limits.put(context.database, context.actor, owner, asked)
    return asked


def put_queue(context: Context, queue: str, values: Mapping[str, Any]) -> None:
    """Say whether runs of a higher priority may preempt others in a queue; the audit has it.

    Raises:
        InvalidInput: naming every wrong field; nothing was changed.
        Forbidden: the actor may not.
    """
    queue = checked(QueueName, {"queue": queue}).queue
    preempts = checked(QueueOptions, values).preempts
    with context.database.writing() as session:
        if policies.put(session, context.actor, queue, preempts=preempts):
            kind: history.Kind = "preemption_allowed" if preempts else "preemption_forbidden"
            history.append(session, context.actor, kind, payload={"queue": queue})
