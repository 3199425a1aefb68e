"""What a request may use: made once by the application factory, reached by `current()`."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from core.artifacts import Artifacts
from core.database import Database
from core.doorbell import Doorbell
from core.settings import Settings
from core.wakeup import Wakeups
from webui.live import Watchers

_KEY = "trainyard"


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the platform that the web server talks to."""

    settings: Settings
    database: Database
    doorbell: Doorbell
    wakeups: Wakeups
    artifacts: Artifacts
    watchers: Watchers


def attach(app: Flask, context: Context) -> None:
    """Give an application its context."""
    app.extensions[_KEY] = context


def current() -> Context:
    """The context of the application that serves this request."""
    context = current_app.extensions[_KEY]
    assert isinstance(context, Context)
    return context
