"""The browser that tests and benches drive: the machine's own Chromium."""

from __future__ import annotations

import os
import shutil

from tests.services import UnavailableHereError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str:
    """The path of the program.

    Raises:
        UnavailableHereError: there is none.
    """
    program = os.environ.get("TRAINYARD_CHROMIUM") or next(
        filter(None, map(shutil.which, PROGRAMS)), None
    )
    if program is None:
        raise UnavailableHereError("no Chromium; set TRAINYARD_CHROMIUM")
    return program
