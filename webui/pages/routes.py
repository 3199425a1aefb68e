"""Every page: the blueprint, once each page has added its addresses."""

from __future__ import annotations

from webui.pages import (
    compare,
    deletion,
    edit,
    evaluation,
    new_run,
    report,
    run,
    runs,
    storage,
    tryout,
    workers,
)
from webui.pages.blueprint import blueprint

PAGES = (
    compare,
    deletion,
    edit,
    evaluation,
    new_run,
    report,
    run,
    runs,
    storage,
    tryout,
    workers,
)

__all__ = ["PAGES", "blueprint"]
