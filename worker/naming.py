"""The name of a host's worker. Imports next to nothing, for the health check runs often."""

from __future__ import annotations

import socket

from core.settings import Settings

LONGEST_NAME = 120


def worker_name(settings: Settings) -> str:
    """The name that the settings give, or the host's."""
    return settings.worker_name or socket.gethostname()[:LONGEST_NAME]
