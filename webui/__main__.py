"""Serve the application: `python -m webui`."""

from __future__ import annotations

import logging
import sys

from core import settings
from core.errors import TrainyardError
from webui.server import Server


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s web %(levelname)s %(message)s")
    try:
        chosen = settings.load()
    except TrainyardError as error:
        sys.exit(str(error))
    Server(chosen).run()


if __name__ == "__main__":
    main()
