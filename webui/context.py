"""What a request may use: made once by the application factory, reached by `current()`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from flask import Flask, current_app, g, request

from core.database.engine import Database
from core.jobs.actors import LOCAL_OWNER, Actor, sees_all
from core.logs import bound
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage.blobs import Storage
from webui.openid import Provider
from webui.request_ids import request_id

_KEY = "trainyard"


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the platform that the web server talks to."""

    settings: Settings
    database: Database
    notifier: Notifier
    wakeups: Wakeups
    storage: Storage
    openid: Provider | None = None
    """By whom people can come in besides."""
    actor: Actor = LOCAL_OWNER
    """Whoever asks, while a request is answered."""

    @property
    def seen_by(self) -> str | None:
        """The name of whoever asks, where private runs of others are not there; else None."""
        return None if sees_all(self.actor) else self.actor.name


def attach(app: Flask, context: Context) -> None:
    """Give an application its context, and each line that a request logs its job."""
    app.extensions[_KEY] = context
    app.before_request(_bind_job)
    app.teardown_request(_unbind_job)


def current() -> Context:
    """The context of the application that serves this request, and who asks."""
    asked: Context | None = g.get("context")
    return asked or of(current_app)


def use(asked: Context) -> None:
    """Let `current` be this until the request is answered."""
    g.context = asked


def of(app: Flask) -> Context:
    """The context of an application."""
    context = app.extensions[_KEY]
    assert isinstance(context, Context)
    return context


def _bind_job() -> None:
    """Every line that is logged meanwhile carries the request, and the job that it names."""
    named = {name: value for name, value in (request.view_args or {}).items() if name == "job_id"}
    g.bound = ExitStack()
    g.bound.enter_context(bound(request_id=request_id(), **named))


def _unbind_job(_error: BaseException | None) -> None:
    g.pop("bound", ExitStack()).close()
