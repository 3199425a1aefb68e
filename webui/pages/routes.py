"""Every page: the blueprint, once each page has added its addresses."""

from __future__ import annotations

from webui.pages import evaluation, new_run, run, runs, workers
from webui.pages.blueprint import blueprint

PAGES = (evaluation, new_run, run, runs, workers)

__all__ = ["PAGES", "blueprint"]
