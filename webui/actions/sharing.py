"""What each person may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.jobs import limits
from core.jobs.sharing import Limits
from webui.actions.options import LimitOptions, Owner, checked
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
