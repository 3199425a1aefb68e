"""Saved filters of the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import saved_filters
from core.database.models import SavedFilter
from webui.actions.options import FilterOptions, checked
from webui.context import Context


def save_filter(context: Context, values: Mapping[str, Any]) -> SavedFilter:
    """Keep a view of the list under a name; one that has the name already is replaced.

    Raises:
        InvalidInput: naming every wrong field; nothing was saved.
        Conflict: there are too many.
    """
    asked = checked(FilterOptions, values)
    return saved_filters.save(context.database, context.actor.name, asked.name, asked.query)


def remove_filter(context: Context, filter_id: int) -> SavedFilter:
    """Forget a saved filter.

    Raises:
        NotFound: there is no such filter.
    """
    return saved_filters.remove(context.database, context.actor.name, filter_id)
