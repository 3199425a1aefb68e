"""Serve the application: `python -m webui`."""

from __future__ import annotations

import gc
import importlib
import socket
import sys
from collections.abc import Sequence

from core import logs, settings
from core.errors import TrainyardError
from core.settings import Settings
from webui import processes


def main() -> None:
    """Serve until told to stop."""
    try:
        chosen = settings.load()
        logs.configure(chosen.log_format)
        if chosen.web_processes == 1:
            _load()
            _serve(chosen, None)
        else:
            _serve_by_several(chosen)
    except TrainyardError as error:
        sys.exit(str(error))


def _serve_by_several(chosen: Settings) -> None:
    sockets = processes.listening(chosen.host, chosen.port)
    with processes.counting_together():
        _load()
        several = processes.Processes(
            chosen.web_processes, sockets, lambda shared: _serve(chosen, shared)
        )
        several.run()


def _load() -> None:
    """Read the programs.

    What is loaded by now stays: to go through it again took one answer in five half as long again,
    and a submit of many runs as long as to check them. Processes that are forked share it.
    """
    importlib.import_module("webui.app")
    importlib.import_module("webui.server")
    gc.collect()
    gc.freeze()


def _serve(chosen: Settings, sockets: Sequence[socket.socket] | None) -> None:
    # where several processes count together they must say so before this is loaded
    from webui.app import create_app  # noqa: PLC0415
    from webui.server import Server  # noqa: PLC0415

    Server(create_app(chosen)).run(sockets)


if __name__ == "__main__":
    main()
