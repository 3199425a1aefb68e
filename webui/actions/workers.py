"""What is asked of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.jobs import drains
from webui.actions.options import NOTHING, ActionOptions, checked
from webui.context import Context


def drain_worker(context: Context, which: str, values: Mapping[str, Any] = NOTHING) -> int:
    """Let the workers of a name claim nothing new.

    Returns:
        The id of the worker that was named, by its number or its name.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such worker.
    """
    checked(ActionOptions, values)
    return drains.drain(context.database, which, context.actor)


def resume_worker(context: Context, which: str, values: Mapping[str, Any] = NOTHING) -> int:
    """Let the workers of a name claim again, end every rest of theirs, and notify them.

    Returns:
        The id of the worker that was named, by its number or its name.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such worker.
    """
    checked(ActionOptions, values)
    worker_id, queues = drains.resume(context.database, which, context.actor)
    for queue in queues:
        context.notifier.notify(queue)
    return worker_id
