"""Every page: the blueprint, once each page has added its addresses."""

from __future__ import annotations

from webui.pages import (
    account,
    coach,
    compare,
    deletion,
    edit,
    evaluation,
    hardest,
    insight,
    language,
    login,
    new_run,
    notifications,
    openid,
    people,
    report,
    run,
    runs,
    saved_filters,
    search,
    selected,
    sharing,
    storage,
    test_images,
    tryout,
    wall,
    workers,
)
from webui.pages.blueprint import blueprint

PAGES = (
    account,
    coach,
    compare,
    deletion,
    edit,
    evaluation,
    hardest,
    insight,
    language,
    login,
    new_run,
    notifications,
    openid,
    people,
    report,
    run,
    runs,
    saved_filters,
    search,
    selected,
    sharing,
    storage,
    test_images,
    tryout,
    wall,
    workers,
)

__all__ = ["PAGES", "blueprint"]
