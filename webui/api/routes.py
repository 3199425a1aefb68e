"""Every address of the API: the blueprint, once each resource has added its own."""

from __future__ import annotations

from webui.api import (
    accounts,
    advice,
    artifacts,
    curves,
    events,
    filters,
    jobs,
    notifications,
    openapi,
    retention,
    selected,
    sharing,
    spec,
    workers,
)
from webui.api.blueprint import blueprint

RESOURCES = (
    accounts,
    advice,
    artifacts,
    curves,
    events,
    filters,
    jobs,
    notifications,
    openapi,
    retention,
    selected,
    sharing,
    spec,
    workers,
)

__all__ = ["RESOURCES", "blueprint"]
