"""What is kept no longer is removed, by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from core.jobs import deletion
from core.retention import cleaning, policy
from core.retention.cleaning import Piece
from core.retention.policy import DAY_S, Policy
from webui.actions.options import CleanOptions, checked
from webui.context import Context

CLEANING_S = 10.0
"""After so many seconds a request that removes things answers, and says where to continue."""


def clean(context: Context, values: Mapping[str, Any]) -> tuple[CleanOptions, Piece]:
    """Remove what is asked for, or only say what that would be; for some seconds at most.

    Raises:
        InvalidInput: naming every wrong field; nothing was removed.
    """
    asked = checked(CleanOptions, values)
    whole = Piece()
    deadline = time.monotonic() + CLEANING_S
    if asked.deleted and not asked.position:
        whole.merge(cleaning.purge_now(context.database, context.actor, dry_run=asked.dry_run))
        # what is left by then, the housekeeping removes
        while (
            not asked.dry_run and time.monotonic() < deadline and deletion.purge(context.database)
        ):
            pass
    rules, position = _rules(context, asked), asked.position
    while True:
        part = cleaning.clean(
            context.database, rules, context.actor, position, dry_run=asked.dry_run
        )
        whole.merge(part)
        if part.next is None or time.monotonic() > deadline:
            return asked, whole
        position = part.next


def _rules(context: Context, asked: CleanOptions) -> Policy:
    """What is to be removed: by the days that are asked for, else by those of the settings."""
    own = policy.of(context.settings)
    by_hand = Policy(
        snapshots_s=_seconds(asked.snapshots_days),
        artifacts_s=_seconds(asked.artifacts_days),
        logs_s=_seconds(asked.logs_days),
        workers_s=_seconds(asked.workers_days),
        previews_s=_seconds(asked.previews_days),
        keep_tag=own.keep_tag,
    )
    return by_hand if asked.deleted or by_hand != Policy(keep_tag=own.keep_tag) else own


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * DAY_S
