"""Gunicorn around the application: one process with many threads, a watched page holds one."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from core import settings
from webui.app import create_app
from webui.context import Context


class _RootLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's loggers, whose lines go through the root's handler like all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn, set up by our settings instead of a file."""

    def __init__(self, chosen: settings.Settings) -> None:
        self.chosen = chosen
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self.chosen.host}]" if ":" in self.chosen.host else self.chosen.host
        for name, value in {
            "bind": f"{host}:{self.chosen.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self.chosen.web_threads,
            "graceful_timeout": 3,
            "timeout": 60,
            "keepalive": 15,
            "control_socket_disable": True,
            "logger_class": _RootLogger,
            "post_worker_init": _end_streams_on_sigterm,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self.chosen)


def _end_streams_on_sigterm(worker: Any) -> None:
    """Let live streams end at once when the server is told to stop, not when time runs out."""
    go_on = signal.getsignal(signal.SIGTERM)
    context = worker.wsgi.extensions["trainyard"]
    assert isinstance(context, Context)
    assert callable(go_on)

    def stop(number: int, frame: FrameType | None) -> None:
        context.watchers.stop()
        go_on(number, frame)

    signal.signal(signal.SIGTERM, stop)
