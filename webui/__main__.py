"""Serve the application: `python -m webui`."""

from __future__ import annotations

import gc
import sys

from core import logs, settings
from core.errors import TrainyardError
from webui.app import create_app
from webui.server import Server


def main() -> None:
    """Serve until told to stop."""
    try:
        chosen = settings.load()
    except TrainyardError as error:
        sys.exit(str(error))
    logs.configure(chosen.log_format)
    server = Server(create_app(chosen))
    # what is loaded by now stays: to go through it again took one answer in five half as long
    # again, and a submit of many runs as long as to check them
    gc.collect()
    gc.freeze()
    server.run()


if __name__ == "__main__":
    main()
