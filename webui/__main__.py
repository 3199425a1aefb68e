"""Serve the application: `python -m webui`."""

from __future__ import annotations

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
    Server(create_app(chosen)).run()


if __name__ == "__main__":
    main()
