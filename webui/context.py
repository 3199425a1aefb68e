"""What a request may use: made once by the application factory, reached by `current()`."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from core.database.engine import Database
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage.blobs import Storage
from webui.live.watchers import Watchers

_KEY = "trainyard"


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the platform that the web server talks to."""

    settings: Settings
    database: Database
    notifier: Notifier
    wakeups: Wakeups
    storage: Storage
    watchers: Watchers


def attach(app: Flask, context: Context) -> None:
    """Give an application its context."""
    app.extensions[_KEY] = context


def current() -> Context:
    """The context of the application that serves this request."""
    context = current_app.extensions[_KEY]
    assert isinstance(context, Context)
    return context
