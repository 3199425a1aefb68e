"""Every page: the blueprint, once each page has added its addresses."""

from __future__ import annotations

from webui.pages import (
    account,
    api,
    coach,
    compare,
    deletion,
    edit,
    evaluation,
    hardest,
    insight,
    language,
    login,
    login_code,
    new_run,
    notifications,
    openid,
    people,
    reopened,
    report,
    run,
    runs,
    saved_filters,
    search,
    second_factor,
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
    api,
    coach,
    compare,
    deletion,
    edit,
    evaluation,
    hardest,
    insight,
    language,
    login,
    login_code,
    new_run,
    notifications,
    openid,
    people,
    report,
    run,
    runs,
    saved_filters,
    search,
    second_factor,
    selected,
    sharing,
    storage,
    test_images,
    tryout,
    wall,
    workers,
)

reopened.install(blueprint)

__all__ = ["PAGES", "blueprint"]
